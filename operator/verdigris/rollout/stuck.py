"""Which pods are stuck, and why."""

from __future__ import annotations

from verdigris.rollout.diagnosis import Diagnosis, Role
from verdigris.rollout.observed import PodView
from verdigris.rollout.turn import Turn


def diagnoses(turn: Turn) -> tuple[tuple[PodView, Role, Diagnosis], ...]:
    """Each stuck or not yet ripe pod of the model, in the order of `observed.pods`."""
    del turn
    return ()
