"""What the operator wants from a metrics system, in its own words."""

from __future__ import annotations

from typing import Protocol

from verdigris.core.facts.evidence import Evidence, Question, Usage, UsageQuestion


class EvidenceSource(Protocol):
    """Answers a Question. Promises: one answer within a few seconds, and never an exception.

    For each color in `question.since` the answer holds every sample after that time and, of each series that is
    older, one sample from before it. What the pods of `question.fronts` count as gone wrong on the way to the other
    color is among that one's. A check has either a finite value or a problem. When anything keeps the counters from
    being complete, the answer is a problem and nothing else.
    """

    async def gather(self, question: Question) -> Evidence:
        """The evidence, or the sentence that says why there is none."""
        ...


class UsageSource(Protocol):
    """Answers a UsageQuestion. Promises: one answer within a few seconds, and never an exception.

    A step for which no pod has two scrapes has no sample. A revision that nobody scraped has no samples and no memory,
    and that is no problem.
    """

    async def usage(self, question: UsageQuestion) -> Usage:
        """What was used, or the sentence that says why nobody knows."""
        ...
