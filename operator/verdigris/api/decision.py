"""RolloutDecision: what a person decided about one revision. Created once, never changed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from verdigris.api.schema.fields import ApiModel, StatusModel, Text, Time
from verdigris.api.schema.values import ObjectName, RevisionId, UserName

Verb = Literal["approve", "promote", "abort", "retry", "rollback"]


class RolloutDecisionSpec(ApiModel):
    """Which model, which revision, what to do, why, and who says so (vouched for by the API server)."""

    model_deployment: ObjectName = Field(description="Name of the ModelDeployment, in the same namespace.")
    revision: RevisionId = Field(
        description="The revision that the decision is about: status.rollout.revision, or status.active.revision "
        "for a rollback."
    )
    verb: Verb
    reason: Annotated[str, Field(min_length=1, max_length=512)]
    requested_by: UserName = Field(description="Your own user name, as the API server knows you.")


class RolloutDecisionStatus(StatusModel):
    """What became of it."""

    outcome: Literal["Accepted", "Refused"] | None = None
    message: Text = ""
    at: Time | None = None
