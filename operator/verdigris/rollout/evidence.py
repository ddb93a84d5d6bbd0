"""What Prometheus was asked and what it said, as plain values, made by `verdigris.evidence` and read by the judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from verdigris.api.status import Color


@dataclass(frozen=True)
class Series:
    """Raw samples of one counter `verdigris_requests_total` of one pod and one status code.

    `samples` are (unix seconds, counter value), oldest first. Callers' faults (4xx) are never fetched.
    """

    pod: str
    code: str
    samples: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Reading:
    """One number asked for, or the sentence that says why there is none."""

    value: float | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Question:
    """What to ask: raw counters by colour since a time, and single numbers by ready-made PromQL.

    `since` has one start time for each colour whose counters are wanted.
    """

    address: str
    namespace: str
    model: str
    since: Mapping[Color, datetime]
    revisions: Mapping[Color, str]
    checks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """The answer. `problem` is set when Prometheus could not be asked at all; then there is nothing else."""

    problem: str | None = None
    counters: Mapping[Color, tuple[Series, ...]] = field(default_factory=dict)
    checks: Mapping[str, Reading] = field(default_factory=dict)


NOT_ASKED = Evidence(problem="Prometheus was not asked: no rollout is under way")
