"""Who may edit a spec need not be who may approve: a rollout goes by what was declared when it began."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rollout.parts import Version, spec
from tests.rollout.test_rollout import bake, condition
from tests.rollout.world import World, serving
from verdigris.api.status import RolloutStatus
from verdigris.core.actions import Keep
from verdigris.core.engine.plan import plan
from verdigris.core.facts.evidence import Evidence
from verdigris.core.facts.policy import LIVE, changed_since, in_force, keep


def test_lifting_the_approval_while_it_is_waited_for_approves_nothing() -> None:
    world = serving("1.0.0")
    world.apply(spec("1.1.0", rollout={"approval": "Required"})).run(20)
    world.apply(spec("1.1.0", rollout={"approval": "None", "bake": "0s"})).run(120)
    assert world.status.rollout
    assert world.status.rollout.stage == "AwaitingApproval"
    assert world.selected == "blue"
    assert "Edited since the rollout began: spec.rollout.approval, spec.rollout.bake" in condition(world, "Ready")[2]


@pytest.mark.parametrize(
    "edit",
    [
        {"rollout": {"bake": "0s"}},
        {"rollout": {"onInconclusive": "Promote", "inconclusiveDeadline": "1s"}},
        {"analysis": {"errorRate": {"factor": 100, "floor": 0.5}}},
        {"analysis": {"errorRate": {"minRequests": 1}}},
    ],
)
def test_a_bad_version_is_taken_back_however_its_policy_is_loosened_while_it_bakes(edit: dict[str, Any]) -> None:
    world = serving("1.0.0")
    world.versions["1.1.0"] = Version(error_rate=0.05)
    world.rate = 20
    bake(world.apply(spec("1.1.0", rollout={"bake": "10m"})))
    world.apply(spec("1.1.0", **{"rollout": {"bake": "10m"}, **edit})).run(300)
    assert world.status.active
    assert world.status.active.version == "1.0.0"
    assert world.status.rejected


def test_the_next_rollout_goes_by_the_edited_policy() -> None:
    world = serving("1.0.0")
    world.apply(spec("1.1.0", rollout={"approval": "Required"})).run(20)
    world.apply(spec("1.2.0", rollout={"approval": "None"})).run(120)
    assert world.status.active
    assert world.status.active.version == "1.2.0"


def test_where_pods_find_room_may_be_changed_at_any_time() -> None:
    began = spec("1.1.0", rollout={"approval": "Required"})
    now = spec("1.1.0", rollout={"approval": "None", "onInsufficientCapacity": "Abort", "minAvailable": 2})
    rollout = _rollout(keep(began))
    policy = in_force(now, rollout).rollout
    assert (policy.approval, policy.on_insufficient_capacity, policy.min_available) == ("Required", "Abort", 2)
    assert changed_since(now, rollout) == ("spec.rollout.approval",)


@pytest.mark.parametrize(
    ("began", "now"),
    [
        ({"rollout": {"bake": "5m"}}, {"rollout": {"bake": "4m60s"}}),
        ({"analysis": {"latency": {"p95": "100ms"}}}, {"analysis": {"latency": {"p95": "0h100ms"}}}),
        ({}, {"rollout": {"approval": "None"}}),
        ({"analysis": {"errorRate": {"factor": 2}}}, {"analysis": {"errorRate": {"factor": 2.0}}}),
    ],
)
def test_what_is_only_spelled_otherwise_is_no_edit(began: dict[str, Any], now: dict[str, Any]) -> None:
    assert changed_since(spec("1.1.0", **now), _rollout(keep(spec("1.1.0", **began)))) == ()


def test_the_policy_of_a_rollout_that_an_older_operator_began_is_kept_from_the_first_look_on() -> None:
    world = serving("1.0.0")
    world.versions["1.1.0"] = Version(error_rate=0.05)
    world.rate = 20
    bake(world.apply(spec("1.1.0", rollout={"bake": "10m"})))
    assert world.status.rollout
    older = world.status.rollout.model_copy(update={"policy": None, "steps": (), "step": 0})
    world.status = world.status.model_copy(update={"rollout": older})
    world.run(1)
    world.apply(spec("1.1.0", rollout={"bake": "0s"})).run(300)
    assert world.status.active
    assert world.status.active.version == "1.0.0"


def test_how_often_pods_are_scraped_stays_what_it_was_when_the_rollout_began() -> None:
    """Who lengthens the interval in mid-bake would have a version promoted that nobody watched."""
    world = bake(serving("1.0.0").apply(spec("1.1.0", rollout={"bake": "5m"})))
    slow = {"serviceMonitor": {"interval": "5m"}}
    world.apply(spec("1.1.0", rollout={"bake": "5m"}, monitoring=slow)).run(1)

    rollout = world.status.rollout
    assert rollout
    assert in_force(world.spec, rollout).scrape == spec().monitoring.service_monitor.interval
    assert "spec.monitoring.serviceMonitor.interval" in changed_since(world.spec, rollout)
    assert _interval(world) == "5s"
    world.run(400)
    assert _interval(world) == "5m"


def test_what_another_operator_kept_and_nobody_can_read_leaves_the_spec_in_force() -> None:
    rollout = _rollout({"rollout": {"bake": 7}, "analysis": {}})
    assert in_force(spec(), rollout).rollout == spec().rollout


def test_every_field_of_the_policy_is_frozen_but_those_about_room() -> None:
    frozen = set(keep(spec())["rollout"]) - LIVE
    assert {"approval", "bake", "strategy", "onInconclusive", "progressDeadline", "keepWarm"} <= frozen


def _interval(world: World) -> str:
    """What the ServiceMonitor is to say."""
    actions = plan(world.observe(), Evidence(), world.now).actions
    manifests = (action.manifest for action in actions if isinstance(action, Keep))
    monitor = next(manifest for manifest in manifests if manifest["kind"] == "ServiceMonitor")
    return str(monitor["spec"]["endpoints"][0]["interval"])


def _rollout(policy: dict[str, Any]) -> RolloutStatus:
    world = serving("1.0.0").apply(spec("1.1.0")).run(1)
    assert world.status.rollout
    return world.status.rollout.model_copy(update={"policy": policy})
