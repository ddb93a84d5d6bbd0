"""Shares of independent rows: one, the difference and the ratio of two, and the difference of two on the same rows.

Sources: Clopper and Pearson 1934 (one share, exact); Wilson 1927; Newcombe 1998, method 10 (difference of two);
Koopman 1984 in the form of Miettinen and Nurminen 1985 (ratio of two); Tango 1998 (difference on the same rows, whose
test of no difference is McNemar's).
"""

import math
from collections.abc import Callable

from verdigris_serving.gate.statistics.estimate import Estimate, Limits, bisected, z_of

#: Beyond this, a logarithm of a ratio is as good as infinite.
_FARTHEST = 25.0
_TINY = 1e-300


def exact(successes: int, trials: int) -> Estimate:
    """A share, by Clopper and Pearson: each limit is wrong with at most the stated probability, however few rows."""

    def limits(tail: float) -> Limits:
        low = bisected(lambda p: tail - _at_least(successes, trials, p), 0.0, 1.0) if successes else 0.0
        high = bisected(lambda p: 1 - _at_least(successes + 1, trials, p) - tail, 0.0, 1.0)
        return low, high if successes < trials else 1.0

    return Estimate(successes / trials, trials, limits)


def wilson(successes: int, trials: int, tail: float) -> Limits:
    """A share's limits by Wilson's score: near the stated probability, where the exact ones are on the safe side."""
    z2 = z_of(tail) ** 2
    share = successes / trials
    center = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = math.sqrt(z2 * (share * (1 - share) / trials + z2 / (4 * trials**2))) / (1 + z2 / trials)
    # At the ends themselves rounding must not cross them.
    return (max(0.0, center - half) if successes else 0.0), (min(1.0, center + half) if successes < trials else 1.0)


def difference(first: tuple[int, int], second: tuple[int, int]) -> Estimate:
    """The first share (successes, trials) less the second, of other rows; by Newcombe's hybrid of Wilson's limits."""
    (x, n), (y, m) = first, second
    p, q = x / n, y / m

    def limits(tail: float) -> Limits:
        (p_low, p_high), (q_low, q_high) = wilson(x, n, tail), wilson(y, m, tail)
        return (
            p - q - math.hypot(p - p_low, q_high - q),
            p - q + math.hypot(p_high - p, q - q_low),
        )

    return Estimate(p - q, n + m, limits)


def ratio(first: tuple[int, int], second: tuple[int, int]) -> Estimate:
    """The first share (successes, trials) over the second, of other rows; by the score test of each ratio.

    NaN where nothing was selected in either: then the limits are 0 and infinity.
    """
    (x, n), (y, m) = first, second

    def limits(tail: float) -> Limits:
        z = z_of(tail)
        low = math.exp(bisected(lambda t: _ratio_score(x, n, y, m, math.exp(t)) - z, -_FARTHEST, _FARTHEST))
        high = math.exp(bisected(lambda t: _ratio_score(x, n, y, m, math.exp(t)) + z, -_FARTHEST, _FARTHEST))
        return (low if x else 0.0), (high if y else math.inf)

    value = math.nan if not x and not y else x / n / (y / m) if y else math.inf
    return Estimate(value, n + m, limits)


def _ratio_score(x: int, n: int, y: int, m: int, ratio: float) -> float:
    """How many standard deviations the shares are from having this ratio; falls as the ratio grows."""
    total = n + m
    a, b, c = total * ratio, -(n * ratio + x + m + y * ratio), x + y
    q = (-b - math.sqrt(max(0.0, b * b - 4 * a * c))) / (2 * a)
    p = min(1.0, ratio * q)
    variance = (p * (1 - p) / n + ratio**2 * q * (1 - q) / m) * total / (total - 1)
    return (x / n - ratio * y / m) / math.sqrt(max(variance, _TINY))


def paired_difference(first_only: int, second_only: int, trials: int) -> Estimate:
    """The first share less the second on the same rows, of which so many count for one of the two alone; by Tango."""

    def score(delta: float) -> float:
        a, c = 2 * trials, -second_only * delta * (1 - delta)
        b = -first_only - second_only + (2 * trials - first_only + second_only) * delta
        q = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
        variance = trials * (2 * q + delta * (1 - delta))
        return (first_only - second_only - trials * delta) / math.sqrt(max(variance, _TINY))

    def limits(tail: float) -> Limits:
        z = z_of(tail)
        return bisected(lambda d: score(d) - z, -1.0, 1.0), bisected(lambda d: score(d) + z, -1.0, 1.0)

    return Estimate((first_only - second_only) / trials, trials, limits)


def mean_of_shares(shares: list[tuple[int, int]]) -> Estimate:
    """The mean of shares (successes, trials) of different rows; by the limits of each (Zou and Donner 2008)."""
    values = [x / n for x, n in shares]
    value = math.fsum(values) / len(values)

    def limits(tail: float) -> Limits:
        each = [wilson(x, n, tail) for x, n in shares]
        low = math.hypot(*(p - limit[0] for p, limit in zip(values, each, strict=True)))
        high = math.hypot(*(limit[1] - p for p, limit in zip(values, each, strict=True)))
        return value - low / len(values), value + high / len(values)

    return Estimate(value, sum(n for _, n in shares), limits)


def transformed(estimate: Estimate, rising: Callable[[float], float]) -> Estimate:
    """The estimate of a function of the value that rises with it: its limits are those of the value, transformed."""

    def limits(tail: float) -> Limits:
        low, high = estimate.limits(tail)
        return rising(low), rising(high)

    return Estimate(rising(estimate.value), estimate.n, limits)


def _at_least(successes: int, trials: int, p: float) -> float:
    """The probability of at least so many successes: the regularised incomplete beta function."""
    if successes <= 0:
        return 1.0
    if successes > trials:
        return 0.0
    return _beta(successes, trials - successes + 1, p)


def _beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function by its continued fraction (Lentz's method; DLMF 8.17.22)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(b, a, 1 - x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    fraction, c, d, step = 1.0, 1.0, 0.0, 0
    while True:
        half = step // 2
        if step == 0:
            numerator = 1.0
        elif step % 2:
            numerator = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            numerator = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        d = 1 / _away_from_zero(1 + numerator * d)
        c = _away_from_zero(1 + numerator / c)
        fraction *= c * d
        step += 1
        if abs(c * d - 1) < 1e-13 and step > 1:
            return front * (fraction - 1)


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
