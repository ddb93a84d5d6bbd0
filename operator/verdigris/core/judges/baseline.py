"""The baseline: what the active version does, and the limit that a candidate is held against because of it. PURE."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from verdigris.api.spec import ErrorRateSpec
from verdigris.api.status import Baseline, Counts
from verdigris.core.facts.evidence import BOTH, Series
from verdigris.core.judges.counts import by_outcome, increments, once, steps

BASELINE_WINDOW = timedelta(minutes=5)
"""How far back the baseline looks."""

KEPT_FOR = timedelta(days=1)
"""How long a baseline of enough requests counts for more than a later one of too few."""

UNSEEN_LIMIT = 0.10
"""The highest limit that a baseline of too few requests can earn: not having been seen excuses nothing."""

SLOT = 5.0
"""Seconds. Long enough that what fails together falls into one slot, short enough to have sixty in five minutes."""

MOST_DISPERSED = 10.0

Z_95 = 1.6448536269514722
"""One-sided 95 % point of the normal distribution."""

Z_99 = 2.3263478740408408
"""One-sided 99 % point of it."""


def dispersion(series: Iterable[Series], after: float, until: float) -> float:
    """How much more the errors scatter than chance alone would have it: 1 (independent errors) to `MOST_DISPERSED`.

    Real errors come in clumps: one stalled backend fails twenty calls at once. It is Pearson's statistic over slots
    of `SLOT` seconds, divided by its degrees of freedom (McCullagh & Nelder 1989, section 4.5). 1.0 for fewer than
    two errors.
    """
    slots: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for at, grown, failed in steps(series, from_zero=False):
        if after < at <= until:
            slot = slots[int(at // SLOT)]
            slot[0] += grown
            slot[1] += grown if failed else 0.0
    used = [(requests, errors) for requests, errors in slots.values() if requests]
    total, wrong = sum(n for n, _ in used), sum(e for _, e in used)
    if wrong < 2 or wrong >= total or len(used) < 2:
        return 1.0
    rate = wrong / total
    pearson = sum((e - n * rate) ** 2 / (n * rate * (1 - rate)) for n, e in used)
    return min(max(pearson / (len(used) - 1), 1.0), MOST_DISPERSED)


def upper_limit(counts: Counts, scatter: float = 1.0, z: float = Z_95) -> float:
    """Upper one-sided limit of the error rate (95 % by default), in 0..1; 1.0 of nothing.

    Wilson's score interval (Wilson 1927) for as many requests as carry the same information: `requests / scatter`.
    """
    if not counts.requests:
        return 1.0
    n, rate, z2 = counts.requests / scatter, counts.errors / counts.requests, z * z
    spread = z * math.sqrt(rate * (1 - rate) / n + z2 / (4 * n * n))
    return min(1.0, (rate + z2 / (2 * n) + spread) / (1 + z2 / n))


def lower_limit(counts: Counts, scatter: float = 1.0, z: float = Z_95) -> float:
    """Lower one-sided limit of the error rate, in 0..1; 0.0 of nothing: `upper_limit` of what went well, mirrored."""
    good = Counts(requests=counts.requests, errors=counts.requests - counts.errors)
    return 1.0 - upper_limit(good, scatter, z)


def freeze_baseline(
    series: Iterable[Series],
    after: datetime,
    now: datetime,
    policy: ErrorRateSpec,
    in_front: Iterable[Series] = (),
) -> Baseline:
    """The active colour's counts in `(after, now]` as the baseline for a candidate that will get all the traffic.

    Its limit is the upper one-sided 95 % limit of the rate and never below the floor. Of fewer than
    `policy.min_requests` requests the limit is at most `UNSEEN_LIMIT` (or the floor, if that is higher). Only what
    was seen to grow counts: a Prometheus that has just begun to watch the active version tells nothing of its past.
    What it answered in the candidate's stead, by what its pods `in_front` count, is left out: those are not requests
    like all others, but the ones that a version failed at already.
    """
    kept, start, end = once(series)[0], after.timestamp(), now.timestamp()
    counts, scatter = increments(kept, start, end, from_zero=False), dispersion(kept, start, end)
    counts = _without(counts, by_outcome(once(in_front)[0], start))
    limit = upper_limit(counts, scatter)
    if counts.requests < policy.min_requests:
        limit = min(limit, UNSEEN_LIMIT)
    return Baseline(
        requests=counts.requests,
        errors=counts.errors,
        rate=round(counts.errors / counts.requests, 8) if counts.requests else 0.0,
        limit=round(max(limit, policy.floor), 8),
        dispersion=round(scatter, 4),
        source="Frozen",
        at=now,
    )


def _without(counts: Counts, faults: Mapping[str, int]) -> Counts:
    """Without the second answers to what the candidate failed at; `BOTH` are those that failed as well."""
    requests = max(0, counts.requests - sum(number for how, number in faults.items() if how != BOTH))
    return Counts(requests=requests, errors=min(requests, max(0, counts.errors - faults.get(BOTH, 0))))


def better_known(last: Baseline, seen: Baseline, policy: ErrorRateSpec) -> Baseline:
    """The baseline of an active version of which something was known before: `seen`, unless `last` tells more.

    Clients who were away for some seconds, or pods that were replaced, leave few requests to be seen, and few requests
    earn a high limit. So what rests on enough of them stays for `KEPT_FOR`, unless the version is shown to have become
    worse since (lower 99 % limit above it).
    """
    enough = policy.min_requests
    if seen.requests >= enough or last.requests < enough or last.at is None:
        return seen
    outdated = seen.at is not None and seen.at - last.at > KEPT_FOR
    worse = lower_limit(seen, seen.dispersion, Z_99) > last.limit
    return seen if outdated or worse else last


def concurrent_baseline(last: Baseline, now: Baseline, policy: ErrorRateSpec) -> Baseline:
    """What a candidate is held against while the active version has clients too: what that does at the same time.

    The limit stays the one from before the candidate had clients, unless the active version is shown to have become
    worse since (lower 99 % limit above it). So it does not drift: not up because the active version has ever fewer
    pods and requests to be sure of, nor down because it was lucky for a minute; it follows the world when the world
    has changed for both. Where fewer than `policy.min_requests` had been seen before, the first that are enough fix it.
    """
    known = last.fixed_limit
    if not known and last.source == "Frozen" and last.requests >= policy.min_requests:
        known = last.limit
    if not known and now.requests >= policy.min_requests:
        known = now.limit
    worse = lower_limit(now, now.dispersion, Z_99) > known
    held = {"limit": now.limit, "dispersion": now.dispersion}
    if known and not worse:
        held = {"limit": known, "dispersion": max(last.dispersion, 1.0)}
    return now.model_copy(update={"source": "Concurrent", "fixed_limit": known, **held})
