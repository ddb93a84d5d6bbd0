"""In which order the tests run, so that two cores are busy all the time and nobody disturbs anybody.

`make test` has one process for what happens on the cluster. Another first asks its API server, then runs those tests
that need no cluster: also while what changes the whole cluster waits for it, alone.
"""

from __future__ import annotations

import fcntl
from contextlib import AbstractContextManager
from enum import IntEnum
from pathlib import Path
from typing import IO

import pytest

from dev.cluster.settings import from_environment
from dev.cluster.shell import exclusive

HERE = Path(__file__).parent
PLAYED = "played for so many seconds"
"""A property of a scenario's report: its call has waited for others, too."""


def second_node() -> AbstractContextManager[None]:
    """Held by who has the second node, in whichever process."""
    return exclusive(from_environment().cache / "tests-second-node.lock")


def gateway() -> AbstractContextManager[None]:
    """Held by who has the gateway, in whichever process."""
    return exclusive(from_environment().cache / "tests-gateway.lock")


class Slot(IntEnum):
    """When a test runs, from first to last."""

    ASKING = 0
    """Asks the API server, or a Prometheus of its own, in another process than what happens on the cluster."""
    NEIGHBOUR = 1
    """Shares the cluster with the scenarios, which are under way meanwhile."""
    SCENARIO = 2
    """Of `tests/e2e`: over already, or soon will be."""
    ALONE = 3
    """Changes what the whole cluster has: its nodes, its operator, its CRDs and policies."""
    PURE = 4
    """Needs no cluster."""
    SECOND_NODE = 5
    """Looks at the second node itself, when the scenarios on it are over: whoever is on it has it alone."""
    LIFECYCLE = 6
    """Brings up a cluster of its own, beside the other."""


GROUPS = {slot: slot.name.lower() for slot in (Slot.ASKING, Slot.SECOND_NODE, Slot.LIFECYCLE)} | {Slot.PURE: None}
"""What must run in one process, by name; None: wherever there is room. All the rest is one group."""
DISTURBING = tuple(HERE / name for name in ("chart", "cluster/test_fake_nodes.py"))
"""Policies and CRDs for everybody; nodes that look as if they had room."""
WITH_SERVERS = ("serving", "demo", "bench", "cluster", "web")
"""Folders of tests that start processes and hold them to a time."""
ASKING = tuple(HERE / name for name in ("api", "evidence", "resources", "runtime"))
"""What needs no more of the cluster than its API server."""


class Turns:
    """Keeps what changes the whole cluster in one process from what asks it in another, by a lock on this file."""

    def __init__(self, lock: Path) -> None:
        self._lock = lock
        self._held: IO[str] | None = None

    def begin(self, slot: Slot) -> None:
        """Before a test: wait until nobody is at what it does not go with. The rest of its slot has the same turn."""
        modes = {Slot.ASKING: fcntl.LOCK_SH, Slot.ALONE: fcntl.LOCK_EX}
        if self._held is None and slot in modes:
            self._lock.parent.mkdir(parents=True, exist_ok=True)
            self._held = self._lock.open("w")
            fcntl.flock(self._held, modes[slot])

    def end(self) -> None:
        """After the last test of a slot."""
        if self._held is not None:
            self._held.close()
            self._held = None


def arrange(items: list[pytest.Item]) -> None:
    """Sort the tests by their slots, in the order in which they were found within each.

    The very first is a scenario: with it all the others begin, several at once.
    """
    items.sort(key=slot_of)
    for starter in [item for item in items if slot_of(item) is Slot.SCENARIO][:1]:
        items.remove(starter)
        items.insert(0, starter)
    for item in items:
        group = GROUPS.get(slot_of(item), "cluster")
        if group:
            item.add_marker(pytest.mark.xdist_group(group))


def only_computes(item: pytest.Item) -> bool:
    """Whether it can wait for the processor: it needs no cluster, and starts no server that has to answer in time."""
    return slot_of(item) is Slot.PURE and not any(HERE / name in item.path.parents for name in WITH_SERVERS)


def slot_of(item: pytest.Item) -> Slot:
    """By its marks, its fixtures and its place."""
    if item.get_closest_marker("lifecycle"):
        return Slot.LIFECYCLE
    if not item.get_closest_marker("cluster"):
        return Slot.PURE
    if item.path == HERE / "cluster" / "test_second_node.py":
        return Slot.SECOND_NODE
    if "alone" in getattr(item, "fixturenames", ()) or any(
        place in (item.path, *item.path.parents) for place in DISTURBING
    ):
        return Slot.ALONE
    if any(place in item.path.parents for place in ASKING):
        return Slot.ASKING
    return Slot.SCENARIO if hasattr(getattr(item, "function", None), "scenario") else Slot.NEIGHBOUR
