"""Given: green is about to follow the active blue; who answers, what is selected, and what the status keeps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.rollout.trial_cases import trial
from verdigris.api.status import ModelDeploymentStatus, RolloutStatus
from verdigris.core.facts.observed import Observed


def status(**changes: Any) -> ModelDeploymentStatus:
    """Green bakes beside the active blue, with these fields of the rollout changed."""
    made = trial().status
    assert made.rollout is not None
    return made.model_copy(update={"rollout": made.rollout.model_copy(update={"weight": 0, **changes})})


def rollout(**changes: Any) -> RolloutStatus:
    found = status(**changes).rollout
    assert found is not None
    return found


def seen(*, blue: int = 2, green: int = 2, kept: ModelDeploymentStatus | None = None, **fields: Any) -> Observed:
    """So many pods of each colour answer; `kept` is the status as it was read."""
    filled = {"endpoints": {"blue": blue, "green": green}, "selected": "blue", **fields}
    return replace(trial().observed, status=kept or status(), **filled)


ALONE = status().model_copy(update={"rollout": None})
"""Blue is active, and no rollout is under way."""
