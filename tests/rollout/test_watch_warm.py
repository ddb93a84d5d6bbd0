"""After its promotion a version goes on being watched while the one before it is warm: a late fault is taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.rollout.parts import Version, spec
from tests.rollout.test_rollout import condition
from tests.rollout.test_shield import active_version
from tests.rollout.world import World, serving
from verdigris.core.engine.plan import plan, question
from verdigris.core.engine.watch_warm import EVERY
from verdigris.core.facts.evidence import NOT_ASKED


def promoted(**rollout: Any) -> World:
    """1.1.0 has just been promoted, and 1.0.0 is warm for ten minutes."""
    world = serving("1.0.0")
    world.apply(spec("1.1.0", rollout={"keepWarm": "10m", **rollout}))
    for _ in range(120):
        world.run(1)
        if active_version(world) == "1.1.0":
            return world
    raise AssertionError(f"it was never promoted: {world.status.rollout}")


@pytest.mark.parametrize("rollout", [{}, {"shield": True}, {"shield": True, "strategy": "Canary"}])
def test_a_fault_that_comes_after_the_promotion_is_taken_back_by_itself(rollout: dict[str, Any]) -> None:
    world = promoted(bake="20s", **rollout).run(120)
    assert active_version(world) == "1.1.0"
    world.versions["1.1.0"] = Version(error_rate=0.3)
    began = world.now
    world.run(40)
    last = world.status.last_rollback
    assert last
    assert (active_version(world), world.selected, last.reason) == ("1.0.0", "blue", "ErrorRateDoubled")
    assert last.decided_at - began <= timedelta(seconds=15)
    assert world.status.rejected[-1].version == "1.1.0"
    assert world.status.history[-1].outcome == "RolledBack"


def test_what_was_counted_in_the_rollout_counts_on() -> None:
    world = promoted()
    warm = world.status.warm
    assert warm
    assert warm.evidence
    before = warm.evidence
    world.run(30)
    warm = world.status.warm
    assert warm
    assert warm.evidence
    assert warm.evidence.candidate.requests > before.candidate.requests > 0
    assert (warm.evidence.planned_looks, warm.evidence.baseline) == (before.planned_looks, before.baseline)


def test_a_server_that_crashes_late_is_taken_back_though_it_counts_no_error() -> None:
    world = promoted().run(60)
    crashed = next(pod for pod in world.pods if pod.view.color == "green")
    for ends in (1, 2):
        assert active_version(world) == "1.1.0"
        crashed.view = replace(crashed.view, restarts=ends)
        world.run(20)
    assert (active_version(world), world.selected) == ("1.0.0", "blue")
    assert world.status.rejected[-1].reason == "CandidateCrashing"


def test_when_the_warm_time_is_over_nobody_asks_any_more() -> None:
    world = promoted(keepWarm="60s")
    assert question(world.observe(), world.now) is not None
    world.run(70)
    assert world.status.warm is None
    assert question(world.observe(), world.now) is None


@pytest.mark.parametrize("rollout", [{"watchWarm": False}, {"bake": "0s"}])
def test_who_does_not_want_to_be_watched_is_not(rollout: dict[str, Any]) -> None:
    world = promoted(**rollout)
    assert question(world.observe(), world.now) is None
    world.versions["1.1.0"] = Version(error_rate=0.9)
    world.run(60)
    assert active_version(world) == "1.1.0"


def test_what_a_person_let_through_is_not_taken_back_by_itself() -> None:
    world = serving("1.0.0")
    world.apply(spec("1.1.0", rollout={"keepWarm": "10m", "bake": "10m"})).run(20)
    assert world.status.rollout
    world.decide("promote", world.status.rollout.revision).run(5)
    world.versions["1.1.0"] = Version(error_rate=0.9)
    world.run(60)
    assert active_version(world) == "1.1.0"


def test_without_prometheus_nothing_is_taken_back() -> None:
    world = promoted()
    world.prometheus_down = True
    world.run(120)
    assert (active_version(world), world.status.last_rollback) == ("1.1.0", None)
    told = condition(world, "AnalysisHealthy")
    assert told[:2] == ("Unknown", "PrometheusUnreachable"), "that nobody sees anything is told"
    world.prometheus_down = False
    world.run(15)
    assert condition(world, "AnalysisHealthy")[0] == "True"
    world.versions["1.1.0"] = Version(error_rate=0.9)
    world.run(40)
    assert active_version(world) == "1.0.0"


def test_a_pause_does_not_hold_it() -> None:
    world = promoted()
    world.apply(spec("1.1.0", rollout={"keepWarm": "10m"}, paused=True))
    world.versions["1.1.0"] = Version(error_rate=0.9)
    world.run(40)
    assert active_version(world) == "1.0.0"


def test_it_is_looked_at_rarely() -> None:
    world = promoted()
    made = plan(world.observe(), world.evidence(), world.now)
    assert made.requeue_after == EVERY
    asked = question(world.observe(), world.now)
    assert asked
    assert asked.every == EVERY


def test_another_version_ends_it() -> None:
    world = promoted().run(30)
    world.apply(spec("1.2.0", rollout={"keepWarm": "10m"}))
    assert question(world.observe(), world.now) is None, "clients are not taken back for what is to go anyway"
    made = plan(world.observe(), NOT_ASKED, world.now)
    assert made.status.warm is None
    assert made.status.rollout
