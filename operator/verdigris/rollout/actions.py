"""What the plan wants done, as values in the order in which to do them. `verdigris.cluster.apply` does them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from verdigris.api.status import Color, DecisionRecord, ModelDeploymentStatus, StuckKind
from verdigris.rollout.observed import Traffic


@dataclass(frozen=True)
class Keep:
    """Make this child so, by server-side apply; nothing is written when it already is."""

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
class Remove:
    """Delete a child, only if it is still the one with this UID (None: whichever bears the name and is ours)."""

    api_version: str
    kind: str
    name: str
    uid: str | None = None


@dataclass(frozen=True)
class RemovePod:
    """Remove a stuck pod, only if it is still the one with this UID. The message says why, in a sentence.

    What came of it is recorded after the attempt (`verdigris.rollout.cleanup.record`), never before.
    """

    pod: str
    uid: str
    color: Color
    node: str
    kind: StuckKind
    remedy: Literal["Evict", "Delete", "Force"]
    message: str


Action = Keep | Scale | SetTraffic | Remove | RemovePod


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
