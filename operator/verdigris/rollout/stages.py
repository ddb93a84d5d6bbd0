"""The stages of a blue-green rollout, in the order in which it goes through them. Each judges before it advances."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from verdigris.api.fields import parse_duration
from verdigris.api.status import EvidenceStatus, Failure, Sizes, Stage
from verdigris.rollout.endings import finish_taking_back, promote, take_back
from verdigris.rollout.gathering import complete, gather_pods, held
from verdigris.rollout.health import candidate_fault
from verdigris.rollout.judge import seen_pods
from verdigris.rollout.trade import candidate_size
from verdigris.rollout.traffic import candidate_share
from verdigris.rollout.turn import Turn, clip, evolve
from verdigris.rollout.watching import (
    frozen_baseline,
    hold_against_active,
    judge,
    proven_bad,
    restarts,
    without_evidence,
)

VISIBLE_SCRAPES = 3
"""A pod whose newest sample is older than this many scrape intervals is not seen (any more)."""


def starting(turn: Turn) -> Turn:
    """Until the candidate is ready at the active colour's size. Ready means verified and golden rows passed."""
    sizes = turn.rollout.sizes
    if turn.rollout.way == "Recreate" and sizes is not None and not sizes.candidate:
        return _end_active(turn)
    turn, failure = gather_pods(turn)
    if failure:
        return take_back(turn, "Failed", failure)
    if held(turn) or not complete(turn):
        return turn
    rollout = turn.rollout
    ready = turn.ready(rollout)
    turn = turn.note("Normal", "CandidateReady", f"Version {rollout.version} is verified and ready on {ready} pods.")
    return _after_ready(turn)


def _end_active(turn: Turn) -> Turn:
    """Recreate: from here on nobody answers, so an approval is asked for, and the baseline frozen, before."""
    rollout, policy = turn.rollout, turn.observed.spec.rollout
    if policy.strategy != "Recreate":
        # Nothing has ended yet, and by now the user does not want it to.
        return turn.change_rollout(way="Beside", sizes=None, message="Starting the candidate's pods.")
    if turn.observed.spec.paused:
        return turn
    if policy.approval == "Required" and rollout.approval is None:
        return _ask_for_approval(turn)
    evidence = evolve(rollout.evidence, baseline=frozen_baseline(turn))
    return turn.change_rollout(sizes=Sizes(active=0, candidate=rollout.replicas), evidence=evidence)


def _after_ready(turn: Turn) -> Turn:
    rollout = turn.rollout
    if turn.observed.spec.rollout.approval == "Required" and rollout.approval is None and rollout.way != "Recreate":
        return _ask_for_approval(turn)
    if turn.active is None:
        return promote(turn)
    return _enter(turn, "Measuring", "Waiting until Prometheus has scraped every candidate pod.")


def _ask_for_approval(turn: Turn) -> Turn:
    message = (
        f"Waiting for approval: create a RolloutDecision with verb approve and revision {turn.rollout.revision}, "
        f"naming this ModelDeployment, {turn.observed.owner.name}."
    )
    return _enter(turn, "AwaitingApproval", message).note("Normal", "AwaitingApproval", message)


def awaiting_approval(turn: Turn) -> Turn:
    """Until a person says yes. A candidate that has become hopeless meanwhile ends the rollout."""
    fault = candidate_fault(turn)
    if fault:
        return take_back(turn, "Failed", fault)
    approved = turn.rollout.approval is not None or turn.observed.spec.rollout.approval == "None"
    if turn.observed.spec.paused or not approved:
        return turn
    if turn.rollout.way == "Recreate":
        return _enter(turn, "Starting", "The active pods are about to end.")
    return _after_ready(turn)


def measuring(turn: Turn) -> Turn:
    """Until the candidate can be seen and the baseline is known. No traffic moves to what cannot be seen (law 4)."""
    turn, failure = gather_pods(turn)
    if failure:
        return take_back(turn, "Failed", failure)
    rollout = turn.rollout
    blind = _not_seen_yet(turn)
    evidence = evolve(
        rollout.evidence,
        verdict="Inconclusive" if blind else "Pass",
        reason=blind.reason if blind else "CandidateVisible",
        message=blind.message if blind else "Prometheus scrapes every candidate pod.",
        inconclusive_since=(rollout.evidence.inconclusive_since or turn.now) if blind else None,
        baseline=frozen_baseline(turn),
    )
    turn = turn.change_rollout(evidence=evidence)
    if held(turn) or not complete(turn):
        return turn
    turn = turn.change_rollout(message=evidence.message)
    if blind is None or rollout.promote_now or _unseen_is_better_than_nobody(turn):
        return _switch(turn)
    return without_evidence(turn, _switch, "Failed")


def _unseen_is_better_than_nobody(turn: Turn) -> bool:
    """Recreate left nobody who answers: what could not be seen within some scrapes gets the clients all the same."""
    scrape = parse_duration(turn.observed.spec.monitoring.service_monitor.interval)
    return turn.rollout.way == "Recreate" and turn.now >= turn.rollout.since + VISIBLE_SCRAPES * scrape


def _not_seen_yet(turn: Turn) -> Failure | None:
    if turn.evidence.problem:
        return Failure(reason="PrometheusUnreachable", message=clip(turn.evidence.problem))
    scrape = parse_duration(turn.observed.spec.monitoring.service_monitor.interval)
    seen = seen_pods(
        turn.evidence.counters.get(turn.rollout.color, ()), (turn.now - VISIBLE_SCRAPES * scrape).timestamp()
    )
    unseen = sorted(p.name for p in turn.pods(turn.rollout) if p.ready and p.name not in seen)
    if not unseen:
        return None
    return Failure(
        reason="CandidateNotScraped",
        message=clip(f"Prometheus has not scraped {len(unseen)} ready candidate pods yet: {', '.join(unseen[:5])}."),
    )


def _switch(turn: Turn) -> Turn:
    version = turn.rollout.version
    evidence = EvidenceStatus(baseline=turn.rollout.evidence.baseline, sealed_at=turn.now, at=turn.now)
    turn = turn.change_rollout(evidence=evidence, restarts=restarts(turn))
    if turn.rollout.way == "InPlace" and candidate_size(turn) < turn.rollout.replicas:
        return _enter(turn, "Trading", f"Version {version} shares the clients.").change_rollout(weight=1)
    return _bake(turn)


def _bake(turn: Turn) -> Turn:
    version, limit = turn.rollout.version, turn.rollout.evidence.baseline.limit
    turn = _enter(turn, "Baking", f"All new connections reach {version}; watching it.").change_rollout(weight=100)
    return turn.note(
        "Normal",
        "TrafficShifted",
        f"All new connections reach {version} ({turn.rollout.color}). It is held against a baseline of at most "
        f"{limit:.2%} errors.",
    )


def trading(turn: Turn) -> Turn:
    """Both versions have clients, in step with their ready pods; one pod after the other is traded for a new one."""
    turn = judge(hold_against_active(turn))
    failure = proven_bad(turn)
    if failure is None:
        turn, failure = gather_pods(turn)
    if failure:
        return take_back(turn, "RolledBack", failure)
    share = candidate_share(turn.observed, turn.rollout.color)
    turn = turn.change_rollout(weight=max(1, share))
    if turn.observed.spec.paused or not complete(turn):
        return turn
    rollout = turn.rollout
    traded = f"{candidate_size(turn)} of {rollout.replicas} pods are of {rollout.version}."
    turn = turn.change_rollout(message=clip(f"{traded} {rollout.evidence.message}"))
    bake = parse_duration(turn.observed.spec.rollout.bake)
    if not rollout.promote_now and turn.now < rollout.since + bake / rollout.replicas:
        return turn
    if rollout.evidence.verdict == "Pass" or rollout.promote_now or bake == timedelta():
        return _trade_on(turn)
    return without_evidence(turn, _trade_on, "RolledBack")


def _trade_on(turn: Turn) -> Turn:
    rollout, sizes = turn.rollout, turn.rollout.sizes
    if sizes is None or sizes.candidate >= rollout.replicas:
        return _bake(turn)
    sizes = evolve(sizes, candidate=sizes.candidate + 1)
    return turn.change_rollout(sizes=sizes, since=turn.now, deadline=None, lacking_since=None)


def baking(turn: Turn) -> Turn:
    """Clients are on the candidate, the old colour is warm: watch, and take it back at the first sound evidence."""
    turn = judge(turn)
    failure = proven_bad(turn)
    if failure:
        return take_back(turn, "RolledBack", failure)
    rollout, spec = turn.rollout, turn.observed.spec
    turn = turn.change_rollout(message=rollout.evidence.message)
    bake = parse_duration(spec.rollout.bake)
    over = rollout.promote_now or turn.now >= rollout.since + bake
    if spec.paused or not over:
        return turn
    if rollout.evidence.verdict == "Pass" or rollout.promote_now or bake == timedelta():
        return promote(turn)
    return without_evidence(turn, promote, "RolledBack")


def _enter(turn: Turn, stage: Stage, message: str) -> Turn:
    return turn.change_rollout(stage=stage, since=turn.now, deadline=None, message=clip(message))


STAGES: Mapping[Stage, Callable[[Turn], Turn]] = {
    "Starting": starting,
    "AwaitingApproval": awaiting_approval,
    "Measuring": measuring,
    "Trading": trading,
    "Baking": baking,
    "RollingBack": finish_taking_back,
}
