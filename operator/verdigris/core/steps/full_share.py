"""A version that answers all requests is watched for some time, and taken back at sound evidence: Trial and Bake."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import EvidenceStatus, Failure
from verdigris.core.facts.observed import Observed
from verdigris.core.judges.visibility import long_enough
from verdigris.core.pods.diagnosis.candidate import candidate_trouble
from verdigris.core.steps.capacity import candidate_size
from verdigris.core.steps.step import NEXT, STAY, Ruling, Since, end, scrape_interval
from verdigris.core.steps.watching import judge, must_leave, since_exposed, without_evidence
from verdigris.core.turn import Turn
from verdigris.core.words import clip


def passes(evidence: EvidenceStatus) -> bool:
    """What a version needs that is to get the clients."""
    return evidence.verdict == "Pass"


def watch(turn: Turn, span: timedelta) -> tuple[Turn, Ruling]:
    """One look at it: judged, and waited for. A span of nothing needs no pass."""
    turn = judge(turn)
    leave = must_leave(turn)
    return (turn, leave) if leave else wait(turn, span, passes if span else lambda _: True)


def wait(turn: Turn, span: timedelta, enough: Callable[[EvidenceStatus], bool]) -> tuple[Turn, Ruling]:
    """On when it was watched for `span`, the evidence on it is enough, and all its pods are ready."""
    turn, short = _short_of_pods(turn.change_rollout(message=turn.rollout.evidence.message))
    if short:
        return turn, short
    rollout = turn.rollout
    over = rollout.promote_now or turn.now >= rollout.since + span
    if turn.observed.held or not over:
        return turn, STAY
    turn = turn.change_rollout(
        evidence=long_enough(rollout.evidence, span, rollout.since, scrape_interval(turn.observed))
    )
    if enough(turn.rollout.evidence) or rollout.promote_now:
        return turn, NEXT
    return without_evidence(turn, "RolledBack")


def _short_of_pods(turn: Turn) -> tuple[Turn, Ruling | None]:
    """A version is promoted at its full size only. One that stays short of pods ends at the progress deadline.

    A pause stops that clock, as it does before the switch.
    """
    rollout, policy = turn.rollout, turn.policy.rollout
    ready, needed = turn.ready(rollout), _full_size(turn)
    if ready >= needed:
        return turn.change_rollout(deadline=None, ready_high_water=ready), None
    more = ready > rollout.ready_high_water
    again = turn.now + parse_duration(policy.progress_deadline)
    deadline = again if more or rollout.deadline is None else rollout.deadline
    turn = turn.change_rollout(ready_high_water=max(ready, rollout.ready_high_water))
    trouble = candidate_trouble(turn)
    why = trouble.message if trouble else "Look at its pods: kubectl describe says what keeps them from being ready."
    said = f"Only {ready} of {needed} pods of version {rollout.version} are ready. {why}"
    if turn.observed.held:
        return turn.change_rollout(deadline=None, message=said), STAY
    if turn.now >= deadline:
        message = clip(f"{said} That lasted for {policy.progress_deadline}, so the rollout ended.")
        failure = Failure(reason=trouble.reason if trouble else "CandidateShortOfPods", message=message)
        return turn, end("RolledBack", failure)
    message = f"{said} It is promoted once they are, and taken back at {deadline:%H:%M:%S} UTC otherwise."
    return turn.change_rollout(deadline=deadline, message=message), STAY


def _full_size(turn: Turn) -> int:
    """The pods that have to be ready: those asked for, and what an autoscaler has added as far as it found a place.

    Somebody else's autoscaler, which sees the clients' load by now, may find fewer pods enough.
    """
    rollout = turn.rollout
    if rollout.sizes is not None:
        return candidate_size(turn)
    size = turn.size(rollout.color)
    theirs = rollout.color in turn.observed.scalers or turn.observed.spec.autoscaling.leaves_sizes_alone
    if theirs:
        return min(rollout.replicas, max(1, size))
    placed = sum(pod.unscheduled is None for pod in turn.pods(rollout))
    return max(rollout.replicas, min(placed, size))


def asks(observed: Observed, now: datetime) -> Since:
    """All that the candidate has answered since it was first asked."""
    rollout = observed.status.rollout
    return {rollout.color: since_exposed(rollout, now)} if rollout is not None else {}
