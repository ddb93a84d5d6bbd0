"""Measure: until the candidate can be seen and the baseline is known. No traffic to what cannot be seen (law 4)."""

from __future__ import annotations

from datetime import datetime

from verdigris.core.facts.observed import Observed
from verdigris.core.judges.baseline import BASELINE_WINDOW
from verdigris.core.judges.visibility import VISIBLE_SCRAPES, measured
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
from verdigris.core.steps.watching import counted_pods, frozen_baseline, without_evidence
from verdigris.core.turn import Turn


def _look(turn: Turn) -> tuple[Turn, Ruling]:
    turn, failure = gather_pods(turn)
    if failure:
        return turn, end("Failed", failure)
    rollout = turn.rollout
    evidence = measured(
        rollout.evidence,
        turn.evidence,
        candidate=rollout.color,
        policy=turn.policy.analysis,
        scrape=scrape_interval(turn.observed),
        ready=[pod.name for pod in turn.pods(rollout) if pod.ready],
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
    if evidence.verdict == "Pass" or rollout.promote_now or _unseen_is_better_than_nobody(turn):
        return turn, NEXT
    return without_evidence(turn, "Failed")


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


MEASURE = Step(
    "Measure", "Measuring", lambda _: "Waiting until Prometheus has scraped every candidate pod.", _look, asks=_asks
)
