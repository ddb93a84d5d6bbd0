"""What is known of the active version is not forgotten because few requests were seen of it lately."""

from __future__ import annotations

from typing import Any

from tests.rollout.parts import Version, spec
from tests.rollout.test_rollout import bake
from tests.rollout.world import World

ROLLOUT = {"bake": "6m", "progressDeadline": "2m"}


def wanted(version: str) -> Any:
    return spec(version, rollout=ROLLOUT)


def served(error_rate: float) -> World:
    """Version 1.0.0 has answered 600 requests, one a second, all of them well; 3.0.0 will fail so often."""
    versions = {"1.0.0": Version(), "2.0.0": Version(), "3.0.0": Version(error_rate=error_rate)}
    return World(wanted("1.0.0"), versions=versions, rate=1.0).run(600)


def ends(world: World) -> str:
    """How the rollout ends; its version was held against what 1.0.0 had shown all the time."""
    for _ in range(1000):
        world.run(1)
        rollout = world.status.rollout
        if rollout is None:
            return world.status.history[-1].outcome
        if rollout.stage == "Baking":
            assert rollout.evidence.baseline.limit < 0.01
    raise AssertionError("it does not end")


def test_a_version_that_follows_a_superseded_one_is_held_against_what_was_known_before() -> None:
    """Clients are back on 1.0.0 for some seconds only when the baseline for 3.0.0 is needed."""
    world = bake(served(0.09).apply(wanted("2.0.0"))).run(300)
    world.apply(wanted("3.0.0"))
    while world.status.rollout is None or world.status.rollout.version != "3.0.0":
        world.run(1)

    assert ends(world) == "RolledBack"


def test_a_rollout_that_begins_again_after_a_blip_is_held_against_what_was_known_before() -> None:
    world = bake(served(0.0).apply(wanted("3.0.0"))).run(300)
    assert world.status.rollout is not None
    world.unready.add(world.status.rollout.color)
    world.run(1)
    world.unready.clear()
    world.versions["3.0.0"] = Version(error_rate=0.05)

    assert ends(world) == "RolledBack"


def test_the_next_active_version_inherits_no_baseline() -> None:
    world = served(0.0).apply(wanted("2.0.0")).run(1)
    while world.status.rollout is not None:
        world.run(10)

    assert world.status.active is not None
    assert (world.status.active.version, world.status.active.baseline) == ("2.0.0", None)


def test_a_candidate_waits_for_a_baseline_that_is_only_just_coming() -> None:
    """Prometheus came back empty, or the labels of the pods are new: what is seen so far would earn a limit of 10 %."""
    world = World(wanted("1.0.0"), versions={"2.0.0": Version(error_rate=0.07)}, rate=5.0).run(20)
    for pod in world.pods:
        pod.samples.clear()
    world.apply(wanted("2.0.0")).run(8)
    assert world.status.rollout is not None
    assert world.status.rollout.stage == "Measuring"
    assert "of 50 requests were seen" in world.status.rollout.message

    bake(world)

    assert world.status.rollout.evidence.baseline.requests >= 50


def test_a_version_without_clients_is_not_waited_for() -> None:
    world = World(wanted("1.0.0"), versions={"2.0.0": Version()}, rate=0.0).run(20)
    world.apply(wanted("2.0.0"))
    began = world.now
    bake(world)

    assert (world.now - began).total_seconds() < 20
