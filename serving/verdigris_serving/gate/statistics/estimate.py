"""What is known of a value: the value on the rows that are there, and how far off the truth may be."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

#: A lower and an upper limit.
Limits = tuple[float, float]
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Estimate:
    """``value`` over ``n`` rows.

    ``limits(tail)``: the truth is below the lower limit with a probability of at most ``tail``, and above the upper one
    with the same. Each stands for itself: together they are an interval of ``1 - 2 * tail``.
    """

    value: float
    n: int
    limits: Callable[[float], Limits]


def z_of(tail: float) -> float:
    """How many standard deviations a normal value exceeds with probability ``tail``."""
    return -_NORMAL.inv_cdf(tail)


def bisected(falls: Callable[[float], float], low: float, high: float, steps: int = 50) -> float:
    """Where a function that falls from ``low`` to ``high`` crosses zero; an end of these where it does not."""
    for _ in range(steps):
        middle = (low + high) / 2
        if falls(middle) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
