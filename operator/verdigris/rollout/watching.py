"""Watching a candidate that has clients: its baseline, the judge's verdict, and what evidence that fails means."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from verdigris.api.fields import parse_duration
from verdigris.api.status import Baseline, Failure, Outcome
from verdigris.rollout.endings import take_back
from verdigris.rollout.health import candidate_fault, candidate_trouble
from verdigris.rollout.judge import fold, freeze_baseline
from verdigris.rollout.turn import Turn, clip, evolve

BASELINE_WINDOW = timedelta(minutes=5)
"""How far back the baseline looks."""

CRASHES = 2
"""Restarts of candidate pods, since clients reach them, that are no accident any more."""


def judge(turn: Turn) -> Turn:
    """The verdict on all that the candidate has answered since clients first reached it."""
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


def hold_against_active(turn: Turn) -> Turn:
    """While both versions have clients the candidate is held against what the other does at the same time (law 5)."""
    evidence, active = turn.rollout.evidence, turn.active
    if turn.evidence.problem or active is None or not turn.ready(active):
        return turn
    baseline = evolve(frozen_baseline(turn), source="Concurrent")
    return turn.change_rollout(evidence=evolve(evidence, baseline=baseline))


def frozen_baseline(turn: Turn) -> Baseline:
    """The active colour's counts of the last minutes (law 5); while Prometheus is away, the last that were seen."""
    policy, active, last = turn.observed.spec.analysis.error_rate, turn.active, turn.rollout.evidence.baseline
    gone = turn.rollout.way == "Recreate"
    if (turn.evidence.problem or gone) and last.at is not None:
        return last
    series = turn.evidence.counters.get(active.color, ()) if active else ()
    return freeze_baseline(series, turn.now - BASELINE_WINDOW, turn.now, policy)


def proven_bad(turn: Turn) -> Failure | None:
    """Why the candidate must lose its clients at once: bad answers, no pods, or crashes."""
    rollout, active = turn.rollout, turn.active
    if rollout.evidence.verdict == "Fail":
        return Failure(reason=rollout.evidence.reason, message=rollout.evidence.message)
    # Whoever traded all active pods has none that is ready: taking back is what brings them.
    if turn.ready(rollout) == 0 and active is not None and (turn.ready(active) > 0 or rollout.sizes is not None):
        return _unavailable(turn)
    crashes = restarts(turn) - rollout.restarts
    if crashes >= CRASHES and active is not None:
        why = candidate_trouble(turn)
        message = f"Pods of the candidate crashed {crashes} times since clients reach them; a crash answers nobody, "
        message += "so no error is counted." + (f" {why.message}" if why else " Look at their previous logs.")
        return Failure(reason="CandidateCrashing", message=clip(message))
    return None


def restarts(turn: Turn) -> int:
    """Restarts of the candidate's pods so far."""
    return sum(pod.restarts for pod in turn.pods(turn.rollout))


def _unavailable(turn: Turn) -> Failure:
    why = candidate_fault(turn) or candidate_trouble(turn)
    message = "No pod of the candidate is ready any more." + (f" {why.message}" if why else "")
    return Failure(reason="CandidateUnavailable", message=clip(message))


def without_evidence(turn: Turn, go_on: Callable[[Turn], Turn], outcome: Outcome) -> Turn:
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
