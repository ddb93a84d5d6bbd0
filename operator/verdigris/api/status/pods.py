"""Stuck pods, what was done about them, and what the pods' own use suggests."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from verdigris.api.schema.fields import Name, StatusModel, Text, Time
from verdigris.api.status.words import Color, Reason, Remedy, RevisionName, StuckKind


class StuckPod(StatusModel):
    """A pod that is stuck now, and what is, or would be, done about it."""

    pod: Name
    kind: StuckKind
    reason: Reason
    message: Text
    remedy: Remedy = "None"
    held: Text = Field(default="", description="Why the remedy is not used (yet), for example an exhausted budget.")
    since: Time


class RemovedPod(StatusModel):
    """A stuck pod that the operator has removed: the memory of budget and backoff."""

    pod: Name
    uid: Annotated[str, Field(max_length=64)]
    color: Color
    node: Annotated[str, Field(max_length=253)] = ""
    kind: StuckKind
    remedy: Remedy
    message: Text
    at: Time


class ContainerExit(StatusModel):
    """An end of a model's server during a rollout, of either version: what a crashing version is told by."""

    revision: RevisionName
    pod: Name
    uid: Annotated[str, Field(max_length=64)]
    node: Annotated[str, Field(max_length=253)] = ""
    at: Time
    ends: int = Field(description="How often this container had ended by then.")
    count: int = Field(default=1, description="How many ends this entry stands for: some may have gone unseen.")
    cause: Reason = Field(
        description="Crashed, OutOfMemory, StorageExceeded, ProbeFailed: its own. NodeDown, SandboxChanged: not its "
        "own. Killed, Ended, Unknown: nobody can tell."
    )
    message: Text = ""


class Unsteady(StatusModel):
    """A pod that has ceased to be ready, though its containers run: the memory of flapping."""

    uid: Annotated[str, Field(max_length=64)]
    unready_at: Annotated[tuple[Time, ...], Field(max_length=100)] = ()


class Recommendation(StatusModel):
    """Requests for the serving container that its own use suggests. Never applied by itself."""

    cpu: Annotated[str, Field(max_length=32)]
    memory: Annotated[str, Field(max_length=32)]
    message: Text = Field(
        default="", description="The evidence: percentile, window, samples, and what is asked for now."
    )
    percentile: float
    window: Annotated[str, Field(max_length=32)]
    samples: int
    at: Time
