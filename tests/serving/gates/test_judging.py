"""From an estimate to a verdict and its sentence."""

from __future__ import annotations

import math

import pytest

from verdigris_serving.gate.config import Bounds
from verdigris_serving.gate.judging import Rule, judged, sides
from verdigris_serving.gate.result import Verdict
from verdigris_serving.gate.statistics.estimate import Estimate

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


def known(value: float, half: float, n: int = 1_000) -> Estimate:
    """A value that is so far off at most, whatever the error."""
    return Estimate(value, n, lambda _: (value - half, value + half))


@pytest.mark.parametrize(
    ("value", "half", "side", "verdict"),
    [
        (0.90, 0.02, "min", PASS),
        (0.80, 0.02, "min", FAIL),
        (0.86, 0.02, "min", INCONCLUSIVE),
        (0.84, 0.02, "min", INCONCLUSIVE),
        (0.87, 0.02, "min", PASS),
        (0.80, 0.02, "max", PASS),
        (0.90, 0.02, "max", FAIL),
        (0.84, 0.02, "max", INCONCLUSIVE),
    ],
)
def test_an_interval_decides_when_it_is_all_on_one_side(value: float, half: float, side: str, verdict: Verdict) -> None:
    check = judged("auc", known(value, half), side, 0.85, Rule(0.95))  # type: ignore[arg-type]
    assert check.verdict is verdict
    assert check.interval == (pytest.approx(value - half), pytest.approx(value + half))


@pytest.mark.parametrize(("value", "verdict"), [(0.851, PASS), (0.85, PASS), (0.849, FAIL), (math.nan, INCONCLUSIVE)])
def test_a_point_decides_by_itself(value: float, verdict: Verdict) -> None:
    check = judged("auc", known(value, 0.3, n=5), "min", 0.85, Rule(None))
    assert check.verdict is verdict
    assert check.interval is None


def test_few_rows_decide_nothing_however_narrow_the_interval() -> None:
    assert judged("auc", known(0.99, 0.0, n=29), "min", 0.85, Rule(0.95)).verdict is INCONCLUSIVE
    assert judged("auc", known(0.99, 0.0, n=30), "min", 0.85, Rule(0.95)).verdict is PASS


def test_a_gate_of_several_checks_lets_pass_by_the_whole_error_and_refuses_by_a_part_of_it() -> None:
    asked: list[float] = []

    def limits(tail: float) -> tuple[float, float]:
        asked.append(tail)
        return 0.5 - tail, 0.5 + tail

    least = judged("auc", Estimate(0.5, 100, limits), "min", 0.4, Rule(0.9, 4))
    assert least.interval == pytest.approx((0.4, 0.525))
    most = judged("brier", Estimate(0.5, 100, limits), "max", 0.4, Rule(0.9, 4))
    assert most.interval == pytest.approx((0.475, 0.6))
    assert sorted(asked) == pytest.approx([0.025, 0.025, 0.1, 0.1])


@pytest.mark.parametrize(
    ("value", "half", "rows"),
    [(0.86, 0.02, "about 4,000 rows"), (0.84, 0.02, "about 4,000 rows"), (0.85, 0.02, "more rows than there can be")],
)
def test_an_undecided_check_says_how_many_rows_would_do(value: float, half: float, rows: str) -> None:
    assert rows in judged("auc", known(value, half), "min", 0.85, Rule(0.95)).message


def test_more_rows_than_asked_for_decide_if_the_value_stays() -> None:
    half = 0.02 * math.sqrt(1_000 / 4_000)
    assert judged("auc", known(0.86, half, 4_000), "min", 0.85, Rule(0.95)).verdict is PASS


def test_what_is_not_defined_says_so() -> None:
    check = judged("ratio", Estimate(math.nan, 80, lambda _: (0.0, math.inf)), "min", 0.8, Rule(0.95), what="rows")
    assert check.verdict is INCONCLUSIVE
    assert check.value is None
    assert check.interval == (0.0, None)
    assert "nothing to divide by" in check.message


def test_both_bounds_are_two_checks() -> None:
    assert sides(Bounds(min=0.2, max=0.4)) == [("min", 0.2), ("max", 0.4)]
    assert sides(Bounds(max=0.4)) == [("max", 0.4)]
