"""From an estimate and a threshold to a verdict, in words."""

import math
from dataclasses import dataclass
from typing import Literal

from verdigris_serving.gate.config import Bounds
from verdigris_serving.gate.result import Check, Verdict, rounded
from verdigris_serving.gate.statistics.estimate import Estimate, Limits

#: With fewer rows nothing is decided on an interval: most of them hold for many rows only.
LEAST_ROWS = 30
#: More rows are not asked for: the value is at its threshold.
_MOST_ROWS = 10_000_000
Side = Literal["min", "max"]


@dataclass(frozen=True)
class Rule:
    """How sure a verdict has to be: ``confidence``, or None for the value alone.

    A gate passes when all its ``checks`` pass, so each may be wrong with the whole error of 1 - ``confidence``. It
    fails when any of them fails, so each may be wrong with its part of that.
    """

    confidence: float | None
    checks: int = 1

    @classmethod
    def of(cls, confidence: float | str, checks: int = 1) -> "Rule":
        """As a gate's document says it: a number, or "point"."""
        return cls(None if isinstance(confidence, str) else confidence, checks)

    @property
    def passing(self) -> float:
        """The probability with which a limit that lets pass may be wrong."""
        return 1 - (self.confidence or 0.0)

    @property
    def failing(self) -> float:
        """The same of a limit that refuses."""
        return self.passing / self.checks


def sides(bounds: Bounds) -> list[tuple[Side, float]]:
    """The thresholds of a metric, each with what it bounds."""
    both: list[tuple[Side, float | None]] = [("min", bounds.min), ("max", bounds.max)]
    return [(side, limit) for side, limit in both if limit is not None]


def judged(
    name: str, estimate: Estimate, side: Side, threshold: float, rule: Rule, *, called: str = "", what: str = "rows"
) -> Check:
    """Pass when the limit that is nearer to harm keeps the threshold, Fail when the other one misses it.

    By the value alone where the rule has no confidence. ``what`` is what was counted; ``called`` is the check's name in
    its message, where that says more.
    """
    called = called or name
    value, interval = estimate.value, None
    if rule.confidence is None:
        keeps = value >= threshold if side == "min" else value <= threshold
        verdict = Verdict.INCONCLUSIVE if math.isnan(value) else Verdict.PASS if keeps else Verdict.FAIL
    else:
        interval = _interval(estimate, side, rule)
        verdict = _decided(estimate, interval, side, threshold)
    message = f"{_told(called, estimate, what, interval)}: {_ruling(verdict, side, threshold)}"
    if interval and verdict is Verdict.INCONCLUSIVE:
        message += f"; {_missing(estimate, interval, threshold, what)}"
    return Check(
        name=name,
        verdict=verdict,
        message=message,
        value=rounded(value),
        threshold=threshold,
        bound=side,
        interval=(rounded(interval[0]), rounded(interval[1])) if interval else None,
        n=estimate.n,
    )


def _interval(estimate: Estimate, side: Side, rule: Rule) -> Limits:
    """The limit that lets pass, by the whole error, and the one that refuses, by its part of it."""
    strict, loose = estimate.limits(rule.passing), estimate.limits(rule.failing)
    return (strict[0], loose[1]) if side == "min" else (loose[0], strict[1])


def _decided(estimate: Estimate, interval: Limits, side: Side, threshold: float) -> Verdict:
    low, high = interval
    if estimate.n < LEAST_ROWS or not math.isfinite(estimate.value):
        return Verdict.INCONCLUSIVE
    if low >= threshold if side == "min" else high <= threshold:
        return Verdict.PASS
    return Verdict.FAIL if (high < threshold if side == "min" else low > threshold) else Verdict.INCONCLUSIVE


def _told(name: str, estimate: Estimate, what: str, interval: Limits | None) -> str:
    counted = f"({estimate.n:,} {what})"
    if math.isnan(estimate.value):
        return f"{name} is not defined, because there is nothing to divide by {counted}"
    between = f", between {number(interval[0])} and {number(interval[1])}" if interval else ""
    return f"{name} is {number(estimate.value)}{between} {counted}"


def _ruling(verdict: Verdict, side: Side, threshold: float) -> str:
    asked = f"{'at least' if side == 'min' else 'at most'} {number(threshold)}"
    if verdict is Verdict.INCONCLUSIVE:
        return f"this neither shows {asked} nor the opposite"
    return f"{asked} is {'kept' if verdict is Verdict.PASS else 'missed'}"


def _missing(estimate: Estimate, interval: Limits, threshold: float, what: str) -> str:
    """How many rows would do, if the value stays: an interval shrinks with the root of their number."""
    if not math.isfinite(estimate.value):
        return f"other {what} are needed"
    gap = estimate.value - threshold
    if estimate.n < LEAST_ROWS:
        return f"at least {LEAST_ROWS} {what} are needed"
    # The limit on the threshold's side: the one that more rows would bring to this side of it.
    half = estimate.value - interval[0] if gap > 0 else interval[1] - estimate.value
    wanted = math.inf if not gap or not math.isfinite(half) else estimate.n * (half / gap) ** 2
    if wanted > _MOST_ROWS:
        return f"the value is at its threshold, and more {what} than there can be would be needed"
    digits = 10 ** max(0, math.floor(math.log10(max(wanted, 1))) - 1)
    rounded_up = max(LEAST_ROWS, math.ceil(wanted / digits) * digits)
    return f"about {rounded_up:,} {what} would do, if the value stays"


def number(value: float) -> str:
    """A value as messages write it: four significant digits."""
    return f"{value:.4g}" if math.isfinite(value) else "any value" if value > 0 else "any lower value"
