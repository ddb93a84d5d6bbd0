"""From raw counter samples to exact counts, each counter once. PURE."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from itertools import pairwise

from verdigris.api.status import Counts
from verdigris.core.facts.evidence import BOTH, FAULTS, UNANSWERED, UNLIKE, Samples, Series

_NEIGHBOURS = 4

MOST_PODS = 1000
"""Pods whose marks are kept; of more of them, the first that were seen."""


def is_error(code: str) -> bool:
    """Whether this status code, or outcome, is the server's fault. The callers' own faults (4xx) are never fetched."""
    return code.startswith("5") or code in (*FAULTS, UNLIKE, UNANSWERED)


def increments(series: Iterable[Series], after: float, until: float = math.inf, *, from_zero: bool = True) -> Counts:
    """Requests and errors counted in `(after, until]` (unix seconds), summed over all pods and codes.

    What a counter has grown by belongs to the later of two samples, so a sum over adjoining intervals is the same
    however they are cut. A counter that fell was restarted: what it shows then is new. A series whose first sample
    lies after `after` began at 0, because the server creates its counters at 0 and the question reaches back far
    enough to hold an older sample of every older series. Where that cannot be relied on, `from_zero` False leaves the
    first sample of each series out.
    """
    requests = errors = 0.0
    for at, grown, failed in steps(series, from_zero=from_zero):
        if after < at <= until:
            requests += grown
            errors += grown if failed else 0.0
    return _counts(requests, errors)


def steps(series: Iterable[Series], *, from_zero: bool = True) -> Iterator[tuple[float, float, bool]]:
    """Every growth of every counter: when (unix seconds), by how much, and whether it counts errors."""
    for one in series:
        # Where the active version failed as well, the request is taken out again: it tells nothing.
        failed, sign = is_error(one.code) or one.code == BOTH, -1.0 if one.code == BOTH else 1.0
        if from_zero and one.samples:
            yield one.samples[0][0], sign * one.samples[0][1], failed
        for (_, previous), (at, value) in pairwise(one.samples):
            yield at, sign * (value - previous if value >= previous else value), failed


def shown(series: Iterable[Series], until: float = math.inf) -> Counts:
    """What the counters showed in all at `until` (unix seconds): everything since their processes began."""
    requests = errors = 0.0
    for one in series:
        value = next((value for at, value in reversed(one.samples) if at <= until), 0.0)
        value = -value if one.code == BOTH else value
        requests += value
        errors += value if is_error(one.code) or one.code == BOTH else 0.0
    return _counts(requests, errors)


def _counts(requests: float, errors: float) -> Counts:
    """A pod that is gone may have left its failures of both versions without the requests that they belong to."""
    return Counts(requests=max(0, round(requests)), errors=max(0, round(errors)))


def by_outcome(series: Iterable[Series], after: float) -> dict[str, int]:
    """What pods in front counted since `after` (unix seconds) as gone wrong, by how; nothing of what never did.

    `BOTH` of it are those at which the active version failed as well.
    """
    grown: dict[str, float] = defaultdict(float)
    for one in series:
        if one.code in (*FAULTS, BOTH):
            grown[one.code] += sum(abs(step) for at, step, _ in steps((one,)) if at > after)
    return {outcome: round(grown[outcome]) for outcome in (*FAULTS, BOTH) if grown[outcome]}


def newest(series: Iterable[Series]) -> float | None:
    """Time (unix seconds) of the newest sample of all; None without any."""
    return max((one.samples[-1][0] for one in series if one.samples), default=None)


def covered(series: Iterable[Series], after: float, until: float, widest: float) -> float:
    """How many of the seconds in `(after, until]` were watched: those between two samples at most `widest` apart.

    Samples at whole steps prove nothing that is finer: Prometheus repeats a value for minutes when it has no newer.
    """
    times = sorted({at for one in series for at, _ in one.samples if after < at <= until})
    return sum(later - earlier for earlier, later in pairwise([after, *times]) if later - earlier <= widest)


def seen_pods(series: Iterable[Series], newer_than: float) -> frozenset[str]:
    """Pods whose error counters exist and were scraped after `newer_than` (unix seconds).

    Only of these pods is the very first error counted, so only to these may traffic be moved (law 4).
    """
    return frozenset(
        one.pod for one in series if is_error(one.code) and one.samples and one.samples[-1][0] > newer_than
    )


def mark(pod: str) -> str:
    """What tells a pod from others of its colour in few characters: the last part of its name, which is random."""
    return pod.rpartition("-")[2]


def marks_of(known: Iterable[str], pods: Iterable[str]) -> tuple[str, ...]:
    """The marks that are `known` and those of these pods: who has ended meanwhile was counted as well."""
    return tuple(dict.fromkeys([*known, *sorted(mark(pod) for pod in pods)]))[:MOST_PODS]


def of_pods(
    series: Iterable[Series], marks: Collection[str], newer_than: float = -math.inf
) -> tuple[tuple[Series, ...], frozenset[str]]:
    """The series of the pods with these `marks`, and the names of other pods that were scraped after `newer_than`.

    `newer_than` is in unix seconds. Those others are another cluster's: a pod that has ended is not scraped any more.
    """
    ours, others = [], set()
    for one in series:
        if mark(one.pod) in marks:
            ours.append(one)
        elif one.samples and one.samples[-1][0] > newer_than:
            others.add(one.pod)
    return tuple(ours), frozenset(others)


def once(series: Iterable[Series]) -> tuple[tuple[Series, ...], str | None]:
    """Every counter once, by how many jobs it is scraped; and a pod whose series contradict each other, if any.

    Two jobs that scrape the same pod give two series of one counter: counted both, every request would be two. A
    counter that goes on under other labels (the job was renamed, the pod got another address) is one counter too.
    """
    groups: dict[tuple[str, str], list[Series]] = defaultdict(list)
    for one in series:
        if one.samples:
            groups[one.pod, one.code].append(one)
    found = []
    for (pod, _), several in groups.items():
        samples = several[0].samples if len(several) == 1 else _joined(several)
        if samples is None:
            return (), pod
        found.append(replace(several[0], samples=samples))
    return tuple(found), None


def _joined(several: list[Series]) -> Samples | None:
    """One counter from what several jobs read of it; None when it cannot be one."""
    first, *others = sorted(several, key=lambda one: (one.samples[0][0], -one.samples[-1][0]))
    joined = list(first.samples)
    # Of one that ended the value is older than its time says: beside a series that has a value then, it says nothing.
    for samples in (one.samples for one in others if not one.ended):
        end = joined[-1][0]
        both = [sample for sample in samples if sample[0] <= end]
        if not all(_agrees(joined, sample) for sample in both):
            return None
        joined += _continued(both, [sample for sample in samples if sample[0] > end], joined[-1][1])
    return tuple(joined)


def _agrees(samples: list[tuple[float, float]], other: tuple[float, float]) -> bool:
    """Whether a value that another job read fits between its neighbours in time, or theirs: reading takes time.

    A restart about then explains any value.
    """
    at, value = other
    place = bisect_left(samples, at, key=lambda sample: sample[0])
    near = [value for _, value in samples[max(place - 2, 0) : place + 2]]
    spare = near[-1] - near[0] if len(near) < _NEIGHBOURS else 0.0
    return near != sorted(near) or near[0] - spare <= value <= near[-1] + spare


def _continued(both: list[tuple[float, float]], more: list[tuple[float, float]], last: float) -> Samples:
    """What one job read after another's last sample. A value that was read a moment before that one is no restart."""
    start = 0
    if both:
        own = both[-1][1]
        while start < len(more) and own <= more[start][1] < last:
            own, start = more[start][1], start + 1
    return tuple(more[start:])
