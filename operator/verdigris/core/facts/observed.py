"""What the plan is made from: one immutable picture of a ModelDeployment and its children, taken once a reconcile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal

from verdigris.api.decision import Verb
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import Color, Failure, GateStatus, ModelDeploymentStatus, ServiceAddress
from verdigris.children.inventory import Ref
from verdigris.children.names import MODEL_CONTAINERS, Defaults, Owner
from verdigris.children.snapshot import Snapshot
from verdigris.core.facts.followed import RegistryView
from verdigris.core.facts.policy import in_force
from verdigris.core.facts.route import Routing
from verdigris.core.facts.served import Told
from verdigris.core.facts.skew import Skew, wanted_target
from verdigris.core.facts.source import SourceView
from verdigris.core.facts.survey import Amounts, Removal, Survey
from verdigris.core.facts.trust import refused_address

__all__ = [
    "ContainerView",
    "Decision",
    "DeploymentView",
    "Exit",
    "Observed",
    "PodEvent",
    "PodView",
    "Selection",
    "Snapshot",
    "TakenName",
]


Selection = Color | Literal["both"]
"""Whose pods the clients' Service selects: one colour's, or those of both while pods are traded."""

FOREIGN_AUTOSCALER = "ForeignAutoscaler"
"""Reason of the condition that tells of an autoscaler of somebody else on a colour's Deployment."""

Traffic = Literal["on", "off", "trial"]
"""What a pod was told about its clients' connections: keep them, send them away, or keep none for long."""


STAMP = timedelta(seconds=1)
"""Kubernetes tells times in whole seconds, cut off: what bears the second in which something began may be later."""


@dataclass(frozen=True)
class Exit:
    """How a container last ended.

    `words` are its termination message, or the last lines of its log, without what an environment variable or a Secret
    could hold (`core.pods.diagnosis.quoting`).
    """

    code: int
    reason: str = ""
    words: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class ContainerView:
    """A container as the kubelet tells of it. `waiting` is the reason of that state, `said` the kubelet's message.

    `sidecar` is an init container that runs on (its restartPolicy is Always). `ready` is None before the kubelet says.
    """

    name: str
    init: bool = False
    image: str = ""
    running_since: datetime | None = None
    waiting: str = ""
    said: str = ""
    exit: Exit | None = None
    restarts: int = 0
    memory_limit: str = ""
    sidecar: bool = False
    ready: bool | None = None

    @property
    def own(self) -> bool:
        """Whether it is one of the model's: an injected one is not, and proves nothing about the version."""
        return self.name in MODEL_CONTAINERS

    @property
    def exits(self) -> int:
        """How often it has ended: the kubelet counts only how often it was started again."""
        return self.restarts + (self.exit is not None and self.running_since is None)


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
    `restarts` are those of the model's own containers. `evicting` is why
    somebody else ends it (its condition DisruptionTarget): EvictionByEvictionAPI, DeletionByTaintManager, ...
    `order` is what it was told to pass on (`routing.shield`), None for nothing; `forwards` when it can be told.
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
    controlled: bool = True
    evicting: str = ""
    order: str | None = None
    forwards: bool = False
    requests: Amounts = field(default_factory=dict)


@dataclass(frozen=True)
class DeploymentView:
    """A colour's Deployment. `trouble` is its ReplicaFailure condition, for example an exhausted quota.

    `trouble_since` is when that began. `paused` when somebody has stopped its rollout, so that no pods are made anew.
    """

    uid: str
    replicas: int
    revision: str
    trouble: Failure | None = None
    trouble_since: datetime | None = None
    paused: bool = False


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
class GateJob:
    """The Job of the gate under way, as it was read. `answer` is what its pod left, None as long as there is none.

    `over` says how it ended by Kubernetes' words, empty while it runs. `pod` is its newest pod. `foreign`: it bears the
    name and is somebody else's.
    """

    name: str
    answer: GateStatus | None = None
    over: Failure | None = None
    pod: GatePod | None = None
    foreign: bool = False


@dataclass(frozen=True)
class GatePod:
    """The pod of a gate, as far as it tells why there is no answer."""

    name: str
    phase: str
    unscheduled: Failure | None = None
    containers: tuple[ContainerView, ...] = ()


@dataclass(frozen=True)
class TakenName:
    """A name that this model needs and an object that is not its own has.

    `leaving`: it belonged to an earlier ModelDeployment of this name, and the garbage collector is about to delete it.
    """

    kind: str
    name: str
    leaving: bool = False


@dataclass(frozen=True)
class LastLook:
    """What this process saw at its last look at the model: when, and how often each pod's server had ended (by UID)."""

    at: datetime
    ends: Mapping[str, int]


@dataclass(frozen=True)
class Observed:
    """Everything `plan` may know. `selected` is what the clients' Service really points at, `withdrawn` its mark of the
    last move that was taken back (`routing.late`).

    `seen_at` is when the picture was begun. `survey` and `events` (by a pod's UID, newest last) are only there when
    the plan asked for them; `removals` are the operator's recent ones over all models.

    `taken` are the names that somebody else has, `orphans` our children that lost their owner reference. `scalers`
    names the autoscaler of somebody else that sizes a colour. `addresses` are those of the colours' own Services.
    `service` is where the clients' Service is reached,
    `misconfigured` why clients who come there do not get to the pods that it selects.

    `skew` is what this operator does not understand of spec and status. `unguarded` says why it is not known who made
    the decisions, if so; nobody has checked those that are older than `vouched_since`.

    `last_look` is None for the first look of a process.

    `behind_others` are the colours that the clients' Service selects although it is somebody else's. `still_behind` are
    those to whose pods its new connections go: Kubernetes follows what it selects some time later.

    `leaving`: it was deleted, and somebody's finalizer keeps it: it serves on, and nothing goes forward.

    `gate` is the Job of the gate under way, None when there is none yet. `source` is the other environment that the
    step under way asks, None when it asks none, or has not yet. `registry` is what the model registry last said of the
    alias that is followed, None before its first answer; `spec` has the version in it that this has led to. `told` is
    how telling the registry who serves has gone, None where nobody asks for that, or it is on its way. `routing` is the
    HTTPRoute of a gateway, where the spec asks for one.

    `unseen` are the kinds beside the traffic that could not be read: nothing is known of them, not that there are none.
    `unknown` are those of other people's CRDs that this cluster does not have.
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
    withdrawn: str | None = None
    snapshots: Mapping[str, Snapshot] = field(default_factory=dict)
    decisions: tuple[Decision, ...] = ()
    hpas: frozenset[Color] = frozenset()
    unknown: frozenset[str] = frozenset()
    seen_at: datetime | None = None
    survey: Survey | None = None
    events: Mapping[str, tuple[PodEvent, ...]] = field(default_factory=dict)
    removals: tuple[Removal, ...] = ()
    taken: tuple[TakenName, ...] = ()
    orphans: tuple[Ref, ...] = ()
    scalers: Mapping[Color, str] = field(default_factory=dict)
    addresses: Mapping[Color, str] = field(default_factory=dict)
    service: ServiceAddress | None = None
    misconfigured: str | None = None
    skew: Skew = field(default_factory=Skew)
    unguarded: str | None = None
    vouched_since: datetime | None = None
    unseen: frozenset[str] = frozenset()
    leaving: bool = False
    behind_others: frozenset[Color] = frozenset()
    still_behind: frozenset[Color] = frozenset()
    last_look: LastLook | None = None
    gate: GateJob | None = None
    source: SourceView | None = None
    registry: RegistryView | None = None
    told: Told | None = None
    routing: Routing = field(default_factory=Routing)

    @property
    def held(self) -> bool:
        """Whether nothing may go forward: it is paused, or being deleted, or not all that must be known was seen.

        Nor where clients of a gateway could not be moved along.
        """
        return self.spec.paused or self.leaving or bool(self.unseen) or self.routing.fault is not None

    @property
    def starts_nothing(self) -> bool:
        """Whether no version may start: it is held, names are taken, or what it would go by cannot be read."""
        return self.held or bool(self.taken) or self.skew.forbids_start

    @cached_property
    def target(self) -> str:
        """The revision that the spec asks for, by the name under which it is known. Worked out once a picture."""
        return wanted_target(self.spec, self.owner.name, self.generation, self.status, self.skew)[0]

    @property
    def prometheus_address(self) -> str | None:
        """Whom to ask for evidence, if anybody."""
        if self.prometheus_refused is not None:
            return None
        return self._wanted_prometheus or self.defaults.prometheus_address

    @property
    def _wanted_prometheus(self) -> str | None:
        """By the policy in force: a version is judged to its end by whom it was to be judged by."""
        return in_force(self.spec, self.status.rollout).analysis.prometheus.address

    @property
    def prometheus_refused(self) -> str | None:
        """Why the address that the spec names is not asked, as a sentence."""
        defaults = self.defaults
        return refused_address(self._wanted_prometheus, defaults.prometheus_address, defaults.prometheus_allowed)
