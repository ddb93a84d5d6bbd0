"""Trial: clients stay on the active colour, whose pods pass a share of their requests on and stand behind each answer.

What the candidate answers is judged as in Bake. No client's answer depends on it, so taking it back is to stop asking.
Where the active pods cannot stand in front, a gateway's weights give the share, and taking it back is to write them.
Where neither can, this step is left out, and Bake does all of it.
"""

from __future__ import annotations

from datetime import datetime

from verdigris.api.status import EvidenceStatus, RolloutStatus
from verdigris.core.facts.evidence import PASSED_ON
from verdigris.core.judges.counts import covered
from verdigris.core.judges.errors import STALE_SCRAPES, TOO_FEW, resumed, ruled, to_millis
from verdigris.core.judges.visibility import COUNTED_IN_FRONT
from verdigris.core.judges.visibility import unseen as not_yet_seen
from verdigris.core.routing.gateway import cannot_share
from verdigris.core.routing.means import is_given, missing
from verdigris.core.routing.shield import WHOLE
from verdigris.core.steps.full_share import passes, wait
from verdigris.core.steps.passing_on import (
    asks,
    is_to_be_watched,
    judge_share,
    means,
    passed_on,
    routed,
    share_of,
    share_reached,
    time_of_step,
)
from verdigris.core.steps.step import STAY, Ruling, Step, scrape_interval, skip
from verdigris.core.steps.watching import FOUND_WITHIN, without_evidence
from verdigris.core.turn import Turn, evolve
from verdigris.core.words import clip


def _look(turn: Turn) -> tuple[Turn, Ruling]:
    if _never_asked(turn) and (why := _not_on_trial(turn)) is not None:
        return (turn.change_rollout(message=why), STAY) if turn.observed.held else _met_by_clients(turn, why)
    before = turn.rollout.evidence.seen
    turn, leave = judge_share(turn)
    if leave is not None:
        return turn, leave
    why = _must_do_without(turn)
    if why is not None and not turn.observed.held:
        return _met_by_clients(turn, why)
    rollout = turn.rollout
    share, span, last = share_reached(rollout), time_of_step(turn), share_of(rollout.steps[rollout.step]) == WHOLE
    given, who = _is_given(turn, share)
    if not given:
        # Time in which nobody was told this share is none of its hold, nor is what Prometheus is yet to tell of it.
        counted, now = turn.rollout.evidence, to_millis(turn.evidence.clock(turn.now))
        at = now if counted.at is None else max(counted.at, now)
        turn = turn.change_rollout(evidence=evolve(counted, seen=before, at=at))
    if not given and turn.now >= rollout.since + span:
        turn = turn.change_rollout(evidence=_not_given(turn.rollout, who, rollout.since + span))
    turn, ruling = wait(turn, span, passes if last else _may_grow)
    if ruling != STAY:
        return turn, ruling
    return turn.change_rollout(message=f"{who} {turn.rollout.message}"), STAY


def _by_gateway(turn: Turn, why: str) -> tuple[Turn, Ruling] | None:
    """Where the active pods were told in vain a gateway gives the share; None where none can."""
    active, rollout = turn.active, turn.rollout
    if not rollout.passed_on or active is None or cannot_share(turn.observed, rollout, active.color) is not None:
        return None
    evidence = resumed(rollout.evidence, turn.evidence, turn.now)
    share = share_reached(rollout)
    turn = turn.change_rollout(passed_on=0, routed=share, since=turn.now, evidence=evidence)
    message = f"A gateway gives {rollout.version} its share now: {why}"
    return turn.change_rollout(message=message).note("Normal", "NotShielded", message), STAY


def _is_given(turn: Turn, share: int) -> tuple[bool, str]:
    if turn.active is None:
        return False, "No version is active."
    return is_given(turn.observed, turn.rollout, turn.active.color, share)


def _met_by_clients(turn: Turn, why: str) -> tuple[Turn, Ruling]:
    """Clients come to what can be seen alone (law 4), unless nobody else is left to answer them."""
    rollout, active = turn.rollout, turn.active
    ready = [pod.name for pod in turn.pods(rollout) if pod.ready]
    unseen = not_yet_seen(turn.evidence, rollout.color, ready, scrape_interval(turn.observed), turn.now)
    if unseen is None or rollout.promote_now or active is None or not turn.ready(active):
        return _by_gateway(turn, why) or (turn, skip(why))
    verdict, reason, message = unseen
    evidence = ruled(rollout.evidence, (verdict, reason, f"{why} {message}"), turn.now)
    return without_evidence(turn.change_rollout(evidence=evidence), "RolledBack")


def _may_grow(evidence: EvidenceStatus) -> bool:
    """Whether it may be asked more: a small share may be too little for a pass, and only a larger one mends that."""
    return passes(evidence) or evidence.reason == TOO_FEW


def _not_given(rollout: RolloutStatus, who: str, since: datetime) -> EvidenceStatus:
    """What is known of another share says nothing of this one, which nobody was seen to give."""
    evidence = rollout.evidence
    if not _may_grow(evidence):
        return evidence
    why = "The API server refuses to annotate them, or somebody else does so as well."
    if rollout.routed:
        why = "The API server refuses to write it, somebody else does so as well, or the gateway is away."
    message = clip(f"{who} {why} {evidence.message}")
    reason = "NotRouted" if rollout.routed else "NotPassedOn"
    return evolve(evidence, verdict="Inconclusive", reason=reason, message=message, inconclusive_since=to_millis(since))


def _must_do_without(turn: Turn) -> str | None:
    """Why the trial cannot begin, or go on, and clients are moved instead, in a sentence; None when it can.

    Once it was seen to be asked, all but one thing passes, and is waited for: only where no active pod is left to
    answer, clients are better off with the candidate.
    """
    was_asked, active = turn.rollout.evidence.began is not None, turn.active
    if was_asked and active is not None and turn.ready(active):
        return None
    return _not_on_trial(turn) or (None if turn.rollout.routed else _not_passed_on(turn))


def _never_asked(turn: Turn) -> bool:
    """Whether nobody could give it a share yet: what made that possible was lost since Measure."""
    rollout = turn.rollout
    return not rollout.passed_on and not rollout.routed and rollout.evidence.began is None


def _left_out(turn: Turn) -> str | None:
    """Why the trial is not entered at all, in a sentence; None when it is.

    A version that went on unseen, as the active pods would count for it, is entered all the same when they cannot any
    more: here it waits until it is seen (law 4), unless nobody else is left to answer.
    """
    unseen = any(step.kind == "Measure" and step.reason == COUNTED_IN_FRONT for step in turn.rollout.steps)
    others = turn.active is not None and turn.ready(turn.active) > 0
    return None if unseen and others else _not_on_trial(turn)


def stands_behind(turn: Turn) -> bool:
    """Whether the active pods will stand in front of the candidate: then nobody depends on what it answers."""
    return _not_on_trial(turn) is None and means(turn) == "Shield"


def _not_on_trial(turn: Turn) -> str | None:
    """Why the candidate cannot be given a share, in a sentence; None when it can."""
    if not is_to_be_watched(turn.rollout, turn.policy.rollout):
        return "spec.rollout.bake is 0s, so it is not to be watched."
    if turn.active is None:
        return "No version is active."
    shielded = turn.policy.rollout.is_shielded
    return missing(turn.observed, turn.rollout, turn.active.color, shielded=shielded)


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


def _message(turn: Turn) -> str:
    if (why := _not_on_trial(turn)) is not None:
        return why
    if means(turn) == "Gateway":
        return f"A gateway shares clients between {_active(turn)} and {turn.rollout.version}."
    return f"The pods of {_active(turn)} pass requests on to {turn.rollout.version}, and stand behind it."


TRIAL = Step(
    "Trial",
    "OnTrial",
    _message,
    _look,
    asks=asks,
    passed_on=passed_on,
    routed=routed,
    skipped=_left_out,
)
