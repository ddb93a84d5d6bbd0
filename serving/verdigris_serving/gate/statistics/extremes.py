"""The smallest and the largest of several values, with limits that hold for all of them at once."""

import math
from collections.abc import Sequence

from verdigris_serving.gate.statistics.estimate import Estimate, Limits


def smallest(estimates: Sequence[Estimate], comparisons: int, most: float = math.inf) -> Estimate:
    """The smallest of values, of which ``comparisons`` may be small by chance independently of each other.

    That all of them are above a limit needs no correction: it has to be so for the smallest one. That some is below is
    found by chance the more easily the more there are, so the upper limit has its part of the error (Bonferroni).
    ``most`` is what the smallest cannot be beyond, as 1 where each ratio is there both ways.
    """
    values = [each.value for each in estimates if not math.isnan(each.value)]

    def limits(tail: float) -> Limits:
        low = min(each.limits(tail)[0] for each in estimates)
        return low, min(most, *(each.limits(tail / comparisons)[1] for each in estimates))

    return Estimate(min(values, default=math.nan), _rows(estimates), limits)


def largest(estimates: Sequence[Estimate], comparisons: int) -> Estimate:
    """The largest of differences, each there both ways, so that none is below 0: here the lower limit has a part."""
    values = [each.value for each in estimates if not math.isnan(each.value)]

    def limits(tail: float) -> Limits:
        low = max(0.0, *(each.limits(tail / comparisons)[0] for each in estimates))
        return low, max(each.limits(tail)[1] for each in estimates)

    return Estimate(max(values, default=math.nan), _rows(estimates), limits)


def _rows(estimates: Sequence[Estimate]) -> int:
    return max(each.n for each in estimates)
