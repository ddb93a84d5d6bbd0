"""The judge of `verdigris.core.judges`, for many rollouts at once: arrays with a row a rollout.

A copy, because a row of the operator's own takes 0.4 ms a look. `benchmarks.proof.one` gives the same rollouts to the
operator's code itself, and the report and the tests compare the two: verdict, counts and score.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betainc

from verdigris.api.spec import ErrorRateSpec
from verdigris.core.judges.baseline import MOST_DISPERSED, UNSEEN_LIMIT, Z_95
from verdigris.core.judges.errors import ceiling
from verdigris.core.judges.power import POWER
from verdigris.core.judges.score import WEIGHTS, start_weight, threshold

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Held:
    """What each candidate is held against: the limit of its error rate, and the dispersion of errors (from 1)."""

    limit: Floats
    scatter: Floats


def upper_limits(requests: Ints, errors: Ints, scatter: Floats) -> Floats:
    """`baseline.upper_limit` of each row."""
    size, z2 = np.maximum(requests, 1) / scatter, Z_95 * Z_95
    rate = errors / np.maximum(requests, 1)
    spread = Z_95 * np.sqrt(rate * (1 - rate) / size + z2 / (4 * size * size))
    limit: Floats = np.where(requests > 0, np.minimum(1.0, (rate + z2 / (2 * size) + spread) / (1 + z2 / size)), 1.0)
    return limit


def frozen(requests: Ints, errors: Ints, policy: ErrorRateSpec, scattered: bool = True) -> Held:
    """`baseline.freeze_baseline` of counts by slot, shape (rollouts, slots); `scattered` False takes no dispersion."""
    total, wrong = requests.sum(1), errors.sum(1)
    rate = (wrong / np.maximum(total, 1))[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        cells = np.where(requests > 0, (errors - requests * rate) ** 2 / (requests * rate * (1 - rate)), 0.0)
    used = (requests > 0).sum(1)
    enough = (wrong >= 2) & (wrong < total) & (used >= 2)
    pearson = np.where(enough, cells.sum(1) / np.maximum(used - 1, 1), 1.0)
    scatter = np.clip(pearson, 1.0, MOST_DISPERSED if scattered else 1.0)
    limit = upper_limits(total, wrong, scatter)
    limit = np.where(total < policy.min_requests, np.minimum(limit, UNSEEN_LIMIT), limit)
    return Held(np.maximum(limit, policy.floor), scatter)


def ladders(limit: Floats, factor: float) -> Floats:
    """The alternatives of each rollout, shape (rollouts, rungs), as `score.ladder` has them."""
    first = np.minimum(factor * limit, (1 + limit) / 2)
    last = np.maximum(first, 0.5)
    steps = np.arange(len(WEIGHTS)) / (len(WEIGHTS) - 1)
    ladder: Floats = first[:, None] * (last / first)[:, None] ** steps
    return ladder


def advance(scores: Floats, gain: Floats, start: Floats | float) -> Floats:
    """`score.advance`; `gain` are the log-likelihood ratios of the batch, `start` the v of each look."""
    small = np.minimum(scores, 30.0)
    carried = np.where(scores > 30.0, scores, np.log(start + np.expm1(small)))
    advanced: Floats = np.logaddexp(0.0, carried + gain)
    return advanced


def combined(scores: Floats, weights: tuple[float, ...] = WEIGHTS) -> Floats:
    """`score.combined`."""
    weight = np.asarray(weights)
    used = scores[:, weight > 0]
    top = used.max(1)
    mean: Floats = top + np.log((np.exp(used - top[:, None]) * weight[weight > 0]).sum(1))
    return mean


@dataclass(frozen=True)
class Judged:
    """Of each rollout: whether it failed, its score when it did or at the end, and all that was counted."""

    failed: Bools
    score: Floats
    requests: Ints
    errors: Ints


def judged(requests: Ints, errors: Ints, held: Held, factor: float, planned: int) -> Judged:
    """Watch batches of shape (rollouts, looks) look by look, as `fold` does. A batch without requests is no look."""
    ladder = ladders(held.limit, factor)
    bad = np.log(ladder / held.limit[:, None]) / held.scatter[:, None]
    good = np.log((1 - ladder) / (1 - held.limit[:, None])) / held.scatter[:, None]
    runs = len(requests)
    scores, score, looks = np.zeros(ladder.shape), np.zeros(runs), np.zeros(runs, np.int64)
    failed, bar = np.zeros(runs, np.bool_), threshold(planned)
    weights = np.array([start_weight(look, planned) for look in range(1, requests.shape[1] + 1)])
    for n, e in zip(requests.T, errors.T, strict=True):
        looked = (n > 0) & ~failed
        looks += looked
        gain = e[:, None] * bad + (n - e)[:, None] * good
        new = advance(scores, gain, weights[np.maximum(looks, 1) - 1][:, None])
        scores = np.where(looked[:, None], new, scores)
        score = np.where(looked, combined(scores), score)
        failed |= score >= bar
    return Judged(failed, score, requests.sum(1), errors.sum(1))


def found_with(requests: Ints, rate: Floats, held: Held, factor: float, planned: int) -> Floats:
    """`power.found_with` of each row."""
    informative = requests / held.scatter
    limit, rungs = held.limit[:, None], ladders(held.limit, factor)
    lost = np.log((1 - limit) / (1 - rungs))
    wanted = threshold(planned) - np.log(WEIGHTS) + informative[:, None] * lost
    needed = (wanted / (np.log(rungs / limit) + lost)).min(1) + 1
    with np.errstate(invalid="ignore"):
        tail = betainc(needed, informative - needed + 1, np.minimum(rate, 1.0))
    found: Floats = np.where(needed > informative, 0.0, np.where(rate >= 1.0, 1.0, tail))
    return found


def claims(requests: Ints, rate: float, held: Held, factor: float, planned: int) -> Bools:
    """Whether a pass after so many requests says that it would have found this rate (`power.detectable`)."""
    rates = np.full(len(requests), rate)
    return (rates > held.limit) & (found_with(requests, rates, held, factor, planned) >= POWER)


def enough(judged: Judged, held: Held, policy: ErrorRateSpec, planned: int) -> Bools:
    """Whether a pass would mean something: neither `errors.too_few` nor `errors.above_ceiling` speaks."""
    gross = np.minimum(policy.detected * held.limit, ladders(held.limit, policy.factor)[:, -1])
    told = found_with(judged.requests, gross, held, policy.factor, planned) >= POWER
    shown = upper_limits(judged.requests, judged.errors, held.scatter) <= ceiling(policy)
    return (judged.requests >= policy.min_requests) & told & shown
