"""Clusters where the new pods do not fit beside the old ones, and the words that tests about them are written in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.rollout.parts import spec
from tests.rollout.world import World
from verdigris.api.spec import ModelDeploymentSpec


def small(version: str, policy: str = "InPlace", size: int = 3, **rollout: Any) -> ModelDeploymentSpec:
    return spec(
        version,
        autoscaling={"minReplicas": size, "maxReplicas": 2 * size},
        rollout={"onInsufficientCapacity": policy, **rollout},
    )


def full(policy: str = "InPlace", size: int = 3, room: int | None = 3, **rollout: Any) -> World:
    """Given: this many pods of 1.0.0 have the clients, and there is room for no more than `room`."""
    world = World(small("1.0.0", policy, size, **rollout), room=room)
    world.run(40)
    assert world.answering() == size
    return world


def until(world: World, done: Callable[[World], bool], least: int = 0, seconds: int = 400) -> World:
    """Run until it is so; never may fewer pods than `least` answer the clients."""
    for _ in range(seconds):
        if done(world):
            return world
        world.run(1)
        assert world.answering() >= least, f"{world.answering()} pods answer: {world.status.rollout}"
    raise AssertionError(f"never: {world.status.rollout}")


def stage(name: str) -> Callable[[World], bool]:
    return lambda world: world.status.rollout is not None and world.status.rollout.stage == name


def candidate(size: int) -> Callable[[World], bool]:
    """This many pods of the candidate are ready, in a trade."""
    return lambda world: stage("Trading")(world) and world.ready("green") == size


def over(world: World) -> bool:
    return world.status.rollout is None


def serves(world: World, version: str, size: int) -> bool:
    active = world.status.active
    return active is not None and active.version == version and world.ready(active.color) == size


def recreate(version: str, **rollout: Any) -> ModelDeploymentSpec:
    return small(version, "Wait", strategy="Recreate", allowDowntime=True, **rollout)
