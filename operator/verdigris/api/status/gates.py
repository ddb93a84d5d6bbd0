"""What a gate has answered."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from verdigris.api.schema.fields import StatusModel, Text
from verdigris.api.status.words import Reason, Verdict, Version

_Name = Annotated[str, Field(max_length=64)]
"""Sixteen gates of the greatest size, and all else, have to fit what the API server keeps of one object."""


class GateCheck(StatusModel):
    """One thing that a gate has looked at. Each limit of its interval holds by itself with the confidence asked for."""

    name: _Name
    verdict: Verdict
    value: float | None = None
    threshold: float | None = None
    bound: Annotated[str, Field(max_length=8)] | None = Field(
        default=None, description="min or max: what the threshold is to the value."
    )
    low: float | None = None
    high: float | None = None
    count: int = Field(default=0, description="Over how many rows, or requests.")


class GateGroup(StatusModel):
    """One group of a protected attribute."""

    attribute: _Name
    group: _Name
    count: int
    selection_rate: float
    tpr: float | None = None
    fpr: float | None = None
    judged: bool = True


class GateStatus(StatusModel):
    """A gate of the rollout: the Job that runs it, and what that has answered."""

    job: _Name
    asked: Annotated[str, Field(max_length=64)] = Field(
        default="", description="SHA-256 of what it was asked: an answer to anything else is none."
    )
    verdict: Verdict | None = None
    reason: Reason = ""
    message: Text = ""
    checks: Annotated[tuple[GateCheck, ...], Field(max_length=20)] = ()
    groups: Annotated[tuple[GateGroup, ...], Field(max_length=24)] = ()
    data_sha256: Annotated[str, Field(max_length=64)] = ""
    rows: int = 0
    active: Version = Field(default="", description="The active version that it was compared with.")
    took_seconds: float = 0.0
