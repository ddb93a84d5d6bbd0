"""Who is to get which share of the clients, by the status alone. How that is brought about: `service`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from verdigris.api.status import Color, ModelDeploymentStatus, RolloutStatus
from verdigris.children.names import COLORS

DRAIN = timedelta(seconds=10)
"""A colour that had clients stays up this long after they were moved, so that keep-alive ones are told to leave."""


@dataclass(frozen=True)
class Split:
    """The share of new connections that each colour gets, in percent: together 100."""

    blue: float = 0.0
    green: float = 0.0

    @classmethod
    def only(cls, color: Color) -> Split:
        """Everything to this colour."""
        return cls(blue=100.0) if color == "blue" else cls(green=100.0)

    @classmethod
    def between(cls, active: Color, candidate: Color, weight: float) -> Split:
        """`weight` percent to the candidate, the rest to the active colour."""
        if active == candidate:
            return cls.only(active)
        return cls(blue=weight, green=100.0 - weight) if candidate == "blue" else cls(100.0 - weight, weight)

    def of(self, color: Color) -> float:
        """The share of this colour."""
        return self.blue if color == "blue" else self.green

    @property
    def colors(self) -> tuple[Color, ...]:
        """The colours that get any."""
        return tuple(color for color in COLORS if self.of(color) > 0)


def wanted_split(status: ModelDeploymentStatus) -> Split | None:
    """What the status wishes: the rollout's `wanted` to the candidate, the rest to the active colour; None: nobody yet.

    Without an active version the candidate has nobody to share with, and gets clients once it is active itself.
    """
    rollout, active = status.rollout, status.active
    if active is None:
        return None
    if rollout is None:
        return Split.only(active.color)
    return Split.between(active.color, rollout.color, rollout.wanted)


def had_clients(rollout: RolloutStatus) -> bool:
    """Whether any client may have reached the candidate. An older operator has left the weight only."""
    return rollout.exposed_at is not None or rollout.weight > 0


def had_requests(rollout: RolloutStatus) -> bool:
    """Whether the candidate may have been asked by clients: directly, or by the active pods in front of it."""
    return had_clients(rollout) or rollout.shielded_at is not None
