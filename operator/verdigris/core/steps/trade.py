"""Trade: both versions have clients, in step with their ready pods; pods are replaced one by one."""

from __future__ import annotations

from datetime import datetime, timedelta

from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import Sizes
from verdigris.core.facts.observed import Observed
from verdigris.core.judges.baseline import BASELINE_WINDOW
from verdigris.core.judges.visibility import long_enough, watched_anew
from verdigris.core.routing.service import candidate_share
from verdigris.core.steps.capacity import candidate_size
from verdigris.core.steps.gathering import complete, gather_pods
from verdigris.core.steps.step import NEXT, STAY, Ruling, Since, Step, end, scrape_interval
from verdigris.core.steps.watching import (
    hold_against_active,
    judge,
    must_leave,
    since_exposed,
    without_evidence,
)
from verdigris.core.turn import Turn


def _look(turn: Turn) -> tuple[Turn, Ruling]:
    turn = judge(hold_against_active(turn))
    leave = must_leave(turn)
    if leave:
        return turn, leave
    turn, failure = gather_pods(turn)
    if failure:
        return turn, end("RolledBack", failure)
    turn = turn.change_rollout(wanted=_share(turn))
    if turn.observed.held or not complete(turn):
        return turn, STAY
    rollout = turn.rollout
    traded = f"{candidate_size(turn)} of {rollout.replicas} pods are of {rollout.version}."
    turn = turn.change_rollout(message=f"{traded} {rollout.evidence.message}")
    bake = parse_duration(turn.policy.rollout.bake)
    if not rollout.promote_now and turn.now < rollout.since + bake / rollout.replicas:
        return turn, STAY
    seen = long_enough(rollout.evidence, bake / rollout.replicas, rollout.since, scrape_interval(turn.observed))
    turn = turn.change_rollout(evidence=seen)
    if seen.verdict == "Pass" or rollout.promote_now or bake == timedelta():
        return _one_more(turn)
    turn, ruling = without_evidence(turn, "RolledBack")
    return _one_more(turn) if ruling == NEXT else (turn, ruling)


def _one_more(turn: Turn) -> tuple[Turn, Ruling]:
    """The candidate gets one more pod; with its last the step is over."""
    rollout, sizes = turn.rollout, turn.rollout.sizes
    if sizes is None or sizes.candidate >= rollout.replicas:
        return turn, NEXT
    grown = Sizes(active=sizes.active, candidate=sizes.candidate + 1)
    evidence = watched_anew(rollout.evidence)
    return turn.change_rollout(sizes=grown, since=turn.now, deadline=None, lacking_since=None, evidence=evidence), STAY


def _share(turn: Turn) -> int:
    """In step with ready pods, and never none or all: that is what the other steps are for."""
    return min(99, max(1, candidate_share(turn.observed, turn.rollout.color)))


def _asks(observed: Observed, now: datetime) -> Since:
    rollout, active = observed.status.rollout, observed.status.active
    if rollout is None or active is None:
        return {}
    return {rollout.color: since_exposed(rollout, now), active.color: now - BASELINE_WINDOW}


TRADE = Step(
    "Trade",
    "Trading",
    lambda turn: f"Version {turn.rollout.version} shares the clients.",
    _look,
    _share,
    _asks,
    skipped=lambda turn: (
        None if candidate_size(turn) < turn.rollout.replicas else "All of its pods fit beside the active ones by now."
    ),
)
