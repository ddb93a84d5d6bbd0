"""The stages of a blue-green rollout, in the order in which it goes through them. Each judges before it advances."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from verdigris.api.fields import parse_duration
from verdigris.api.status import Baseline, EvidenceStatus, Failure, Outcome, Sizes, Stage
from verdigris.rollout.endings import finish_taking_back, promote, take_back
from verdigris.rollout.health import candidate_fault, candidate_trouble
from verdigris.rollout.judge import fold, freeze_baseline, seen_pods
from verdigris.rollout.trade import (
    NO_ROOM,
    candidate_size,
    found_room,
    look_for_room,
    make_room,
    needed_replicas,
    room_trouble,
)
from verdigris.rollout.traffic import candidate_share
from verdigris.rollout.turn import Turn, clip, evolve

BASELINE_WINDOW = timedelta(minutes=5)
"""How far back the frozen baseline looks."""

VISIBLE_SCRAPES = 3
"""A pod whose newest sample is older than this many scrape intervals is not seen (any more)."""

CRASHES = 2
"""Restarts of candidate pods, since clients reach them, that are no accident any more."""


def starting(turn: Turn) -> Turn:
    """Until the candidate is ready at the active colour's size. Ready means verified and golden rows passed."""
    if turn.rollout.way == "Recreate" and turn.rollout.sizes == Sizes(active=turn.rollout.replicas, candidate=0):
        return _end_active(turn)
    turn, failure = _gather_pods(turn)
    if failure:
        return take_back(turn, "Failed", failure)
    if _held(turn) or not _complete(turn):
        return turn
    rollout = turn.rollout
    ready = turn.ready(rollout)
    turn = turn.note("Normal", "CandidateReady", f"Version {rollout.version} is verified and ready on {ready} pods.")
    return _after_ready(turn)


def _end_active(turn: Turn) -> Turn:
    """Recreate: from here on nobody answers, so an approval is asked for, and the baseline frozen, before."""
    rollout, policy = turn.rollout, turn.observed.spec.rollout
    if turn.observed.spec.paused:
        return turn
    if policy.approval == "Required" and rollout.approval is None:
        return _ask_for_approval(turn)
    evidence = evolve(rollout.evidence, baseline=_frozen(turn))
    return turn.change_rollout(sizes=Sizes(active=0, candidate=rollout.replicas), evidence=evidence)


def _held(turn: Turn) -> bool:
    """Whether a pause holds the rollout here. Not where nobody answers until it goes on."""
    sizes = turn.rollout.sizes
    return turn.observed.spec.paused and not (turn.rollout.way == "Recreate" and sizes is not None and not sizes.active)


def _gather_pods(turn: Turn) -> tuple[Turn, Failure | None]:
    """Note how far the candidate's pods are; the failure is set when they are hopeless, too late or have no room.

    Progress is the high-water mark of ready pods, so that flapping is none; a pod that has restarted meanwhile is not
    counted in it. A pause stops the clock.
    """
    turn = look_for_room(turn).change_rollout(replicas=needed_replicas(turn))
    rollout, now = turn.rollout, turn.now
    ready, needed = turn.ready(rollout), candidate_size(turn)
    steady = min(ready, sum(p.ready and not p.restarts for p in turn.pods(rollout)))
    said = room_trouble(turn) or candidate_trouble(turn)
    # A crashing pod runs for a moment between two crashes: what was said before still explains it.
    trouble = said or _remembered(turn)
    turn = turn.change_rollout(message=_gathered(turn, ready, needed, trouble), trouble=trouble)
    fault = candidate_fault(turn)
    if fault or _held(turn) or ready >= needed:
        stopped = _held(turn) or steady >= needed
        deadline = None if stopped else rollout.deadline
        return turn.change_rollout(deadline=deadline, trouble=None if ready >= needed else trouble), fault
    limit = turn.observed.spec.rollout.progress_deadline
    if rollout.deadline is None or steady > rollout.ready_high_water:
        high = max(steady, rollout.ready_high_water)
        turn = turn.change_rollout(ready_high_water=high, deadline=now + parse_duration(limit), trouble=said)
    elif now >= rollout.deadline:
        return turn, _too_late(trouble, ready, needed, limit)
    return make_room(turn)


def _remembered(turn: Turn) -> Failure | None:
    """Lack of room is only lack of room while it lasts."""
    trouble = turn.rollout.trouble
    return trouble if trouble is not None and trouble.reason not in NO_ROOM else None


def _gathered(turn: Turn, ready: int, needed: int, trouble: Failure | None) -> str:
    nobody = " Nobody answers until they are." if turn.rollout.way == "Recreate" and not turn.rollout.weight else ""
    said = f" {trouble.message}" if trouble else found_room(turn)
    return clip(f"{ready} of {needed} candidate pods are ready.{nobody}{said}")


def _complete(turn: Turn) -> bool:
    """Whether clients could be sent to the candidate: all its pods are ready, and none of an older revision is."""
    return turn.ready(turn.rollout) >= candidate_size(turn) and not stale_pods(turn)


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
    if _held(turn) or not _complete(turn):
        return turn
    turn = turn.change_rollout(message=evidence.message)
    if blind is None or rollout.promote_now or _unseen_is_better_than_nobody(turn):
        return _switch(turn)
    return _without_evidence(turn, _switch, "Failed")


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


def _frozen(turn: Turn) -> Baseline:
    """The active colour's counts of the last minutes (law 5); while Prometheus is away, the last that were seen."""
    policy, active, last = turn.observed.spec.analysis.error_rate, turn.active, turn.rollout.evidence.baseline
    gone = turn.rollout.way == "Recreate"
    if (turn.evidence.problem or gone) and last.at is not None:
        return last
    series = turn.evidence.counters.get(active.color, ()) if active else ()
    return freeze_baseline(series, turn.now - BASELINE_WINDOW, turn.now, policy)


def _switch(turn: Turn) -> Turn:
    version = turn.rollout.version
    evidence = EvidenceStatus(baseline=turn.rollout.evidence.baseline, sealed_at=turn.now, at=turn.now)
    turn = turn.change_rollout(evidence=evidence, restarts=_restarts(turn))
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
    turn = _judge(_concurrent(turn))
    failure = _proven_bad(turn)
    if failure is None:
        turn, failure = _gather_pods(turn)
    if failure:
        return take_back(turn, "RolledBack", failure)
    share = candidate_share(turn.observed, turn.rollout.color)
    turn = turn.change_rollout(weight=max(1, share))
    if turn.observed.spec.paused or not _complete(turn):
        return turn
    rollout = turn.rollout
    traded = f"{candidate_size(turn)} of {rollout.replicas} pods are of {rollout.version}."
    turn = turn.change_rollout(message=clip(f"{traded} {rollout.evidence.message}"))
    bake = parse_duration(turn.observed.spec.rollout.bake)
    if not rollout.promote_now and turn.now < rollout.since + bake / rollout.replicas:
        return turn
    if rollout.evidence.verdict == "Pass" or rollout.promote_now or bake == timedelta():
        return _trade_on(turn)
    return _without_evidence(turn, _trade_on, "RolledBack")


def _concurrent(turn: Turn) -> Turn:
    """While both versions have clients the candidate is held against what the other does at the same time (law 5)."""
    evidence, active = turn.rollout.evidence, turn.active
    if turn.evidence.problem or active is None or not turn.ready(active):
        return turn
    baseline = evolve(_frozen(turn), source="Concurrent")
    return turn.change_rollout(evidence=evolve(evidence, baseline=baseline))


def _trade_on(turn: Turn) -> Turn:
    rollout, sizes = turn.rollout, turn.rollout.sizes
    if sizes is None or sizes.candidate >= rollout.replicas:
        return _bake(turn)
    sizes = evolve(sizes, candidate=sizes.candidate + 1)
    return turn.change_rollout(sizes=sizes, since=turn.now, deadline=None, lacking_since=None)


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
    # Whoever traded all active pods has none that is ready: taking back is what brings them.
    if turn.ready(rollout) == 0 and active is not None and (turn.ready(active) > 0 or rollout.sizes is not None):
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
    watched = parse_duration(spec.rollout.bake) * (2 if turn.rollout.way == "InPlace" else 1)
    evidence = fold(
        turn.rollout.evidence,
        turn.evidence,
        candidate=turn.rollout.color,
        policy=spec.analysis,
        scrape=parse_duration(spec.monitoring.service_monitor.interval),
        planned_looks=max(1, int(watched / parse_duration(spec.analysis.interval))),
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
    "Trading": trading,
    "Baking": baking,
    "RollingBack": finish_taking_back,
}
