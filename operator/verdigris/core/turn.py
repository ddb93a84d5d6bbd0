"""One turn of the loop: what was seen, and the status as the chain of decisions rewrites it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, TypedDict, TypeVar, Unpack

from verdigris.api.schema.fields import StatusModel
from verdigris.api.status import (
    ActiveStatus,
    AnsweredUpTo,
    Approval,
    CapacityStatus,
    Color,
    Condition,
    ContainerExit,
    DecisionRecord,
    EvidenceStatus,
    Failure,
    FollowedStatus,
    GateStatus,
    HistoryEntry,
    LastRollback,
    Meaning,
    ModelDeploymentStatus,
    Outcome,
    Recommendation,
    Rejected,
    RemovedPod,
    RevisionRef,
    RolloutStatus,
    RouteStatus,
    ScaleStatus,
    ServiceAddress,
    Sizes,
    SourceStatus,
    Stage,
    StepStatus,
    StuckPod,
    TargetStatus,
    TrafficStatus,
    Unsteady,
    WarmStatus,
)
from verdigris.core.actions import Note, RemovePod
from verdigris.core.facts.evidence import Evidence
from verdigris.core.facts.observed import Observed, PodView
from verdigris.core.facts.policy import Policy, in_force
from verdigris.core.words import clip, plain

M = TypeVar("M", bound=StatusModel)


class StatusChanges(TypedDict, total=False):
    """Fields of the status, with their types: what `Turn.change` takes."""

    observed_generation: int
    conditions: tuple[Condition, ...]
    target: TargetStatus | None
    followed: FollowedStatus | None
    meanings: tuple[Meaning, ...]
    active: ActiveStatus | None
    warm: WarmStatus | None
    rollout: RolloutStatus | None
    traffic: tuple[TrafficStatus, ...]
    service: ServiceAddress | None
    route: RouteStatus | None
    scale: ScaleStatus | None
    last_rollback: LastRollback | None
    rejected: tuple[Rejected, ...]
    history: tuple[HistoryEntry, ...]
    decisions: tuple[DecisionRecord, ...]
    answered_up_to: AnsweredUpTo | None
    stuck: tuple[StuckPod, ...]
    removed: tuple[RemovedPod, ...]
    unsteady: tuple[Unsteady, ...]
    recommendation: Recommendation | None


class RolloutChanges(TypedDict, total=False):
    """Fields of the rollout under way, with their types: what `Turn.change_rollout` takes."""

    stage: Stage
    steps: tuple[StepStatus, ...]
    step: int
    wanted: int
    passed_on: int
    routed: int
    shadowed: int
    shadow: EvidenceStatus | None
    weight: int
    exposed_at: datetime | None
    shielded_at: datetime | None
    wished_at: datetime | None
    withdrawn_at: datetime | None
    policy: dict[str, Any] | None
    started_at: datetime
    since: datetime
    deadline: datetime | None
    ready_high_water: int
    replicas: int
    capacity: CapacityStatus | None
    sizes: Sizes | None
    lacking_since: datetime | None
    retries: int
    retried_at: datetime | None
    exits: tuple[ContainerExit, ...]
    again: int
    approval: Approval | None
    promote_now: bool
    trouble: Failure | None
    failure: Failure | None
    outcome: Outcome | None
    evidence: EvidenceStatus
    message: str


class StepChanges(TypedDict, total=False):
    """Fields of the step under way, with their types: what `Turn.change_step` takes."""

    gate: GateStatus
    source: SourceStatus
    unclear_since: datetime | None


def evolve(model: M, **changes: Any) -> M:
    """A copy with these fields changed. Field names are the Python ones; values are trusted."""
    return model.model_copy(update=changes)


@dataclass(frozen=True)
class Turn:
    """Immutable: each link of the chain returns the next one.

    `removals` are the stuck pods to remove; `look_at` is when to look again without being woken.
    """

    observed: Observed
    evidence: Evidence
    now: datetime
    status: ModelDeploymentStatus
    notes: tuple[Note, ...] = ()
    answered: tuple[DecisionRecord, ...] = ()
    removals: tuple[RemovePod, ...] = ()
    look_at: datetime | None = None

    def change(self, **changes: Unpack[StatusChanges]) -> Turn:
        """With these fields of the status changed."""
        return replace(self, status=self.status.model_copy(update=dict(changes)))

    def change_rollout(self, **changes: Unpack[RolloutChanges]) -> Turn:
        """With these fields of the running rollout changed. A message is cut to what the CRD allows."""
        if "message" in changes:
            changes["message"] = clip(plain(changes["message"]))
        return self.change(rollout=self.rollout.model_copy(update=dict(changes)))

    def change_step(self, **changes: Unpack[StepChanges]) -> Turn:
        """With these fields of the step under way changed."""
        rollout, number = self.rollout, self.rollout.step
        step = rollout.steps[number].model_copy(update=dict(changes))
        return self.change_rollout(steps=(*rollout.steps[:number], step, *rollout.steps[number + 1 :]))

    def note(self, kind: Literal["Normal", "Warning"], reason: str, message: str) -> Turn:
        """With one more Event to be written."""
        return replace(self, notes=(*self.notes, Note(kind, reason, clip(plain(message)))))

    @property
    def rollout(self) -> RolloutStatus:
        """The running rollout. Only to be asked when there is one."""
        if self.status.rollout is None:
            raise ValueError("no rollout is under way: ask status.rollout first")
        return self.status.rollout

    @property
    def active(self) -> ActiveStatus | None:
        """The colour that clients get, if any did yet."""
        return self.status.active

    @property
    def target(self) -> str:
        """The revision that the spec asks for."""
        return self.observed.target

    @property
    def policy(self) -> Policy:
        """What the rollout under way goes by; without one, what the next would go by."""
        return in_force(self.observed.spec, self.status.rollout)

    def pods(self, ref: RevisionRef) -> tuple[PodView, ...]:
        """The version's own pods that are not on their way out: of this colour and revision, and made by a controller.

        A copy that somebody made by hand is no pod of the version, for it or against it (law 17).
        """
        return tuple(
            p
            for p in self.observed.pods
            if (p.color, p.revision) == (ref.color, ref.revision) and p.controlled and not p.terminating
        )

    def ready(self, ref: RevisionRef) -> int:
        """Pods of this revision that are ready *and* that the colour's Service has as endpoints."""
        ready = sum(p.ready for p in self.pods(ref))
        return min(ready, self.observed.endpoints.get(ref.color, 0))

    def size(self, color: Color) -> int:
        """The size of the colour's Deployment as it stands, 0 when there is none."""
        deployment = self.observed.deployments.get(color)
        return deployment.replicas if deployment else 0
