"""Approval: until a person says yes. A candidate that has become hopeless meanwhile ends the rollout.

It goes on being asked the share that it has reached, and is judged by it. Where the rollout has to begin again, an
answer stays: the question is the same.
"""

from __future__ import annotations

from verdigris.core.steps.passing_on import asks, judge_meanwhile, passed_on, routed
from verdigris.core.steps.step import NEXT, STAY, Ruling, Step
from verdigris.core.turn import Turn


def _look(turn: Turn) -> tuple[Turn, Ruling]:
    turn, leave = judge_meanwhile(turn)
    if leave is not None:
        return turn, leave
    rollout = turn.rollout
    answered = rollout.approval is not None or rollout.steps[rollout.step].verdict == "Pass"
    if turn.observed.held or not (answered or rollout.promote_now):
        return turn, STAY
    return turn, NEXT


def _message(turn: Turn) -> str:
    return (
        f"Waiting for approval: create a RolloutDecision with verb approve and revision {turn.rollout.revision}, "
        f"naming this ModelDeployment, {turn.observed.owner.name}."
    )


APPROVAL = Step(
    "Approval",
    "AwaitingApproval",
    _message,
    _look,
    asks=asks,
    passed_on=passed_on,
    routed=routed,
)
