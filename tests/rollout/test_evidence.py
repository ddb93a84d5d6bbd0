"""Rollouts whose evidence is not what it seems, or not enough: none is promoted on it, and each comes to an end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from tests.rollout.parts import Version, spec
from tests.rollout.test_rollout import bake
from tests.rollout.world import World
from verdigris.core.facts.evidence import Evidence, Reading


@dataclass
class Watched(World):
    """Its Prometheus can lose its data, be asked for checks, and show its pods by two jobs."""

    checks: dict[str, float] = field(default_factory=dict)
    jobs: int = 1
    factor: float = 1.0
    probed: float = 0.0

    def _tick(self) -> None:
        """Somebody asks the pods themselves, `probed` times a second each."""
        for pod in self.pods:
            pod.requests += self.probed
        super()._tick()

    def evidence(self) -> Evidence:
        found = super().evidence()
        readings = {name: Reading(value=self.checks.get(name), problem="no data") for name in found.checks}
        counters = {
            color: tuple(
                replace(one, samples=tuple((at, value * self.factor**job) for at, value in one.samples))
                for one in series
                for job in range(self.jobs)
            )
            for color, series in found.counters.items()
        }
        return replace(found, checks=readings, counters=counters)

    def lose_data(self) -> None:
        """As a Prometheus that restarts without its volume."""
        for pod in self.pods:
            pod.samples.clear()


def serving(**versions: Version) -> Watched:
    """1.0.0 has been active for two minutes."""
    world = Watched(spec("1.0.0"))
    world.versions.update({"1.0.0": versions.get("old", Version()), "1.1.0": versions.get("new", Version())})
    world.run(130)
    return world


def test_a_release_as_bad_as_the_incident_that_it_meets_is_not_promoted() -> None:
    world = serving(old=Version(error_rate=0.4), new=Version(error_rate=0.4)).run(200)
    bake(world.apply(spec("1.1.0", rollout={"inconclusiveDeadline": "2m"}))).run(120)
    rollout = world.status.rollout
    assert rollout is not None
    assert rollout.evidence.reason == "ErrorRateTooHigh"
    world.run(60)
    assert world.status.history[-1].outcome == "RolledBack"
    assert "no version is promoted by itself" in world.status.rejected[-1].message


def test_a_fix_that_is_not_good_enough_to_pass_goes_out_by_a_decision() -> None:
    world = serving(old=Version(error_rate=0.9), new=Version(error_rate=0.3)).run(200)
    bake(world.apply(spec("1.1.0"))).run(120)
    assert world.status.rollout is not None
    world.decide("promote", world.status.rollout.revision).run(3)
    assert world.status.active is not None
    assert world.status.active.version == "1.1.0"


def test_a_fix_that_is_good_passes_in_the_middle_of_an_incident() -> None:
    world = serving(old=Version(error_rate=0.9), new=Version(error_rate=0.01)).run(200)
    world.apply(spec("1.1.0")).run(120)
    assert world.status.active is not None
    assert world.status.active.version == "1.1.0"


def test_a_model_that_is_hardly_asked_ends_by_the_declared_policy_and_says_what_could_not_be_seen() -> None:
    """18 requests an hour."""
    world = serving()
    world.rate = 0.005
    world.apply(spec("1.1.0", rollout={"inconclusiveDeadline": "10m"})).run(700)
    assert world.status.rollout is None
    assert world.status.history[-1].outcome == "RolledBack"
    assert "requests that a pass needs: an error rate of" in world.status.rejected[-1].message


def test_a_candidate_that_fails_while_prometheus_loses_its_data_is_taken_back_when_that_returns() -> None:
    world = bake(serving().apply(spec("1.1.0", rollout={"bake": "90s"})))
    world.run(10)
    world.prometheus_down = True
    world.versions["1.1.0"].error_rate = 0.5
    world.run(45)
    world.lose_data()
    world.prometheus_down = False
    world.run(12)
    assert world.selected == "blue"
    assert world.status.last_rollback is not None
    assert world.status.last_rollback.reason == "ErrorRateDoubled"


@pytest.mark.parametrize("away", [20, 45, 200])
def test_the_time_that_prometheus_has_lost_is_watched_after_its_return(away: int) -> None:
    world = bake(serving().apply(spec("1.1.0", rollout={"bake": "30s"})))
    began = world.now
    world.run(5)
    world.prometheus_down = True
    world.run(away)
    world.lose_data()
    world.prometheus_down = False
    while world.status.rollout is not None:
        world.run(1)
        assert world.now < began + timedelta(minutes=10)
    assert world.status.history[-1].outcome == "Promoted"
    assert world.now >= began + timedelta(seconds=away + 15)


def test_pods_that_two_jobs_scrape_are_counted_once_and_promoted() -> None:
    world = serving()
    world.jobs = 2
    bake(world.apply(spec("1.1.0"))).run(20)
    assert world.status.rollout is not None
    served = sum(pod.requests for pod in world.pods if pod.view.color == "green")
    assert world.status.rollout.evidence.candidate.requests <= served
    world.run(60)
    assert world.status.history[-1].outcome == "Promoted"


def test_no_traffic_moves_to_pods_whose_counters_contradict_each_other() -> None:
    """One job reads the candidate's pods, another something that bears their names."""
    world = serving()
    world.jobs, world.factor = 2, 3.0
    world.probed = 50.0
    world.apply(spec("1.1.0")).run(60)
    assert world.selected == "blue"
    assert world.status.rollout is not None
    assert world.status.rollout.evidence.reason == "ScrapedTwice"


def test_a_check_that_is_out_of_bounds_before_the_switch_holds_it_with_what_the_active_version_has() -> None:
    world = serving()
    world.checks.update({"auc": 0.11, "active/auc": 0.84})
    metrics = {"metrics": [{"name": "auc", "query": "q", "min": 0.8}]}
    world.apply(spec("1.1.0", analysis=metrics)).run(60)
    assert world.selected == "blue"
    assert world.status.rollout is not None
    assert world.status.rollout.evidence.reason == "CheckOutOfBounds"
    assert "auc is 0.11, must be at least 0.8; active: 0.84" in world.status.rollout.evidence.message
    world.checks["auc"] = 0.9
    world.run(90)
    assert world.status.history[-1].outcome == "Promoted"


def test_the_looks_that_the_test_plans_with_stay_those_of_the_start() -> None:
    world = bake(serving().apply(spec("1.1.0", rollout={"bake": "90s"})))
    assert world.status.rollout is not None
    before = world.status.rollout.evidence
    assert before.planned_looks == 90
    world.apply(spec("1.1.0", rollout={"bake": "60s"})).run(5)
    assert world.status.rollout is not None
    after = world.status.rollout.evidence
    assert (after.planned_looks, after.threshold) == (90, before.threshold or after.threshold)
