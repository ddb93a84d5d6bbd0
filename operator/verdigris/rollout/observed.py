"""What the plan is made from: one immutable picture of a ModelDeployment and its children, taken once a reconcile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from verdigris.api.decision import Verb
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import Color, Failure, ModelDeploymentStatus
from verdigris.resources.names import Defaults, Owner
from verdigris.resources.snapshot import Snapshot

__all__ = ["Decision", "DeploymentView", "Observed", "PodView", "Snapshot"]


Traffic = Literal["on", "off", "trial"]
"""What a pod was told about its clients' connections: keep them, send them away, or keep none for long."""


@dataclass(frozen=True)
class PodView:
    """A pod of one colour.

    `fault` is what our own init step or server reported on its way out (checksum, golden rows, ...): a fresh
    start cannot heal it. `trouble` is what Kubernetes says (image pull, unschedulable, crash loop): it may heal.
    """

    name: str
    uid: str
    color: Color
    revision: str
    created: datetime
    ready: bool
    terminating: bool = False
    traffic: Traffic = "trial"
    fault: Failure | None = None
    trouble: Failure | None = None
    restarts: int = 0


@dataclass(frozen=True)
class DeploymentView:
    """A colour's Deployment. `trouble` is its ReplicaFailure condition, for example an exhausted quota."""

    uid: str
    replicas: int
    revision: str
    trouble: Failure | None = None


@dataclass(frozen=True)
class Decision:
    """A RolloutDecision. `answered` when its own status already says what became of it."""

    uid: str
    name: str
    revision: str
    verb: Verb
    reason: str
    by: str
    created: datetime
    answered: bool = False


@dataclass(frozen=True)
class Observed:
    """Everything `plan` may know. `selected` is the colour that the clients' Service really points at."""

    owner: Owner
    generation: int
    spec: ModelDeploymentSpec
    status: ModelDeploymentStatus
    defaults: Defaults
    deployments: Mapping[Color, DeploymentView] = field(default_factory=dict)
    pods: tuple[PodView, ...] = ()
    endpoints: Mapping[Color, int] = field(default_factory=dict)
    selected: Color | None = None
    snapshots: Mapping[str, Snapshot] = field(default_factory=dict)
    decisions: tuple[Decision, ...] = ()
    hpas: frozenset[Color] = frozenset()
    service_monitors_known: bool = True
