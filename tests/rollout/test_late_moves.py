"""A move of clients takes effect long after its answer was given up: nobody is sent to a version that was taken back.

The simulated cluster refuses a move to a colour without pods at the very action.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.rollout.manifests import writes_clients_service
from tests.rollout.parts import spec
from tests.rollout.small import full, over, serves, small, until
from tests.rollout.test_rollout import bake
from tests.rollout.world import World, serving
from verdigris.core.actions import Action, Keep, MoveTraffic
from verdigris.core.facts.revision import revision_of

COLOR = "verdigris.dev/color"


def towards(color: str, ticks: int) -> Callable[[Action], int]:
    """Delays writes to the clients' Service that select this colour, or both."""

    def delay(action: Action) -> int:
        if not isinstance(action, MoveTraffic | Keep):
            return 0
        return ticks if action.manifest["spec"]["selector"].get(COLOR, color) == color else 0

    return delay


WAYS_OUT: dict[str, Callable[[World], object]] = {
    "abort": lambda world: world.decide("abort", revision_of(world.spec)),
    "another version": lambda world: world.apply(spec("1.2.0")),
    "the old version": lambda world: world.apply(spec("1.0.0")),
    "pods that are gone": lambda world: world.unready.add("green"),
}


def until_moving(world: World) -> None:
    """Look until a move to the candidate is on its way, unanswered."""
    for _ in range(60):
        world.run(1)
        if world.late:
            return
    raise AssertionError("no client was to be moved")


@pytest.mark.parametrize(
    "ticks", [2, 5, 30, *(pytest.param(ticks, marks=pytest.mark.thorough) for ticks in (3, 8, 13))]
)
@pytest.mark.parametrize("out", WAYS_OUT)
def test_nobody_is_sent_to_a_version_that_was_taken_back(out: str, ticks: int) -> None:
    world = serving("1.0.0")
    world.delays = towards("green", ticks)
    until_moving(world.apply(spec("1.1.0")))
    WAYS_OUT[out](world)
    world.delays = lambda _: 0
    world.run(60)
    world.unready.clear()
    world.run(1_000)
    assert world.status.rollout is None
    assert world.answering()


@pytest.mark.parametrize("ticks", [4, 6, 9, 13])
def test_a_mark_whose_status_was_lost_is_followed_by_another(ticks: int) -> None:
    world = serving("1.0.0")
    world.delays = towards("green", 30)
    until_moving(world.apply(spec("1.1.0")))
    world.unready.add("green")
    world.keeps_status = lambda: False
    world.run(1)
    world.keeps_status = lambda: True
    world.unready.clear()
    world.delays = towards("green", ticks)
    world.run(1)
    world.decide("abort", revision_of(world.spec))
    world.delays = lambda _: 0
    world.run(60)
    assert world.answering()


def test_a_way_back_that_was_sent_twice_moves_nobody_after_the_next_promotion() -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0")))
    world.delays = towards("blue", 25)
    world.decide("abort", revision_of(world.spec)).run(25)
    world.delays = lambda _: 0
    world.apply(spec("1.2.0", rollout={"bake": "0s", "keepWarm": "0s"})).run(120)
    assert world.status.active
    assert world.status.active.version == "1.2.0"


def test_a_move_that_is_refused_for_ever_ends_the_rollout_with_a_sentence() -> None:
    world = serving("1.0.0")
    refused = towards("green", 1)
    world.refuses = lambda action: writes_clients_service(action) and bool(refused(action))
    world.apply(spec("1.1.0", rollout={"progressDeadline": "60s"})).run(150)
    assert world.status.rejected[-1].reason == "TrafficNotMoved"
    assert "show-managed-fields" in world.status.rejected[-1].message


def test_a_trade_that_takes_longer_than_clients_may_take_to_move_goes_through() -> None:
    """Each share has its own time to be reached, however long the shares before it lasted."""
    slow = {"bake": "6m", "progressDeadline": "60s"}
    world = full(**slow).apply(small("1.1.0", **slow)).run(1)
    until(world, over, least=2, seconds=900)
    assert serves(world, "1.1.0", 3)
