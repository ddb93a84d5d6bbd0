"""How far the candidate's pods are, and whether they are hopeless, too late or without room."""

from __future__ import annotations

from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import Failure
from verdigris.core.pods.diagnosis.candidate import candidate_fault, candidate_trouble
from verdigris.core.routing.service import stale
from verdigris.core.routing.split import had_clients
from verdigris.core.steps.capacity import (
    NO_ROOM,
    candidate_size,
    look_for_room,
    make_room,
    needed_replicas,
)
from verdigris.core.steps.capacity_words import found_room, room_trouble
from verdigris.core.turn import Turn
from verdigris.core.words import clip

_OF_TWO = 350
"""Characters of each of two causes: what to do about them has to find room as well."""
OTHER_REVISION = "OtherRevisionAnswers"
"""Reason of a rollout that waits for a pod of another revision in its colour."""


def gather_pods(turn: Turn) -> tuple[Turn, Failure | None]:
    """Note how far the candidate's pods are; the failure is set when they are hopeless, too late or have no room.

    Progress is the high-water mark of ready pods, so that flapping is none; a pod that has restarted meanwhile is not
    counted in it. A pause stops the clock.
    """
    turn = look_for_room(turn).change_rollout(replicas=needed_replicas(turn))
    rollout, now = turn.rollout, turn.now
    ready, needed = turn.ready(rollout), candidate_size(turn)
    steady = min(ready, sum(p.ready and not p.restarts for p in turn.pods(rollout)))
    said = (in_the_way(turn) if ready >= needed else None) or room_trouble(turn) or candidate_trouble(turn)
    # A crashing pod runs for a moment between two crashes: what was said before still explains it.
    trouble = said or _remembered(turn)
    turn = turn.change_rollout(message=_gathered(turn, ready, needed, trouble), trouble=trouble)
    fault = candidate_fault(turn)
    done = complete(turn)
    if fault or held(turn) or done:
        stopped = held(turn) or steady >= needed
        deadline = None if stopped else rollout.deadline
        return turn.change_rollout(deadline=deadline, trouble=None if done else trouble), fault
    limit = turn.policy.rollout.progress_deadline
    if rollout.deadline is None or steady > rollout.ready_high_water:
        high = max(steady, rollout.ready_high_water)
        turn = turn.change_rollout(ready_high_water=high, deadline=now + parse_duration(limit), trouble=said)
    elif now >= rollout.deadline:
        return turn, _too_late(_both(trouble, _refusal(turn, needed)), ready, needed, limit)
    return (turn, None) if ready >= needed else make_room(turn)


def in_the_way(turn: Turn) -> Failure | None:
    """The ready pod of another revision that clients would reach together with the candidate, and what to do."""
    rollout, found = turn.rollout, stale(turn.observed, turn.rollout)
    if found is None:
        return None
    name, namespace = found.name, turn.observed.owner.namespace
    end = "it ends with the rollout of its Deployment."
    if not found.controlled:
        end = f"no controller has it, so somebody made it by hand. Delete it: kubectl delete pod {name} -n {namespace}."
    message = (
        f"Pod {name} is ready and has the labels of {rollout.color}, but is not of version {rollout.version}: clients "
        f"would reach it, too, so they are not sent there; {end}"
    )
    return Failure(reason=OTHER_REVISION, message=clip(message))


def _remembered(turn: Turn) -> Failure | None:
    """Lack of room is only lack of room while it lasts, and a pod in the way is gone when it is."""
    trouble = turn.rollout.trouble
    return trouble if trouble is not None and trouble.reason not in (*NO_ROOM, OTHER_REVISION) else None


def _refusal(turn: Turn, needed: int) -> Failure | None:
    """What the API server refused of a candidate that lacks pods, in the words that the last look has left."""
    if len(turn.pods(turn.rollout)) >= needed:
        return None
    told = (one for one in turn.observed.status.conditions if (one.type, one.status) == ("Stalled", "True"))
    return next((Failure(reason=one.reason, message=one.message) for one in told), None)


def _both(trouble: Failure | None, refusal: Failure | None) -> Failure | None:
    """Lack of room explains why a pod waits, and not why nothing was done about it."""
    if trouble is None or refusal is None:
        return trouble or refusal
    message = f"{clip(trouble.message, _OF_TWO)} Besides: {clip(refusal.message, _OF_TWO)}"
    return Failure(reason=trouble.reason, message=message)


def _gathered(turn: Turn, ready: int, needed: int, trouble: Failure | None) -> str:
    nobody = (
        " Nobody answers until they are." if turn.rollout.has("EndActive") and not had_clients(turn.rollout) else ""
    )
    said = f" {trouble.message}" if trouble else found_room(turn)
    return f"{ready} of {needed} candidate pods are ready.{nobody}{said}"


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


def held(turn: Turn) -> bool:
    """Whether a pause holds the rollout here. Not where nobody answers until it goes on."""
    sizes = turn.rollout.sizes
    return turn.observed.held and not (turn.rollout.has("EndActive") and sizes is not None and not sizes.active)


def complete(turn: Turn) -> bool:
    """Whether clients could be sent to the candidate: all its pods are ready, and none of an older revision is."""
    return turn.ready(turn.rollout) >= candidate_size(turn) and stale(turn.observed, turn.rollout) is None
