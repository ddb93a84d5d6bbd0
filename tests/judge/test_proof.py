"""A slice of `make proof`: whatever goes wrong, the judge keeps its bars; and the copy used for it is the judge."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.proof.__main__ import main
from benchmarks.proof.cells import FALSE_MOST, MISSED_MOST, Cell, Found, cells, examine, same, watched
from benchmarks.proof.faults import FAULTS
from benchmarks.proof.history import Counters, Setting, happened
from benchmarks.proof.many import Held, found_with
from benchmarks.proof.report import wrong
from verdigris.core.judges import power
from verdigris.core.judges.score import Terms

HEALTHY = Setting(baseline=0.01, rate=0.01, traffic=20.0)
BAD = Setting(baseline=0.01, rate=0.1, traffic=20.0)


@pytest.mark.parametrize("fault", FAULTS)
def test_under_each_fault_hardly_a_healthy_release_is_taken_back(fault: str) -> None:
    found = examine(Cell(fault, HEALTHY, 1.0), runs=1000, compared=3)
    assert found.failed <= FALSE_MOST
    assert found.agreed == 3, found.otherwise


@pytest.mark.parametrize("fault", FAULTS)
def test_under_each_fault_what_a_pass_claims_to_see_is_found(fault: str) -> None:
    found = examine(Cell(fault, BAD, 10.0), runs=500, compared=3)
    assert found.claimed > 400
    assert found.missed is not None
    assert found.missed <= MISSED_MOST
    assert found.agreed == 3, found.otherwise


@pytest.mark.parametrize("clump", [1.0, 3.0])
@pytest.mark.parametrize("traffic", [0.2, 5.0, 300.0])
def test_the_copy_comes_to_the_verdict_of_the_operators_code(clump: float, traffic: float) -> None:
    history = happened(np.random.default_rng(2), Setting(0.02, 0.05, traffic, clump, burst=True), 4)
    history, view = FAULTS["scrapes missed, 3 of 10"].seen(np.random.default_rng(3), history)
    found = watched(history, view)
    assert [same(history, view, found, row) for row in range(4)] == [True] * 4


def test_a_copy_that_counts_one_error_less_is_noticed() -> None:
    history, view = FAULTS["nothing"].seen(np.random.default_rng(4), happened(np.random.default_rng(4), HEALTHY, 1))
    errors = history.candidate.errors.copy()
    errors[tuple(np.argwhere(errors)[0])] -= 1
    other = replace(history, candidate=Counters.of(history.candidate.requests, errors))
    assert same(history, view, watched(history, view), 0)
    assert not same(history, view, watched(other, view), 0)


def test_the_copy_claims_what_the_operator_claims() -> None:
    requests, limits, scatters = [40, 900, 20_000, 5], [0.005, 0.02, 0.005, 0.1], [1.0, 2.5, 1.0, 1.0]
    held, rates = Held(np.array(limits), np.array(scatters)), np.array([0.3, 0.06, 1.0, 0.5])
    copied = found_with(np.array(requests), rates, held, 2.0, 60)
    terms = [Terms(limit, 2.0, 60, scatter) for limit, scatter in zip(limits, scatters, strict=True)]
    ours = [power.found_with(n, rate, term) for n, rate, term in zip(requests, rates.tolist(), terms, strict=True)]
    assert copied == pytest.approx(ours, abs=1e-9)
    assert 0 < ours[0] < 1
    assert ours[3] == 0


def test_a_counter_that_fell_is_new_and_one_that_did_not_seems_to_go_on() -> None:
    """As `counts.steps` has it."""
    requests, none = np.array([[[5, 2, 9]]]), np.zeros((1, 1, 3), np.int64)
    counters = Counters(requests, none, np.array([[[False, True, True]]]))
    assert counters.shown()[0].tolist() == [[[5, 2, 9]]]
    assert counters.counted()[0].tolist() == [[[5, 2, 7]]]


def test_the_cells_cover_what_is_promised() -> None:
    all_of = list(cells())
    settings = [cell.setting for cell in all_of]
    assert {cell.fault for cell in all_of} == set(FAULTS)
    assert min(one.baseline for one in settings if one.baseline) <= 0.0001
    assert max(one.baseline for one in settings) >= 0.05
    assert {1.0, 1000.0} <= {one.traffic for one in settings}
    assert {1.0, 50.0} <= {cell.ratio for cell in all_of}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"failed": 0.011}, "1.1% of healthy rollouts"),
        ({"missed": 0.11, "claimed": 500}, "11.0% of what a pass claims"),
        ({"agreed": 9}, "1 of 10 rollouts come out otherwise"),
    ],
)
def test_a_bar_that_is_missed_is_told(changed: dict[str, float], said: str) -> None:
    good = Found(Cell("nothing", HEALTHY, 1.0), 1000, 0.009, 0.9, 0, None, 10, 10)
    assert wrong(good) == []
    assert [said in sentence for sentence in wrong(replace(good, **changed))] == [True]


def test_what_is_not_promised_is_told_but_not_wrong() -> None:
    clumped = Cell("nothing", replace(HEALTHY, clump=5.0), 1.0, "errors in clumps of 5", promised=False)
    found = Found(clumped, 1000, 0.2, 0.8, 0, None, 10, 10)
    assert (found.beyond is not None, wrong(found)) == (True, [])


def test_it_writes_a_report_a_table_and_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--runs", "100", "--compare", "1", "--jobs", "1", "--only", "burst", "--out", str(tmp_path)]
    assert main(options) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["wrong"], report["compared"]) == ([], len(report["cells"]))
    assert (tmp_path / "proof.svg").stat().st_size > 1000
    assert "| requests in a burst |" in capsys.readouterr().out


def test_a_kind_that_does_not_exist_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "moonlight"]) == 2
    assert "'moonlight'" in capsys.readouterr().err
