"""Which colour the clients' Service must select. Laws 1 and 2 in one place."""

from __future__ import annotations

from verdigris.api.status import Color, ModelDeploymentStatus
from verdigris.rollout.observed import Observed


def wanted_color(status: ModelDeploymentStatus) -> Color | None:
    """Who should get the clients: the candidate while it bakes, else the active colour, else nobody yet."""
    if status.rollout is not None and status.rollout.stage == "Baking":
        return status.rollout.color
    return status.active.color if status.active else None


def route(observed: Observed, status: ModelDeploymentStatus) -> Color | None:
    """The colour to select now; None while nobody may get traffic.

    The wish is granted unless it would send clients to nothing while the colour that has them still answers
    (law 2). Nothing else is asked: not the candidate's health, not Prometheus, not a pause, not an approval (law 1).
    """
    wanted = wanted_color(status)
    current = observed.selected
    if wanted is None or current is None or wanted == current:
        return wanted
    wanted_answers = observed.endpoints.get(wanted, 0) > 0
    current_answers = observed.endpoints.get(current, 0) > 0
    return wanted if wanted_answers or not current_answers else current
