"""Whose turn it is first: what is taken back, what clients are on while it is on trial, what is rolled out, the rest.

Nobody waits for somebody else.
"""

from __future__ import annotations

from enum import IntEnum

from verdigris.api.decision import Verb
from verdigris.api.status import ModelDeploymentStatus


class Urgency(IntEnum):
    """How soon a model has to be looked at; the lower, the sooner. EXPOSED: clients are on a version on trial."""

    ROLLBACK = 0
    EXPOSED = 1
    ROLLOUT = 2
    STEADY = 3


def urgency_of(status: ModelDeploymentStatus) -> Urgency:
    """By the newest status that is known: a verdict that fails is a rollback already."""
    rollout = status.rollout
    if rollout is None:
        return Urgency.STEADY
    if rollout.stage == "RollingBack" or rollout.evidence.verdict == "Fail":
        return Urgency.ROLLBACK
    asked = rollout.weight > 0 or rollout.passed_on > 0 or rollout.routed > 0
    return Urgency.EXPOSED if asked and status.active is not None else Urgency.ROLLOUT


def urgency_of_decision(verb: Verb | str) -> Urgency:
    """Of a decision that nobody has answered: what takes clients back comes first."""
    return Urgency.ROLLBACK if verb in ("abort", "rollback") else Urgency.ROLLOUT
