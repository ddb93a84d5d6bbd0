"""`strategy: Recreate`: the active pods end before any new one is made."""

from __future__ import annotations

from tests.rollout.parts import Version
from tests.rollout.small import full, over, recreate, serves, until
from tests.rollout.test_rollout import bake, condition
from verdigris.core.facts.revision import revision_of


def test_recreate_ends_the_active_pods_first_and_says_that_nobody_answers() -> None:
    world = full().apply(recreate("1.1.0")).run(3)
    assert world.ready("blue") == 0
    assert "Nobody answers" in condition(world, "Ready")[2]
    until(world, lambda w: w.selected == "green", seconds=15)
    assert world.status.rollout
    assert world.status.rollout.evidence.baseline.requests > 1000
    until(world, over, least=3)
    assert serves(world, "1.1.0", 3)


def test_recreate_brings_the_old_version_back_when_the_new_one_is_bad() -> None:
    world = full()
    world.versions["1.1.0"] = Version(error_rate=0.5)
    bake(world.apply(recreate("1.1.0")).run(1))
    until(world, lambda w: over(w) and serves(w, "1.0.0", 3))
    assert world.selected == "blue"
    assert world.status.last_rollback
    assert world.status.last_rollback.traffic_restored_at


def test_recreate_brings_the_old_version_back_when_the_new_one_never_gets_ready() -> None:
    world = full()
    world.versions["1.1.0"] = Version(never_ready=True)
    until(world.apply(recreate("1.1.0")).run(1), lambda w: over(w) and serves(w, "1.0.0", 3))
    assert world.selected == "blue"


def test_recreate_does_not_leave_the_clients_alone_because_prometheus_is_away() -> None:
    world = full()
    world.prometheus_down = True
    until(world.apply(recreate("1.1.0")).run(1), lambda w: w.selected == "green", seconds=30)


def test_recreate_asks_for_approval_before_it_ends_anything() -> None:
    world = full().apply(recreate("1.1.0", approval="Required")).run(30)
    assert world.answering() == 3
    world.decide("approve", revision_of(world.spec))
    until(world, lambda w: over(w) and serves(w, "1.1.0", 3))
