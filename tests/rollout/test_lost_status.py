"""A status is lost: what runs tells who was active and who was on trial, and nobody is promoted by it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.rollout.parts import Version, spec
from tests.rollout.test_rollout import bake
from tests.rollout.world import World, serving


def lose_status(world: World) -> World:
    world.status = world.status.__class__()
    return world


@pytest.mark.parametrize("seconds", [0, 1, 5])
def test_a_version_in_its_bake_is_not_promoted_by_it(seconds: int) -> None:
    world = serving("1.0.0")
    world.versions["1.1.0"] = Version(error_rate=0.5)
    bake(world.apply(spec("1.1.0"))).run(seconds)
    lose_status(world).run(2)
    assert world.selected == "blue"
    world.run(60)
    assert world.status.active
    assert (world.status.active.version, world.selected) == ("1.0.0", "blue")
    assert [entry.version for entry in world.status.rejected] == ["1.1.0"]


def test_a_version_that_shares_the_clients_is_not_promoted_by_it() -> None:
    world = serving("1.0.0")
    world.room = 3
    world.apply(spec("1.1.0", rollout={"onInsufficientCapacity": "InPlace", "bake": "2m"}))
    while world.selected != "both":
        world.run(1)
    lose_status(world).run(3)
    assert world.status.active
    assert world.status.active.version == "1.0.0"


def test_another_version_that_is_asked_for_meanwhile_replaces_no_pod_that_has_clients() -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0")))
    lose_status(world).apply(spec("1.2.0")).run(90)
    assert world.status.active
    assert world.status.active.version == "1.2.0"


@pytest.mark.parametrize("wanted", ["1.1.0", "1.0.0"])
def test_an_approval_is_not_given_by_it(wanted: str) -> None:
    rollout: dict[str, Any] = {"approval": "Required"}
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0")))
    lose_status(world).apply(spec(wanted, rollout=rollout)).run(60)
    assert world.status.active
    assert world.status.active.version == "1.0.0"


def test_a_version_that_was_promoted_stays_so_while_its_youngest_pod_has_not_been_told() -> None:
    world = serving("1.0.0").apply(spec("1.1.0")).run(60)
    assert (world.selected, world.ready("blue")) == ("green", 2)
    pod = next(pod for pod in world.pods if pod.view.color == "green")
    pod.view = replace(pod.view, traffic="trial")
    lose_status(world).run(3)
    assert world.status.active
    assert (world.status.active.version, world.selected) == ("1.1.0", "green")


def test_a_version_on_trial_stays_where_nobody_else_answers() -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0")))
    world.unready.add("blue")
    lose_status(world).run(3)
    assert world.selected == "green"


@pytest.mark.parametrize("error_rate", [0.0, 0.5])
def test_an_active_version_that_somebody_took_out_of_the_status_is_read_from_what_runs(error_rate: float) -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0"))).run(2)
    world.status = world.status.model_copy(update={"active": None})
    world.versions["1.1.0"] = Version(error_rate=error_rate)
    world.run(200)
    assert world.status.active
    assert (world.status.active.version, world.status.rollout) == ("1.0.0" if error_rate else "1.1.0", None)


def test_it_is_read_before_the_candidate_has_clients_too() -> None:
    world = serving("1.0.0")
    world.prometheus_down = True
    world.apply(spec("1.1.0")).run(10)
    world.status = world.status.model_copy(update={"active": None})
    world.prometheus_down = False
    world.run(300)
    assert world.status.active
    assert world.status.active.version == "1.1.0"
