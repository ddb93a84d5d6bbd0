"""How far predicted probabilities are from what happens: the expected calibration error over groups of equal size.

The error on the rows is too large on average, because chance moves every group away from its prediction. So its limits
are made of two sums that bound it whatever the true errors of the groups are (docs/design/0044-gates.md has the proof):
the error is at least the sum of the groups' signed errors, and at most the true error and the sum of what chance did.
"""

import math
from collections.abc import Sequence

from verdigris_serving.gate.statistics.estimate import Estimate, Limits, z_of

GROUPS = 10


def calibration_error(predicted: Sequence[float], happened: Sequence[int]) -> Estimate:
    """The mean over the rows of how far their group's prediction is from its share of rows where it happened (1).

    The rows, in the order of their predicted probability, are parted into ten groups of the same size.
    """
    n = len(predicted)
    pairs = sorted(zip(predicted, happened, strict=True), key=lambda pair: pair[0])
    value, variance, noise = 0.0, 0.0, 0.0
    for part in range(GROUPS):
        off = [p - y for p, y in pairs[part * n // GROUPS : (part + 1) * n // GROUPS]]
        mean = math.fsum(off) / len(off)
        within = math.fsum((each - mean) ** 2 for each in off) / (max(1, len(off) - 1) * len(off))
        weight = len(off) / n
        value += weight * abs(mean)
        variance += weight**2 * within
        noise += weight * math.sqrt(2 * within / math.pi)

    def limits(tail: float) -> Limits:
        z = z_of(tail)
        chance = noise + z * math.sqrt((1 - 2 / math.pi) * variance)
        return max(0.0, value - chance), min(1.0, value + z * math.sqrt(variance))

    return Estimate(value, n, limits)
