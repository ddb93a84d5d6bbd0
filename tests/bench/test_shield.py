"""The bars of `make bench-shield`, and the faults of processes: killed, and frozen for as long as a block runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.shield import report
from benchmarks.shield.__main__ import PARTS
from dev.cluster.patience import hold_out
from dev.cluster.shell import ClusterError
from dev.faults import processes


def row(**changes: Any) -> report.Row:
    made = {"requests": 2000, "bad": 0, "lost": 0, "outcomes": {}, "p50_ms": 3.0, "p99_ms": 20.0, "load_per_core": 0.5}
    return {**made, **changes}


def failing(**changes: Any) -> report.Row:
    shielded = {"shield": True, "spared": 300, "first_asked_to_verdict_s": 4.0, "first_to_last_bad_s": 0.0}
    return row(**{**shielded, **changes})


def struck(**changes: Any) -> report.Row:
    return row(**{"answer_within_ms": 400, "p99_before_ms": 18.0, "asked_before": 2000, **changes})


def blind(**changes: Any) -> report.Row:
    known = {"seconds": 60.0, "answered_by_it_in_the_last_10_s": 900, "bad_afterwards": 0, "lost_afterwards": 0}
    return row(**{**known, **changes})


def front(**changes: Any) -> report.Row:
    return row(**{"how": "deleted", "open_then_lost": 0, **changes})


def share(**changes: Any) -> report.Row:
    return row(**{"share": 0.01, "answered_by_it": 20, "z": 0.0, **changes})


def first(**changes: Any) -> report.Row:
    return row(**{"shield": True, "apply_to_created_s": 0.5, "created_to_first_answer_s": 2.0, **changes})


@pytest.mark.parametrize(
    ("part", "rows", "missed"),
    [
        ("half", [failing(), failing(shield=False, bad=300, spared=0, first_to_last_bad_s=4.0)], []),
        ("half", [failing(bad=1)], ["1 runs with the shield: bad answers"]),
        ("half", [failing(), failing(lost=2)], ["2 runs with the shield: lost"]),
        ("half", [failing(), failing(spared=0)], ["faults that clients were spared"]),
        ("half", [failing(), failing(first_asked_to_verdict_s=11.1)], ["first request passed on -> verdict"]),
        ("killed", [struck(p99_ms=405.0)], []),
        ("killed", [struck(lost=1)], ["while they are: lost"]),
        ("frozen", [struck(p99_ms=406.0)], ["p99 of clients"]),
        ("frozen", [struck(asked_before=0)], ["answers by it before"]),
        ("blind", [blind()], []),
        ("blind", [blind(bad=1)], ["in 60 s: bad answers"]),
        ("blind", [blind(answered_by_it_in_the_last_10_s=0)], ["answers by it in the last 10 s"]),
        ("front", [front(), front(how="killed", lost=5, open_then_lost=2)], []),
        ("front", [front(lost=1)], ["deleted in a split at 50 %: lost"]),
        ("front", [front(how="killed", bad=1)], ["killed: bad answers"]),
        ("shares", [share(), share(z=-4.0)], []),
        ("shares", [share(z=4.1)], ["2,000 requests, 1% asked"]),
        ("rounds", [row(), row()], []),
        ("rounds", [row(), row(lost=1)], ["2 rollbacks and promotions, 4,000 requests: lost"]),
        ("first", [first(), first(shield=False, created_to_first_answer_s=9.0)], []),
        ("first", [first(created_to_first_answer_s=2.6)], ["with the shield: pods created -> first answer"]),
        ("first", [{"failed": "waited 90 s for 1.1.0 to be promoted, in vain"}], ["came to its end"]),
    ],
)
def test_each_bar_is_missed_by_what_breaks_it_and_by_nothing_else(
    part: str, rows: list[report.Row], missed: list[str]
) -> None:
    lines = report.bars({part: rows})
    assert [line.what for line in lines if not line.met] == [f"{part}: {what}" for what in missed]


def test_every_part_is_held_against_something() -> None:
    assert PARTS.keys() == report.BARS.keys()


@pytest.mark.parametrize(("load", "word"), [(0.5, "quiet"), (3.0, "busy")])
def test_a_busy_machine_is_named(load: float, word: str) -> None:
    assert word in report.weather({"rounds": [row(load_per_core=load)]})


@pytest.fixture
def counting() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        yield process
        process.kill()


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_what_is_frozen_goes_on_when_the_block_ends_by_an_error_too(counting: subprocess.Popen[bytes]) -> None:
    def interrupted() -> None:
        with processes.frozen([counting.pid]):
            assert hold_out(lambda: state(counting.pid) == "T", 5)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert hold_out(lambda: state(counting.pid) in "RS", 5)


def test_who_is_gone_already_is_no_error(counting: subprocess.Popen[bytes]) -> None:
    processes.kill([counting.pid])
    counting.wait(5)
    processes.kill([counting.pid])
    with processes.frozen([counting.pid]):
        pass


def pod(*containers: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "diabetes-green-1"},
        "status": {"containerStatuses": [{"containerID": f"containerd://{one}" if one else ""} for one in containers]},
    }


def test_the_processes_of_a_pod_are_found_by_the_ids_of_its_containers(tmp_path: Path) -> None:
    for pid, container in {7: "aaa", 12: "bbb", 30: "aaa"}.items():
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "cgroup").write_text(f"1:cpu:/kubepods/pod1/{container}\n")
    (tmp_path / "99").mkdir()
    assert processes.of_pod(pod("aaa"), tmp_path) == [7, 30]
    for nothing in (pod("ccc"), pod(""), {"metadata": {"name": "diabetes-green-1"}}):
        with pytest.raises(ClusterError, match="diabetes-green-1: either it has ended"):
            processes.of_pod(nothing, tmp_path)
