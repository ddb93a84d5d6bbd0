"""New pods that do not fit beside the active ones: is there no room, what then, and pods traded one by one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from verdigris.api.fields import parse_duration
from verdigris.api.status import Color, Failure, RevisionRef, Sizes
from verdigris.rollout import capacity
from verdigris.rollout.observed import PodView
from verdigris.rollout.rendering import template_of
from verdigris.rollout.stuck_words import scheduler_words
from verdigris.rollout.traffic import min_available, reached, wanted_selection
from verdigris.rollout.turn import Turn, clip, evolve

CONFIRM = timedelta(seconds=5)
"""The scheduler must have found no room for this long: after a pod has gone it takes a moment to place the next."""

RETRY = timedelta(seconds=5)
"""Least time between two nudges of a ReplicaSet that backs off after a quota had refused its pods."""

NO_ROOM = frozenset({"InsufficientCapacity", "QuotaExceeded"})
"""Reasons that a freed place heals."""

_SCHEDULER_WORDS = ("Insufficient ", "Too many pods")
"""What the scheduler says when pods are in the way. A missing volume or node label is no lack of room."""

_ENDED = ("Failed", "Succeeded")


def needed_replicas(turn: Turn) -> int:
    """The size at which the candidate may take over: what active runs now, and never below what was asked before.

    While pods are traded it stays as it is: more of them have no room, and what must stay available rests on it.
    """
    if turn.rollout.sizes is not None:
        return turn.rollout.replicas
    active = turn.size(turn.active.color) if turn.active else 0
    return max(turn.observed.spec.autoscaling.min_replicas, active, turn.rollout.replicas)


def candidate_size(turn: Turn) -> int:
    """How many pods the candidate is to have now."""
    sizes = turn.rollout.sizes
    return sizes.candidate if sizes else needed_replicas(turn)


def lacking_room(turn: Turn) -> Failure | None:
    """Who has no room for a pod of the candidate: the scheduler or a quota. None while places are being vacated."""
    if any(_leaving(turn, pod) for pod in turn.observed.pods):
        return None
    said = _no_place(turn, turn.rollout)
    if said is not None:
        return Failure(reason="InsufficientCapacity", message=f"A new pod has no room: {scheduler_words(said)}")
    return _quota(turn)


def _no_place(turn: Turn, ref: RevisionRef) -> str | None:
    """What the scheduler says of the first pod of this revision that has no place because others are in the way."""
    said = (pod.unscheduled.message for pod in turn.pods(ref) if pod.unscheduled)
    return next((words for words in said if any(word in words for word in _SCHEDULER_WORDS)), None)


def _leaving(turn: Turn, pod: PodView) -> bool:
    """Whether its place will be free soon: it terminates in time, or it is what ran in the candidate's slot before."""
    rollout = turn.rollout
    if pod.phase in _ENDED:
        return False
    if pod.terminating:
        return pod.gone_by is None or turn.now <= pod.gone_by + CONFIRM
    return pod.color == rollout.color and pod.revision != rollout.revision


def _quota(turn: Turn) -> Failure | None:
    """A refusal counts only while pods are missing: what a ReplicaSet once said stays on its Deployment."""
    rollout, observed = turn.rollout, turn.observed
    missing = candidate_size(turn) - len(turn.pods(rollout))
    template = template_of(turn, rollout.revision)
    if missing <= 0 or template is None or capacity.quota_has_room_again(observed, rollout.color):
        return None
    deployment = observed.deployments.get(rollout.color)
    said = deployment.trouble if deployment and deployment.revision == rollout.revision else None
    return capacity.quota_refusal(observed, template, missing) or (said if said and said.reason in NO_ROOM else None)


def look_for_room(turn: Turn) -> Turn:
    """Note what the capacity check expects, and since when there has been no room."""
    rollout, observed = turn.rollout, turn.observed
    unplaced = candidate_size(turn) - sum(pod.unscheduled is None for pod in turn.pods(rollout))
    template = template_of(turn, rollout.revision)
    advice = capacity.check(observed, template, unplaced) if unplaced > 0 and template is not None else None
    since = (rollout.lacking_since or turn.now) if lacking_room(turn) else None
    turn = turn.change_rollout(capacity=advice or rollout.capacity, lacking_since=since)
    return _nudge(turn, rollout.color)


def _nudge(turn: Turn, color: Color) -> Turn:
    """Have the colour's ReplicaSet, which backs off, try again once the quota that refused its pods has room."""
    rollout = turn.rollout
    too_soon = rollout.retried_at is not None and turn.now < rollout.retried_at + RETRY
    if too_soon or not capacity.quota_has_room_again(turn.observed, color):
        return turn
    return turn.change_rollout(retries=rollout.retries + 1, retried_at=turn.now)


def make_room(turn: Turn) -> tuple[Turn, Failure | None]:
    """What spec.rollout.onInsufficientCapacity says about confirmed lack of room; the failure ends the rollout."""
    lack, rollout, policy = lacking_room(turn), turn.rollout, turn.observed.spec.rollout
    if lack is None or rollout.lacking_since is None or turn.now < rollout.lacking_since + CONFIRM:
        return turn, None
    failure = _no_use_waiting(turn, lack, turn.now - rollout.lacking_since)
    if failure or lack.reason not in NO_ROOM or _is_too_large(turn):
        return turn, failure
    if rollout.sizes is not None:
        return _give_one(turn, rollout.sizes), None
    if policy.on_insufficient_capacity == "InPlace" and not turn.observed.spec.paused and _can_trade(turn):
        return _trade(turn, lack), None
    return turn, None


def _no_use_waiting(turn: Turn, lack: Failure, lasted: timedelta) -> Failure | None:
    """Abort wants no waiting, and what a LimitRange refuses is not healed by room."""
    if turn.observed.spec.rollout.on_insufficient_capacity == "Abort":
        message = f"{lack.message} spec.rollout.onInsufficientCapacity is Abort, so the rollout ended."
        return Failure(reason=lack.reason, message=clip(message))
    for_good = lack.reason not in NO_ROOM and lasted >= parse_duration(turn.observed.spec.cleanup.give_up_after)
    return lack if for_good else None


def _is_too_large(turn: Turn) -> bool:
    """Whether no freed place would do: each node is too small for such a pod, or closed to it."""
    template = template_of(turn, turn.rollout.revision)
    return template is not None and capacity.no_node_is_large_enough(turn.observed, template)


def _can_trade(turn: Turn) -> bool:
    return turn.active is not None and min_available(turn.observed.spec.rollout, turn.rollout) < turn.rollout.replicas


def _trade(turn: Turn, lack: Failure) -> Turn:
    """From now on sizes are exact. Candidate pods that have found a place keep it."""
    rollout, active = turn.rollout, turn.active
    placed = sum(pod.unscheduled is None for pod in turn.pods(rollout))
    sizes = Sizes(active=turn.size(active.color) if active else 0, candidate=max(1, placed))
    turn = turn.change_rollout(way="InPlace", sizes=sizes, deadline=None)
    least = min_available(turn.observed.spec.rollout, turn.rollout)
    message = f"{lack.message} Pods are traded one by one, and at least {least} of both versions stay ready."
    return turn.note("Normal", "InPlace", message)


def _give_one(turn: Turn, sizes: Sizes) -> Turn:
    """The active colour gives one pod for the candidate's, if the clients can spare it."""
    if turn.observed.spec.paused or sizes.active == 0 or not _can_spare(turn, sizes):
        return turn
    return turn.change_rollout(sizes=evolve(sizes, active=sizes.active - 1), lacking_since=None)


def _can_spare(turn: Turn, sizes: Sizes) -> bool:
    """A pod that is not ready is the first to go; one that has not been for long costs the clients nothing."""
    left = with_clients(turn, evolve(sizes, active=sizes.active - 1))
    costs_nothing = _active_is_stuck(turn) and left == with_clients(turn, sizes)
    return costs_nothing or left >= min_available(turn.observed.spec.rollout, turn.rollout)


def _active_is_stuck(turn: Turn) -> bool:
    """Whether an active pod has not been ready for so long that it will hardly be soon."""
    begin = turn.now - parse_duration(turn.observed.spec.cleanup.stuck_after)
    pods = turn.pods(turn.active) if turn.active else ()
    return any(not pod.ready and (pod.ready_changed or pod.created) <= begin for pod in pods)


def with_clients(turn: Turn, sizes: Sizes) -> int:
    """Ready pods that clients reach and that are to stay: one that was given up may not be gone yet."""
    reach, rollout, active = reached(turn.observed.selected), turn.rollout, turn.active
    old = min(turn.ready(active), sizes.active) if active and active.color in reach else 0
    return old + (min(turn.ready(rollout), sizes.candidate) if rollout.color in reach else 0)


def room_trouble(turn: Turn) -> Failure | None:
    """Lack of room in words: who says so, what is short, and what is done or can be done about it."""
    lack = lacking_room(turn)
    if lack is None:
        return None
    if lack.reason not in NO_ROOM:
        return lack
    return Failure(reason=lack.reason, message=clip(" ".join((lack.message, *_advice(turn), _way_out(turn)))))


def _advice(turn: Turn) -> Iterator[str]:
    expected = turn.rollout.capacity
    if expected is None:
        return
    if expected.fits >= expected.needed > 0:
        yield "The capacity check had found room; the scheduler decides."
    elif expected.message:
        yield f"The capacity check: {expected.message.rstrip('.')}."


def _way_out(turn: Turn) -> str:
    policy, rollout = turn.observed.spec.rollout, turn.rollout
    if rollout.way == "Recreate":
        return "The active pods are gone already: it waits for room until the progress deadline."
    if policy.on_insufficient_capacity == "Abort":
        return "Unless room appears at once, the rollout ends."
    if _is_too_large(turn):
        return "No node would have room for it if it were empty: lower spec.serving.resources.requests, or add a node."
    if rollout.sizes is None and (policy.on_insufficient_capacity == "Wait" or turn.active is None):
        return "It waits for room until the progress deadline: free some, or set onInsufficientCapacity: InPlace."
    return _trade_in_words(turn)


def _trade_in_words(turn: Turn) -> str:
    policy, rollout = turn.observed.spec.rollout, turn.rollout
    if rollout.sizes is None and not _can_trade(turn):
        return (
            "InPlace cannot trade: it needs at least 2 replicas and minAvailable below them. Free room, or use "
            "strategy: Recreate with allowDowntime: true."
        )
    if rollout.sizes is not None and not _can_spare(turn, rollout.sizes):
        least = min_available(policy, rollout)
        return f"The active pods can spare none: at least {least} must stay ready."
    return "The active version gives one pod for it."


def found_room(turn: Turn) -> str:
    """Says so when the scheduler placed pods for which the capacity check had found no room; else empty."""
    expected = turn.rollout.capacity
    placed = sum(pod.unscheduled is None for pod in turn.pods(turn.rollout))
    if expected is None or expected.fits >= expected.needed or placed < candidate_size(turn):
        return ""
    return " The scheduler found room where the capacity check had not."


def trade_back(turn: Turn) -> Turn:
    """One step of the way back of a rollout that traded pods."""
    rollout = turn.rollout
    since = (rollout.lacking_since or turn.now) if _active_lacks_room(turn) else None
    sizes = sizes_back(turn.change_rollout(lacking_since=since))
    turn = turn.change_rollout(sizes=sizes, lacking_since=since if sizes == rollout.sizes else None)
    return _nudge(turn, turn.active.color) if turn.active and sizes else turn


def _active_lacks_room(turn: Turn) -> bool:
    """Whether no active pod will come before a place is given; one that has its place already is waited for."""
    active = turn.active
    if turn.rollout.sizes is None or active is None or any(_leaving(turn, pod) for pod in turn.observed.pods):
        return False
    if any(not pod.ready and pod.unscheduled is None for pod in turn.pods(active)):
        return False
    deployment = turn.observed.deployments.get(active.color)
    refused = deployment is not None and deployment.trouble is not None and deployment.trouble.reason in NO_ROOM
    return _no_place(turn, active) is not None or (refused and len(turn.pods(active)) < turn.size(active.color))


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
    if rollout.way == "Recreate" or not turn.ready(rollout):
        kept = 0
    elif wanted_selection(turn.observed, turn.status) != active.color:
        spare = with_clients(turn, rollout.sizes) - min_available(turn.observed.spec.rollout, rollout)
        spare = max(spare, 1 if _has_waited(turn) else 0)
        answers = 0 if turn.ready(active) else 1
        kept = max(answers, min(kept, turn.ready(rollout)) - spare)
    return Sizes(active=rollout.replicas, candidate=kept)


def _has_waited(turn: Turn) -> bool:
    """Whether the active pods will not come by waiting: they have no room, or none of them is ready in due time."""
    rollout = turn.rollout
    no_room = rollout.lacking_since is not None and turn.now >= rollout.lacking_since + CONFIRM
    return no_room or turn.now >= rollout.since + parse_duration(turn.observed.spec.rollout.progress_deadline)
