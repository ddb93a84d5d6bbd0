"""What the plan wants done, as values in the order in which to do them. `adapters.kube.writing.apply` does them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from verdigris.api.status import Color, DecisionRecord, ModelDeploymentStatus, ServiceAddress, StuckKind
from verdigris.core.facts.observed import Traffic


@dataclass(frozen=True)
class MoveTraffic:
    """Point the clients' Service at these pods: one write, of its selector alone, and the first of all (law 13).

    `manifest` is the whole Service as wanted: its selector is what is written, and where there is no such Service yet
    it is made from it, with the address that it had before (`address`) when it was deleted.

    It is made of the Service as it was read; without `as_seen` of any other, too, when that fails. `fence` is a mark
    that is written where the selector is so already: after that no earlier move can take effect any more.
    """

    manifest: Mapping[str, Any]
    address: ServiceAddress | None = None
    as_seen: bool = False
    fence: str | None = None


@dataclass(frozen=True)
class MoveRoute:
    """Give the colours these weights in an HTTPRoute: one write, of its rules alone, beside the move of the Service.

    With a `manifest` the route is ours: its rules are written as they stand there, and it is made where there is none.
    Without one it is somebody else's: only the weights of the backends that name our colours are written.

    With `as_seen` it is made of the route as it was read. `back`: it is part of a rollback, which nothing holds up.
    """

    name: str
    weights: Mapping[Color, int]
    manifest: Mapping[str, Any] | None = None
    as_seen: bool = False
    back: bool = False


@dataclass(frozen=True)
class Adopt:
    """Put our owner reference on a child that provably was ours and lost it: one write of its metadata alone."""

    api_version: str
    kind: str
    name: str


@dataclass(frozen=True)
class Keep:
    """Make this child so, in every field that we state or promise by leaving out; nothing is written when it is."""

    manifest: Mapping[str, Any]


@dataclass(frozen=True)
class Scale:
    """Set the size of a colour's Deployment through its scale subresource."""

    color: Color
    replicas: int


@dataclass(frozen=True)
class SetTraffic:
    """Tell one pod how long to keep its clients' connections. A pod that is gone is no error."""

    pod: str
    uid: str
    traffic: Traffic


@dataclass(frozen=True)
class SetOrder:
    """Tell one pod what to pass on to the version on trial (`routing.shield`), None: nothing. As `SetTraffic` else."""

    pod: str
    uid: str
    order: str | None


@dataclass(frozen=True)
class Remove:
    """Delete a child, only if it is still the one with this UID (None: whichever bears the name and is ours)."""

    api_version: str
    kind: str
    name: str
    uid: str | None = None


@dataclass(frozen=True)
class RemovePod:
    """Remove a stuck pod, only if it is still the one with this UID. The message says why, in a sentence.

    What came of it is recorded after the attempt (`verdigris.core.pods.remedies.cleanup.record`), never before.
    """

    pod: str
    uid: str
    color: Color
    node: str
    kind: StuckKind
    remedy: Literal["Evict", "Delete", "Force"]
    message: str


Action = MoveTraffic | MoveRoute | Adopt | Keep | Scale | SetTraffic | SetOrder | Remove | RemovePod


@dataclass(frozen=True)
class Note:
    """A Kubernetes Event on the ModelDeployment. Same reason and message again: counted, not repeated."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True)
class Plan:
    """Effects in order, then the status (one patch, when it differs), then the notes.

    `answered` are the decisions dealt with in this plan: their own status is written from these records.
    `requeue_after` None means: nothing to wait for but events and the resync.
    """

    actions: tuple[Action, ...]
    status: ModelDeploymentStatus
    notes: tuple[Note, ...] = ()
    answered: tuple[DecisionRecord, ...] = ()
    requeue_after: timedelta | None = None
