"""`autoscaling.external`: somebody else says how large a model is, of the model itself or of its colours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from tests.rollout.parts import Version, spec
from tests.rollout.test_rollout import bake
from tests.rollout.world import World, serving
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.core.actions import Scale

BLUE = "verdigris.dev/model=diabetes,verdigris.dev/color=blue"
GREEN = BLUE.replace("blue", "green")


def external(version: str, replicas: int | None = None) -> ModelDeploymentSpec:
    """With a number, as the scale subresource writes it."""
    size: dict[str, Any] = {} if replicas is None else {"replicas": replicas}
    return spec(version, autoscaling={"external": True, "minReplicas": 2, **size})


def sized_by_hand(world: World, replicas: int) -> World:
    """Somebody else's autoscaler writes the size of the active Deployment."""
    world.deployments["blue"] = replace(world.deployments["blue"], replicas=replicas)
    return world


def told(world: World) -> tuple[int, str] | None:
    scale = world.status.scale
    return (scale.replicas, scale.selector) if scale is not None else None


@pytest.mark.parametrize("size", [1, 5])
def test_the_size_of_a_colour_stays_as_its_autoscaler_set_it(size: int) -> None:
    world = sized_by_hand(World(external("1.0.0")).run(10), size).run(10)
    assert world.deployments["blue"].replicas == size
    assert not world.hpas


def test_a_model_that_gets_an_autoscaler_of_its_users_loses_the_operators() -> None:
    world = serving("1.0.0")
    assert world.hpas
    world.apply(external("1.0.0")).run(3)
    assert not world.hpas


def test_a_new_version_is_as_large_as_the_one_that_it_takes_over_from() -> None:
    world = bake(sized_by_hand(World(external("1.0.0")).run(130), 5).run(5).apply(external("1.1.0")))
    assert world.ready("green") == 5
    world.run(60)
    assert world.status.active
    assert world.status.active.version == "1.1.0"


def test_a_colour_without_pods_is_never_left_so() -> None:
    world = sized_by_hand(World(external("1.0.0")).run(10), 0).run(3)
    assert world.deployments["blue"].replicas == 2


def test_a_size_written_to_the_model_is_the_colours_and_no_new_version() -> None:
    world = World(external("1.0.0", 4)).run(10)
    assert (world.ready("blue"), told(world)) == (4, (4, BLUE))
    for size in (6, 3):
        world.apply(external("1.0.0", size)).run(4)
        assert (world.status.rollout, world.deployments["blue"].replicas, told(world)) == (None, size, (size, BLUE))
    assert not [action for action in world.reconcile().actions if isinstance(action, Scale)]


def test_the_autoscaler_sees_the_pods_that_have_the_clients() -> None:
    """In the bake the active pods idle: to go by them would shrink the version that answers."""
    world = bake(World(external("1.0.0", 3)).run(130).apply(external("1.1.0", 3))).run(2)
    assert told(world) == (3, GREEN)
    world.apply(external("1.1.0", 5)).run(5)
    assert (world.ready("green"), world.ready("blue")) == (5, 5)


def test_after_a_rejected_version_the_active_one_still_shrinks() -> None:
    world = World(external("1.0.0", 4)).run(130)
    world.versions["1.1.0"] = Version(error_rate=0.5)
    world.apply(external("1.1.0", 4)).run(90)
    assert world.status.rejected
    world.run(150).apply(external("1.1.0", 2)).run(5)
    assert world.deployments["blue"].replicas == 2


def test_without_an_autoscaler_of_the_users_nothing_is_told_to_one() -> None:
    assert told(serving("1.0.0")) is None


@pytest.mark.parametrize(
    ("scaling", "words"),
    [
        ({"replicas": 3}, "set external: true"),
        ({"external": True, "replicas": 0}, "greater than or equal to 1"),
        ({"external": True, "behavior": {}}, "metrics and behavior are of the operator's own"),
    ],
)
def test_fields_of_two_autoscalers_together_are_refused(scaling: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        spec("1.0.0", autoscaling=scaling)


def test_beside_an_external_autoscaler_no_cpu_request_is_asked_for() -> None:
    parsed = spec("1.0.0", autoscaling={"external": True}, serving={"resources": {"requests": {"memory": "64Mi"}}})
    assert parsed.autoscaling.external
