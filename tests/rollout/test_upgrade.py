"""A status that an operator without steps has left, at every stage: this one goes on with it and touches no pod."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.rollout.parts import Version, spec
from tests.rollout.test_rollout import bake
from tests.rollout.test_shield import on_trial
from tests.rollout.world import World, serving
from verdigris.api.status import ModelDeploymentStatus, Stage
from verdigris.core.facts.revision import revision_of
from verdigris.core.facts.skew import Skew, target_of

YOUNGER = ("steps", "step", "wanted", "exposedAt", "policy", "again", "passedOn", "shieldedAt")


def as_left_by_the_first_release(world: World) -> World:
    """The status without what it did not know, and with what it did."""
    status: dict[str, Any] = world.status.dump()
    for name in YOUNGER:
        status.get("rollout", {}).pop(name, None)
    if "rollout" in status:
        status["rollout"]["way"] = "Beside"
    world.status = ModelDeploymentStatus.parse(status)
    return world


def at(stage: Stage, **rollout: Any) -> World:
    world = serving("1.0.0")
    world.prometheus_down = stage == "Measuring"
    world.apply(spec("1.1.0", rollout=rollout))
    for _ in range(60):
        if world.status.rollout and world.status.rollout.stage == stage:
            world.prometheus_down = False
            return world
        world.run(1)
    raise AssertionError(f"never got to {stage}")


STAGES: dict[str, Callable[[], World]] = {
    "Starting": lambda: at("Starting"),
    "AwaitingApproval": lambda: at("AwaitingApproval", approval="Required"),
    "Measuring": lambda: at("Measuring"),
    "Baking": lambda: bake(serving("1.0.0").apply(spec("1.1.0"))),
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(("error_rate", "ends_with"), [(0.0, "1.1.0"), (0.5, "1.0.0")])
def test_a_rollout_under_way_goes_on_where_it_was(stage: str, error_rate: float, ends_with: str) -> None:
    world = as_left_by_the_first_release(STAGES[stage]())
    world.versions["1.1.0"] = Version(error_rate=error_rate)
    pods = {pod.view.uid for pod in world.pods}
    world.run(1)
    assert world.status.rollout
    assert world.status.rollout.stage == stage
    assert pods <= {pod.view.uid for pod in world.pods}
    if stage == "AwaitingApproval":
        world.decide("approve", revision_of(world.spec))
    world.run(90)
    assert world.status.active
    assert world.status.active.version == ends_with


@pytest.mark.parametrize("stage", STAGES)
def test_a_rollout_under_way_can_be_taken_back_at_once(stage: str) -> None:
    world = as_left_by_the_first_release(STAGES[stage]())
    world.decide("abort", revision_of(world.spec)).run(1)
    assert world.selected == "blue"
    world.run(30)
    assert world.status.rollout is None
    assert world.status.rejected


PRUNED: tuple[tuple[str, ...], ...] = (("passedOn",), ("shieldedAt",), ("passedOn", "shieldedAt"), ("policy",))
"""What a CRD that is older than the shield leaves out of a status, with or without what it had as well."""


@pytest.mark.parametrize("lost", PRUNED, ids="-".join)
@pytest.mark.parametrize(("error_rate", "ends_with"), [(0.0, "1.1.0"), (0.5, "1.0.0")])
def test_a_trial_goes_on_behind_the_active_pods_when_an_older_crd_has_pruned_it(
    lost: tuple[str, ...], error_rate: float, ends_with: str
) -> None:
    world = on_trial(serving("1.0.0"), bake="60s")
    status = world.status.dump()
    for name in lost:
        del status["rollout"][name]
    world.status = ModelDeploymentStatus.parse(status)
    world.versions["1.1.0"] = Version(error_rate=error_rate)
    pods, asked = {pod.view.uid for pod in world.pods}, world.asked["green"]
    world.run(2)
    assert pods <= {pod.view.uid for pod in world.pods}
    assert world.asked["green"] > asked
    world.run(90)
    assert world.status.active
    assert (world.status.active.version, world.status.rollout) == (ends_with, None)
    assert world.failed == 0


@pytest.mark.parametrize("shielded", [True, False])
def test_a_rollout_of_the_first_release_goes_on_while_its_spec_asks_for_the_shield(*, shielded: bool) -> None:
    """Its active pods cannot be told, and its steps have no trial."""
    world = serving("1.0.0")
    world.front_rendering = False
    world.pods = [replace(pod, view=replace(pod.view, forwards=False)) for pod in world.pods]
    bake(world.apply(spec("1.1.0", rollout={"shield": shielded})))
    pods = {pod.view.uid for pod in world.pods}
    as_left_by_the_first_release(world).run(1)
    assert world.status.rollout
    assert (world.status.rollout.stage, world.selected) == ("Baking", "green")
    assert not any(pod.view.order for pod in world.pods)
    world.run(60)
    assert world.status.active
    assert world.status.active.version == "1.1.0"
    assert pods >= {pod.view.uid for pod in world.pods}


def test_a_rollout_that_is_being_taken_back_ends() -> None:
    world = bake(serving("1.0.0").apply(spec("1.1.0")))
    world.decide("abort", revision_of(world.spec)).run(1)
    as_left_by_the_first_release(world).run(30)
    assert (world.selected, world.status.rollout) == ("blue", None)


def test_without_a_remembered_target_a_spec_is_taken_for_the_rejected_version_that_it_asks_for() -> None:
    """An older CRD prunes `target`: what the spec itself says comes before what was rejected last."""
    world = serving("1.0.0")
    for version in ("2.0.0", "3.0.0"):
        world.apply(spec(version)).run(3)
        world.decide("abort", revision_of(world.spec)).run(10)
    assert [entry.version for entry in world.status.rejected] == ["2.0.0", "3.0.0"]
    world.status = world.status.model_copy(update={"target": None})
    world.apply(spec("2.0.0"))
    world.status = world.status.model_copy(update={"target": None})
    world.run(3)
    assert world.status.rollout is None
    world.decide("retry", revision_of(spec("2.0.0"))).run(2)
    assert world.status.rollout
    assert (world.status.rollout.version, world.status.rollout.revision) == ("2.0.0", revision_of(spec("2.0.0")))


def test_a_stall_for_another_reason_is_no_rejection_of_what_the_spec_asks_for() -> None:
    status = serving("1.0.0").apply(spec("2.0.0")).run(3).decide("abort", revision_of(spec("2.0.0"))).run(10).status
    stalled = [
        condition.model_copy(update={"reason": "NameTaken"}) if condition.type == "Stalled" else condition
        for condition in status.conditions
    ]
    before = status.model_copy(update={"target": None, "conditions": tuple(stalled)})
    wanted, _ = target_of(revision_of(spec("3.0.0")), before.observed_generation, before, Skew())
    assert wanted == revision_of(spec("3.0.0"))
