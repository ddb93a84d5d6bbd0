"""Another environment, as far as a step `from` has to know it: the ModelDeployment that is to have served the bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from verdigris.api.spec import FromStep, ModelDeploymentSpec
from verdigris.api.status import ActiveStatus, Condition, ModelDeploymentStatus
from verdigris.core.facts.policy import in_force

PROMOTE_FROM = "promote-from"
"""The verb on a ModelDeployment by which its namespace lets another one ask about it."""


@dataclass(frozen=True)
class SourceView:
    """What there was to see.

    `state`: Seen; NotAllowed, when that namespace has not agreed; NoRight, when the operator may not look there;
    Missing; or Unread, with what was `said` instead of an answer. Of one that is seen: `active` and `available` are as
    its own status has them; `current` when its operator has looked at its spec as it is now; `leaving` when it is being
    deleted.
    """

    state: Literal["Seen", "NotAllowed", "NoRight", "Missing", "Unread"]
    said: str = ""
    active: ActiveStatus | None = None
    available: Condition | None = None
    current: bool = True
    leaving: bool = False


def asked_source(spec: ModelDeploymentSpec, status: ModelDeploymentStatus) -> FromStep | None:
    """Whom the step under way asks, by the policy that the rollout began with; None for other steps."""
    rollout = status.rollout
    if rollout is None or rollout.taken_back or rollout.kind != "From":
        return None
    number, asked = rollout.steps[rollout.step].number, in_force(spec, rollout).rollout.steps
    return asked[number].source if number is not None and number < len(asked) else None
