"""`spec.cleanup`: when a pod counts as stuck, and how much may be done about it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from verdigris.api.schema.fields import ApiModel
from verdigris.api.schema.values import (
    duration,
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
