"""Lack of room in words: who says so, what is short, and what is done or can be done about it."""

from __future__ import annotations

from collections.abc import Iterator

from verdigris.api.status import Failure
from verdigris.core.routing.service import min_available
from verdigris.core.steps.capacity import NO_ROOM, can_spare, can_trade, candidate_size, is_too_large, lacking_room
from verdigris.core.turn import Turn
from verdigris.core.words import clip


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
    if rollout.has("EndActive"):
        return "The active pods are gone already: it waits for room until the progress deadline."
    if policy.on_insufficient_capacity == "Abort":
        return "Unless room appears at once, the rollout ends."
    if is_too_large(turn):
        return "No node would have room for it if it were empty: lower spec.serving.resources.requests, or add a node."
    if rollout.sizes is None and (policy.on_insufficient_capacity == "Wait" or turn.active is None):
        return "It waits for room until the progress deadline: free some, or set onInsufficientCapacity: InPlace."
    return _trade_in_words(turn)


def _trade_in_words(turn: Turn) -> str:
    policy, rollout = turn.observed.spec.rollout, turn.rollout
    if rollout.sizes is None and not can_trade(turn):
        return (
            "InPlace cannot trade: it needs at least 2 replicas and minAvailable below them. Free room, or use "
            "strategy: Recreate with allowDowntime: true."
        )
    if rollout.sizes is not None and not can_spare(turn, rollout.sizes):
        least = min_available(policy, rollout)
        return f"The active pods can spare none: at least {least} must stay ready."
    return "One active pod makes room for it."


def found_room(turn: Turn) -> str:
    """Says so when the scheduler placed pods for which the capacity check had found no room; else empty."""
    expected = turn.rollout.capacity
    placed = sum(pod.unscheduled is None for pod in turn.pods(turn.rollout))
    if expected is None or expected.fits >= expected.needed or placed < candidate_size(turn):
        return ""
    return " The scheduler found room where the capacity check had not."
