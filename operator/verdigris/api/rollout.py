"""`spec.rollout` and `spec.cleanup`: how a new revision takes over, and what is done about pods that are stuck."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from verdigris.api.fields import ApiModel, Rule
from verdigris.api.values import duration


class RolloutSpec(ApiModel):
    """How a new revision takes over."""

    rules = (
        Rule(
            "self.strategy != 'Recreate' || self.allowDowntime",
            "strategy Recreate ends the active pods before the new ones start, so nobody answers meanwhile: set "
            "allowDowntime: true if that is what you want, or use BlueGreen with onInsufficientCapacity: InPlace",
            lambda rollout: rollout.strategy != "Recreate" or rollout.allow_downtime,
            field="strategy",
        ),
    )
    strategy: Literal["BlueGreen", "Recreate"] = Field(
        default="BlueGreen",
        description="BlueGreen starts the new pods beside the active ones. Recreate ends the active ones first.",
    )
    allow_downtime: bool = Field(default=False, description="Needed for strategy Recreate: nobody answers for a while.")
    on_insufficient_capacity: Literal["Wait", "Abort", "InPlace"] = Field(
        default="Wait",
        description="What to do when the new pods do not fit beside the active ones: wait for room until "
        "progressDeadline, end the rollout, or trade the pods one by one.",
    )
    min_available: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None,
        description="InPlace never goes below this many ready pods of both colours together. Default: one less than "
        "the size, but at least 1.",
    )
    bake: duration("0s", "24h", "5m") = Field(  # type: ignore[valid-type]
        default="5m", description="Watch this long after the full switch, with the old colour warm."
    )
    progress_deadline: duration("10s", "24h", "10m") = Field(  # type: ignore[valid-type]
        default="10m", description="A stage that has not made progress for this long ends the rollout."
    )
    approval: Literal["None", "Required"] = "None"
    on_inconclusive: Literal["Hold", "Promote", "Rollback"] = Field(
        default="Hold", description="What to do when inconclusiveDeadline passes without usable evidence."
    )
    inconclusive_deadline: duration("1s", "24h", "5m") = "5m"  # type: ignore[valid-type]
    keep_warm: duration("0s", "168h", "30m") = Field(  # type: ignore[valid-type]
        default="30m", description="How long the old colour stays ready for an instant rollback."
    )


class CleanupSpec(ApiModel):
    """When a pod counts as stuck, and how much may be done about it. Reporting goes on when it is off."""

    enabled: bool = Field(default=True, description="Off: stuck pods are only reported, none is touched.")
    dry_run: bool = Field(default=False, description="Say what would be done about stuck pods, and do nothing.")
    give_up_after: duration("1s", "1h", "30s") = Field(  # type: ignore[valid-type]
        default="30s",
        description="How long a new version may be in a state that no fresh start heals (no such image, a missing "
        "Secret, a crash loop) before its rollout ends.",
    )
    stuck_after: duration("5s", "24h", "2m") = Field(  # type: ignore[valid-type]
        default="2m", description="How long a pod may be in a state that usually passes before it counts as stuck."
    )
    crashes: Annotated[int, Field(ge=1, le=100)] = Field(
        default=3, description="Restarts after which a container that keeps exiting counts as a crash loop."
    )
    flaps: Annotated[int, Field(ge=2, le=100)] = Field(
        default=4, description="Times that a pod may cease to be ready within the window before it counts as flapping."
    )
    budget: Annotated[int, Field(ge=0, le=100)] = Field(
        default=5, description="Pods of this model that may be removed within the window."
    )
    node_budget: Annotated[int, Field(ge=0, le=100)] = Field(
        default=10, description="Pods of all models that may be removed from one node within the window."
    )
    window: duration("1m", "24h", "10m") = "10m"  # type: ignore[valid-type]
    backoff: duration("1s", "1h", "30s") = Field(  # type: ignore[valid-type]
        default="30s", description="Pause before a second removal for the same reason; it doubles with each."
    )
