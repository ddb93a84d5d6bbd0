"""The way back is as large as what serves, and a size that was lowered together with a version waits for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.rollout.manifests import writes_clients_service
from tests.rollout.parts import Version, spec
from tests.rollout.test_rollout import bake
from tests.rollout.world import World, serving
from verdigris.core.actions import Keep
from verdigris.core.engine.plan import plan
from verdigris.core.facts.evidence import Evidence
from verdigris.core.facts.revision import revision_of
from verdigris.core.routing.split import DRAIN

HPA = "HorizontalPodAutoscaler"


def test_the_active_colour_follows_a_candidate_that_its_autoscaler_grows() -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0", rollout={"bake": "10m"})))
    world._scale("green", 4)
    world.run(5)
    assert world.deployments["blue"].replicas == 4
    world.decide("abort", revision_of(world.spec)).run(1)
    assert (world.selected, world.ready("blue")) == ("blue", 4)


def test_the_warm_colour_follows_the_active_one() -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0", rollout={"keepWarm": "30m"}))).run(60)
    world._scale("green", 4)
    world.run(5)
    assert world.deployments["blue"].replicas == 4
    world.decide("rollback", revision_of(world.spec)).run(1)
    assert (world.selected, world.ready("blue")) == ("blue", 4)


def test_the_active_colour_keeps_its_size_until_the_smaller_version_is_promoted() -> None:
    world = serving("1.0.0")
    smaller = spec("1.1.0", rollout={"approval": "Required"}, autoscaling={"minReplicas": 1, "maxReplicas": 1})
    world.apply(smaller).run(30)
    assert world.deployments["blue"].replicas == 2
    assert world.ready("blue") == 2
    world.decide("approve", revision_of(world.spec)).run(60)
    assert world.status.active
    assert world.status.active.version == "1.1.0"
    assert world.deployments["green"].replicas == 1


def test_a_smaller_size_goes_with_its_version_when_that_is_rejected() -> None:
    world = serving("1.0.0")
    world.versions["1.1.0"] = Version(error_rate=0.5)
    world.apply(spec("1.1.0", autoscaling={"minReplicas": 1, "maxReplicas": 1})).run(90)
    assert world.status.rejected
    assert world.deployments["blue"].replicas == 2
    world.apply(spec("1.0.0", autoscaling={"minReplicas": 1, "maxReplicas": 1})).run(3)
    assert world.deployments["blue"].replicas == 1


def test_an_autoscaler_keeps_its_bounds_until_the_version_that_lowers_them_is_promoted() -> None:
    world = World(spec("1.0.0", autoscaling={"minReplicas": 3, "maxReplicas": 10})).run(130)
    world.versions["1.1.0"] = Version(error_rate=0.5)
    world._scale("blue", 6)
    bounds: list[tuple[int, int]] = []
    for size in ({"minReplicas": 1, "maxReplicas": 2}, {"minReplicas": 1, "maxReplicas": 1}):
        world.apply(spec("1.1.0", autoscaling=size))
        for _ in range(90):
            world.run(1)
            made = world.reconcile().actions
            scalers = [a.manifest for a in made if isinstance(a, Keep) and a.manifest["kind"] == HPA]
            blue = [m["spec"] for m in scalers if m["metadata"]["name"].endswith("blue")]
            bounds += [(one["minReplicas"], one["maxReplicas"]) for one in blue]
        assert world.status.rejected
        assert world.deployments["blue"].replicas == 6
    assert min(least for least, _ in bounds) == 3
    assert {most for _, most in bounds} == {10}


def test_a_version_that_a_pause_holds_back_takes_no_pod_from_the_active_one() -> None:
    world = serving("1.0.0")
    world.apply(spec("1.1.0", autoscaling={"minReplicas": 1, "maxReplicas": 1}, paused=True)).run(30)
    assert world.deployments["blue"].replicas == 2


def test_without_a_new_version_a_lower_size_counts_at_once() -> None:
    world = World(spec("1.0.0", autoscaling={"minReplicas": 3, "maxReplicas": 3})).run(10)
    world.apply(spec("1.0.0", autoscaling={"minReplicas": 1, "maxReplicas": 1})).run(3)
    assert world.deployments["blue"].replicas == 1


def test_bounds_that_are_lowered_in_the_bake_take_no_pod_from_a_candidate_with_clients() -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0"))).run(2)
    world.deployments["green"] = replace(world.deployments["green"], replicas=4)
    world.run(5)
    world.apply(spec("1.1.0", autoscaling={"minReplicas": 2, "maxReplicas": 2})).run(5)
    assert world.count("green") == 4


def test_a_version_whose_clients_were_taken_from_it_is_not_promoted() -> None:
    """Somebody points the Service at the old colour again, and our writes to it are refused."""
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0"))).run(6)
    world.selected, world.service_version = "blue", world.service_version + 1
    world.refuses = writes_clients_service
    world.run(200)
    assert world.status.rollout
    assert "waits for its clients" in world.status.rollout.message
    assert world.status.active
    assert world.status.active.version == "1.0.0"


def test_a_size_that_was_typed_wrong_and_corrected_before_the_switch_is_no_longer_asked_for() -> None:
    def sized(version: str, least: int) -> Any:
        return spec(version, autoscaling={"minReplicas": least, "maxReplicas": 60})

    world = World(sized("1.0.0", 2), versions={"1.1.0": Version(ready_after=8.0)}).run(60)
    world.apply(sized("1.1.0", 2)).run(3)
    world.apply(sized("1.1.0", 50)).run(1)
    world.apply(sized("1.1.0", 2)).run(1)
    # What an autoscaler does once nothing asks for so many any more.
    world.deployments["blue"] = replace(world.deployments["blue"], replicas=2)
    world.run(1)

    assert world.status.rollout is not None
    assert world.status.rollout.replicas == 2
    assert world.hpas == {"blue": 2, "green": 2}


@pytest.mark.parametrize("promoted", ["by the end of the bake", "by a person", "and followed at once"])
def test_no_old_pod_is_ended_before_its_clients_had_time_to_leave(promoted: str) -> None:
    """However short the bake, and whoever ends it, old pods stay for DRAIN after the move was seen (law 2)."""
    bake_for = "10m" if promoted == "by a person" else "0s"
    followed = promoted == "and followed at once"
    rollout: dict[str, Any] = {"bake": bake_for, "keepWarm": "2m" if followed else "0s"}
    world = World(spec("1.0.0", rollout=rollout)).run(60)
    bake(world.apply(spec("2.0.0", rollout=rollout)))
    moved, old = world.now, world.deployments["blue"].uid
    if promoted == "by a person":
        world.decide("promote", revision_of(world.spec))
    while followed and world.status.rollout is not None:
        world.run(1)
    if followed:
        world.apply(spec("3.0.0", rollout=rollout))
    while "blue" in world.deployments and world.deployments["blue"].uid == old and world.now < moved + 5 * DRAIN:
        world.run(1)
    assert world.now >= moved + DRAIN
    assert followed or "blue" not in world.deployments
    assert not followed or world.deployments["blue"].uid != old


def test_a_version_that_waits_for_clients_to_leave_the_pods_it_replaces_is_looked_at_again() -> None:
    rollout = {"bake": "0s", "keepWarm": "1h"}
    world = World(spec("1.0.0", rollout=rollout)).run(60)
    bake(world.apply(spec("2.0.0", rollout=rollout)))
    while world.status.rollout is not None:
        world.run(1)
    world.apply(spec("3.0.0", rollout=rollout))

    waits = plan(world.observe(), Evidence(), world.now).requeue_after

    assert world.status.rollout is None
    assert waits is not None
    assert waits <= DRAIN
