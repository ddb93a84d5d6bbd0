"""What a status may hold that no operator of this version wrote: it is planned all the same, and rolled back from."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.rollout.parts import Version, spec
from tests.rollout.test_rollout import bake, condition
from tests.rollout.world import World, serving
from verdigris.core.engine.plan import plan
from verdigris.core.facts.revision import revision_of


def change_rollout(world: World, **changes: Any) -> World:
    assert world.status.rollout
    rollout = world.status.rollout.model_copy(update=changes)
    world.status = world.status.__class__.parse(world.status.model_copy(update={"rollout": rollout}).dump())
    return world


@pytest.mark.parametrize("policy", [{"rollout": "x"}, {"analysis": [1]}, {"rollout": {"bake": 3}}, {"other": 1}])
def test_a_policy_that_means_nothing_holds_up_no_way_back(policy: dict[str, Any]) -> None:
    world = serving("1.0.0")
    change_rollout(bake(world.apply(spec("1.1.0"))), policy=policy)
    world.decide("abort", revision_of(world.spec)).run(2)
    assert world.selected == "blue"


def test_a_trade_of_no_pods_is_planned_and_taken_back() -> None:
    world = serving("1.0.0")
    world.room = 3
    world.apply(spec("1.1.0", rollout={"onInsufficientCapacity": "InPlace", "bake": "2m"}))
    while world.selected != "both":
        world.run(1)
    change_rollout(world, replicas=0).run(3)
    world.decide("abort", revision_of(world.spec)).run(30)
    assert world.selected == "blue"


def test_a_policy_kept_by_an_older_operator_is_not_called_edited_for_fields_that_are_younger() -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0")))
    assert world.status.rollout
    assert world.status.rollout.policy
    kept = deepcopy(world.status.rollout.policy)
    del kept["rollout"]["inconclusiveDeadline"]
    kept["analysis"]["ofAnotherOperator"] = True
    change_rollout(world, policy=kept).run(1)
    assert "Edited since" not in condition(world, "Ready")[2]


DAY = timedelta(days=1)


def look_a_day_ahead(world: World) -> None:
    """One look by a leader whose clock is wrong, and whose Prometheus' is not."""
    evidence = replace(world.evidence(), ahead=-DAY.total_seconds())
    world.now += DAY
    made = plan(world.observe(), evidence, world.now)
    world.status = world.status.__class__.parse(made.status.dump())
    world.now -= DAY


def test_a_bake_that_began_tomorrow_ends_in_its_time() -> None:
    world = serving("1.0.0")
    world.apply(spec("1.1.0"))
    while world.selected != "green":
        world.run(1)
    look_a_day_ahead(world)
    assert world.status.rollout
    assert world.status.rollout.since > world.now + DAY / 2
    world.run(300)
    assert world.status.active
    assert world.status.active.version == "1.1.0"


def test_a_deadline_of_the_day_after_is_one_of_today() -> None:
    world = serving("1.0.0")
    world.versions["1.1.0"] = Version(never_ready=True)
    world.apply(spec("1.1.0", rollout={"progressDeadline": "60s"}))
    look_a_day_ahead(world)
    world.run(200)
    assert world.status.rollout is None
    assert [entry.version for entry in world.status.rejected] == ["1.1.0"]
