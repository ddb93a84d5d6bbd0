"""What Prometheus was asked and what it said, as plain values, made by `verdigris.evidence` and read by the judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from verdigris.api.status import Color

Samples = tuple[tuple[float, float], ...]
"""(unix seconds, value), oldest first."""


@dataclass(frozen=True)
class Series:
    """Raw samples of one counter `verdigris_requests_total` of one pod and one status code.

    `samples` are counter values. Callers' faults (4xx) are never fetched.
    """

    pod: str
    code: str
    samples: Samples


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
class UsageQuestion:
    """What one revision's pods used within the last `window`, averaged over each `step` of it."""

    address: str
    namespace: str
    model: str
    color: Color
    revision: str
    window: timedelta
    step: timedelta


@dataclass(frozen=True)
class Usage:
    """What the busiest of the pods used. `problem` is set when that could not be learnt; then there is nothing else.

    `cpu` has the cores of the busiest pod in each step that is known, whichever pod that was; `memory` the most bytes
    that any pod was seen with, 0 when none was seen.
    """

    problem: str | None = None
    cpu: Samples = ()
    memory: float = 0.0


@dataclass(frozen=True)
class Evidence:
    """The answer. `problem` is set when Prometheus could not be asked at all; then there is nothing else of a rollout.

    `usage` has nothing to do with a rollout: it is there when its time has come.
    """

    problem: str | None = None
    counters: Mapping[Color, tuple[Series, ...]] = field(default_factory=dict)
    checks: Mapping[str, Reading] = field(default_factory=dict)
    usage: Usage | None = None


NOT_ASKED = Evidence(problem="Prometheus was not asked: no rollout is under way")
