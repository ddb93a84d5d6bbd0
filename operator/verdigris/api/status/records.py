"""What has been: rollbacks, rejections, ended rollouts, decisions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from verdigris.api.schema.fields import Name, StatusModel, Text, Time
from verdigris.api.schema.values import UserName
from verdigris.api.status.evidence import EvidenceStatus
from verdigris.api.status.gates import GateCheck
from verdigris.api.status.words import Outcome, Reason, RevisionName, Version


class LastRollback(StatusModel):
    """The latest time traffic was taken back."""

    identity = ("decidedAt",)
    from_version: Version
    to_version: Version
    reason: Reason
    message: Text
    decided_at: Time
    traffic_restored_at: Time | None = None
    evidence: EvidenceStatus | None = None


class Rejected(StatusModel):
    """A revision that is not tried again until the spec changes or somebody asks for a retry."""

    revision: RevisionName
    version: Version
    reason: Reason
    message: Text
    at: Time
    check: GateCheck | None = Field(
        default=None, description="Where a gate decided: what it measured, and what that was held against."
    )


class HistoryEntry(StatusModel):
    """A rollout that has ended."""

    revision: RevisionName
    version: Version
    outcome: Outcome
    reason: Reason
    started_at: Time
    ended_at: Time


class DecisionRecord(StatusModel):
    """A RolloutDecision that has been dealt with."""

    uid: Annotated[str, Field(max_length=64)]
    name: Name
    verb: Annotated[str, Field(max_length=16)]
    revision: RevisionName = Field(default="", description="The revision that it is about.")
    by: UserName
    reason: Text
    outcome: Literal["Accepted", "Refused"]
    message: Text
    at: Time
    created: Time | None = Field(default=None, description="When it was created, by the API server's clock.")


class AnsweredUpTo(StatusModel):
    """The newest decision whose answer is no longer remembered: none that is not younger is followed any more."""

    identity = ("created", "uid")
    created: Time
    uid: Annotated[str, Field(max_length=64)]
