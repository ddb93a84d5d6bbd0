"""Approval: until a person says yes. A candidate that has become hopeless meanwhile ends the rollout."""

from __future__ import annotations

from verdigris.core.pods.diagnosis.candidate import candidate_fault
from verdigris.core.steps.step import NEXT, STAY, Ruling, Step, end
from verdigris.core.turn import Turn


def _look(turn: Turn) -> tuple[Turn, Ruling]:
    fault = candidate_fault(turn)
    if fault:
        return turn, end("Failed", fault)
    if turn.observed.held or turn.rollout.approval is None:
        return turn, STAY
    return turn, NEXT


def _message(turn: Turn) -> str:
    return (
        f"Waiting for approval: create a RolloutDecision with verb approve and revision {turn.rollout.revision}, "
        f"naming this ModelDeployment, {turn.observed.owner.name}."
    )


APPROVAL = Step("Approval", "AwaitingApproval", _message, _look)
