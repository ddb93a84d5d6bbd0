"""Ways around the laws that were found in weights, approvals, the shadow and the watch while warm, and are shut."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.rollout.parts import Pod, Version, spec
from tests.rollout.small import stage, until
from tests.rollout.test_rollout import bake
from tests.rollout.test_shadow import in_shadow, shadowed
from tests.rollout.test_shield import active_version, orders, rollout_of, step
from tests.rollout.test_watch_warm import promoted
from tests.rollout.test_weights import LADDER, applied, told, until_told
from tests.rollout.world import World, serving
from verdigris.core.actions import SetOrder
from verdigris.core.engine.plan import question

# a version gets no client that was not watched at 100 %


def lost_its_data(world: World) -> World:
    """Prometheus comes back without what it had."""
    for pod in world.pods:
        pod.samples, pod.passed_samples = [], []
    return world


def test_active_pods_that_cannot_answer_for_a_moment_promote_nothing() -> None:
    world = until_told(applied(serving("1.0.0"), rollout={"steps": LADDER}), 2500)
    world.unready.add("blue")
    world.run(3)
    assert world.selected == "green", "clients are not left with nobody"
    world.unready.clear()
    began = rollout_of(world).since
    while rollout_of(world).stage == "Baking":
        world.run(1)
        if world.status.rollout is None:
            break
    assert world.now - began >= timedelta(seconds=30), "what was asked by a few only is watched in full"


def test_a_prometheus_that_lost_its_data_in_a_trial_sends_no_client_to_the_version() -> None:
    world = until_told(applied(serving("1.0.0"), rollout={"steps": [{"weight": 1, "hold": "120s"}]}), 100)
    world.run(50)
    lost_its_data(world).run(3)
    assert (rollout_of(world).stage, world.selected, told(world)) == ("OnTrial", "blue", {100})
    world.run(200)
    assert (active_version(world), world.failed) == ("1.1.0", 0)


def test_a_pod_that_somebody_made_by_hand_ends_no_trial() -> None:
    world = until_told(applied(serving("1.0.0"), rollout={"steps": LADDER}), 100)
    view = next(pod.view for pod in world.pods if pod.view.color == "blue")
    by_hand = replace(view, name="copy-1", uid="uid-copy", controlled=False, forwards=False, order=None)
    world.pods.append(Pod(by_hand, world.now))
    world.deployments["blue"] = replace(world.deployments["blue"], replicas=3)
    world.run(4)
    assert (rollout_of(world).stage, world.selected) == ("OnTrial", "blue")


def test_pods_that_are_told_of_no_larger_share_are_not_taken_for_asking_it() -> None:
    world = until_told(applied(serving("1.0.0"), rollout={"steps": [{"weight": 1, "hold": "10s"}]}), 100)
    world.refuses = lambda action: isinstance(action, SetOrder)
    world.run(120)
    assert (rollout_of(world).stage, world.selected) == ("OnTrial", "blue")
    assert rollout_of(world).evidence.reason == "NotPassedOn"
    world.refuses = lambda _: False
    world.run(40)
    assert active_version(world) == "1.1.0"


def test_weights_that_say_how_long_are_held_although_there_is_no_bake() -> None:
    steps = [{"weight": 1, "hold": "10s"}, {"weight": 100, "hold": "20s"}]
    world = until_told(applied(serving("1.0.0"), rollout={"bake": "0s", "steps": steps}), 100)
    began = world.now
    assert until_told(world, 10_000).now - began >= timedelta(seconds=10)


@pytest.mark.parametrize("after", [2, 10])
def test_a_hold_that_nobody_saw_is_none(after: int) -> None:
    world = serving("1.0.0")
    world.rate = 2
    steps = [{"weight": 1, "hold": "40s"}]
    until_told(applied(world, rollout={"steps": steps}), 100).run(after)
    world.prometheus_down = True
    world.run(60)
    world.prometheus_down = False
    lost_its_data(world).run(7)
    assert told(world) == {100}
    assert step(world, "Trial").reason != "Skipped"


def test_a_hold_in_which_nobody_was_told_the_share_is_none() -> None:
    steps = [{"weight": 1, "hold": "40s"}, {"weight": 25}]
    world = until_told(applied(serving("1.0.0"), rollout={"steps": steps}), 100)
    world.refuses = lambda action: isinstance(action, SetOrder)
    while rollout_of(world).passed_on == 100:
        world.run(1)
    world.run(25)
    world.refuses = lambda _: False
    began = until_told(world, 2500).now
    assert until_told(world, 10_000).now - began >= timedelta(seconds=20), "of its bake of 30 s two scrapes may lack"


def test_what_prometheus_tells_late_of_the_time_before_pods_were_told_is_no_part_of_a_hold() -> None:
    """Found by the simulation: *ladder, slow at a read in the second weight*: told in its last moment, it was over."""
    steps = [{"weight": 1, "hold": "40s"}, {"weight": 25}]
    world = until_told(applied(serving("1.0.0"), rollout={"steps": steps}), 100)
    world.refuses = lambda action: isinstance(action, SetOrder)
    while rollout_of(world).passed_on == 100:
        world.run(1)
    world.prometheus_down = True
    world.run(25)
    world.refuses = lambda _: False
    began = until_told(world, 2500).now
    world.prometheus_down = False
    assert until_told(world, 10_000).now - began >= timedelta(seconds=20), "of its bake of 30 s two scrapes may lack"


# nobody's yes counts twice


def test_a_second_yes_to_the_first_question_is_none_to_the_next() -> None:
    steps: list[dict[str, Any]] = [{"weight": 10, "hold": "5s"}, {"approval": {}}, {"weight": 50, "hold": "5s"}]
    world = until_told(applied(serving("1.0.0"), rollout={"steps": [*steps, {"approval": {}}]}), 1000).run(20)
    revision = rollout_of(world).revision
    until_told(world.decide("approve", revision, by="alice"), 5000)
    world.decide("approve", revision, by="bob").run(30)
    assert (rollout_of(world).stage, told(world)) == ("AwaitingApproval", {5000})
    assert world.status.decisions[-1].outcome == "Refused"


# a version is judged on itself


def test_copies_that_nobody_could_answer_are_not_held_against_it() -> None:
    world = in_shadow(shadowed()).run(3)
    world.unready.add("green")
    world.run(12)
    world.unready.clear()
    world.run(120)
    assert (active_version(world), world.status.rejected) == ("1.1.0", ())


def test_what_both_versions_failed_at_in_the_trial_is_not_held_against_it_by_a_prometheus_without_memory() -> None:
    world = until_told(applied(serving("1.0.0"), rollout={"keepWarm": "10m"}), 10_000)
    world.versions["1.0.0"] = world.versions["1.1.0"] = Version(error_rate=1.0)
    world.run(10)
    world.versions["1.0.0"] = world.versions["1.1.0"] = Version()
    while world.status.rollout:
        world.run(1)
    world.run(30)
    lost_its_data(world).run(60)
    assert (active_version(world), world.status.last_rollback) == ("1.1.0", None)


# testers, and the watch while warm


def test_nobody_not_even_a_tester_meets_a_version_in_its_shadow() -> None:
    world = serving("1.0.0")
    world.versions["1.1.0"] = Version()
    rollout = {"shield": True, "steps": [{"shadow": {"for": "20s"}}]}
    traffic = {"testers": {"header": "x-tester", "value": "yes"}}
    in_shadow(world.apply(spec("1.1.0", rollout=rollout, traffic=traffic))).run(1)
    (order,) = orders(world)["blue"]
    assert order
    assert "testers" not in order


def test_clients_that_left_tomorrow_by_a_wrong_clock_hold_no_version_up() -> None:
    world = promoted()
    assert world.status.warm
    left = world.now + timedelta(days=1)
    world.status = world.status.model_copy(update={"warm": world.status.warm.model_copy(update={"left": left})})
    world.apply(spec("1.2.0")).run(15)
    assert rollout_of(world).version == "1.2.0"


def test_it_is_watched_on_although_a_version_is_asked_for_that_does_not_start() -> None:
    world = promoted().run(5)
    world.apply(spec("1.2.0", rollout={"keepWarm": "10m"}, paused=True)).run(2)
    assert question(world.observe(), world.now) is not None
    world.versions["1.1.0"] = Version(error_rate=0.9)
    world.run(40)
    assert active_version(world) == "1.0.0"


def test_what_could_not_be_watched_behind_the_shield_is_watched_as_long_after_the_switch() -> None:
    world = serving("1.0.0")
    for pod in world.pods:
        pod.view = replace(pod.view, forwards=False)
    steps = [{"weight": 100, "hold": "50s"}]
    bake(applied(world, rollout={"bake": "0s", "steps": steps})).run(40)
    assert rollout_of(world).stage == "Baking"
    world.run(20)
    assert active_version(world) == "1.1.0"


@pytest.mark.parametrize("steps", [[{"approval": {}}], [{"approval": {}}, {"weight": 5, "hold": "5s"}]])
@pytest.mark.parametrize("seen", [True, False])
def test_a_shield_that_is_lost_while_a_person_is_waited_for_sends_no_client_to_what_is_unseen(
    steps: list[dict[str, Any]], seen: bool
) -> None:
    world = serving("1.0.0")
    world.versions["1.1.0"] = Version(unscraped=not seen)
    world.apply(spec("1.1.0", rollout={"steps": steps, "shield": True, "onInconclusive": "Hold"})).run(1)
    until(world, stage("AwaitingApproval"))
    for pod in world.pods:
        pod.view = replace(pod.view, forwards=False) if pod.view.color == "blue" else pod.view
    assert world.status.rollout
    world.decide("approve", world.status.rollout.revision).run(60)
    assert world.selected == ("green" if seen else "blue")
    if not seen:
        assert "has not scraped" in world.status.rollout.message
        world.versions["1.1.0"] = Version()
        until(world, lambda w: w.selected == "green")
