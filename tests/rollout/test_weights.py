"""A version that is asked ever more behind the shield: its weights, what it needs for the next, and who approves."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.rollout.parts import Version, spec
from tests.rollout.test_rollout import reasons
from tests.rollout.test_shield import active_version, orders, rollout_of
from tests.rollout.world import World, serving
from verdigris.core.engine.plan import question
from verdigris.core.steps.lists import planned

LADDER = [{"weight": 1, "hold": "10s"}, {"weight": 25, "hold": "10s"}]


def applied(world: World, behaviour: Version | None = None, **sections: Any) -> World:
    """The next version, with these sections of the spec."""
    world.versions["1.1.0"] = behaviour or Version()
    rollout = {"shield": True, **sections.pop("rollout", {})}
    return world.apply(spec("1.1.0", rollout=rollout, **sections))


def until_told(world: World, share: int) -> World:
    """Run until the active pods are told to pass on so much (hundredths of a percent)."""
    for _ in range(120):
        if told(world) == {share}:
            return world
        world.run(1)
    raise AssertionError(f"nobody was told {share}: {told(world)}, {world.status.rollout}")


def told(world: World) -> set[int]:
    return {json.loads(order)["share"] if order else 0 for order in orders(world)["blue"]}


def test_a_good_version_is_asked_ever_more_and_then_gets_the_clients() -> None:
    world = applied(serving("1.0.0"), rollout={"steps": LADDER})
    seen = []
    for _ in range(150):
        world.run(1)
        share = max(told(world), default=0)
        if not seen or seen[-1] != share:
            seen.append(share)
        if world.status.rollout is None:
            break
    assert [share for share in seen if share] == [100, 2500, 10_000]
    assert (active_version(world), world.failed) == ("1.1.0", 0)
    assert reasons(world).count("OnTrial") == 3


def test_each_weight_is_held_for_its_time_and_the_last_for_a_bake() -> None:
    world = until_told(applied(serving("1.0.0"), rollout={"steps": LADDER}), 100)
    began = world.now
    until_told(world, 2500)
    assert timedelta(seconds=10) <= world.now - began <= timedelta(seconds=17)
    began = until_told(world, 10_000).now
    while rollout_of(world).stage == "OnTrial":
        world.run(1)
    assert timedelta(seconds=30) <= world.now - began <= timedelta(seconds=37)


def test_canary_is_a_ladder_of_four_weights() -> None:
    policy = spec("1.1.0", rollout={"shield": True, "strategy": "Canary"}).rollout
    steps = [(step.kind, step.weight) for step in planned(policy, replaces=True)]
    assert steps == [
        ("Start", None),
        ("Measure", None),
        ("Trial", 1.0),
        ("Trial", 10.0),
        ("Trial", 50.0),
        ("Trial", 100.0),
        ("Bake", None),
    ]


def test_a_bad_version_is_found_at_a_small_share_and_no_client_has_an_error() -> None:
    world = until_told(applied(serving("1.0.0"), Version(error_rate=0.5), rollout={"steps": LADDER}), 100)
    world.run(60)
    assert (active_version(world), world.failed) == ("1.0.0", 0)
    last = world.status.last_rollback
    assert last
    assert last.reason == "ErrorRateDoubled"
    assert reasons(world).count("OnTrial") <= 2, "it was never asked by everybody"


def test_a_share_that_is_too_small_for_a_pass_is_followed_by_the_next_one() -> None:
    world = serving("1.0.0")
    world.rate = 2
    steps = [{"weight": 0.5, "hold": "10s"}, {"weight": 100, "hold": "30s"}]
    until_told(applied(world, rollout={"steps": steps}), 50)
    until_told(world, 10_000)
    assert rollout_of(world).steps[2].reason == "TooFewRequests"


def test_no_version_is_asked_more_that_cannot_be_seen() -> None:
    world = until_told(applied(serving("1.0.0"), rollout={"steps": LADDER}), 100)
    world.prometheus_down = True
    world.run(40)
    assert told(world) == {100}
    assert (rollout_of(world).stage, rollout_of(world).evidence.reason) == ("OnTrial", "PrometheusUnreachable")


def test_the_last_weight_needs_a_pass_however_short_it_is_held() -> None:
    world = serving("1.0.0")
    world.rate = 0.5
    until_told(applied(world, rollout={"steps": [{"weight": 100, "hold": "0s"}]}), 10_000)
    world.run(40)
    assert (rollout_of(world).stage, rollout_of(world).evidence.reason) == ("OnTrial", "TooFewRequests")


def test_while_both_answer_the_candidate_is_held_against_what_the_active_version_does_now() -> None:
    world = until_told(applied(serving("1.0.0"), rollout={"steps": [{"weight": 50, "hold": "40s"}]}), 5000)
    world.run(15)
    assert rollout_of(world).evidence.baseline.source == "Concurrent"
    until_told(world, 10_000)
    at = rollout_of(world).evidence.baseline.at
    world.run(10)
    assert rollout_of(world).evidence.baseline.at == at, "law 5: frozen while the active version answers nobody itself"


@pytest.mark.parametrize("interval", ["1s", "5s"])
def test_while_both_answer_every_scrape_of_both_is_asked_for_however_short_the_interval(interval: str) -> None:
    monitoring = {"serviceMonitor": {"interval": interval}}
    world = serving("1.0.0").apply(spec("1.0.0", monitoring=monitoring)).run(5)
    until_told(applied(world, rollout={"steps": LADDER}, monitoring=monitoring), 100)
    asked = question(world.observe(), world.now)
    assert asked
    assert asked.since["blue"] == asked.since["green"]
    assert asked.steps == {}


def test_a_fault_of_the_surroundings_that_both_versions_have_is_not_held_against_the_candidate() -> None:
    world = until_told(applied(serving("1.0.0"), rollout={"steps": LADDER}), 10_000)
    world.versions["1.0.0"] = world.versions["1.1.0"] = Version(error_rate=1.0)
    world.run(20)
    assert rollout_of(world).stage == "OnTrial", rollout_of(world).evidence.message
    world.versions["1.0.0"] = world.versions["1.1.0"] = Version()
    world.run(90)
    assert active_version(world) == "1.1.0"


# a person in between


STEPS = [{"weight": 10, "hold": "5s"}, {"approval": {}}, {"weight": 50, "hold": "5s"}, {"approval": {}}]


def test_the_share_stays_and_is_judged_while_a_person_is_waited_for() -> None:
    world = until_told(applied(serving("1.0.0"), rollout={"steps": STEPS}), 1000)
    world.run(30)
    assert (rollout_of(world).stage, told(world)) == ("AwaitingApproval", {1000})
    world.versions["1.1.0"] = Version(error_rate=0.9)
    world.run(20)
    assert (active_version(world), world.failed) == ("1.0.0", 0)
    assert world.status.rejected


def test_each_approval_asks_for_an_answer_of_its_own() -> None:
    world = until_told(applied(serving("1.0.0"), rollout={"steps": STEPS}), 1000)
    world.run(20)
    revision = rollout_of(world).revision
    until_told(world.decide("approve", revision), 5000)
    world.run(30)
    assert (rollout_of(world).stage, told(world)) == ("AwaitingApproval", {5000})
    assert rollout_of(world).steps[3].message == "Approved by alice: because"
    until_told(world.decide("approve", revision), 10_000)


def test_promote_passes_every_approval() -> None:
    world = until_told(applied(serving("1.0.0"), rollout={"steps": STEPS}), 1000)
    world.decide("promote", rollout_of(world).revision).run(20)
    assert active_version(world) == "1.1.0"


# what the status and the pods are told


def test_a_larger_share_is_told_to_the_pods_once_the_status_keeps_it() -> None:
    world = until_told(applied(serving("1.0.0"), rollout={"steps": LADDER}), 100)
    while rollout_of(world).passed_on == 100:
        world.reconcile()
        world.run(1) if rollout_of(world).passed_on == 100 else None
    assert told(world) == {100}
    world.reconcile()
    assert told(world) == {2500}


def test_the_status_says_the_share_as_the_pods_were_seen_to_be_told() -> None:
    world = until_told(applied(serving("1.0.0"), rollout={"steps": [{"weight": 0.25, "hold": "30s"}]}), 25)
    world.run(2)
    assert [one.shielded for one in world.status.traffic] == [None, 0.25]
    assert "2 of 2 active pods pass 0.25 % of their requests on." in rollout_of(world).message


def test_the_pods_are_told_whose_requests_belong_together_and_who_the_testers_are() -> None:
    traffic = {"unit": {"header": "x-user-id"}, "testers": {"header": "x-tester", "value": "yes"}}
    world = until_told(applied(serving("1.0.0"), rollout={"steps": LADDER}, traffic=traffic), 100)
    (order,) = orders(world)["blue"]
    assert order
    assert json.loads(order)["unit"] == "x-user-id"
    assert json.loads(order)["testers"] == {"header": "x-tester", "value": "yes"}


@pytest.mark.parametrize("told_by_hand", ["{}", "no json", '{"share": "much"}', '{"share": 20000}', "[1]"])
def test_an_order_that_somebody_else_wrote_is_written_anew(told_by_hand: str) -> None:
    world = until_told(applied(serving("1.0.0"), rollout={"steps": LADDER}), 100)
    world.pods[0].view = replace(world.pods[0].view, order=told_by_hand)
    world.run(2)
    assert told(world) == {100}


def test_without_active_pods_that_can_stand_in_front_the_clients_are_moved_and_a_person_is_still_asked() -> None:
    world = serving("1.0.0")
    for pod in world.pods:
        pod.view = replace(pod.view, forwards=False)
    applied(world, rollout={"steps": STEPS})
    world.run(30)
    assert (rollout_of(world).stage, world.selected) == ("AwaitingApproval", "blue")
    world.decide("approve", rollout_of(world).revision).run(5)
    world.decide("approve", rollout_of(world).revision).run(5)
    assert (rollout_of(world).stage, world.selected) == ("Baking", "green")
