"""`spec.rollout`: how a new revision takes over."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from verdigris.api.schema.fields import ApiModel, Rule
from verdigris.api.schema.values import (
    duration,
)


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
        Rule(
            "!has(self.shield) || !self.shield || self.strategy == 'BlueGreen'",
            "the shield needs the active pods beside the new ones, and strategy Recreate ends them first: set "
            "shield: false, or use strategy BlueGreen",
            lambda rollout: not rollout.shield or rollout.strategy == "BlueGreen",
            field="shield",
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
    shield: bool = Field(
        default=False,
        description="Whether the active pods stay in front while the new version is watched: they pass the clients' "
        "requests on to it, and answer themselves whatever does not come back well.",
    )
    answer_within: duration("10ms", "60s", "1s") | None = Field(  # type: ignore[valid-type]
        default=None,
        description="Behind the shield, an active pod that has waited this long for the new version answers itself. "
        "Default: four times analysis.latency.p95 where that is a duration, else 1s.",
    )
    progress_deadline: duration("10s", "24h", "10m") = Field(  # type: ignore[valid-type]
        default="10m", description="A stage that has not made progress for this long ends the rollout."
    )
    approval: Literal["None", "Required"] = "None"
    on_inconclusive: Literal["Hold", "Promote", "Rollback"] = Field(
        default="Rollback",
        description="What to do when inconclusiveDeadline passes without evidence that is enough for a verdict.",
    )
    inconclusive_deadline: duration("1s", "168h", "1h") = Field(  # type: ignore[valid-type]
        default="1h", description="A step waits this long for evidence; a bake is made longer by it."
    )
    keep_warm: duration("0s", "168h", "30m") = Field(  # type: ignore[valid-type]
        default="30m", description="How long the old colour stays ready for an instant rollback."
    )
