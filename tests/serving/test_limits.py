"""What an artifact may cost to load: a bomb is a sentence with its reason, and a sound one does not notice."""

import json
import multiprocessing
import resource
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path

import pytest
from sklearn.ensemble import RandomForestClassifier

from tests.serving import bombs, little_memory
from tests.serving.support import termination
from tests.serving.test_formats import fitted
from tests.serving.test_pack import packed
from verdigris_serving.artifact import limits
from verdigris_serving.artifact.importing.opening import opened
from verdigris_serving.artifact.limits import bounded_memory, memory_left
from verdigris_serving.artifact.loading import CannotLoad
from verdigris_serving.reasons import Reason

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds what a process maps")
#: Bytes beyond the limit that a process may have had: garbage that the allocator keeps, pages of libraries.
SLACK = 64 * 2**20


@pytest.fixture(scope="module")
def pod() -> Iterator[Executor]:
    """Processes without memory to spare, and of one thread: memory is bounded only there.

    Each load has a new one, as in a pod: what an earlier one has left set aside would count. They are copies of one
    that has imported everything.
    """
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([little_memory.__name__])
    with ProcessPoolExecutor(1, processes, initializer=little_memory.leave_little, max_tasks_per_child=1) as executor:
        yield executor


@pytest.mark.parametrize(
    ("bomb", "reason"),
    [
        (bombs.rows_of_millions, Reason.ARTIFACT_TOO_LARGE),
        (bombs.nested_documents, Reason.ARTIFACT_INVALID),
        (bombs.claimed_array, Reason.ARTIFACT_TOO_LARGE),
        (bombs.array_many_times, Reason.ARTIFACT_TOO_LARGE),
        (bombs.many_nodes, Reason.ARTIFACT_TOO_LARGE),
        (bombs.claimed_initializer, Reason.ARTIFACT_INVALID),
        (bombs.filled_tensor, Reason.GOLDEN_ROWS_FAILED),
        (bombs.impossible_tensor, Reason.GOLDEN_ROWS_FAILED),
    ],
)
def test_a_bomb_is_a_sentence_and_takes_no_more_memory_than_there_is(
    bomb: Callable[[], bytes], reason: Reason, pod: Executor
) -> None:
    said, message, taken = pod.submit(little_memory.refusal_of, bomb()).result()

    assert said == reason
    assert message.startswith("m.vmodel: ")
    assert "\n" not in message
    assert taken < limits.LEAST + SLACK


@pytest.mark.parametrize("form", ["onnx", "sklearn"])
def test_a_forest_of_a_hundred_trees_loads_with_the_least_that_there_ever_is(
    form: str, tmp_path: Path, pod: Executor
) -> None:
    forest = fitted(RandomForestClassifier(100, random_state=0))

    data = packed(forest, tmp_path, format=form).path.read_bytes()

    assert pod.submit(little_memory.golden_rows_of, data).result() > 0


@pytest.mark.parametrize("names", [("inspect", "m.vmodel"), ("diff", "m.vmodel", "m.vmodel")])
def test_inspect_and_diff_are_bounded_too(names: tuple[str, ...], tmp_path: Path, pod: Executor) -> None:
    (tmp_path / "m.vmodel").write_bytes(bombs.rows_of_millions())
    command, *files = names

    code, said = pod.submit(little_memory.said_by, command, *(str(tmp_path / name) for name in files)).result()

    assert code == 1
    assert "takes more than the 128 MiB of memory that are left here" in said


def test_a_skops_file_is_bounded_where_it_is_packed(tmp_path: Path, pod: Executor) -> None:
    (tmp_path / "outer.zip").write_bytes(bombs.array_many_times())
    with zipfile.ZipFile(tmp_path / "outer.zip") as archive:
        (tmp_path / "m.skops").write_bytes(archive.read("model.skops"))

    with pytest.raises(CannotLoad, match="takes more memory than there is here: load it yourself"):
        pod.submit(opened, tmp_path / "m.skops").result()


@pytest.mark.parametrize("error", ["memory", "another"])
def test_the_limit_is_gone_afterwards_whatever_happened(error: str, pod: Executor) -> None:
    assert pod.submit(little_memory.bounded, error).result() == resource.RLIM_INFINITY


def test_a_thread_of_somebody_else_never_meets_the_limit() -> None:
    seen: list[int] = []
    loaded = threading.Event()
    other = threading.Thread(target=loaded.wait)
    other.start()

    with bounded_memory():
        seen.append(resource.getrlimit(resource.RLIMIT_DATA)[0])
    loaded.set()
    other.join()

    assert seen == [resource.RLIM_INFINITY]


@pytest.mark.parametrize(("name", "limit"), [("memory.max", 2**30), ("memory.limit_in_bytes", 2**30)])
def test_what_is_left_is_the_containers_where_that_has_a_limit(
    name: str, limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_text(f"{limit}\n")
    monkeypatch.setattr(limits, "_LIMITS", (tmp_path / "none", tmp_path / name))
    left = memory_left()
    monkeypatch.setattr(limits, "_LIMITS", ())
    free = memory_left()

    assert left is not None
    assert free is not None
    assert limits.LEAST <= left < limit <= free


def test_no_limit_of_the_container_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    monkeypatch.setattr(limits, "_LIMITS", (tmp_path / "memory.max",))

    left = memory_left()

    assert left is not None
    assert left >= limits.LEAST


def test_a_model_that_never_ends_is_ended_and_said_so(tmp_path: Path) -> None:
    (tmp_path / "source.vmodel").write_bytes(bombs.endless_loop())
    (tmp_path / "termination").touch()
    env = {
        "VERDIGRIS_MODEL_URI": f"file://{tmp_path / 'source.vmodel'}",
        "VERDIGRIS_MODEL_PATH": str(tmp_path / "m.vmodel"),
        "VERDIGRIS_TERMINATION_LOG": str(tmp_path / "termination"),
    }
    program = (
        "import sys, functools\n"
        "from verdigris_serving import fetch\n"
        "fetch.bounded_time = functools.partial(fetch.bounded_time, seconds=1.0)\n"
        f"sys.exit(fetch.main({json.dumps(env)}))\n"
    )

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    said = termination(tmp_path)
    assert said["reason"] == "ArtifactInvalid"
    assert said["message"].startswith("loading the artifact and asking its golden rows took more than 1 s")
