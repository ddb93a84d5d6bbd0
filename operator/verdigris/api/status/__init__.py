"""`status` of a ModelDeployment: what the operator has decided and seen, enough to go on after a restart."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from verdigris.api.schema.fields import ListMap, StatusModel, Text, Time
from verdigris.api.status.evidence import Baseline, Breaches, CheckValue, Counts, EvidenceStatus
from verdigris.api.status.gates import GateCheck, GateGroup, GateStatus
from verdigris.api.status.pods import ContainerExit, Recommendation, RemovedPod, StuckPod, Unsteady
from verdigris.api.status.records import AnsweredUpTo, DecisionRecord, HistoryEntry, LastRollback, Rejected
from verdigris.api.status.roles import (
    ActiveStatus,
    FollowedStatus,
    Meaning,
    RevisionRef,
    RouteStatus,
    ScaleStatus,
    ServiceAddress,
    TargetStatus,
    TrafficStatus,
    WarmStatus,
)
from verdigris.api.status.rollout import Approval, CapacityStatus, Failure, RolloutStatus, Sizes, StepStatus
from verdigris.api.status.source import SourceStatus
from verdigris.api.status.words import (
    Color,
    Outcome,
    Reason,
    Remedy,
    RevisionName,
    Stage,
    StepKind,
    StuckKind,
    Verdict,
    Version,
    other,
)

__all__ = [
    "ActiveStatus",
    "AnsweredUpTo",
    "Approval",
    "Baseline",
    "Breaches",
    "CapacityStatus",
    "CheckValue",
    "Color",
    "Condition",
    "ContainerExit",
    "Counts",
    "DecisionRecord",
    "EvidenceStatus",
    "Failure",
    "FollowedStatus",
    "GateCheck",
    "GateGroup",
    "GateStatus",
    "HistoryEntry",
    "LastRollback",
    "Meaning",
    "ModelDeploymentStatus",
    "Outcome",
    "Reason",
    "Recommendation",
    "Rejected",
    "Remedy",
    "RemovedPod",
    "RevisionName",
    "RevisionRef",
    "RolloutStatus",
    "RouteStatus",
    "ScaleStatus",
    "ServiceAddress",
    "Sizes",
    "SourceStatus",
    "Stage",
    "StepKind",
    "StepStatus",
    "StuckKind",
    "StuckPod",
    "TargetStatus",
    "TrafficStatus",
    "Unsteady",
    "Verdict",
    "Version",
    "WarmStatus",
    "other",
]


class Condition(StatusModel):
    """metav1.Condition."""

    type: Annotated[str, Field(max_length=64)]
    status: Literal["True", "False", "Unknown"]
    reason: Reason
    message: Text = ""
    last_transition_time: Time
    observed_generation: int = 0


class ModelDeploymentStatus(StatusModel):
    """The whole status; written by one patch at the end of a reconcile, only when it differs."""

    observed_generation: int = 0
    conditions: Annotated[tuple[Condition, ...], Field(max_length=20), ListMap("type")] = ()
    target: TargetStatus | None = None
    followed: FollowedStatus | None = None
    meanings: Annotated[tuple[Meaning, ...], Field(max_length=32)] = ()
    active: ActiveStatus | None = None
    warm: WarmStatus | None = None
    rollout: RolloutStatus | None = None
    traffic: Annotated[tuple[TrafficStatus, ...], Field(max_length=2), ListMap("color")] = ()
    service: ServiceAddress | None = None
    route: RouteStatus | None = None
    scale: ScaleStatus | None = None
    last_rollback: LastRollback | None = None
    rejected: Annotated[tuple[Rejected, ...], Field(max_length=20)] = ()
    history: Annotated[tuple[HistoryEntry, ...], Field(max_length=20)] = ()
    decisions: Annotated[tuple[DecisionRecord, ...], Field(max_length=20)] = ()
    answered_up_to: AnsweredUpTo | None = None
    stuck: Annotated[tuple[StuckPod, ...], Field(max_length=20)] = ()
    removed: Annotated[tuple[RemovedPod, ...], Field(max_length=100)] = ()
    unsteady: Annotated[tuple[Unsteady, ...], Field(max_length=100)] = ()
    recommendation: Recommendation | None = None
