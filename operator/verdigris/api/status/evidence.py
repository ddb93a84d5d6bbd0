"""What the judges know, folded so that a restarted operator goes on with it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from verdigris.api.schema.fields import ListMap, StatusModel, Text, Time
from verdigris.api.status.words import Reason, Verdict

_COUNT = Annotated[int, Field(ge=0, le=2**53)]
_AMOUNT = Annotated[float, Field(ge=0, le=1e15)]
"""Nothing that is counted here was ever negative, or too large to reckon with: what says so was not written by us."""


class Counts(StatusModel):
    """Requests and errors (5xx). The callers' own faults (4xx) are in neither."""

    requests: _COUNT = 0
    errors: _COUNT = 0


class Baseline(Counts):
    """What the candidate is held against."""

    rate: _AMOUNT = 0.0
    limit: _AMOUNT = Field(default=0.0, description="Upper 95 % limit of the rate, never below the floor.")
    dispersion: _AMOUNT = Field(
        default=1.0, description="How much more its errors scatter than independent ones would; 1 is not at all."
    )
    fixed_limit: _AMOUNT = Field(
        default=0.0,
        description="The limit from before the candidate had clients; 0 unless both versions have some.",
    )
    source: Literal["None", "Frozen", "Concurrent"] = "None"
    at: Time | None = None


class Breaches(StatusModel):
    """How many fresh looks in a row a latency limit or a user's metric has been out of bounds."""

    name: Annotated[str, Field(max_length=63)]
    count: _COUNT


class CheckValue(StatusModel):
    """What a latency limit or a user's metric last said of the active version, while that had clients."""

    name: Annotated[str, Field(max_length=63)]
    value: float


class EvidenceStatus(StatusModel):
    """What the judge knows, folded so that a restarted operator goes on with it."""

    verdict: Verdict = "Inconclusive"
    reason: Reason = "NoEvidence"
    message: Text = ""
    candidate: Counts = Counts()
    baseline: Baseline = Baseline()
    score: _AMOUNT = Field(default=0.0, description="ln(1 + R) of the weighted Shiryaev-Roberts sums R.")
    scores: Annotated[tuple[_AMOUNT, ...], Field(max_length=8)] = Field(
        default=(), description="ln(1 + R) of each alternative error rate, from the factor asked for to a half."
    )
    threshold: _AMOUNT = 0.0
    looks: _COUNT = 0
    at: Time | None = Field(default=None, description="Time of the newest sample that has been counted.")
    sealed: Counts = Field(
        default=Counts(), description="The candidate's counts up to sealedAt, no longer asked for again."
    )
    sealed_at: Time | None = None
    planned_looks: _COUNT = Field(
        default=0, description="Looks that the test plans with, fixed when clients first reached the candidate."
    )
    seen: _AMOUNT = Field(
        default=0.0, description="Seconds, since clients first reached it, from which there are samples."
    )
    began: Counts | None = Field(
        default=None,
        description="What its counters showed when clients first reached it: a warm version had some before.",
    )
    before: Counts = Field(
        default=Counts(), description="What had been counted when other counters began to count: see began."
    )
    lost_at: Time | None = Field(default=None, description="When Prometheus was last found to have lost its data.")
    clock_ahead: float = Field(
        default=0.0, ge=-1e9, le=1e9, description="Seconds by which Prometheus' clock is ahead of the operator's."
    )
    pods: Annotated[tuple[Annotated[str, Field(max_length=63)], ...], Field(max_length=1000)] = Field(
        default=(), description="The last part of the name of every pod that has been counted."
    )
    inconclusive_since: Time | None = None
    breaches: Annotated[tuple[Breaches, ...], Field(max_length=17), ListMap("name")] = ()
    active_values: Annotated[tuple[CheckValue, ...], Field(max_length=17), ListMap("name")] = ()
