"""EndpointSlices follow the clients' Service late: no pod ends to which new connections still go."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.rollout.parts import spec
from tests.rollout.small import over, until
from tests.rollout.test_rollout import bake, condition, reasons
from tests.rollout.world import World, serving
from verdigris.api.status import Color
from verdigris.core.facts.revision import revision_of
from verdigris.core.routing.gateway import PATIENCE

LONG = PATIENCE.total_seconds() + 30


def taken_back() -> World:
    """A second version that somebody aborts in its bake, while its pods are what the slices name."""
    world = bake(serving("1.0.0").apply(spec("1.1.0")))
    world.followed_late = "green"
    return world.decide("abort", revision_of(world.spec)).run(40)


def superseded() -> World:
    world = bake(serving("1.0.0").apply(spec("1.1.0")))
    world.followed_late = "green"
    return world.apply(spec("1.2.0")).run(40)


def promoted() -> World:
    """A second version after which nothing is kept warm, while the first one's pods are what the slices name."""
    world = serving("1.0.0").apply(spec("1.1.0", rollout={"keepWarm": "0s"}))
    world.followed_late = "blue"
    return world.run(120)


def _names(world: World, color: Color) -> set[str]:
    return {pod.name for pod in world.observe().pods if pod.color == color}


@pytest.mark.parametrize(("way", "left"), [(taken_back, "green"), (superseded, "green"), (promoted, "blue")])
def test_pods_to_which_new_connections_go_stay(way: Callable[[], World], left: Color) -> None:
    world = way()
    assert world.selected != left
    pods = _names(world, left)
    assert pods
    world.run(LONG)
    assert pods <= _names(world, left)
    world.followed_late = None
    world.run(30)
    assert not pods & _names(world, left)


def test_the_way_back_says_who_has_not_followed_and_is_not_timed_before() -> None:
    world = taken_back()
    _, _, message = condition(world, "Ready")
    assert "its EndpointSlices have yet to follow: the pods of 1.1.0 stay until then, or until " in message
    assert world.status.last_rollback
    assert world.status.last_rollback.traffic_restored_at is None
    world.followed_late = None
    world.run(1)
    assert world.status.last_rollback.traffic_restored_at == world.now


def test_slices_that_never_follow_end_the_rollout_all_the_same_and_nothing_takes_the_places() -> None:
    world = taken_back().run(LONG)
    assert world.status.rollout is None
    assert world.status.rejected[-1].version == "1.1.0"
    world.apply(spec("1.2.0")).run(30)
    assert world.status.rollout is None
    status, reason, message = condition(world, "Ready")
    assert (status, reason) == ("False", "Draining")
    assert "1.2.0 waits. The EndpointSlices of the clients' Service still name pods whose places it takes" in message
    assert "green" in world.deployments
    world.followed_late = None
    world.run(5)
    assert world.status.rollout
    assert world.status.rollout.version == "1.2.0"


@pytest.mark.parametrize("later", [None, "1.2.0"])
def test_what_nobody_saw_back_is_not_said_to_be_back_also_not_of_the_version_after_it(later: str | None) -> None:
    world = taken_back().run(LONG)
    last = world.status.last_rollback
    assert last
    assert last.traffic_restored_at is None
    assert "TrafficRestored" not in reasons(world)
    told = next(note.message for note in world.notes if note.reason == "TrafficNotFollowed")
    assert told == (
        "After 60 s, clients may still reach 1.1.0. The clients' Service selects the active version, and its "
        "EndpointSlices have yet to follow."
    )
    if later is not None:
        world.followed_late = None
        bake(world.apply(spec(later)))
        assert world.status.last_rollback == last


def test_where_somebody_has_the_clients_on_a_version_that_waits_the_sentence_names_who_is_to_be_mended() -> None:
    world = bake(serving("1.0.0").apply(spec("1.1.0")))
    until(world, over, seconds=900)
    assert world.status.active
    assert world.status.warm
    world.unready.add(world.status.active.color)
    world.selected = world.status.warm.color
    world.apply(spec("1.2.0")).run(20)
    assert world.status.rollout is None
    assert condition(world, "Ready")[1:] == (
        "Draining",
        "Version 1.2.0 waits. The clients' Service selects blue, whose places it takes: it starts once that selects "
        "green, of which no pod is ready: mend 1.1.0 (green).",
    )


def test_a_version_that_waits_for_clients_to_leave_says_so_and_starts() -> None:
    world = serving("1.0.0").apply(spec("1.1.0", rollout={"bake": "0s"}))
    until(world, lambda world: world.status.active is not None and world.status.active.version == "1.1.0")
    world.apply(spec("1.2.0"))
    waits = (
        "Version 1.2.0 waits. Clients may still be on the pods whose places it takes: it starts once they have left."
    )
    until(world, lambda world: condition(world, "Ready") == ("False", "Draining", waits), seconds=15)
    until(world, lambda world: world.status.rollout is not None and world.status.rollout.version == "1.2.0")
