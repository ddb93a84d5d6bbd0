"""What steps share in which a candidate is given a share, by the active pods or a gateway: how much, how long, what is
asked of Prometheus then."""

from __future__ import annotations

from datetime import datetime, timedelta

from verdigris.api.schema.fields import parse_duration
from verdigris.api.spec import RolloutSpec
from verdigris.api.status import RolloutStatus, StepStatus
from verdigris.core.facts.observed import Observed
from verdigris.core.judges.visibility import VISIBLE_SCRAPES, shared_window
from verdigris.core.pods.diagnosis.candidate import candidate_fault
from verdigris.core.routing.means import Means, chosen
from verdigris.core.routing.shield import WHOLE
from verdigris.core.steps import full_share
from verdigris.core.steps.step import Ruling, Since, end, scrape_interval
from verdigris.core.steps.watching import hold_against_active, judge, must_leave
from verdigris.core.turn import Turn

FULL = 100.0
"""Percent of the requests: nobody but the candidate is asked first."""


def share_reached(rollout: RolloutStatus) -> int:
    """Hundredths of a percent that the candidate is asked in the step under way: by the last weight that came to be.

    Where its pods take the places of active ones, never more than its part of them: it has no pods for more.
    """
    for step in reversed(rollout.steps[: rollout.step + 1]):
        if step.kind == "Trial":
            return 0 if step.reason == "Skipped" else min(share_of(step), _part_of_places(rollout))
    return 0


def _part_of_places(rollout: RolloutStatus) -> int:
    sizes = rollout.sizes
    return WHOLE if sizes is None else WHOLE * sizes.candidate // max(1, sizes.candidate + sizes.active)


def means(turn: Turn) -> Means | None:
    """Who gives the candidate its share; None where nobody can."""
    active, shielded = turn.active, turn.policy.rollout.is_shielded
    return None if active is None else chosen(turn.observed, turn.rollout, active.color, shielded=shielded)


def passed_on(turn: Turn) -> int:
    """The share that is reached, where the active pods give it."""
    return share_reached(turn.rollout) if means(turn) == "Shield" else 0


def routed(turn: Turn) -> int:
    """The share that is reached, where a gateway gives it."""
    return share_reached(turn.rollout) if means(turn) == "Gateway" else 0


def share_of(step: StepStatus) -> int:
    """Hundredths of a percent that the candidate is asked in a Trial, or gets copies of in a Shadow."""
    return round(100 * (FULL if step.weight is None else step.weight))


def last_trial(rollout: RolloutStatus) -> StepStatus | None:
    """The Trial with the largest share, if the rollout has any."""
    return next((step for step in reversed(rollout.steps) if step.kind == "Trial"), None)


def time_on_trial(step: StepStatus, policy: RolloutSpec) -> timedelta:
    """How long a Trial, or a Shadow, lasts."""
    return parse_duration(step.hold if step.hold is not None else policy.bake)


def time_of_step(turn: Turn) -> timedelta:
    """How long the one under way lasts; where pods are traded, as long as each of them is watched."""
    rollout = turn.rollout
    step = rollout.steps[rollout.step]
    span = time_on_trial(step, turn.policy.rollout)
    return span if rollout.sizes is None or step.hold is not None else span / rollout.replicas


def is_to_be_watched(rollout: RolloutStatus, policy: RolloutSpec) -> bool:
    """Whether the user wants the version watched at all: for a bake, or at a weight that says for how long."""
    trials = (time_on_trial(step, policy) for step in rollout.steps if step.kind == "Trial")
    return parse_duration(policy.bake) > timedelta() or any(trials)


def asks(observed: Observed, now: datetime) -> Since:
    """What the candidate was asked since it first was; and what the active version does meanwhile, with its share.

    Of both for the same time then: what that one answers in the candidate's stead is no answer of its own share.
    """
    rollout, active = observed.status.rollout, observed.status.active
    if rollout is None or active is None:
        return {}
    if not (rollout.passed_on or rollout.routed):
        # Nobody can give it a share: whether it is seen is all that there is to know.
        visible = now - VISIBLE_SCRAPES * scrape_interval(observed)
        return {rollout.color: visible} if rollout.kind == "Trial" else {}
    since = full_share.asks(observed, now)
    if share_reached(rollout) == WHOLE:
        return since
    window = now - shared_window(scrape_interval(observed))
    return {rollout.color: min(since[rollout.color], window), active.color: window}


def judge_meanwhile(turn: Turn) -> tuple[Turn, Ruling | None]:
    """Whether a candidate must go while a person, or a gate, is waited for: by the share that it has, or its pods."""
    if turn.rollout.passed_on or turn.rollout.routed:
        return judge_share(turn)
    fault = candidate_fault(turn)
    return turn, end("Failed", fault) if fault else None


def judge_share(turn: Turn) -> tuple[Turn, Ruling | None]:
    """The verdict on what came back, and whether it must not be asked any more.

    While none of its pods is ready it is not judged: that the active pods reach nobody is why, and no verdict on how it
    answers (law 17).
    """
    if not turn.ready(turn.rollout) and (leave := must_leave(turn)) is not None:
        return turn, leave
    if share_reached(turn.rollout) < WHOLE:
        turn = hold_against_active(turn)
    turn = judge(turn)
    return turn, must_leave(turn)
