"""From raw counter samples to exact counts, and from counts to the limit that a candidate is held against. PURE."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import pairwise

from verdigris.api.spec import ErrorRateSpec
from verdigris.api.status import Baseline, Counts
from verdigris.rollout.evidence import Series

UNSEEN_LIMIT = 0.10
"""The highest limit that a baseline of too few requests can earn: not having been seen excuses nothing."""

SLOT = 5.0
"""Seconds. Long enough that what fails together falls into one slot, short enough to have sixty in five minutes."""

MOST_DISPERSED = 10.0

Z_95 = 1.6448536269514722
"""One-sided 95 % point of the normal distribution."""


def is_error(code: str) -> bool:
    """Whether this status code is the server's fault. The callers' own faults (4xx) are never fetched."""
    return code.startswith("5")


def increments(series: Iterable[Series], after: float, until: float = math.inf) -> Counts:
    """Requests and errors counted in `(after, until]` (unix seconds), summed over all pods and codes.

    What a counter has grown by belongs to the later of two samples, so a sum over adjoining intervals is the same
    however they are cut. A counter that fell was restarted: what it shows then is new. A series whose first sample
    lies after `after` began at 0, because the server creates its counters at 0 and the question reaches back far
    enough to hold an older sample of every older series.
    """
    requests = errors = 0.0
    for at, grown, failed in _steps(series):
        if after < at <= until:
            requests += grown
            errors += grown if failed else 0.0
    return Counts(requests=round(requests), errors=round(errors))


def _steps(series: Iterable[Series]) -> Iterator[tuple[float, float, bool]]:
    """Every growth of every counter: when (unix seconds), by how much, and whether it counts errors."""
    for one in series:
        failed, previous = is_error(one.code), 0.0
        for at, value in one.samples:
            yield at, value - previous if value >= previous else value, failed
            previous = value


def worst_stretch(series: Iterable[Series], cuts: Iterable[float], limit: float) -> tuple[float, Counts] | None:
    """Since which of `cuts` (unix seconds) the errors are least like a rate of `limit`, and the counts since then.

    None when they never are above it. For the sentence to a person: a fault that came late hides in the totals.
    """
    kept = tuple(series)
    found = [(cut, increments(kept, cut)) for cut in cuts]
    bad = [(cut, counts) for cut, counts in found if counts.errors > limit * counts.requests]
    return max(bad, key=lambda one: _divergence(one[1], limit), default=None)


def _divergence(counts: Counts, limit: float) -> float:
    """Log-likelihood ratio of the rate that was seen to `limit`: requests x Kullback-Leibler divergence."""
    good = counts.requests - counts.errors
    bad_part = counts.errors * math.log(counts.errors / counts.requests / limit)
    return bad_part + (good * math.log(good / counts.requests / (1 - limit)) if good else 0.0)


def newest(series: Iterable[Series]) -> float | None:
    """Time (unix seconds) of the newest sample of all; None without any."""
    return max((one.samples[-1][0] for one in series if one.samples), default=None)


def seen_pods(series: Iterable[Series], newer_than: float) -> frozenset[str]:
    """Pods whose error counters exist and were scraped after `newer_than` (unix seconds).

    Only of these pods is the very first error counted, so only to these may traffic be moved (law 4).
    """
    return frozenset(
        one.pod for one in series if is_error(one.code) and one.samples and one.samples[-1][0] > newer_than
    )


def scraped_twice(series: Iterable[Series]) -> str | None:
    """A pod of which one counter arrives as two series at the same time, else None.

    Every request of such a pod would count double, and so would every error. Two series that follow each other
    (a pod that came back under another address) are fine.
    """
    spans: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for one in series:
        if one.samples:
            spans[one.pod, one.code].append((one.samples[0][0], one.samples[-1][0]))
    return next((pod for pod, _ in _overlapping(spans)), None)


def _overlapping(spans: dict[tuple[str, str], list[tuple[float, float]]]) -> Iterator[tuple[str, str]]:
    for key, several in spans.items():
        if any(later[0] <= earlier[1] for earlier, later in pairwise(sorted(several))):
            yield key


def dispersion(series: Iterable[Series], after: float, until: float) -> float:
    """How much more the errors scatter than chance alone would have it: 1 (independent errors) to `MOST_DISPERSED`.

    Real errors come in clumps: one stalled backend fails twenty calls at once. It is Pearson's statistic over slots
    of `SLOT` seconds, divided by its degrees of freedom (McCullagh & Nelder 1989, section 4.5). 1.0 for fewer than
    two errors.
    """
    slots: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for at, grown, failed in _steps(series):
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


def upper_limit(counts: Counts, scatter: float = 1.0) -> float:
    """Upper one-sided 95 % limit of the error rate, in 0..1; 1.0 of nothing.

    Wilson's score interval (Wilson 1927) for as many requests as carry the same information: `requests / scatter`.
    """
    if not counts.requests:
        return 1.0
    n, rate, z2 = counts.requests / scatter, counts.errors / counts.requests, Z_95 * Z_95
    spread = Z_95 * math.sqrt(rate * (1 - rate) / n + z2 / (4 * n * n))
    return min(1.0, (rate + z2 / (2 * n) + spread) / (1 + z2 / n))


def freeze_baseline(series: Iterable[Series], after: datetime, now: datetime, policy: ErrorRateSpec) -> Baseline:
    """The active colour's counts in `(after, now]` as the baseline for a candidate that will get all the traffic.

    Its limit is the upper one-sided 95 % limit of the rate and never below the floor. Of fewer than
    `policy.min_requests` requests the limit is at most `UNSEEN_LIMIT` (or the floor, if that is higher).
    """
    kept, start, end = tuple(series), after.timestamp(), now.timestamp()
    counts, scatter = increments(kept, start, end), dispersion(kept, start, end)
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
