"""A version that answers copies: nobody sees what it says, and what it says is compared with the active version's."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.rollout.parts import Version, spec
from tests.rollout.test_rollout import reasons
from tests.rollout.test_shield import active_version, orders, rollout_of
from tests.rollout.world import World, serving


def shadowed(behaviour: Version | None = None, world: World | None = None, **rollout: Any) -> World:
    """The next version, which is to answer copies for twenty seconds first."""
    world = world or serving("1.0.0")
    world.versions["1.1.0"] = behaviour or Version()
    shadow = {"for": "20s", "share": 50, **rollout.pop("shadow", {})}
    return world.apply(spec("1.1.0", rollout={"shield": True, "steps": [{"shadow": shadow}], **rollout}))


def in_shadow(world: World) -> World:
    """Run until it answers copies."""
    for _ in range(60):
        if world.status.rollout and world.status.rollout.stage == "Shadowing":
            return world
        world.run(1)
    raise AssertionError(f"it never did: {world.status.rollout}")


def test_wrong_answers_that_no_error_rate_shows_are_stopped_before_any_client_has_one() -> None:
    world = in_shadow(shadowed(Version(disagrees=0.4)))
    world.run(20)
    rejected = world.status.rejected[-1]
    assert (active_version(world), rejected.reason) == ("1.0.0", "ShadowDisagrees")
    assert "rows (40 %) otherwise than the active version does: more than 1 %" in rejected.message
    assert world.asked == {}, "no client's request was passed on"
    assert (world.status.history[-1].outcome, world.status.last_rollback) == ("Failed", None)
    assert orders(world) == {"blue": {None}, "green": set()}


def test_a_version_that_says_the_same_goes_on_to_its_trial_and_gets_the_clients() -> None:
    world = in_shadow(shadowed(Version(disagrees=0.001)))
    assert world.asked == {}
    world.run(90)
    assert (active_version(world), world.failed) == ("1.1.0", 0)
    assert [name for name in reasons(world) if name in ("OnTrial", "Promoted")][-2:] == ["OnTrial", "Promoted"]


def test_the_active_pods_send_copies_and_pass_nothing_on() -> None:
    world = in_shadow(shadowed()).run(1)
    (order,) = orders(world)["blue"]
    assert order
    told = json.loads(order)
    assert (told["share"], told["shadow"]) == (0, 5000)
    assert [one.shielded for one in world.status.traffic] == [None, None]


def test_the_step_keeps_what_it_has_seen() -> None:
    world = in_shadow(shadowed())
    while rollout_of(world).stage == "Shadowing":
        world.run(1)
    step = next(step for step in rollout_of(world).steps if step.kind == "Shadow")
    assert (step.verdict, step.reason) == ("Pass", "ShadowAgrees")
    assert "answered 0 of " in step.message
    assert rollout_of(world).shadow is None, "what is kept is said by the step"


def test_too_few_rows_are_no_agreement() -> None:
    world = serving("1.0.0")
    world.rate = 4
    in_shadow(shadowed(world=world)).run(30)
    assert (rollout_of(world).stage, rollout_of(world).evidence.reason) == ("Shadowing", "TooFewRows")
    assert "is the most" in rollout_of(world).message
    for _ in range(200):
        world.run(1)
        if rollout_of(world).stage != "Shadowing":
            return
    raise AssertionError(f"more rows did not help: {rollout_of(world).message}")


@pytest.mark.parametrize("behaviour", [Version(error_rate=0.5), Version(hangs=0.5)])
def test_copies_that_it_does_not_answer_speak_against_it(behaviour: Version) -> None:
    world = in_shadow(shadowed(behaviour)).run(20)
    assert (active_version(world), world.failed) == ("1.0.0", 0)
    assert world.status.rejected[-1].reason == "ShadowDisagrees"


def test_where_copies_cannot_be_sent_nothing_is_taken_for_agreement() -> None:
    world = serving("1.0.0")
    for pod in world.pods:
        pod.view = replace(pod.view, forwards=False)
    in_shadow(shadowed(world=world, inconclusiveDeadline="30s")).run(25)
    assert rollout_of(world).stage == "Shadowing"
    assert "cannot be told" in rollout_of(world).message
    world.run(60)
    assert (active_version(world), world.status.rejected[-1].reason) == ("1.0.0", "NotCompared")


def test_a_prometheus_that_is_away_holds_it() -> None:
    world = in_shadow(shadowed())
    world.prometheus_down = True
    world.run(40)
    assert (rollout_of(world).stage, rollout_of(world).evidence.reason) == ("Shadowing", "PrometheusUnreachable")
    world.prometheus_down = False
    world.run(90)
    assert active_version(world) == "1.1.0"


def test_abort_ends_it_and_the_copies() -> None:
    world = in_shadow(shadowed()).run(2)
    world.decide("abort", rollout_of(world).revision).run(15)
    assert world.status.rollout is None
    assert orders(world)["blue"] == {None}


def test_a_version_that_is_meant_to_take_other_requests_says_so_to_the_pods_in_front() -> None:
    world = in_shadow(shadowed(schemaChange=True)).run(1)
    (order,) = orders(world)["blue"]
    assert order
    assert json.loads(order)["schemaChange"] is True
