"""The stages of a blue-green rollout, in the order in which it goes through them. Each judges before it advances."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from verdigris.api.fields import parse_duration
from verdigris.api.status import Baseline, EvidenceStatus, Failure, Outcome, Stage
from verdigris.rollout.endings import finish_taking_back, promote, take_back
from verdigris.rollout.health import candidate_fault, candidate_trouble
from verdigris.rollout.judge import fold, freeze_baseline, seen_pods
from verdigris.rollout.turn import Turn, clip, evolve

BASELINE_WINDOW = timedelta(minutes=5)
"""How far back the frozen baseline looks."""

VISIBLE_SCRAPES = 3
"""A pod whose newest sample is older than this many scrape intervals is not seen (any more)."""

CRASHES = 2
"""Restarts of candidate pods, since clients reach them, that are no accident any more."""


def starting(turn: Turn) -> Turn:
    """Until the candidate is ready at the active colour's size. Ready means verified and golden rows passed."""
    turn, failure = _gather_pods(turn)
    if failure:
        return take_back(turn, "Failed", failure)
    if turn.observed.spec.paused or not _complete(turn):
        return turn
    rollout = turn.rollout
    ready = turn.ready(rollout)
    turn = turn.note("Normal", "CandidateReady", f"Version {rollout.version} is verified and ready on {ready} pods.")
    return _after_ready(turn)


def _gather_pods(turn: Turn) -> tuple[Turn, Failure | None]:
    """Note how far the candidate's pods are; the failure is set when they are hopeless or too late.

    Progress is the high-water mark of ready pods, so that flapping is none. A pause stops the clock.
    """
    rollout, now = turn.rollout, turn.now
    ready, needed = turn.ready(rollout), needed_replicas(turn)
    # A crashing pod runs for a moment between two crashes: what was said before still explains it.
    trouble = candidate_trouble(turn) or rollout.trouble
    message = f"{ready} of {needed} candidate pods are ready." + (f" {trouble.message}" if trouble else "")
    turn = turn.change_rollout(replicas=needed, message=clip(message), trouble=trouble)
    fault = candidate_fault(turn)
    if fault or turn.observed.spec.paused or ready >= needed:
        return turn.change_rollout(deadline=None, trouble=None if ready >= needed else trouble), fault
    limit = turn.observed.spec.rollout.progress_deadline
    if rollout.deadline is None or ready > rollout.ready_high_water:
        high = max(ready, rollout.ready_high_water)
        deadline = now + parse_duration(limit)
        return turn.change_rollout(ready_high_water=high, deadline=deadline, trouble=candidate_trouble(turn)), None
    return turn, _too_late(trouble, ready, needed, limit) if now >= rollout.deadline else None


def _complete(turn: Turn) -> bool:
    """Whether clients could be sent to the candidate: all its pods are ready, and none of an older revision is."""
    return turn.ready(turn.rollout) >= turn.rollout.replicas and not stale_pods(turn)


def _too_late(trouble: Failure | None, ready: int, needed: int, limit: str) -> Failure:
    if trouble:
        return Failure(
            reason=trouble.reason, message=clip(f"{trouble.message} No progress for {limit}, so the rollout ended.")
        )
    return Failure(
        reason="ProgressDeadlineExceeded",
        message=f"Only {ready} of {needed} candidate pods were ready, and none more for {limit}. "
        "Look at the pods' logs and events, or raise spec.rollout.progressDeadline.",
    )


def _after_ready(turn: Turn) -> Turn:
    rollout = turn.rollout
    if turn.observed.spec.rollout.approval == "Required" and rollout.approval is None:
        message = (
            f"Waiting for approval: create a RolloutDecision with verb approve and revision {rollout.revision}, "
            f"naming this ModelDeployment, {turn.observed.owner.name}."
        )
        turn = _enter(turn, "AwaitingApproval", message)
        return turn.note("Normal", "AwaitingApproval", message)
    if turn.active is None:
        return promote(turn)
    return _enter(turn, "Measuring", "Waiting until Prometheus has scraped every candidate pod.")


def awaiting_approval(turn: Turn) -> Turn:
    """Until a person says yes. A candidate that has become hopeless meanwhile ends the rollout."""
    fault = candidate_fault(turn)
    if fault:
        return take_back(turn, "Failed", fault)
    approved = turn.rollout.approval is not None or turn.observed.spec.rollout.approval == "None"
    if turn.observed.spec.paused or not approved:
        return turn
    return _after_ready(turn)


def measuring(turn: Turn) -> Turn:
    """Until the candidate can be seen and the baseline is known. No traffic moves to what cannot be seen (law 4)."""
    turn, failure = _gather_pods(turn)
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
        baseline=_frozen(turn),
    )
    turn = turn.change_rollout(evidence=evidence)
    if turn.observed.spec.paused or not _complete(turn):
        return turn
    turn = turn.change_rollout(message=evidence.message)
    if blind is None or rollout.promote_now:
        return _switch(turn)
    return _without_evidence(turn, _switch, "Failed")


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


def _frozen(turn: Turn) -> Baseline:
    """The active colour's counts of the last minutes (law 5); while Prometheus is away, the last that were seen."""
    policy, active, last = turn.observed.spec.analysis.error_rate, turn.active, turn.rollout.evidence.baseline
    if turn.evidence.problem and last.at is not None:
        return last
    series = turn.evidence.counters.get(active.color, ()) if active else ()
    return freeze_baseline(series, turn.now - BASELINE_WINDOW, turn.now, policy)


def _switch(turn: Turn) -> Turn:
    version, limit = turn.rollout.version, turn.rollout.evidence.baseline.limit
    evidence = EvidenceStatus(baseline=turn.rollout.evidence.baseline, sealed_at=turn.now, at=turn.now)
    turn = _enter(turn, "Baking", f"All new connections reach {version}; watching it.")
    turn = turn.change_rollout(weight=100, evidence=evidence, restarts=_restarts(turn))
    return turn.note(
        "Normal",
        "TrafficShifted",
        f"All new connections reach {version} ({turn.rollout.color}). It is held against a baseline of at most "
        f"{limit:.2%} errors.",
    )


def baking(turn: Turn) -> Turn:
    """Clients are on the candidate, the old colour is warm: watch, and take it back at the first sound evidence."""
    turn = _judge(turn)
    failure = _proven_bad(turn)
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
    return _without_evidence(turn, promote, "RolledBack")


def _proven_bad(turn: Turn) -> Failure | None:
    rollout, active = turn.rollout, turn.active
    if rollout.evidence.verdict == "Fail":
        return Failure(reason=rollout.evidence.reason, message=rollout.evidence.message)
    if turn.ready(rollout) == 0 and active is not None and turn.ready(active) > 0:
        return _unavailable(turn)
    crashes = _restarts(turn) - rollout.restarts
    if crashes >= CRASHES and active is not None:
        why = candidate_trouble(turn)
        message = f"Pods of the candidate crashed {crashes} times since clients reach them; a crash answers nobody, "
        message += "so no error is counted." + (f" {why.message}" if why else " Look at their previous logs.")
        return Failure(reason="CandidateCrashing", message=clip(message))
    return None


def _restarts(turn: Turn) -> int:
    return sum(pod.restarts for pod in turn.pods(turn.rollout))


def _unavailable(turn: Turn) -> Failure:
    why = candidate_fault(turn) or candidate_trouble(turn)
    message = "No pod of the candidate is ready any more." + (f" {why.message}" if why else "")
    return Failure(reason="CandidateUnavailable", message=clip(message))


def _judge(turn: Turn) -> Turn:
    spec = turn.observed.spec
    bake = parse_duration(spec.rollout.bake)
    evidence = fold(
        turn.rollout.evidence,
        turn.evidence,
        candidate=turn.rollout.color,
        policy=spec.analysis,
        scrape=parse_duration(spec.monitoring.service_monitor.interval),
        planned_looks=max(1, int(bake / parse_duration(spec.analysis.interval))),
        now=turn.now,
        version=turn.rollout.version,
    )
    return turn.change_rollout(evidence=evidence)


def _without_evidence(turn: Turn, go_on: Callable[[Turn], Turn], outcome: Outcome) -> Turn:
    """What the user declared for evidence that cannot be used, once its deadline is past; until then hold (law 3)."""
    policy, evidence = turn.observed.spec.rollout, turn.rollout.evidence
    deadline = (evidence.inconclusive_since or turn.now) + parse_duration(policy.inconclusive_deadline)
    late = turn.now >= deadline
    if late and policy.on_inconclusive == "Promote":
        return go_on(turn)
    if late and policy.on_inconclusive == "Rollback":
        return take_back(turn, outcome, Failure(reason=evidence.reason, message=evidence.message))
    # Before the switch it is normal to wait for the first scrapes: nobody need be told what to do about that.
    if turn.rollout.stage == "Measuring" and not late:
        return turn
    return turn.change_rollout(message=clip(f"{evidence.message} {_way_out(turn, deadline)}"))


def _way_out(turn: Turn, deadline: datetime) -> str:
    policy = turn.observed.spec.rollout.on_inconclusive
    if policy != "Hold":
        return f"Unless that changes, spec.rollout.onInconclusive: {policy} ends it at {deadline:%H:%M:%S} UTC."
    return (
        "It holds here until there is evidence: otherwise create a RolloutDecision with verb promote or abort and "
        f"revision {turn.rollout.revision}, or set spec.rollout.onInconclusive."
    )


def needed_replicas(turn: Turn) -> int:
    """The size at which the candidate may take over: what active runs now, and never below what was asked before."""
    active = turn.size(turn.active.color) if turn.active else 0
    return max(turn.observed.spec.autoscaling.min_replicas, active, turn.rollout.replicas)


def stale_pods(turn: Turn) -> bool:
    """Whether pods of an older revision still answer in the candidate's colour: clients must not reach those."""
    rollout = turn.rollout
    return any(
        p.color == rollout.color and p.revision != rollout.revision and p.ready and not p.terminating
        for p in turn.observed.pods
    )


def _enter(turn: Turn, stage: Stage, message: str) -> Turn:
    return turn.change_rollout(stage=stage, since=turn.now, deadline=None, message=clip(message))


STAGES: Mapping[Stage, Callable[[Turn], Turn]] = {
    "Starting": starting,
    "AwaitingApproval": awaiting_approval,
    "Measuring": measuring,
    "Baking": baking,
    "RollingBack": finish_taking_back,
}
