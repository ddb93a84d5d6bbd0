"""Bake: all clients are on the candidate, the old colour is warm. Watch, and take it back at sound evidence."""

from __future__ import annotations

from datetime import timedelta

from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import RolloutStatus
from verdigris.core.steps.full_share import asks, watch
from verdigris.core.steps.step import Ruling, Step
from verdigris.core.turn import Turn


def was_on_trial(rollout: RolloutStatus) -> bool:
    """Whether it has been watched behind the shield: with the same requests, by the same test, for as long."""
    return any(step.kind == "Trial" and step.verdict is not None for step in rollout.steps)


def _look(turn: Turn) -> tuple[Turn, Ruling]:
    # To watch it once more would tell nothing new, and clients would wait for nothing.
    watched = was_on_trial(turn.rollout)
    return watch(turn, timedelta() if watched else parse_duration(turn.policy.rollout.bake))


def _message(turn: Turn) -> str:
    then = "it has been on trial, so it is promoted now" if was_on_trial(turn.rollout) else "watching it"
    return f"All new connections reach {turn.rollout.version}; {then}."


BAKE = Step("Bake", "Baking", _message, _look, lambda _: 100, asks)
