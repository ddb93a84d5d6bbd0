"""What the plan is made from: one immutable picture of a ModelDeployment and its children, taken once a reconcile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from verdigris.api.decision import Verb
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import Color, Failure, ModelDeploymentStatus
from verdigris.resources.names import Defaults, Owner
from verdigris.resources.snapshot import Snapshot

__all__ = [
    "Amounts",
    "ContainerView",
    "Decision",
    "DeploymentView",
    "Exit",
    "LimitRangeView",
    "NodeView",
    "Observed",
    "PodEvent",
    "PodView",
    "QuotaView",
    "Removal",
    "Selection",
    "Snapshot",
    "Survey",
    "Taint",
]


Selection = Color | Literal["both"]
"""Whose pods the clients' Service selects: one colour's, or those of both while pods are traded."""

Traffic = Literal["on", "off", "trial"]
"""What a pod was told about its clients' connections: keep them, send them away, or keep none for long."""


Amounts = Mapping[str, Decimal]
"""Resource name -> amount in its base unit: CPU in cores, memory in bytes, pods in pods."""


@dataclass(frozen=True)
class Exit:
    """How a container last ended. `words` are its termination message, or the last lines of its log."""

    code: int
    reason: str = ""
    words: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class ContainerView:
    """A container as the kubelet tells of it. `waiting` is the reason of that state, `said` the kubelet's message."""

    name: str
    init: bool = False
    image: str = ""
    running_since: datetime | None = None
    waiting: str = ""
    said: str = ""
    exit: Exit | None = None
    restarts: int = 0
    memory_limit: str = ""


@dataclass(frozen=True)
class PodEvent:
    """A Kubernetes Event about a pod, for example FailedMount or Unhealthy."""

    reason: str
    message: str
    count: int
    at: datetime


@dataclass(frozen=True)
class PodView:
    """A pod of one colour.

    `phase`, `reason` and `message` are the pod's own status (Failed, Evicted, ...). `unscheduled` is what the scheduler
    says against it. `ready_changed` is when its Ready condition last turned. `gone_by` is the time by which a pod that
    is on its way out should have ended (its deletionTimestamp, which includes the grace period). `controlled` when a
    ReplicaSet has it, which is then who makes, replaces and ends it. `requests` is what its node has to promise it.
    """

    name: str
    uid: str
    color: Color
    revision: str
    created: datetime
    ready: bool
    terminating: bool = False
    traffic: Traffic = "trial"
    restarts: int = 0
    phase: str = "Running"
    reason: str = ""
    message: str = ""
    node: str = ""
    unscheduled: Failure | None = None
    ready_changed: datetime | None = None
    gone_by: datetime | None = None
    finalizers: tuple[str, ...] = ()
    containers: tuple[ContainerView, ...] = ()
    controlled: bool = False
    requests: Amounts = field(default_factory=dict)


@dataclass(frozen=True)
class Taint:
    """As on a node."""

    key: str
    value: str = ""
    effect: str = "NoSchedule"


@dataclass(frozen=True)
class NodeView:
    """A node: what it can give (`allocatable`) and what its pods have been promised (`requested`), pods included.

    `since` is when its Ready condition last turned.
    """

    name: str
    ready: bool = True
    since: datetime | None = None
    cordoned: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    allocatable: Amounts = field(default_factory=dict)
    requested: Amounts = field(default_factory=dict)


@dataclass(frozen=True)
class QuotaView:
    """A ResourceQuota of the model's namespace, by the names that it uses (`requests.cpu`, `pods`, ...)."""

    name: str
    hard: Amounts
    used: Amounts
    scoped: bool = False


@dataclass(frozen=True)
class LimitRangeView:
    """What a LimitRange of the namespace gives and demands of each container, by resource name."""

    name: str
    default_requests: Amounts = field(default_factory=dict)
    default_limits: Amounts = field(default_factory=dict)
    minimum: Amounts = field(default_factory=dict)
    maximum: Amounts = field(default_factory=dict)


@dataclass(frozen=True)
class Survey:
    """The nodes and the namespace's limits, as they were at `at`. `problem` says what could not be seen of them."""

    at: datetime
    nodes: tuple[NodeView, ...] = ()
    quotas: tuple[QuotaView, ...] = ()
    limit_ranges: tuple[LimitRangeView, ...] = ()
    problem: str | None = None


@dataclass(frozen=True)
class Removal:
    """A pod that this operator removed lately, of whichever model."""

    model: str
    node: str
    at: datetime


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
    """Everything `plan` may know. `selected` is what the clients' Service really points at.

    `seen_at` is when the picture was begun. `survey` and `events` (by a pod's UID, newest last) are only there when
    the plan asked for them; `removals` are the operator's recent ones over all models.
    """

    owner: Owner
    generation: int
    spec: ModelDeploymentSpec
    status: ModelDeploymentStatus
    defaults: Defaults
    deployments: Mapping[Color, DeploymentView] = field(default_factory=dict)
    pods: tuple[PodView, ...] = ()
    endpoints: Mapping[Color, int] = field(default_factory=dict)
    selected: Selection | None = None
    snapshots: Mapping[str, Snapshot] = field(default_factory=dict)
    decisions: tuple[Decision, ...] = ()
    hpas: frozenset[Color] = frozenset()
    service_monitors_known: bool = True
    seen_at: datetime | None = None
    survey: Survey | None = None
    events: Mapping[str, tuple[PodEvent, ...]] = field(default_factory=dict)
    removals: tuple[Removal, ...] = ()

    @property
    def prometheus_address(self) -> str | None:
        """Whom to ask for evidence, if anybody."""
        return self.spec.analysis.prometheus.address or self.defaults.prometheus_address
