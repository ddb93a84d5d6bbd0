"""Clients that come by a gateway: the weights of its HTTPRoute, and what a rollout does by them without the shield."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rollout.parts import Version, spec
from tests.rollout.test_rollout import reasons
from tests.rollout.test_shield import active_version, rollout_of
from tests.rollout.walk import EVENTS, Suspicious, happen
from tests.rollout.world import World
from verdigris.api.status import Color, Failure, other
from verdigris.core.actions import Action, Keep, MoveRoute, Remove
from verdigris.core.facts.route import RouteView
from verdigris.core.steps.lists import planned

GATEWAY: dict[str, Any] = {"router": "Gateway", "gateway": {"parentRefs": [{"name": "public"}]}}
LADDER: dict[str, Any] = {"steps": [{"weight": 30, "hold": "10s"}]}
MISSING = Failure(reason="RouteMissing", message="HTTPRoute clinic/shop does not exist: create it.")


def served(traffic: dict[str, Any] = GATEWAY) -> World:
    """Version 1.0.0 has been active for a while, and half of its clients come by a gateway."""
    return deepcopy(_served(json.dumps(traffic)))


@cache
def _served(traffic: str) -> World:
    world = World(spec("1.0.0", traffic=json.loads(traffic)), by_gateway=0.5)
    world.run(130)
    assert active_version(world) == "1.0.0"
    return world


def applied(world: World, behaviour: Version | None = None, **sections: Any) -> World:
    world.versions["1.1.0"] = behaviour or Version()
    return world.apply(spec("1.1.0", **{"traffic": GATEWAY, "rollout": LADDER, **sections}))


def weight(world: World, color: Color = "green") -> float:
    return world.route.share(color) if world.route is not None else 0.0


def until_weight(world: World, share: float) -> World:
    for _ in range(120):
        if weight(world) == share:
            return world
        world.run(1)
    raise AssertionError(f"green was never given {share} %: {world.routed}, {world.status.rollout}")


def shares(world: World) -> list[float]:
    return [weights["green"] for _, weights in world.routed]


def test_the_route_of_a_model_points_at_its_active_version() -> None:
    world = served()
    assert world.routed == [(world.routed[0][0], {"blue": 100, "green": 0})]
    assert world.failed == 0
    assert next(c for c in world.status.conditions if c.type == "Routed").reason == "Accepted"
    assert [share.routed for share in world.status.traffic] == [100.0]


def test_without_the_shield_its_weights_are_the_steps_and_the_service_follows_at_the_end() -> None:
    world = applied(served())
    until_weight(world, 30)
    assert (world.selected, rollout_of(world).stage) == ("blue", "OnTrial")
    world.run(120)
    assert (active_version(world), world.selected, weight(world), world.failed) == ("1.1.0", "green", 100, 0)
    assert shares(world) == [0, 30, 100]
    assert reasons(world).count("OnTrial") == 2


def test_a_share_of_a_hundredth_of_a_percent_is_one() -> None:
    world = applied(served(), rollout={"steps": [{"weight": 0.01, "hold": "10s"}]})
    for _ in range(60):
        if rollout_of(world.run(1)).stage == "OnTrial" and weight(world):
            break
    assert world.routed[-1][1] == {"blue": 9999, "green": 1}


def test_the_shield_gives_the_shares_where_it_can_be_told_and_the_route_follows_the_service() -> None:
    world = applied(served(), rollout={"shield": True, **LADDER})
    world.run(150)
    assert (active_version(world), shares(world), world.failed) == ("1.1.0", [0, 100], 0)
    assert world.asked["green"] > 0


def test_pods_that_cannot_be_told_leave_the_shares_to_the_gateway() -> None:
    world = served()
    for pod in world.pods:
        pod.view = replace(pod.view, forwards=False)
    applied(world, rollout={"shield": True, **LADDER}).run(150)
    assert (active_version(world), shares(world)) == ("1.1.0", [0, 30, 100])


def test_pods_that_do_not_do_as_they_are_told_leave_the_shares_to_the_gateway() -> None:
    world = served()
    world.__dict__["_pass_on"] = lambda _, share: share
    applied(world, rollout={"shield": True, "steps": [{"weight": 30, "hold": "2m"}]})
    until_weight(world, 30)
    world.run(60)
    assert not any(pod.view.order for pod in world.pods)
    assert "A gateway gives 1.1.0 its share now" in "".join(note.message for note in world.notes)


def test_a_bad_version_is_found_at_its_share_and_taken_back_by_one_write_of_weights() -> None:
    world = applied(served(), Version(error_rate=0.5))
    until_weight(world, 30)
    world.run(90)
    assert (active_version(world), world.selected, weight(world)) == ("1.0.0", "blue", 0)
    assert shares(world) == [0, 30, 0]
    last = world.status.last_rollback
    assert last is not None
    assert (last.reason, last.traffic_restored_at is not None) == ("ErrorRateDoubled", True)
    assert {revision.version for revision in world.status.rejected} == {"1.1.0"}
    assert [pod for pod in world.pods if pod.view.color == "green"] == []


def test_the_weights_are_held_against_what_the_active_version_does_at_the_same_time() -> None:
    world = until_weight(applied(served(), rollout={"steps": [{"weight": 50, "hold": "40s"}]}), 50)
    world.run(15)
    assert rollout_of(world).evidence.baseline.source == "Concurrent"


def test_a_rollback_is_one_write_beside_that_of_the_service_whatever_is_refused() -> None:
    """Law 1: with a Service that nobody can write the weights go back, and the other way round."""

    def of_service(action: Action) -> bool:
        return not isinstance(action, MoveRoute)

    world = until_weight(applied(served(), Version(error_rate=0.5)), 30)
    world.refuses = of_service
    for _ in range(90):
        world.run(1)
        if not weight(world):
            break
    assert weight(world) == 0


@pytest.mark.parametrize("away", [True, False])
def test_a_gateway_that_is_away_cannot_hold_a_rollback_and_finds_the_old_pods_when_it_is_back(away: bool) -> None:
    world = until_weight(applied(served(), Version(error_rate=0.5)), 30).run(1)
    world.gateway_away = away
    while not (world.status.rollout and world.status.rollout.taken_back):
        world.run(1)
    decided = world.now
    world.run(1)
    assert weight(world) == 0
    world.run(40)
    stays = [pod for pod in world.pods if pod.view.color == "green"]
    assert bool(stays) is away, "a gateway that has not followed may still send clients there"
    world.run(70)
    assert world.status.rollout is None, f"it was waited for since {decided}"
    assert active_version(world) == "1.0.0"


def test_no_old_pod_ends_before_the_gateway_has_followed_a_promotion() -> None:
    sections = {"rollout": {**LADDER, "keepWarm": "0s"}}
    world = until_weight(applied(served(), **sections), 30)
    world.run(5)
    world.gateway_away = True
    for _ in range(60):
        world.run(1)
        assert any(pod.view.color == "blue" for pod in world.pods)
    assert "The gateway has not taken" in rollout_of(world).message or rollout_of(world).evidence.reason == "NotRouted"
    world.gateway_away = False
    world.run(80)
    assert (active_version(world), world.failed) == ("1.1.0", 0)


def test_a_weight_that_nobody_was_seen_to_give_is_not_held() -> None:
    world = served()
    world.refuses = lambda action: isinstance(action, MoveRoute)
    applied(world).run(60)
    rollout = rollout_of(world)
    assert (rollout.stage, rollout.evidence.reason, active_version(world)) == ("OnTrial", "NotRouted", "1.0.0")


def test_weights_that_somebody_edits_are_put_back() -> None:
    world = served()
    assert world.route is not None
    world.route = replace(world.route, rules=({"blue": 10, "green": 90},))
    world.run(2)
    assert weight(world) == 0
    assert reasons(world).count("WeightsEdited") == 1


def test_a_route_that_is_deleted_is_made_anew() -> None:
    world = served()
    world.route = None
    world.run(1)
    assert world.routed[-1][1] == {"blue": 100, "green": 0}


def test_a_user_s_route_that_is_of_no_use_holds_what_goes_forward_and_is_told_once() -> None:
    theirs = {"router": "Gateway", "gateway": {"route": "shop"}}
    world = until_weight(applied(served(theirs), traffic=theirs), 30)
    world.route, world.route_fault = None, MISSING
    world.run(60)
    ready = {c.type: c for c in world.status.conditions}
    assert (rollout_of(world).stage, active_version(world)) == ("OnTrial", "1.0.0")
    assert (ready["Routed"].reason, ready["Stalled"].message) == ("RouteMissing", MISSING.message)
    assert reasons(world).count("RouteMissing") == 1
    world.route_fault = None
    world.route = RouteView("shop", own=False, rules=({"blue": 100, "green": 0},), accepted=True)
    world.run(150)
    assert (active_version(world), weight(world)) == ("1.1.0", 100)


def test_no_version_starts_whose_clients_could_not_be_moved_along() -> None:
    world = served()
    world.route_fault = MISSING
    applied(world).run(30)
    assert (active_version(world), world.status.rollout) == ("1.0.0", None)
    ready = next(c for c in world.status.conditions if c.type == "Ready")
    assert (ready.status, ready.message) == ("False", MISSING.message)


def test_a_gateway_that_does_not_accept_the_route_gives_no_shares() -> None:
    world = served()
    assert world.route is not None
    refused = replace(world.route, accepted=False, refused="Gateway public does not accept HTTPRoute diabetes.")
    world.__dict__["_route"] = lambda: replace(refused, rules=world.route.rules if world.route else ())
    applied(world).run(120)
    skipped = [note.message for note in world.notes if note.reason == "NotShielded"]
    assert any("does not accept" in message for message in skipped)
    assert active_version(world) == "1.1.0"


def test_testers_are_sent_to_the_version_on_trial_by_a_rule_of_their_own() -> None:
    traffic = {**GATEWAY, "testers": {"header": "x-tester", "value": "yes"}}
    world = until_weight(applied(served(traffic), traffic=traffic), 30)
    manifest = _route_in(world)
    theirs, everybody = manifest["spec"]["rules"]
    assert theirs["matches"][0]["headers"] == [{"type": "Exact", "name": "x-tester", "value": "yes"}]
    assert [ref["weight"] for ref in theirs["backendRefs"]] == [0, 1]
    assert [ref["weight"] for ref in everybody["backendRefs"]] == [70, 30]
    world.run(150)
    assert len(_route_in(world)["spec"]["rules"]) == 1


def _route_in(world: World) -> Any:
    actions = world.reconcile().actions
    return next(a.manifest for a in actions if isinstance(a, Keep) and a.manifest["kind"] == "HTTPRoute")


def test_of_a_user_s_route_nothing_is_kept_but_weights() -> None:
    theirs = {"router": "Gateway", "gateway": {"route": "shop"}}
    world = served(theirs)
    actions = world.reconcile().actions
    moves = [action for action in actions if isinstance(action, MoveRoute)]
    assert [(move.name, move.manifest) for move in moves] == [("shop", None)]
    kept = [action for action in actions if isinstance(action, Keep | Remove)]
    assert all("HTTPRoute" not in str(action) for action in kept)


def test_clients_of_both_ways_get_the_same_version_but_in_a_trial() -> None:
    world = applied(served())
    for _ in range(150):
        world.run(1)
        rollout = world.status.rollout
        if rollout is None and world.route is not None:
            assert world.route.reaches("green") == (world.selected == "green")
    assert [later >= now for now, later in pairwise(shares(world))]


def test_weights_are_asked_for_to_be_on_trial_by_a_gateway() -> None:
    plain = planned(spec("1.1.0", traffic=GATEWAY).rollout, replaces=True, routed=True)
    asked = planned(spec("1.1.0", traffic=GATEWAY, rollout=LADDER).rollout, replaces=True, routed=True)
    assert [step.kind for step in plain] == ["Start", "Measure", "Bake"]
    assert [(step.kind, step.weight) for step in asked][2:4] == [("Trial", 30.0), ("Trial", 100.0)]


BESIDE = (
    "gateway away",
    "gateway back",
    "route deleted",
    "route edited",
    "route refused",
    "route broken",
    "route mended",
)
WALKS: list[dict[str, Any]] = [
    {"steps": [{"weight": 10, "hold": "8s"}, {"approval": {}}, {"weight": 60, "hold": "0s"}]},
    {"strategy": "Canary", "bake": "8s", "keepWarm": "0s"},
    {"shield": True, "strategy": "Canary", "bake": "8s"},
    {"steps": [{"weight": 50}], "onInsufficientCapacity": "InPlace"},
    {},
]


def beside(world: World, event: str) -> None:
    """What may happen to a route, and to who follows it."""
    match event:
        case "gateway away" | "gateway back":
            world.gateway_away = event == "gateway away"
        case "route deleted":
            world.route = None
        case "route edited":
            world.route = world.route and replace(world.route, rules=({"blue": 40, "green": 60},))
        case "route refused":
            world.refuses = lambda action: isinstance(action, MoveRoute)
        case "route broken" | "route mended":
            world.route_fault = MISSING if event == "route broken" else None


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(EVENTS, st.sampled_from(BESIDE)), max_size=12), st.sampled_from(WALKS))
def test_whatever_happens_to_a_route_no_law_is_broken_and_it_settles(events: list[str], way: dict[str, Any]) -> None:
    world = Suspicious(spec("1.0.0", traffic=GATEWAY, rollout=way), by_gateway=0.5)
    world.versions = {"2.0.0": Version(error_rate=0.5), "3.0.0": Version(never_ready=True)}
    world.run(10)
    for event in events:
        if event in BESIDE:
            beside(world, event)
        else:
            happen(world, event, way, traffic=GATEWAY)
        world.run(1)
    world.unready.clear()
    world.prometheus_down = world.gateway_away = False
    world.delays, world.refuses = lambda _: 0, lambda _: False
    world.room = world.route_fault = None
    world.versions.pop("1.1.0", None)
    world.apply(spec("9.0.0", traffic=GATEWAY)).run(300)
    assert (active_version(world), world.status.rollout) == ("9.0.0", None)
    color = world.status.active.color if world.status.active else None
    assert world.route is not None
    assert (world.selected, world.route.rules) == (color, ({color: 100, other(color or "blue"): 0},))
    world.run(130)
    failed, written = world.failed, len(world.routed)
    world.run(30)
    assert (world.failed, len(world.routed)) == (failed, written)
