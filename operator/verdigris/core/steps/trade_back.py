"""The way back of a rollout that traded pods: the same path backwards, one place after the other."""

from __future__ import annotations

from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import Sizes
from verdigris.core.routing.service import min_available, wanted_selection
from verdigris.core.steps.capacity import CONFIRM, NO_ROOM, leaving, no_place, nudge, with_clients
from verdigris.core.turn import Turn


def trade_back(turn: Turn) -> Turn:
    """One step of the way back of a rollout that traded pods."""
    rollout = turn.rollout
    since = (rollout.lacking_since or turn.now) if _active_lacks_room(turn) else None
    sizes = sizes_back(turn.change_rollout(lacking_since=since))
    turn = turn.change_rollout(sizes=sizes, lacking_since=since if sizes == rollout.sizes else None)
    return nudge(turn, turn.active.color) if turn.active and sizes else turn


def _active_lacks_room(turn: Turn) -> bool:
    """Whether no active pod will come before a place is given; one that has its place already is waited for."""
    active = turn.active
    if turn.rollout.sizes is None or active is None or any(leaving(turn, pod) for pod in turn.observed.pods):
        return False
    if any(not pod.ready and pod.unscheduled is None for pod in turn.pods(active)):
        return False
    deployment = turn.observed.deployments.get(active.color)
    refused = deployment is not None and deployment.trouble is not None and deployment.trouble.reason in NO_ROOM
    return no_place(turn, active) is not None or (refused and len(turn.pods(active)) < turn.size(active.color))


def sizes_back(turn: Turn) -> Sizes | None:
    """The sizes of a rollout that is taken back: the active colour whole again, in places that the candidate gives.

    Pods of both colours that are ready, together, never fall below minAvailable by it, unless nothing else brings the
    active ones back. Once the clients can be on the active colour alone, the candidate keeps the rest of its pods until
    their connections are drained.
    """
    rollout, active = turn.rollout, turn.active
    if rollout.sizes is None or active is None:
        return rollout.sizes
    kept = rollout.sizes.candidate
    if rollout.has("EndActive") or not turn.ready(rollout):
        kept = 0
    elif wanted_selection(turn.observed, turn.status) != active.color:
        spare = with_clients(turn, rollout.sizes) - min_available(turn.observed.spec.rollout, rollout)
        spare = max(spare, 1 if _has_waited(turn) else 0)
        answers = 0 if turn.ready(active) else 1
        kept = max(answers, min(kept, turn.ready(rollout)) - spare)
    return Sizes(active=rollout.replicas, candidate=kept)


def _has_waited(turn: Turn) -> bool:
    """Whether the active pods will not come by waiting: they have no room, or none of them is ready in due time."""
    since = turn.rollout.lacking_since
    return (since is not None and turn.now >= since + CONFIRM) or has_waited(turn)


def has_waited(turn: Turn) -> bool:
    """Whether the active pods had the time that a version has to become ready."""
    return turn.now >= turn.rollout.since + parse_duration(turn.policy.rollout.progress_deadline)
