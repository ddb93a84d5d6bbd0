"""A ModelDeployment as people see it. These are also the documents of `-o json`: their fields are a promise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Counts:
    """Requests (of a Shadow: rows) and those of them that failed (came out otherwise)."""

    requests: int = 0
    errors: int = 0

    @property
    def rate(self) -> float | None:
        """The share that failed, 0 to 1; None of nothing."""
        return self.errors / self.requests if self.requests else None


@dataclass(frozen=True)
class Evidence:
    """What the judge knows of a version. `limit` is a share, 0 to 1; 0 where none is known yet."""

    verdict: str = "Inconclusive"
    reason: str = "NoEvidence"
    message: str = ""
    candidate: Counts = Counts()
    baseline: Counts = Counts()
    baseline_source: str = "None"
    limit: float = 0.0
    score: float = 0.0
    threshold: float = 0.0
    looks: int = 0
    watched_seconds: float = 0.0
    breaches: int = 0


@dataclass(frozen=True)
class GateCheck:
    """One thing that a gate has looked at. `bound` is min or max; `low` and `high` the interval of the value."""

    name: str
    verdict: str
    value: float | None = None
    threshold: float | None = None
    bound: str = ""
    low: float | None = None
    high: float | None = None
    count: int = 0


@dataclass(frozen=True)
class Gate:
    """What a gate has answered, as far as it has. `rows`: over how many rows, or requests."""

    job: str
    verdict: str
    reason: str
    message: str
    rows: int
    checks: tuple[GateCheck, ...] = ()


@dataclass(frozen=True)
class Step:
    """One step of a rollout. `state`: Done, Skipped, Running or Waiting. `weight` in percent, `hold` as a duration."""

    kind: str
    state: str
    weight: float | None = None
    hold: str = ""
    verdict: str = ""
    reason: str = ""
    message: str = ""
    began: str = ""
    gate: Gate | None = None


@dataclass(frozen=True)
class Rollout:
    """The rollout under way. Shares are in percent; `passed_on` and `shadowed` are wished for behind the shield,
    `routed` of a gateway.
    """

    version: str
    revision: str
    color: str
    digest: str
    stage: str
    step: int
    steps: tuple[Step, ...]
    wanted: float
    reached: float
    passed_on: float
    routed: float
    shadowed: float
    shielded: float | None
    routed_seen: float | None
    started: str
    since: str
    deadline: str
    size: int
    message: str
    evidence: Evidence
    shadow: Evidence | None = None
    failure_reason: str = ""
    failure_message: str = ""
    outcome: str = ""
    trouble_reason: str = ""
    fits: int | None = None
    needed: int | None = None
    lacking_since: str = ""
    wished_at: str = ""
    inconclusive_since: str = ""
    ends: int = 0
    approved: bool = False
    on_inconclusive: str = ""
    inconclusive_deadline: str = ""
    bake: str = ""
    progress_deadline: str = ""

    @property
    def taken_back(self) -> bool:
        """Whether it is ending without a promotion."""
        return self.stage == "RollingBack"

    @property
    def current(self) -> Step | None:
        """The step under way."""
        return self.steps[self.step] if 0 <= self.step < len(self.steps) else None


@dataclass(frozen=True)
class Serving:
    """A version that has pods without being on trial: the active one, or the one that is warm (then with `until`)."""

    version: str
    revision: str
    color: str
    digest: str = ""
    since: str = ""
    until: str = ""


@dataclass(frozen=True)
class Condition:
    """A condition of the ModelDeployment."""

    type: str
    status: str
    reason: str
    message: str = ""
    since: str = ""


@dataclass(frozen=True)
class Stuck:
    """A pod that is stuck, by the operator's word. `held`: why nothing is done about it."""

    pod: str
    kind: str
    reason: str
    message: str
    remedy: str = "None"
    held: str = ""
    since: str = ""


@dataclass(frozen=True)
class Ended:
    """A rollout that has ended. `outcome`: Promoted, RolledBack, Failed, Aborted or Superseded."""

    version: str
    revision: str
    outcome: str
    reason: str
    started: str
    ended: str


@dataclass(frozen=True)
class Rejected:
    """A revision that is not tried again by itself. `check`: where a gate decided, what it measured."""

    version: str
    revision: str
    reason: str
    message: str
    at: str
    check: GateCheck | None = None


@dataclass(frozen=True)
class Decided:
    """What a person decided, and what became of it."""

    at: str
    by: str
    verb: str
    revision: str
    reason: str
    outcome: str
    message: str


@dataclass(frozen=True)
class Rollback:
    """The latest time that clients were taken back."""

    from_version: str
    to_version: str
    reason: str
    message: str
    decided: str
    restored: str
    evidence: Evidence


@dataclass(frozen=True)
class Recommendation:
    """The requests that the model's own use suggests."""

    cpu: str
    memory: str
    message: str
    percentile: float
    window: str
    samples: int
    at: str


@dataclass(frozen=True)
class Share:
    """Of one colour: percent of new connections, as seen and as wished, and what is passed on or routed to it."""

    color: str
    version: str
    reached: float
    wanted: float
    shielded: float | None = None
    routed: float | None = None


@dataclass(frozen=True)
class Model:
    """One ModelDeployment."""

    name: str
    namespace: str
    version: str
    target: str
    generation: int
    observed_generation: int
    paused: bool
    strategy: str
    shield: bool
    created: str
    conditions: tuple[Condition, ...] = ()
    active: Serving | None = None
    warm: Serving | None = None
    rollout: Rollout | None = None
    shares: tuple[Share, ...] = ()
    stuck: tuple[Stuck, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    history: tuple[Ended, ...] = ()
    decisions: tuple[Decided, ...] = ()
    last_rollback: Rollback | None = None
    recommendation: Recommendation | None = None
    warm_evidence: Evidence | None = None
    stuck_after: str = ""
    give_up_after: str = ""

    def condition(self, type: str) -> Condition | None:
        """The condition of this type."""
        return next((one for one in self.conditions if one.type == type), None)

    @property
    def seen(self) -> bool:
        """Whether the operator has looked at the spec as it is now."""
        return self.observed_generation >= self.generation

    @property
    def rejection(self) -> Rejected | None:
        """Why the revision that the spec asks for is not tried."""
        return next((one for one in self.rejected if one.revision == self.target), None)
