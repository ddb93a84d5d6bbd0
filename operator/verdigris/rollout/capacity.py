"""Whether more pods fit. Advice: the scheduler decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from verdigris.api.status import CapacityStatus, Color, Failure
from verdigris.rollout.observed import Observed


def check(observed: Observed, template: Mapping[str, Any], count: int) -> CapacityStatus | None:  # noqa: ARG001
    """How many of `count` more such pods fit by the survey; None when nobody looked."""
    return None


def quota_refusal(observed: Observed, template: Mapping[str, Any], count: int) -> Failure | None:  # noqa: ARG001
    """Which quota will refuse one of `count` more such pods, before the ReplicaSet says so."""
    return None


def quota_has_room_again(observed: Observed, color: Color) -> bool:  # noqa: ARG001
    """Whether a quota that refused this colour's pods would take them now, though its ReplicaSet still backs off."""
    return False
