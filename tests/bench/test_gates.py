"""`make bench-gates`: its report has the form that was agreed on, and it finds a gate that is wrong too often."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.gates import drawn
from benchmarks.gates.__main__ import main
from benchmarks.gates.cells import Cell, cells
from benchmarks.gates.report import Found, beyond, tables
from verdigris_serving.gate.metrics import estimate
from verdigris_serving.gate.result import Verdict


def test_the_report_has_a_cell_a_gate_truth_and_size(tmp_path: Path) -> None:
    out = tmp_path / "gates.json"
    assert main(["--runs", "4", "--only", "accuracy min", "--out", str(out)]) == 0
    (first, *_), *rest = (json.loads(out.read_text())["cells"],)
    assert not rest
    assert first.keys() == {"gate", "truth", "threshold", "n", "runs", "passed", "failed", "inconclusive"}
    assert first["runs"] == first["passed"] + first["failed"] + first["inconclusive"] == 4


def test_no_gate_of_that_name_is_said(tmp_path: Path) -> None:
    assert main(["--only", "no such gate", "--out", str(tmp_path / "gates.json")]) == 2


def test_every_gate_that_decides_by_chance_is_in_it() -> None:
    rules = {cell.rule.partition(":")[0] for cell in cells()}
    assert rules == {"quality", "fairness", "load"}
    assert all(any(cell.at_threshold for cell in cells() if cell.rule.startswith(rule)) for rule in rules)


CELL = Cell("quality: auc min", 0.85, 0.85, 100, lambda _: Verdict.PASS)


@pytest.mark.parametrize(
    ("passed", "failed", "cell", "wrong"),
    [
        (100, 100, CELL, ""),
        (130, 100, CELL, ""),
        (140, 100, CELL, "passed in 7.0%"),
        (100, 140, CELL, "refused in 7.0%"),
        (2_000, 0, replace(CELL, truth=0.9), ""),
        (1_000, 1_000, replace(CELL, rule="fairness: the ratio alone (80 % rule)"), ""),
    ],
)
def test_a_cell_is_wrong_beyond_what_chance_allows(passed: int, failed: int, cell: Cell, wrong: str) -> None:
    found = Found(cell, 2_000, passed, failed, 2_000 - passed - failed)
    assert (wrong in beyond(found)) if wrong else not beyond(found)
    assert len(list(tables([found]))) == 7


@pytest.mark.parametrize(
    ("metric", "draw", "truth"),
    [
        ("auc", lambda source, n: drawn.ranked(source, n, auc=0.85), 0.85),
        ("f1", lambda source, n: drawn.labelled(source, n, 0.75, 0.12), drawn.f1(0.75, 0.12)),
        ("precision", lambda source, n: drawn.labelled(source, n, 0.8, 0.2), drawn.precision(0.8, 0.2)),
        ("brier", drawn.likely, drawn.BRIER),
        ("log_loss", drawn.likely, drawn.LOG_LOSS),
        ("mae", lambda source, n: drawn.valued(source, n, 0.6), drawn.mean_error(0.6)),
        ("calibration", lambda source, n: drawn.alternating(source, n, by=0.05), 0.05),
    ],
)
def test_what_is_drawn_has_the_truth_that_it_is_said_to_have(metric: str, draw: object, truth: float) -> None:
    answers = draw(np.random.default_rng(9), 40_000)  # type: ignore[operator]
    assert estimate(metric, answers).value == pytest.approx(truth, rel=0.15 if metric == "calibration" else 0.02)


@pytest.mark.parametrize(("draw", "metric"), [(drawn.two_labelled, "accuracy"), (drawn.two_labelled_f1, "f1")])
def test_two_models_differ_by_what_they_are_said_to(draw: object, metric: str) -> None:
    pair = draw(np.random.default_rng(9), 60_000, loss=0.02)  # type: ignore[operator]
    first, second = (estimate(metric, answers).value for answers in pair)
    assert first - second == pytest.approx(-0.02, abs=0.004)
