"""The area under the ROC curve (AUC), of one model and of two on the same rows.

Sources: DeLong, DeLong and Clarke-Pearson 1988 for the variances, on the scale of the logit for one (Qin and Hotilovac
2008); Newcombe 2006, method 5, where every ill row ranks above every healthy one and DeLong's variance is 0.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from verdigris_serving.gate.statistics.binomial import paired_difference
from verdigris_serving.gate.statistics.estimate import Estimate, Limits, bisected, z_of

#: Of the positive rows, and of the negative ones.
Scores = tuple[Sequence[float], Sequence[float]]


def auc(positives: Sequence[float], negatives: Sequence[float]) -> Estimate:
    """From the scores of the rows of the second class, and of the first; at least two of each."""
    above, below = _placements(positives, negatives)
    value = math.fsum(above) / len(above)
    error = math.sqrt(_variance(above) / len(above) + _variance(below) / len(below))

    def limits(tail: float) -> Limits:
        if not error:
            return _newcombe(value, len(above), len(below), tail)
        logit, half = math.log(value / (1 - value)), z_of(tail) * error / (value * (1 - value))
        return _logistic(logit - half), _logistic(logit + half)

    return Estimate(value, len(above) + len(below), limits)


def auc_difference(first: Scores, second: Scores) -> Estimate:
    """The first model's AUC less the second's, from each one's scores of the same positive and negative rows."""
    (above, below), (other_above, other_below) = _placements(*first), _placements(*second)
    gained = [a - b for a, b in zip(above, other_above, strict=True)]
    kept = [a - b for a, b in zip(below, other_below, strict=True)]
    value = math.fsum(gained) / len(gained)
    error = math.sqrt(_variance(gained) / len(gained) + _variance(kept) / len(kept))

    def limits(tail: float) -> Limits:
        if not error:
            # No row is ranked differently, which of a few rows says little of others: as of shares that never differ.
            return paired_difference(0, 0, min(len(gained), len(kept))).limits(tail)
        half = z_of(tail) * error
        return value - half, value + half

    return Estimate(value, len(gained) + len(kept), limits)


def _placements(positives: Sequence[float], negatives: Sequence[float]) -> tuple[list[float], list[float]]:
    """Of each positive the share of negatives below it, of each negative that of positives above; ties count half."""
    high, low = sorted(positives), sorted(negatives)
    above = [(bisect_left(low, x) + bisect_right(low, x)) / (2 * len(low)) for x in positives]
    below = [1 - (bisect_left(high, x) + bisect_right(high, x)) / (2 * len(high)) for x in negatives]
    return above, below


def _variance(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def _newcombe(value: float, positives: int, negatives: int, tail: float) -> Limits:
    """Where an AUC would be that is so many standard deviations from this one, by the variance that it would have."""
    z, mean = z_of(tail), (positives + negatives) / 2 - 1

    def score(truth: float) -> float:
        spread = 1 + mean * (1 - truth) / (2 - truth) + mean * truth / (1 + truth)
        return (value - truth) / math.sqrt(max(truth * (1 - truth) * spread / (positives * negatives), 1e-300))

    low = bisected(lambda t: score(t) - z, 0.0, 1.0) if value > 0 else 0.0
    return low, (bisected(lambda t: score(t) + z, 0.0, 1.0) if value < 1 else 1.0)


def _logistic(value: float) -> float:
    power = math.exp(-abs(value))
    return power / (1 + power) if value < 0 else 1 / (1 + power)
