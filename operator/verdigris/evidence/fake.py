"""An EvidenceSource in memory, for tests of everything above it. The contract test holds it to what Prometheus does."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

from verdigris.api.status import Color
from verdigris.rollout.evidence import Evidence, Question, Reading, Series


@dataclass(frozen=True)
class Pod:
    """The labels of a scraped pod."""

    namespace: str
    model: str
    color: str
    revision: str
    name: str


@dataclass
class FakePrometheus:
    """Holds what was scraped, and answers as Prometheus would.

    `answers` maps PromQL text to the values of the series that it yields; text that is not there has no data.
    `problem` set: it cannot be asked.
    """

    problem: str | None = None
    answers: dict[str, list[float]] = field(default_factory=dict)
    _samples: dict[tuple[Pod, str], list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))

    def scrape(self, at: float, pod: Pod, counters: dict[str, float]) -> None:
        """Take in a pod's `verdigris_requests_total` by code, as read at `at` (unix seconds)."""
        for code, value in counters.items():
            self._samples[pod, code].append((at, value))

    def forget(self) -> None:
        """Lose everything, as a Prometheus does that restarts without its storage."""
        self._samples.clear()

    async def gather(self, question: Question) -> Evidence:
        """See `EvidenceSource`."""
        if self.problem is not None:
            return Evidence(problem=self.problem)
        counters = {
            color: tuple(self._series(question, color, since.timestamp())) for color, since in question.since.items()
        }
        return Evidence(
            counters=counters,
            checks={name: self._check(query) for name, query in question.checks.items()},
        )

    def _series(self, question: Question, color: Color, since: float) -> list[Series]:
        found: list[Series] = []
        for (pod, code), samples in self._samples.items():
            wanted = (question.namespace, question.model, color, question.revisions.get(color))
            if (pod.namespace, pod.model, pod.color, pod.revision) != wanted or code.startswith("4"):
                continue
            older = [sample for sample in samples if sample[0] <= since]
            window = [*older[-1:], *(sample for sample in samples if sample[0] > since)]
            if window[-1][0] > since:
                found.append(Series(pod.name, code, tuple(window)))
        return found

    def _check(self, query: str) -> Reading:
        values = self.answers.get(query, [])
        if len(values) != 1:
            return Reading(problem=f"Prometheus answered with {len(values)} series instead of one")
        if not math.isfinite(values[0]):
            return Reading(problem=f"Prometheus answered {values[0]:g}, which is no number to judge by")
        return Reading(value=values[0])
