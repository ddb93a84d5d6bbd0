"""A healthy version in surroundings that nobody thought of: it is not rejected for them, or they are named."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from tests.rollout.parts import Version, spec
from tests.rollout.test_rollout import bake, condition
from tests.rollout.world import World, serving
from verdigris.api.status import Color
from verdigris.core.facts.observed import FOREIGN_AUTOSCALER, Observed


def drained_in_a_long_bake(policy: str) -> World:
    """Given: with few requests its evidence has not been enough for longer than the deadline, as its pods go."""
    world = serving("1.0.0")
    world.rate = 0.2
    asked = {"bake": "5m", "inconclusiveDeadline": "60s", "onInconclusive": policy}
    bake(world.apply(spec("1.1.0", rollout=asked))).run(100)
    assert world.status.rollout
    assert world.status.rollout.evidence.verdict == "Inconclusive"
    world.versions["1.1.0"] = Version(ready_after=5)
    world.pods = [pod for pod in world.pods if pod.view.color != "green"]
    return world


def test_the_wait_for_evidence_begins_anew_when_a_rollout_begins_again() -> None:
    world = drained_in_a_long_bake("Rollback").run(30)
    assert not world.status.rejected
    assert world.selected == "green"


def test_pods_that_prometheus_has_not_seen_get_no_clients_by_a_deadline_of_before() -> None:
    world = drained_in_a_long_bake("Promote")
    world.prometheus_down = True
    world.run(30)
    assert world.selected == "blue"


@dataclass
class Scaled(World):
    """A cluster in which somebody else's autoscalers size the colours."""

    theirs: dict[Color, int] = field(default_factory=dict)

    def observe(self) -> Observed:
        scalers = {color: f"HorizontalPodAutoscaler keda-{color}" for color in self.theirs}
        return replace(super().observe(), scalers=scalers)

    def _tick(self) -> None:
        for color, size in self.theirs.items():
            if color in self.deployments:
                self.deployments[color] = replace(self.deployments[color], replicas=size)
                surplus = [pod for pod in self.pods if pod.view.color == color][size:]
                self.pods = [pod for pod in self.pods if pod not in surplus]
        super()._tick()


def test_no_pod_is_traded_against_an_autoscaler_of_somebody_else() -> None:
    bounds = {"minReplicas": 3, "maxReplicas": 6}
    world = Scaled(spec("1.0.0", autoscaling=bounds), room=3, theirs={"blue": 3})
    world.run(140)
    trade = {"onInsufficientCapacity": "InPlace", "progressDeadline": "60s"}
    world.apply(spec("1.1.0", autoscaling=bounds, rollout=trade))
    for _ in range(100):
        world.run(1)
        assert world.deployments["blue"].replicas == 3
    assert world.status.rejected[-1].reason == "InsufficientCapacity"


def scaled() -> Scaled:
    world = Scaled(spec("1.0.0")).run(130)
    assert isinstance(world, Scaled)
    world.theirs = {"blue": 3, "green": 1}
    return world


def test_an_autoscaler_of_others_that_keeps_a_candidate_small_is_named_as_the_cause() -> None:
    world = scaled().apply(spec("1.1.0")).run(20)
    message = condition(world, "Ready")[2]
    assert "keda-green keeps diabetes-green at 1 of the 3 pods" in message
    world.run(90)
    assert [entry.reason for entry in world.status.rejected] == [FOREIGN_AUTOSCALER]


@pytest.mark.parametrize("size", [2, 3])
def test_an_autoscaler_of_others_may_find_fewer_pods_enough_once_they_have_the_clients(size: int) -> None:
    world = scaled()
    world.theirs["green"] = 3
    bake(world.apply(spec("1.1.0")))
    world.theirs["green"] = size
    world.run(90)
    assert world.status.active
    assert world.status.active.version == "1.1.0"
