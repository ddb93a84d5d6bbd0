"""The sequential test on (errors, requests): a Shiryaev-Roberts sum over a small ladder of alternatives. PURE.

After each batch of n requests with e errors, for each alternative rate p1 above the baseline's limit p0:

    R <- (v + R) * (p1/p0)^e * ((1-p1)/(1-p0))^(n-e)

R adds up the likelihood ratios of "has failed at p1 since batch k" over every k, so a fault that starts late is found
as fast as an early one (Shiryaev 1963, Roberts 1966). While the true rate is at most p0, the weighted sum of the R
less the v added so far is a supermartingale; the v add up to less than `planned_looks * _TOTAL`, so by Ville's
inequality the sum ever reaches `planned_looks * _TOTAL / alpha` with probability at most alpha, however often it is
looked at and however long the rollout is held.

Where errors come in clumps, the logarithm of the ratio is divided by the baseline's dispersion (quasi-likelihood,
Wedderburn 1974); by Jensen's inequality that keeps the bound. Measured figures: docs/design/0004-judge.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from verdigris.api.status import Counts

ALPHA = 0.01
"""Probability of rolling back a candidate that is no worse than the limit, over a whole rollout."""

WEIGHTS = (0.7, 0.1, 0.1, 0.1)
"""How the start is shared out over the ladder: nearly all on the factor the user asked about, the rest on worse."""

_GROSS = 0.5
_LATER = 1 / 9
_TOTAL = 1 + _LATER
_FULL = 30.0


def ladder(limit: float, factor: float) -> tuple[float, ...]:
    """The alternative error rates: from `factor * limit`, in equal ratios, to a half (or higher, never 1)."""
    first = min(factor * limit, (1 + limit) / 2)
    last = max(first, _GROSS)
    steps = len(WEIGHTS) - 1
    return tuple(first * (last / first) ** (step / steps) for step in range(steps + 1))


def start_weight(look: int, planned_looks: int) -> float:
    """The v of look number `look` (from 1): 1 as long as planned, then ever less, so that the sum stays bounded."""
    epoch = (look - 1) // max(planned_looks, 1)
    return 1.0 if epoch == 0 else _LATER / (epoch * (epoch + 1))


def threshold(planned_looks: int) -> float:
    """What `combined` must reach for a failure: ln(1 + planned looks x total weight / alpha)."""
    return math.log1p(max(planned_looks, 1) * _TOTAL / ALPHA)


@dataclass(frozen=True)
class Terms:
    """What the candidate is held against: the error rate it may have in (0, 1), and how errors scatter (from 1)."""

    limit: float
    factor: float
    planned_looks: int
    dispersion: float = 1.0


def advance(scores: Sequence[float], batch: Counts, look: int, terms: Terms) -> tuple[float, ...]:
    """ln(1 + R) of each alternative after one more batch, which is look number `look` (from 1).

    No scores yet means all are 0.

    Never overflows: everything stays a logarithm, and is at least 0.
    """
    start = start_weight(look, terms.planned_looks)
    before = tuple(scores) if len(scores) == len(WEIGHTS) else (0.0,) * len(WEIGHTS)
    return tuple(
        _softplus(_log_sum(start, score) + _log_likelihood_ratio(batch, rate, terms))
        for score, rate in zip(before, ladder(terms.limit, terms.factor), strict=True)
    )


def combined(scores: Sequence[float]) -> float:
    """ln(1 + R) of the weighted mean of the alternatives' sums; 0 before the first look."""
    if not scores:
        return 0.0
    top = max(scores)
    return top + math.log(sum(w * math.exp(s - top) for w, s in zip(WEIGHTS, scores, strict=True)))


def _log_sum(start: float, score: float) -> float:
    """ln(v + R), from v and ln(1 + R)."""
    return score if score > _FULL else math.log(start + math.expm1(score))


def _softplus(x: float) -> float:
    """ln(1 + e^x)."""
    return x if x > _FULL else math.log1p(math.exp(x))


def _log_likelihood_ratio(batch: Counts, rate: float, terms: Terms) -> float:
    good = batch.requests - batch.errors
    ratio = batch.errors * math.log(rate / terms.limit) + good * math.log((1 - rate) / (1 - terms.limit))
    return ratio / terms.dispersion
