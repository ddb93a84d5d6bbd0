"""What Prometheus was asked and what it said, as plain values, from the adapter to the judges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from verdigris.api.status import Color
from verdigris.core.words import plain

FAULTS = ("error", "refused", "reset", "unreachable", "malformed", "late")
"""How a request that an active pod passed on can go wrong. Most of it the candidate itself counts as no error, so the
pod in front does. (`refused`: the candidate says 4xx where the active version answers.)"""

PASSED_ON = ("answered", *FAULTS)
"""How a request that an active pod passed on ended there. What it did not ask, for whatever reason, is not among it."""

BOTH = "spared:failed"
"""Of those faults, where the active version failed as well: that is nothing that this candidate did."""

SHADOW = "shadow:"
"""What the codes of compared copies begin with: rows that came out alike, or not, and copies that were not answered."""
ALIKE, UNLIKE, UNANSWERED = "shadow:true", "shadow:false", "shadow:failed"

Samples = tuple[tuple[float, float], ...]
"""(unix seconds, value), oldest first."""


@dataclass(frozen=True)
class Series:
    """Raw samples of one counter of one pod: of `verdigris_requests_total` by status code, or, of a pod that passes
    requests on to the candidate, of `verdigris_forwarded_total` by outcome; `code` is then one of `PASSED_ON`, or
    `BOTH` for the failures of `verdigris_spared_total`, or one of those of `SHADOW`.

    `samples` are counter values. Callers' faults (4xx) are never fetched. With a `step` they are what the counter was
    every so many seconds (at whole multiples of it), not every scrape. What `ended` before the time that was asked
    about has its last value alone.
    """

    pod: str
    code: str
    samples: Samples
    step: float = 0.0
    ended: bool = False

    @property
    def in_front(self) -> bool:
        """Whether a pod in front counts it, and not one of the version's own."""
        return self.code == BOTH or self.code in PASSED_ON

    @property
    def compared(self) -> bool:
        """Whether it counts copies whose answers nobody but the pod in front sees."""
        return self.code.startswith(SHADOW)


@dataclass(frozen=True)
class Reading:
    """One number asked for, or the sentence that says why there is none."""

    value: float | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Question:
    """What to ask: raw counters by colour since a time, and single numbers by ready-made PromQL.

    `since` has one start time, by Prometheus' clock, for each colour whose counters are wanted; `steps` those of which
    not every scrape is needed, so that the answer stays small. `refused` are checks that are not asked, and why.
    `fronts` is the colour whose pods pass requests on to the other one: what they count is among the other's counters.
    `shadowed`: they pass copies on, and it is what they make of the answers that is asked for.
    `uid` is the ModelDeployment's, `matchers` are further labels that its series have.
    `every` is how often the same is asked again; all but the times must read the same from look to look, else each look
    asks something new and has no answer.
    """

    address: str
    namespace: str
    model: str
    since: Mapping[Color, datetime]
    revisions: Mapping[Color, str]
    checks: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    steps: Mapping[Color, timedelta] = field(default_factory=dict)
    fronts: Color | None = None
    shadowed: bool = False
    uid: str = ""
    matchers: Mapping[str, str] = field(default_factory=dict)
    every: timedelta = timedelta(seconds=1)

    @property
    def server(self) -> str:
        """Who is asked, for people: an address may hold a password."""
        return f"Prometheus at {plain(self.address)}"


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
    uid: str = ""
    matchers: Mapping[str, str] = field(default_factory=dict)

    @property
    def server(self) -> str:
        """As `Question.server`."""
        return f"Prometheus at {plain(self.address)}"


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

    `usage` has nothing to do with a rollout: it is there when its time has come. `ahead` is by how many seconds
    Prometheus' clock is ahead of the operator's; 0.0 when they agree as far as one can tell. All samples bear the
    times of its clock.
    """

    problem: str | None = None
    counters: Mapping[Color, tuple[Series, ...]] = field(default_factory=dict)
    checks: Mapping[str, Reading] = field(default_factory=dict)
    usage: Usage | None = None
    ahead: float = 0.0

    def clock(self, now: datetime) -> datetime:
        """What Prometheus' clock shows when the operator's shows `now`."""
        return now + timedelta(seconds=self.ahead)


NOT_ASKED = Evidence(problem="Prometheus was not asked: no rollout is under way")
