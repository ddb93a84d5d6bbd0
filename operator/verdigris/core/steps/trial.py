"""Trial: clients stay on the active colour, whose pods pass a share of their requests on and stand behind each answer.

What the candidate answers is judged as in Bake. No client's answer depends on it, so taking it back is to stop asking.
Where the active pods cannot stand in front, this step is left out, and Bake does all of it.
"""

from __future__ import annotations

from datetime import datetime

from verdigris.api.status import EvidenceStatus
from verdigris.core.facts.evidence import PASSED_ON
from verdigris.core.judges.counts import covered
from verdigris.core.judges.errors import STALE_SCRAPES, TOO_FEW, to_millis
from verdigris.core.routing.shield import WHOLE, cannot_be_told, fronts, shares
from verdigris.core.steps.full_share import passes, wait
from verdigris.core.steps.passing_on import asks, is_to_be_watched, judge_share, share_reached, time_of_step
from verdigris.core.steps.step import STAY, Ruling, Step, scrape_interval, skip
from verdigris.core.steps.watching import FOUND_WITHIN
from verdigris.core.turn import Turn, evolve
from verdigris.core.words import clip


def _look(turn: Turn) -> tuple[Turn, Ruling]:
    before = turn.rollout.evidence.seen
    turn, leave = judge_share(turn)
    if leave is not None:
        return turn, leave
    why = _must_do_without(turn)
    if why is not None and not turn.observed.held:
        return turn, skip(why)
    share, span = share_reached(turn.rollout), time_of_step(turn)
    ready = fronts(turn.observed, turn.active.color) if turn.active is not None else ()
    told = sum(shares(pod.order).passed_on == share for pod in ready)
    what = "its requests" if share == WHOLE else f"{share / 100:g} % of their requests"
    in_front = f"{told} of {len(ready)} active pods pass {what} on."
    if not told:
        # Time in which nobody was told this share is none of its hold.
        turn = turn.change_rollout(evidence=evolve(turn.rollout.evidence, seen=before))
    if not told and turn.now >= turn.rollout.since + span:
        turn = turn.change_rollout(evidence=_not_asked(turn.rollout.evidence, in_front, turn.rollout.since + span))
    turn, ruling = wait(turn, span, passes if share == WHOLE else _may_grow)
    if ruling != STAY:
        return turn, ruling
    return turn.change_rollout(message=f"{in_front} {turn.rollout.message}"), STAY


def _may_grow(evidence: EvidenceStatus) -> bool:
    """Whether it may be asked more: a small share may be too little for a pass, and only a larger one mends that."""
    return passes(evidence) or evidence.reason == TOO_FEW


def _not_asked(evidence: EvidenceStatus, in_front: str, since: datetime) -> EvidenceStatus:
    """What is known of another share says nothing of this one, which nobody was told to pass on."""
    if not _may_grow(evidence):
        return evidence
    why = "The API server refuses to annotate them, or somebody else does so as well."
    message = clip(f"{in_front} {why} {evidence.message}")
    return evolve(
        evidence, verdict="Inconclusive", reason="NotPassedOn", message=message, inconclusive_since=to_millis(since)
    )


def _must_do_without(turn: Turn) -> str | None:
    """Why the trial cannot begin, or go on, and clients are moved instead, in a sentence; None when it can.

    Once the active pods were seen to pass requests on, all but one thing passes, and is waited for: only where none of
    them is left to answer, clients are better off with the candidate.
    """
    was_asked, active = turn.rollout.evidence.began is not None, turn.active
    if was_asked and active is not None and turn.ready(active):
        return None
    return _not_behind(turn) or _not_passed_on(turn)


def _not_behind(turn: Turn) -> str | None:
    """Why the active pods do not stand in front of the candidate, in a sentence; None when they can."""
    if not is_to_be_watched(turn.rollout, turn.policy.rollout):
        return "spec.rollout.bake is 0s, so it is not to be watched."
    if turn.rollout.sizes is not None:
        return "Its pods take the places of the active ones, which have to stay to stand in front."
    if turn.active is None:
        return "No version is active."
    return cannot_be_told(turn.observed, turn.rollout, turn.active.color)


def _not_passed_on(turn: Turn) -> str | None:
    """Why the shield does nothing: the active pods were told, and Prometheus has no count of theirs.

    Only where it has watched the model's pods for long enough: one that was away knows nothing, and proves nothing.
    """
    scrape, until = scrape_interval(turn.observed), turn.evidence.clock(turn.now)
    patience = FOUND_WITHIN + 2 * scrape
    series = turn.evidence.counters.get(turn.rollout.color, ())
    if turn.now < turn.rollout.since + patience or any(one.code in PASSED_ON for one in series):
        return None
    times = ((until - patience).timestamp(), until.timestamp(), STALE_SCRAPES * scrape.total_seconds())
    if covered(series, *times) < FOUND_WITHIN.total_seconds():
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
