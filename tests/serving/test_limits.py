"""What an artifact may cost to load: a bomb is a sentence with its reason, and a sound one does not notice."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from sklearn.ensemble import RandomForestClassifier

from tests.serving import bombs
from tests.serving.support import termination
from tests.serving.test_formats import fitted
from tests.serving.test_pack import packed
from verdigris_serving.artifact import limits
from verdigris_serving.artifact.importing.opening import opened
from verdigris_serving.artifact.limits import TooCostly, bounded_memory, memory_left
from verdigris_serving.artifact.loading import CannotLoad
from verdigris_serving.artifact.verify import Expectation, verify_bytes
from verdigris_serving.cli import main
from verdigris_serving.reasons import Reason, ServingError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds what a process maps")
#: Bytes beyond the limit that a process may have had: garbage that the allocator keeps, pages of libraries.
SLACK = 64 * 2**20


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod without memory to spare."""
    monkeypatch.setattr(limits, "memory_left", lambda: limits.LEAST)


def resident(name: str) -> int:
    """Bytes of this process, ``VmRSS`` now or ``VmHWM`` at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


@pytest.mark.usefixtures("little")
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
def test_a_bomb_is_a_sentence_and_takes_no_more_memory_than_there_is(bomb: Callable[[], bytes], reason: Reason) -> None:
    data = bomb()
    Path("/proc/self/clear_refs").write_text("5")  # the most so far is what it is now
    before = resident("VmRSS")

    with pytest.raises(ServingError) as refused:
        verify_bytes(data, Expectation(), where="m.vmodel")

    assert refused.value.reason == reason
    assert refused.value.message.startswith("m.vmodel: ")
    assert "\n" not in refused.value.message
    assert resident("VmHWM") - before < limits.LEAST + SLACK


@pytest.mark.usefixtures("little")
@pytest.mark.parametrize("form", ["onnx", "sklearn"])
def test_a_forest_of_a_hundred_trees_loads_with_the_least_that_there_ever_is(form: str, tmp_path: Path) -> None:
    forest = fitted(RandomForestClassifier(100, random_state=0))

    data = packed(forest, tmp_path, format=form).path.read_bytes()

    assert verify_bytes(data, Expectation(), where="m").golden_rows > 0


@pytest.mark.usefixtures("little")
def test_inspect_and_diff_are_bounded_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.vmodel").write_bytes(bombs.rows_of_millions())

    assert main(["inspect", str(tmp_path / "m.vmodel")]) == 1
    assert main(["diff", str(tmp_path / "m.vmodel"), str(tmp_path / "m.vmodel")]) == 1
    assert capsys.readouterr().err.count("takes more than the 128 MiB of memory that are left here") == 2


@pytest.mark.usefixtures("little")
def test_a_skops_file_is_bounded_where_it_is_packed(tmp_path: Path) -> None:
    (tmp_path / "outer.zip").write_bytes(bombs.array_many_times())
    with zipfile.ZipFile(tmp_path / "outer.zip") as archive:
        (tmp_path / "m.skops").write_bytes(archive.read("model.skops"))

    with pytest.raises(CannotLoad, match="takes more memory than there is here: load it yourself"):
        opened(tmp_path / "m.skops")


@pytest.mark.usefixtures("little")
def test_the_limit_is_gone_afterwards_whatever_happened() -> None:
    with pytest.raises(TooCostly), bounded_memory():
        bytearray(2 * limits.LEAST)
    with pytest.raises(KeyError), bounded_memory():
        raise KeyError

    assert len(bytearray(2 * limits.LEAST)) == 2 * limits.LEAST


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
