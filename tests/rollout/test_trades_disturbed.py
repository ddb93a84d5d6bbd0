"""Trades that people and nodes interfere with, told as scenarios: they end, and always with the right version."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.rollout.parts import Version
from tests.rollout.small import candidate, full, over, recreate, serves, small, stage, until
from tests.rollout.test_rollout import condition
from verdigris.children.names import RETRY_ANNOTATION
from verdigris.core.actions import Keep
from verdigris.core.facts.revision import revision_of
from verdigris.core.pods.room import fit as capacity


def test_recreate_ends_the_active_pods_also_when_the_new_spec_wants_more_of_them() -> None:
    world = full()
    wanted = recreate("1.1.0").model_copy(update={"autoscaling": small("1.1.0", size=4).autoscaling})
    world.room = 4
    until(world.apply(wanted).run(1), over)
    assert serves(world, "1.1.0", 4), world.status.history


def test_a_recreate_that_is_thought_better_of_while_it_waits_for_approval_ends_no_active_pod() -> None:
    world = full(room=6).apply(recreate("1.1.0", approval="Required")).run(5)
    world.apply(small("1.1.0", "Wait", approval="Required")).run(2)
    world.decide("approve", revision_of(world.spec))
    until(world, over, least=3)
    assert serves(world, "1.1.0", 3)


def test_a_larger_size_asked_for_during_a_trade_does_not_keep_a_bad_version_among_the_clients() -> None:
    world = full().apply(small("1.1.0")).run(1)
    until(world, candidate(1))
    world.apply(small("1.1.0", size=6)).run(5)
    world.versions["1.1.0"] = Version(error_rate=0.5)
    until(world, lambda w: w.selected == "blue", seconds=60)
    until(world, over)


def test_a_hand_that_scales_the_active_pods_during_a_trade_changes_nothing() -> None:
    world = full().apply(small("1.1.0")).run(1)
    until(world, candidate(1))
    world._scale("blue", 9)
    until(world, over, least=2)
    assert serves(world, "1.1.0", 3)


def test_a_min_available_that_nobody_can_keep_does_not_hold_up_the_way_back() -> None:
    world = full().apply(small("1.1.0")).run(1)
    until(world, candidate(2))
    world.apply(small("1.1.0", minAvailable=3)).run(5)
    world.versions["1.1.0"] = Version(error_rate=0.5)
    until(world, lambda w: w.selected == "blue", seconds=60)
    until(world, over)


@pytest.mark.parametrize("lost", ["blue", "green"])
def test_a_place_that_is_lost_during_a_trade_does_not_hold_up_the_way_back(lost: Any) -> None:
    world = full().apply(small("1.1.0")).run(1)
    until(world, candidate(2))
    world.room = 2
    world.pods.remove(next(p for p in world.pods if p.view.color == lost))
    world.versions["1.1.0"] = Version(error_rate=0.5)
    world.run(1)
    until(world, lambda w: w.selected == "blue", least=1, seconds=60)
    until(world, over, least=1)


@pytest.mark.parametrize(("ready_after", "least"), [(25, 2), (100_000, 1)])
def test_the_way_back_waits_for_old_pods_that_start_slowly_but_not_for_ever(ready_after: int, least: int) -> None:
    world = full().apply(small("1.1.0")).run(1)
    until(world, candidate(2))
    world.versions |= {"1.0.0": Version(ready_after=ready_after), "1.1.0": Version(error_rate=0.5)}
    until(world, lambda w: w.selected == "blue" or (w.ready("green") == 0 and w.answering() > 0), least=least)
    until(world, over, least=least)


@pytest.mark.parametrize(("seconds", "version"), [(120, "1.1.0"), (0, "1.0.0")])
def test_active_pods_are_given_first_that_have_not_been_ready_for_long_but_not_those_that_may_be_soon(
    seconds: int, version: str
) -> None:
    world = full()
    for sick in [p for p in world.pods if p.view.color == "blue"][:2]:
        sick.view = replace(sick.view, ready_changed=world.now - timedelta(seconds=seconds))
        sick.ready_at = world.now + timedelta(seconds=80)
    world.apply(small("1.1.0")).run(1)
    until(world, lambda w: over(w) and serves(w, version, 3), least=1)


def test_a_trade_goes_on_and_says_so_when_wait_is_asked_for_meanwhile() -> None:
    world = full().apply(small("1.1.0")).run(1)
    until(world, candidate(1))
    world.apply(small("1.1.0", "Wait"))
    until(world, lambda w: "One active pod makes room for it." in condition(w, "Ready")[2], least=2)
    until(world, over, least=2)
    assert serves(world, "1.1.0", 3)


def test_the_way_back_needs_no_snapshot_of_what_runs() -> None:
    world = full().apply(small("1.1.0")).run(1)
    until(world, candidate(2))
    assert world.status.active
    del world.snapshots[world.status.active.revision]
    world.versions["1.1.0"] = Version(error_rate=0.5)
    until(world, lambda w: over(w) and serves(w, "1.0.0", 3), least=2)


def test_on_the_way_back_the_active_replica_set_is_nudged_when_its_quota_has_room_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = full(room=None)
    world.quota = 3
    until(world.apply(small("1.1.0")).run(1), candidate(3))
    world.versions |= {"1.0.0": Version(ready_after=30), "1.1.0": Version(error_rate=0.5)}
    monkeypatch.setattr(capacity, "quota_has_room_again", lambda _, color: color == "blue")
    before = world.retries
    until(world, stage("RollingBack"), least=2)
    world.run(1)
    retries = {
        action.manifest["metadata"]["name"]: action.manifest["metadata"]["annotations"].get(RETRY_ANNOTATION)
        for action in world.reconcile().actions
        if isinstance(action, Keep) and action.manifest["kind"] == "Deployment"
    }
    assert retries["diabetes-blue"] == str(before + 1)


@pytest.mark.parametrize("traded", [1, 2, 3])
def test_under_a_quota_the_active_version_has_all_its_pods_back_when_the_rollout_is_over(traded: int) -> None:
    """A ReplicaSet that was refused a pod backs off for minutes: the rollout stays until its pods are made."""
    world = full(room=None)
    world.quota = 3
    until(world.apply(small("1.1.0")).run(1), candidate(traded), least=2)
    world.versions["1.1.0"] = Version(error_rate=0.5)
    until(world, lambda w: bool(w.status.rejected), least=2)
    assert world.count("blue") == 3


def test_a_quota_that_somebody_else_uses_up_meanwhile_holds_no_rollout_for_ever() -> None:
    world = full(room=None)
    world.quota = 3
    until(world.apply(small("1.1.0")).run(1), candidate(2), least=2)
    world.versions["1.1.0"] = Version(error_rate=0.5)
    until(world, stage("RollingBack"), least=2)
    world.quota = 2
    world.run(30)
    assert world.status.rollout is not None
    assert "exceeded quota" in world.status.rollout.message
    until(world, lambda w: bool(w.status.rejected))
