"""Trial: clients stay on the active colour, whose pods pass a share of their requests on and stand behind each answer.

What the candidate answers is judged as in Bake. No client's answer depends on it, so taking it back is to stop asking.
Where the active pods cannot stand in front, this step is left out, and Bake does all of it.
"""

from __future__ import annotations

from datetime import timedelta

from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import EvidenceStatus
from verdigris.core.facts.evidence import PASSED_ON
from verdigris.core.routing.shield import WHOLE, cannot_be_told, fronts, shares
from verdigris.core.steps.full_share import passes, wait
from verdigris.core.steps.passing_on import asks, judge_share, share_reached, time_on_trial
from verdigris.core.steps.step import STAY, Ruling, Step, scrape_interval, skip
from verdigris.core.steps.watching import FOUND_WITHIN
from verdigris.core.turn import Turn


def _look(turn: Turn) -> tuple[Turn, Ruling]:
    turn, leave = judge_share(turn)
    if leave is not None:
        return turn, leave
    why = _not_behind(turn) or _not_passed_on(turn)
    if why is not None and not turn.observed.held:
        return turn, skip(why)
    share = share_reached(turn.rollout)
    step = turn.rollout.steps[turn.rollout.step]
    turn, ruling = wait(turn, time_on_trial(step, turn.policy.rollout), passes if share == WHOLE else _may_grow)
    if ruling != STAY or turn.active is None:
        return turn, ruling
    ready = fronts(turn.observed, turn.active.color)
    told = sum(shares(pod.order).passed_on == share for pod in ready)
    what = "its requests" if share == WHOLE else f"{share / 100:g} % of their requests"
    in_front = f"{told} of {len(ready)} active pods pass {what} on."
    return turn.change_rollout(message=f"{in_front} {turn.rollout.message}"), STAY


def _may_grow(evidence: EvidenceStatus) -> bool:
    """Whether it may be asked more: a small share may be too little for a pass, and only a larger one mends that."""
    return passes(evidence) or evidence.reason == "TooFewRequests"


def _not_behind(turn: Turn) -> str | None:
    """Why the active pods do not stand in front of the candidate, in a sentence; None when they can."""
    if parse_duration(turn.policy.rollout.bake) == timedelta():
        return "spec.rollout.bake is 0s, so it is not to be watched."
    if turn.rollout.sizes is not None:
        return "Its pods take the places of the active ones, which have to stay to stand in front."
    if turn.active is None:
        return "No version is active."
    return cannot_be_told(turn.observed, turn.rollout, turn.active.color)


def _not_passed_on(turn: Turn) -> str | None:
    """Why the shield does nothing: the active pods were told, and Prometheus has no count of theirs."""
    if turn.evidence.problem or turn.now < turn.rollout.since + FOUND_WITHIN + scrape_interval(turn.observed):
        return None
    if any(one.code in PASSED_ON for one in turn.evidence.counters.get(turn.rollout.color, ())):
        return None
    return (
        "The active pods were told to pass its requests on, and none of them counts any: the API server refuses to "
        f"annotate them, or their image does not know the shield (spec.serving.image when {_active(turn)} was applied)."
    )


def _active(turn: Turn) -> str:
    return turn.active.version if turn.active is not None else "it"


TRIAL = Step(
    "Trial",
    "OnTrial",
    lambda turn: f"The pods of {_active(turn)} pass requests on to {turn.rollout.version}, and stand behind it.",
    _look,
    asks=asks,
    passed_on=lambda turn: share_reached(turn.rollout),
    skipped=_not_behind,
)
