"""How many stuck pods may be removed, and how soon again: the gates that count.

Leftovers, the mere records of pods that have ended, have a limit of their own: removing one takes nothing from anybody,
and many at once must not use up what a running pod's removal needs.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from verdigris.api.schema.fields import parse_duration
from verdigris.api.spec import CleanupSpec
from verdigris.api.status import RemovedPod
from verdigris.core.actions import RemovePod
from verdigris.core.pods.remedies.gates import NODE_KINDS, Case, Gate, Held

BREAKER = 20
"""Removals of all models within one window after which nobody's pods are removed any more: two nodes' worth by the
default budget. A cluster where that many pods are stuck in ten minutes has a trouble that no fresh start heals."""
LEFTOVERS_AT_ONCE = 10
"""Leftovers that one plan removes, so that a burst of them does not crowd out other writes: fifty take five plans."""
LEFTOVERS_PER_WINDOW = 50
"""Leftovers removed within one window. More come only from a node that takes pods and refuses them again and again;
then the records are what one needs to see."""
_DOUBLINGS = 16
"""After so many the pause is longer than any window, whose length is its limit."""


def too_many_everywhere(case: Case) -> Held | None:
    """The circuit breaker over all models."""
    if case.leftover or case.pod.uid in _spent(case):
        return None
    times = [*_within(case, (removal.at for removal in case.turn.observed.removals)), *_taken(case)]
    if len(times) < BREAKER:
        return None
    why = f"{BREAKER} pods of all models were removed within {_policy(case).window}: something else is the matter. "
    return Held(why + "Look at the nodes, the network and the registry.", _room(case, times, BREAKER))


def over_budget(case: Case) -> Held | None:
    """A pod counts once, also when it is first evicted and then removed by force."""
    spent, policy = _spent(case), _policy(case)
    if case.leftover or case.pod.uid in spent:
        return None
    times = [*spent.values(), *_taken(case)]
    if len(times) < policy.budget:
        return None
    why = f"The budget is used up: {policy.budget} pods of this model within {policy.window} (spec.cleanup.budget)."
    return Held(why, _room(case, times, policy.budget))


def over_node_budget(case: Case) -> Held | None:
    """Many removals from one node are the node's doing."""
    node, policy = case.pod.node, _policy(case)
    if case.leftover or not node or case.pod.uid in _spent(case):
        return None
    there = (removal.at for removal in case.turn.observed.removals if removal.node == node)
    times = [*_within(case, there), *_taken(case, node)]
    if len(times) < policy.node_budget:
        return None
    why = f"{policy.node_budget} pods were removed from node {node} within {policy.window} "
    return Held(f"{why}(spec.cleanup.nodeBudget): look at the node.", _room(case, times, policy.node_budget))


def too_soon(case: Case) -> Held | None:
    """After k removals for one reason in one colour the next waits backoff * 2^(k - 1).

    What has gone with one node went for one reason, once: its other pods do not wait for each other.
    """
    if case.leftover:
        return None
    times = [entry.at for entry in _recorded(case) if _repeats(case, entry)]
    times += [case.turn.now] * sum(_repeats(case, action) for action in case.taken)
    if not times:
        return None
    policy = _policy(case)
    pause = parse_duration(policy.backoff) * 2 ** min(len(times) - 1, _DOUBLINGS)
    until = max(times) + min(pause, parse_duration(policy.window))
    if case.turn.now >= until:
        return None
    return Held(f"A pod was removed for this lately: the next follows at {until:%H:%M:%S} UTC at the earliest.", until)


def _repeats(case: Case, earlier: RemovedPod | RemovePod) -> bool:
    same_node = case.found.kind in NODE_KINDS and earlier.node == case.pod.node
    return earlier.color == case.pod.color and earlier.kind == case.found.kind and not same_node


def too_many_leftovers(case: Case) -> Held | None:
    """A burst goes in a few plans; a stream of them is worth being seen."""
    if not case.leftover:
        return None
    taken = sum(action.kind == "Leftover" for action in case.taken)
    if taken >= LEFTOVERS_AT_ONCE:
        return Held("Other leftovers go first.", case.turn.now + timedelta(seconds=1))
    removed = (entry.at for entry in case.turn.status.removed if entry.kind == "Leftover")
    times = [*_within(case, removed), *[case.turn.now] * taken]
    if len(times) < LEFTOVERS_PER_WINDOW:
        return None
    why = f"{LEFTOVERS_PER_WINDOW} leftovers were removed within {_policy(case).window}: look at what makes them."
    return Held(why, _room(case, times, LEFTOVERS_PER_WINDOW))


def _policy(case: Case) -> CleanupSpec:
    return case.turn.observed.spec.cleanup


def _within(case: Case, times: Iterable[datetime]) -> list[datetime]:
    begin = case.turn.now - parse_duration(_policy(case).window)
    return [at for at in times if at > begin]


def _recorded(case: Case) -> list[RemovedPod]:
    """What was removed of this model within the window, leftovers aside."""
    begin = case.turn.now - parse_duration(_policy(case).window)
    return [entry for entry in case.turn.status.removed if entry.kind != "Leftover" and entry.at > begin]


def _spent(case: Case) -> dict[str, datetime]:
    """By UID, when it last was acted upon."""
    return {entry.uid: entry.at for entry in _recorded(case)}


def _taken(case: Case, node: str | None = None) -> list[datetime]:
    """What this plan adds: the time of each removal that it makes, only from this node if one is named."""
    counted = [action for action in case.taken if action.kind != "Leftover" and action.uid not in _spent(case)]
    return [case.turn.now for action in counted if node in (None, action.node)]


def _room(case: Case, times: list[datetime], most: int) -> datetime | None:
    """When enough of these leave the window for one more; None: never, nothing is allowed at all."""
    if most == 0:
        return None
    return sorted(times)[len(times) - most] + parse_duration(_policy(case).window)


LIMITS: tuple[Gate, ...] = (too_many_everywhere, over_node_budget, over_budget, too_soon, too_many_leftovers)
