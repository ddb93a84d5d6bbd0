"""Measure: until the candidate can be seen and the baseline is known. No traffic to what cannot be seen (law 4).

Behind the shield it need not be seen yet: the active pods count what it answers, and no client is moved.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from verdigris.core.facts.observed import Observed
from verdigris.core.judges.baseline import BASELINE_WINDOW
from verdigris.core.judges.counts import shown
from verdigris.core.judges.visibility import VISIBLE_SCRAPES, measured, unseen_of
from verdigris.core.steps.gathering import complete, gather_pods, held
from verdigris.core.steps.step import (
    NEXT,
    STAY,
    Ruling,
    Since,
    Step,
    end,
    scrape_interval,
)
from verdigris.core.steps.trial import stands_behind
from verdigris.core.steps.watching import counted_pods, frozen_baseline, without_evidence
from verdigris.core.turn import Turn

BASELINE_COMES_WITHIN = timedelta(minutes=1)
"""How long a candidate that is ready waits for requests of the active version to hold it against."""


def _look(turn: Turn) -> tuple[Turn, Ruling]:
    turn, failure = gather_pods(turn)
    if failure:
        return turn, end("Failed", failure)
    rollout, behind = turn.rollout, _is_behind(turn)
    evidence = measured(
        rollout.evidence,
        turn.evidence,
        candidate=rollout.color,
        policy=turn.policy.analysis,
        scrape=scrape_interval(turn.observed),
        ready=None if behind else [pod.name for pod in turn.pods(rollout) if pod.ready],
        baseline=frozen_baseline(turn),
        now=turn.now,
        pods=counted_pods(turn),
    )
    turn = turn.change_rollout(evidence=evidence)
    if held(turn) or not complete(turn):
        return turn, STAY
    turn = turn.change_rollout(message=evidence.message)
    if _was_asked_lately(turn) and not rollout.promote_now:
        return turn, STAY
    if rollout.promote_now or _unseen_is_better_than_nobody(turn):
        return turn, NEXT
    return _held_against(turn) if evidence.verdict == "Pass" else without_evidence(turn, "Failed")


def _is_behind(turn: Turn) -> bool:
    """Whether the active pods will stand in front of it."""
    return turn.rollout.has("Trial") and stands_behind(turn)


def _held_against(turn: Turn) -> tuple[Turn, Ruling]:
    """On with a candidate that can be seen, once there is something to hold it against, or none to be expected."""
    evidence, until = turn.rollout.evidence, turn.rollout.since + BASELINE_COMES_WITHIN
    if turn.now >= until or not _baseline_is_coming(turn):
        return turn, NEXT
    seen, enough = evidence.baseline.requests, turn.policy.analysis.error_rate.min_requests
    message = (
        f"{evidence.message} Of the active version {seen} of {enough} requests were seen; the candidate gets clients "
        f"once there are enough to hold it against, or at {until:%H:%M:%S} UTC."
    )
    return turn.change_rollout(message=message), STAY


def _baseline_is_coming(turn: Turn) -> bool:
    """Whether more will soon be known of the active version, of which too little is known yet.

    Its pods are not scraped yet, or have been for less than the baseline's window and have clients: Prometheus, or
    they, or their labels are new. A version without clients, or with few of them for long, is not waited for.
    """
    rollout, active, evidence = turn.rollout, turn.active, turn.evidence
    known = rollout.evidence.baseline.requests
    if active is None or rollout.has("EndActive") or known >= turn.policy.analysis.error_rate.min_requests:
        return False
    series, clock = evidence.counters.get(active.color, ()), evidence.clock(turn.now)
    ready = [pod.name for pod in turn.pods(active) if pod.ready]
    if unseen_of(series, ready, scrape_interval(turn.observed), clock):
        return True
    first = min((one.samples[0][0] for one in series if one.samples), default=0.0)
    new = first > (clock - BASELINE_WINDOW).timestamp()
    # What a counter shows at first tells that there were clients at some time; its second sample, whether there are.
    untold = all(len(one.samples) < 2 for one in series) and shown(series).requests > 0
    return new and (known > 0 or untold)


def _was_asked_lately(turn: Turn) -> bool:
    """Whether Prometheus may yet have to see what active pods counted before its pods were gone: that is left out."""
    rollout = turn.rollout
    return rollout.shielded_at is not None and turn.now < rollout.since + scrape_interval(turn.observed)


def _unseen_is_better_than_nobody(turn: Turn) -> bool:
    """Where the active pods have ended, what could not be seen within some scrapes gets the clients all the same."""
    waited = turn.now - turn.rollout.since
    return turn.rollout.has("EndActive") and waited >= VISIBLE_SCRAPES * scrape_interval(turn.observed)


def _asks(observed: Observed, now: datetime) -> Since:
    rollout, active = observed.status.rollout, observed.status.active
    if rollout is None or active is None:
        return {}
    return {rollout.color: now - VISIBLE_SCRAPES * scrape_interval(observed), active.color: now - BASELINE_WINDOW}


MEASURE = Step("Measure", "Measuring", lambda _: "Waiting until both versions can be counted.", _look, asks=_asks)
