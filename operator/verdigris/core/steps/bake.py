"""Bake: all clients are on the candidate, the old colour is warm. Watch, and take it back at sound evidence."""

from __future__ import annotations

from datetime import datetime, timedelta

from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import Failure
from verdigris.core.facts.observed import Observed
from verdigris.core.judges.visibility import long_enough
from verdigris.core.pods.diagnosis.candidate import candidate_trouble
from verdigris.core.routing.split import DRAIN
from verdigris.core.steps.step import NEXT, STAY, Ruling, Since, Step, end, scrape_interval
from verdigris.core.steps.watching import judge, must_leave, since_exposed, without_evidence
from verdigris.core.turn import Turn
from verdigris.core.words import clip


def _look(turn: Turn) -> tuple[Turn, Ruling]:
    turn = judge(turn)
    leave = must_leave(turn)
    if leave:
        return turn, leave
    turn, short = _short_of_pods(turn.change_rollout(message=turn.rollout.evidence.message))
    if short:
        return turn, short
    rollout = turn.rollout
    bake = parse_duration(turn.policy.rollout.bake)
    over = rollout.promote_now or turn.now >= rollout.since + bake
    if turn.observed.held or not over:
        return turn, STAY
    if _drains(turn):
        return turn.change_rollout(message=f"{rollout.evidence.message} {_leaving(turn)}"), STAY
    turn = turn.change_rollout(
        evidence=long_enough(rollout.evidence, bake, rollout.since, scrape_interval(turn.observed))
    )
    if turn.rollout.evidence.verdict == "Pass" or rollout.promote_now or bake == timedelta():
        return turn, NEXT
    return without_evidence(turn, "RolledBack")


def _drains(turn: Turn) -> bool:
    """Whether clients may still be on old pods that nothing keeps after the promotion: those were told to leave first.

    The step is entered when the move is seen, so its clock is theirs.
    """
    old, kept = turn.active, parse_duration(turn.policy.rollout.keep_warm)
    return old is not None and not kept and turn.size(old.color) > 0 and turn.now < turn.rollout.since + DRAIN


def _leaving(turn: Turn) -> str:
    old, until = turn.active, turn.rollout.since + DRAIN
    version = old.version if old is not None else ""
    return f"Clients that keep connections to {version} are told to leave until {until:%H:%M:%S} UTC."


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
    size = turn.size(rollout.color)
    theirs = rollout.color in turn.observed.scalers or turn.observed.spec.autoscaling.leaves_sizes_alone
    if theirs and rollout.sizes is None:
        return min(rollout.replicas, max(1, size))
    placed = sum(pod.unscheduled is None for pod in turn.pods(rollout))
    return max(rollout.replicas, min(placed, size))


def _asks(observed: Observed, now: datetime) -> Since:
    rollout = observed.status.rollout
    return {rollout.color: since_exposed(rollout, now)} if rollout is not None else {}


BAKE = Step(
    "Bake",
    "Baking",
    lambda turn: f"All new connections reach {turn.rollout.version}; watching it.",
    _look,
    lambda _: 100,
    _asks,
)
