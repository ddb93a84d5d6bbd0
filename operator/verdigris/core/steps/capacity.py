"""New pods that do not fit beside the active ones: whether there is no room, and what is done then."""

from __future__ import annotations

from datetime import timedelta

from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import Color, Failure, RevisionRef, Sizes, StepStatus
from verdigris.core.facts.observed import PodView
from verdigris.core.pods.diagnosis.words import scheduler_words
from verdigris.core.pods.room import fit as capacity
from verdigris.core.pods.room.volumes import volume_in_use
from verdigris.core.rendering import template_of
from verdigris.core.routing.service import min_available, reached
from verdigris.core.routing.split import had_clients
from verdigris.core.turn import Turn
from verdigris.core.words import clip

CONFIRM = timedelta(seconds=5)
"""The scheduler must have found no room for this long: after a pod has gone it takes a moment to place the next."""

RETRY = timedelta(seconds=5)
"""Least time between two nudges of a ReplicaSet that backs off after a quota had refused its pods."""

BLIND_RETRY = timedelta(seconds=20)
"""The same where nobody may look at the quota, so that only the next refusal tells whether there is room."""

NO_ROOM = frozenset({"InsufficientCapacity", "QuotaExceeded"})
"""Reasons that a freed place heals."""

_SCHEDULER_WORDS = ("Insufficient ", "Too many pods")
"""What the scheduler says when pods are in the way. A missing volume or node label is no lack of room."""

_ENDED = ("Failed", "Succeeded")


def needed_replicas(turn: Turn) -> int:
    """The size at which the candidate may take over: what is asked for, and never below what active runs now.

    Nor does it shrink once it has had clients. While pods are traded it stays as it is: more of them have no room, and
    what must stay available rests on it.
    """
    if turn.rollout.sizes is not None:
        return max(1, turn.rollout.replicas)
    active = turn.size(turn.active.color) if turn.active else 0
    before = turn.rollout.replicas if had_clients(turn.rollout) else 1
    return max(turn.observed.spec.autoscaling.least, active, before)


def candidate_size(turn: Turn) -> int:
    """How many pods the candidate is to have now."""
    sizes = turn.rollout.sizes
    return sizes.candidate if sizes else needed_replicas(turn)


def lacking_room(turn: Turn) -> Failure | None:
    """Who has no room for a pod of the candidate: the scheduler or a quota. None while places are being vacated."""
    if any(leaving(turn, pod) for pod in turn.observed.pods):
        return None
    said = no_place(turn, turn.rollout)
    if said is not None:
        return Failure(reason="InsufficientCapacity", message=f"A new pod has no room: {scheduler_words(said)}")
    return volume_in_use(turn) or _quota(turn)


def no_place(turn: Turn, ref: RevisionRef) -> str | None:
    """What the scheduler says of the first pod of this revision that has no place because others are in the way."""
    said = (pod.unscheduled.message for pod in turn.pods(ref) if pod.unscheduled)
    return next((words for words in said if any(word in words for word in _SCHEDULER_WORDS)), None)


def leaving(turn: Turn, pod: PodView) -> bool:
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
    return nudge(turn, rollout.color)


def nudge(turn: Turn, color: Color) -> Turn:
    """Have the colour's ReplicaSet, which backs off, try again once the quota that refused its pods may have room."""
    rollout = turn.rollout
    if capacity.quota_has_room_again(turn.observed, color):
        pause = RETRY
    elif rollout.sizes is not None and capacity.is_refused_by_a_quota_unseen(turn.observed, color):
        pause = BLIND_RETRY
    else:
        return turn
    if rollout.retried_at is not None and turn.now < rollout.retried_at + pause:
        return turn
    return turn.change_rollout(retries=rollout.retries + 1, retried_at=turn.now)


def make_room(turn: Turn) -> tuple[Turn, Failure | None]:
    """What spec.rollout.onInsufficientCapacity says about confirmed lack of room; the failure ends the rollout."""
    lack, rollout, policy = lacking_room(turn), turn.rollout, turn.observed.spec.rollout
    if lack is None or rollout.lacking_since is None or turn.now < rollout.lacking_since + CONFIRM:
        return turn, None
    failure = _no_use_waiting(turn, lack, turn.now - rollout.lacking_since)
    if failure or lack.reason not in NO_ROOM or is_too_large(turn):
        return turn, failure
    if rollout.sizes is not None:
        return _free_one_place(turn, rollout.sizes), None
    if policy.on_insufficient_capacity == "InPlace" and not turn.observed.held and can_trade(turn):
        return _trade(turn, lack), None
    return turn, None


def _no_use_waiting(turn: Turn, lack: Failure, lasted: timedelta) -> Failure | None:
    """Abort wants no waiting, and what a LimitRange refuses is not healed by room."""
    if turn.observed.spec.rollout.on_insufficient_capacity == "Abort":
        message = f"{lack.message} spec.rollout.onInsufficientCapacity is Abort, so the rollout ended."
        return Failure(reason=lack.reason, message=clip(message))
    for_good = lack.reason not in NO_ROOM and lasted >= parse_duration(turn.observed.spec.cleanup.give_up_after)
    return lack if for_good else None


def is_too_large(turn: Turn) -> bool:
    """Whether no freed place would do: each node is too small for such a pod, or closed to it."""
    template = template_of(turn, turn.rollout.revision)
    return template is not None and capacity.no_node_is_large_enough(turn.observed, template)


def can_trade(turn: Turn) -> bool:
    """Whether pods could be traded at all: there is an active version, it may be one pod short, and sizes are ours.

    An autoscaler of somebody else would put back what each step takes away.
    """
    if turn.observed.scalers or turn.observed.spec.autoscaling.leaves_sizes_alone:
        return False
    return turn.active is not None and min_available(turn.observed.spec.rollout, turn.rollout) < turn.rollout.replicas


def _trade(turn: Turn, lack: Failure) -> Turn:
    """From now on sizes are exact. Candidate pods that have found a place keep it."""
    rollout, active = turn.rollout, turn.active
    placed = sum(pod.unscheduled is None for pod in turn.pods(rollout))
    sizes = Sizes(active=turn.size(active.color) if active else 0, candidate=max(1, placed))
    turn = turn.change_rollout(steps=with_trade(rollout.steps), sizes=sizes, deadline=None)
    least = min_available(turn.observed.spec.rollout, turn.rollout)
    message = f"{lack.message} Pods are traded one by one, and at least {least} of both versions stay ready."
    return turn.note("Normal", "InPlace", message)


def with_trade(steps: tuple[StepStatus, ...]) -> tuple[StepStatus, ...]:
    """The steps with the trade of pods right before the bake."""
    bake = next((number for number, step in enumerate(steps) if step.kind == "Bake"), len(steps))
    return (*steps[:bake], StepStatus(kind="Trade"), *steps[bake:])


def one_less(sizes: Sizes) -> Sizes:
    """With one active pod less."""
    return Sizes(active=sizes.active - 1, candidate=sizes.candidate)


def _free_one_place(turn: Turn, sizes: Sizes) -> Turn:
    """The active colour frees one place for a pod of the candidate, if the clients can spare it."""
    if turn.observed.held or sizes.active == 0 or not can_spare(turn, sizes):
        return turn
    return turn.change_rollout(sizes=one_less(sizes), lacking_since=None)


def can_spare(turn: Turn, sizes: Sizes) -> bool:
    """A pod that is not ready is the first to go; one that has not been for long costs the clients nothing."""
    left = with_clients(turn, one_less(sizes))
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
