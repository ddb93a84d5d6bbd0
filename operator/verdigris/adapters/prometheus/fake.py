"""An EvidenceSource and a UsageSource in memory, for tests of everything above.

The contract tests hold it to what Prometheus does.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise

from verdigris.api.status import Color
from verdigris.children.service_monitor import UID_LABEL
from verdigris.core.facts.evidence import (
    BOTH,
    PASSED_ON,
    SHADOW,
    Evidence,
    Question,
    Reading,
    Samples,
    Series,
    Usage,
    UsageQuestion,
)

_MEMORY = 15 * 60.0


@dataclass(frozen=True)
class Pod:
    """The labels of a scraped pod; `extra` are further ones, such as the job's, the cluster's or the model's UID."""

    namespace: str
    model: str
    color: str
    revision: str
    name: str
    extra: tuple[tuple[str, str], ...] = ()

    def belongs(self, question: Question | UsageQuestion, color: str, revision: str | None) -> bool:
        """Whether a selector of this question takes it."""
        labels = dict(self.extra)
        wanted = (question.namespace, question.model, color, revision)
        return (
            (self.namespace, self.model, self.color, self.revision) == wanted
            and labels.get(UID_LABEL, question.uid) == question.uid
            and all(labels.get(name) == value for name, value in question.matchers.items())
        )


@dataclass
class FakePrometheus:
    """Holds what was scraped, and answers as Prometheus would.

    `answers` maps PromQL text to the values of the series that it yields; text that is not there has no data.
    `problem` set: it cannot be asked. `ahead` is by how many seconds its clock, whose times the scrapes bear, is ahead.
    """

    problem: str | None = None
    ahead: float = 0.0
    answers: dict[str, list[float]] = field(default_factory=dict)
    _samples: dict[tuple[Pod, str], list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))

    _passed: dict[tuple[Pod, str, str], list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    _processes: dict[Pod, list[tuple[float, float, float]]] = field(default_factory=lambda: defaultdict(list))

    def scrape(self, at: float, pod: Pod, counters: dict[str, float]) -> None:
        """Take in a pod's `verdigris_requests_total` by code, as read at `at` (unix seconds)."""
        for code, value in counters.items():
            self._samples[pod, code].append((at, value))

    def scrape_front(self, at: float, pod: Pod, candidate: str, outcomes: dict[str, float]) -> None:
        """Take in what a pod counts of what it passes on to this revision, as read at `at`, by `Series.code`."""
        for outcome, value in outcomes.items():
            self._passed[pod, candidate, outcome].append((at, value))

    def scrape_process(self, at: float, pod: Pod, cpu: float, memory: float) -> None:
        """Take in a pod's `process_cpu_seconds_total` and `process_resident_memory_bytes`, as read at `at`."""
        self._processes[pod].append((at, cpu, memory))

    def forget(self) -> None:
        """Lose everything, as a Prometheus does that restarts without its storage."""
        self._samples.clear()
        self._passed.clear()
        self._processes.clear()

    async def gather(self, question: Question) -> Evidence:
        """See `EvidenceSource`."""
        if self.problem is not None:
            return Evidence(problem=self.problem)
        counters = {
            color: tuple(self._series(question, color, since.timestamp())) for color, since in question.since.items()
        }
        return Evidence(
            counters=counters,
            checks={
                **{name: self._check(query) for name, query in question.checks.items()},
                **{name: Reading(problem=sentence) for name, sentence in question.refused.items()},
            },
            ahead=self.ahead,
        )

    async def usage(self, question: UsageQuestion) -> Usage:
        """See `UsageSource`. It is now what it was at the last scrape."""
        if self.problem is not None:
            return Usage(problem=self.problem)
        now = max((at for samples in self._processes.values() for at, _, _ in samples), default=0.0)
        since, step = now - question.window.total_seconds(), question.step.total_seconds()
        pods = [
            samples
            for pod, samples in self._processes.items()
            if pod.belongs(question, question.color, question.revision)
        ]
        # As Prometheus does, whole steps since 1970, each looking one step back.
        steps = (number * step for number in range(math.floor(since / step) + 1, math.floor(now / step) + 1))
        busiest = ((at, _busiest(pods, at - step, at)) for at in steps)
        return Usage(
            cpu=tuple((at, cores) for at, cores in busiest if cores is not None),
            memory=max((memory for samples in pods for at, _, memory in samples if at > since), default=0.0),
        )

    def _series(self, question: Question, color: Color, since: float) -> list[Series]:
        found: list[Series] = []
        step = question.steps.get(color, timedelta()).total_seconds()
        for pod, code, samples in (*self._own(question, color), *self._in_front(question, color)):
            older = [sample for sample in samples if since - _MEMORY < sample[0] <= since]
            newer = [sample for sample in samples if sample[0] > since]
            window = [*older[-1:], *(_in_steps(samples, newer, step) if step else newer)]
            if window:
                found.append(Series(pod.name, code, tuple(window), step, ended=not newer))
        return found

    def _own(self, question: Question, color: Color) -> Iterator[tuple[Pod, str, list[tuple[float, float]]]]:
        for (pod, code), samples in self._samples.items():
            if pod.belongs(question, color, question.revisions.get(color)) and not code.startswith("4"):
                yield pod, code, samples

    def _in_front(self, question: Question, color: Color) -> Iterator[tuple[Pod, str, list[tuple[float, float]]]]:
        front = question.fronts
        for (pod, candidate, outcome), samples in self._passed.items():
            about = front not in (None, color) and candidate == question.revisions.get(color)
            told = outcome.startswith(SHADOW) if question.shadowed else outcome in (*PASSED_ON, BOTH)
            if about and told and front is not None and pod.belongs(question, front, question.revisions.get(front)):
                yield pod, outcome, samples

    def _check(self, query: str) -> Reading:
        values = self.answers.get(query, [])
        if len(values) != 1:
            return Reading(problem=f"Prometheus answered with {len(values)} series instead of one")
        if not math.isfinite(values[0]):
            return Reading(problem=f"Prometheus answered {values[0]:g}, which is no number to judge by")
        return Reading(value=values[0])


def _in_steps(samples: list[tuple[float, float]], newer: list[tuple[float, float]], step: float) -> Samples:
    """The newest value at each whole step, up to the last sample."""
    if not newer:
        return ()
    steps = (number * step for number in range(math.ceil(newer[0][0] / step), math.floor(newer[-1][0] / step) + 1))
    return tuple((at, [value for t, value in samples if t <= at][-1]) for at in steps)


def _busiest(pods: Iterable[list[tuple[float, float, float]]], start: float, end: float) -> float | None:
    """The highest of the pods' rates of CPU; of a pod with fewer than two scrapes there is none."""
    inside = ([sample for sample in samples if start < sample[0] <= end] for samples in pods)
    return max((_rate(samples) for samples in inside if len(samples) > 1), default=None)


def _rate(samples: list[tuple[float, float, float]]) -> float:
    """A counter that has fallen was restarted, from zero."""
    grown = sum(b[1] - a[1] if b[1] >= a[1] else b[1] for a, b in pairwise(samples))
    return grown / (samples[-1][0] - samples[0][0])
