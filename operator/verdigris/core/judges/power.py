"""What the error rate's test can see: how bad a version could be and still pass. PURE.

A version that fails at `rate` is found, at the latest, when the likelihood ratio of one alternative p1 over everything
it has answered reaches its share of the threshold T: `w * (p1/p0)^e * ((1-p1)/(1-p0))^(n-e) >= e^T`. That sum is one
of those that the Shiryaev-Roberts sum is made of (`score`), so the probability of it is a lower bound of the test's
own: never promised more than is true, whatever the batches were. It needs so many errors of n requests:

    k = min over the ladder of (T - ln w + n * ln((1-p0)/(1-p1))) / (ln(p1/p0) + ln((1-p0)/(1-p1)))

and k or more of n fail with the probability of a binomial tail, an incomplete beta function. A whole error more is
asked for instead of rounding k up, which keeps the bound and makes it grow with every request. Where errors come in
clumps, n requests tell as much as n / dispersion (see `score`). Figures: docs/design/0018-what-a-pass-has-seen.md.
"""

from __future__ import annotations

import math
from functools import lru_cache

from verdigris.core.judges.score import WEIGHTS, Terms, ladder, threshold

POWER = 0.9
"""With what probability a fault that a pass speaks of would have been found."""

_MOST_REQUESTS = 1 << 40
_MOST_TERMS = 100_000
_TINY = 1e-300


def gross(limit: float, factor: float, detect: float) -> float:
    """The error rate that a pass rules out: `detect` times the limit, and never more than the ladder's last rung."""
    return min(detect * limit, ladder(limit, factor)[-1])


def found_with(requests: float, rate: float, terms: Terms) -> float:
    """Lower bound of the probability that a version failing at `rate` is found within so many requests."""
    informative = requests / terms.dispersion
    needed = _errors_needed(informative, terms) + 1
    return _at_least(needed, informative, rate)


@lru_cache(maxsize=512)
def detectable(requests: int, terms: Terms) -> float | None:
    """The lowest error rate that would have been found with probability `POWER`; None when not even 1 would."""
    if found_with(requests, 1.0, terms) < POWER:
        return None
    low, high = terms.limit, 1.0
    while high / low >= 1.001:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if found_with(requests, middle, terms) >= POWER else (middle, high)
    return high


@lru_cache(maxsize=512)
def needed(rate: float, terms: Terms) -> int:
    """The fewest requests after which a version that fails at `rate` was found with probability `POWER`.

    `rate` must be above the limit. Of a rate that only more than 10^12 requests tell from it: that number.
    """
    high = 1
    while high < _MOST_REQUESTS and found_with(high, rate, terms) < POWER:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if found_with(middle, rate, terms) >= POWER else (middle, high)
    return high


def _errors_needed(requests: float, terms: Terms) -> float:
    """How many errors of so many informative requests are found for certain: a real number, maybe above `requests`."""
    bar, p0 = threshold(terms.planned_looks), terms.limit
    fewest = math.inf
    for rate, weight in zip(ladder(p0, terms.factor), WEIGHTS, strict=True):
        lost = math.log((1 - p0) / (1 - rate))
        fewest = min(fewest, (bar - math.log(weight) + requests * lost) / (math.log(rate / p0) + lost))
    return fewest


def _at_least(errors: float, requests: float, rate: float) -> float:
    """P(at least `errors` of `requests` fail), each with probability `rate`. Both may be real numbers."""
    if errors > requests:
        return 0.0
    if rate >= 1.0:
        return 1.0
    return _incomplete_beta(errors, requests - errors + 1, rate)


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """I_x(a, b), the regularised incomplete beta function, by its continued fraction (DLMF 8.17.22)."""
    if x > (a + 1) / (a + b + 2):
        return 1.0 - _incomplete_beta(b, a, 1 - x)
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(scale) / a * _fraction(a, b, x)


def _fraction(a: float, b: float, x: float) -> float:
    """1 / (1 + d1 / (1 + d2 / ...)) from the front (Lentz 1976); converges in about sqrt(max(a, b)) terms."""
    front, back, value, change, term = 1.0, 0.0, 1.0, 0.0, 0
    while abs(change - 1.0) >= 1e-10 and term < _MOST_TERMS:
        term += 1
        half = term // 2
        if term % 2:
            d = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            d = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        back = 1.0 / (_nonzero(1.0 + d * back))
        front = _nonzero(1.0 + d / front)
        change = front * back
        value *= change
    return 1.0 / value


def _nonzero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
