"""When a model's use is asked for, and what the plan makes of the answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

from tests.rollout.parts import spec
from tests.rollout.test_sizing import NOW, usage
from tests.rollout.world import World
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.core.actions import Plan
from verdigris.core.advice.sizing import PERIOD, WINDOW, due, usage_question
from verdigris.core.engine.plan import plan
from verdigris.core.facts.evidence import NOT_ASKED, Usage


def running(wanted: ModelDeploymentSpec | None = None) -> World:
    """A world whose first version became active; nothing is under way."""
    world = World(wanted or spec(rollout={"bake": "10s"})).run(60)
    assert world.status.active is not None
    assert world.status.rollout is None
    return world


def test_the_question_is_about_the_active_pods_since_they_are() -> None:
    world = running()
    active = world.status.active
    assert active is not None
    asked = usage_question(world.observe(), active.since + timedelta(hours=3))
    assert asked is not None
    assert (asked.color, asked.revision, asked.namespace, asked.model) == (
        active.color,
        active.revision,
        "clinic",
        "diabetes",
    )
    assert (asked.window, asked.step) == (timedelta(hours=3), timedelta(minutes=1))
    later = usage_question(world.observe(), active.since + timedelta(days=9))
    assert later is not None
    assert later.window == WINDOW


def test_a_slow_scrape_makes_longer_steps() -> None:
    world = running(spec(monitoring={"serviceMonitor": {"interval": "30s"}}))
    asked = usage_question(world.observe(), world.now + timedelta(hours=3))
    assert asked is not None
    assert asked.step == timedelta(minutes=2)


def test_nothing_is_asked_about_young_pods_during_a_rollout_or_of_nobody() -> None:
    world = running()
    late = world.now + timedelta(hours=3)
    assert usage_question(world.observe(), world.now + timedelta(minutes=50)) is None
    world.apply(spec("2.0.0"))
    assert usage_question(world.observe(), late) is None, "the active pods are not what the spec describes"
    world.run(3)
    assert world.status.rollout is not None
    assert usage_question(world.observe(), late) is None
    assert usage_question(running().observe(), late) is not None
    wanted = running().decide("rollback", "v1-0123456789")
    assert usage_question(wanted.observe(), late) is None, "a rollback waits for it"
    nobody = running()
    nobody.address = None
    assert usage_question(nobody.observe(), late) is None


def test_each_model_has_its_turn_once_an_hour_and_they_are_spread() -> None:
    looks = [NOW + timedelta(minutes=10 * number) for number in range(6 * 24)]
    minutes = set()
    for number in range(40):
        turns = [now for before, now in pairwise(looks) if due(f"uid-{number}", before, now)]
        assert len(turns) in (23, 24)
        assert {later - earlier for earlier, later in pairwise(turns)} == {PERIOD}
        minutes.add(turns[0].minute)
    assert minutes == {0, 10, 20, 30, 40, 50}


def test_the_first_look_of_an_operator_only_begins_to_count() -> None:
    assert not any(due(f"uid-{number}", None, NOW) for number in range(100))


# through the plan


def planned(world: World, used: Usage) -> Plan:
    """One reconcile in which the use was learnt; its status is taken over."""
    made = plan(world.observe(), replace(NOT_ASKED, usage=used), world.now)
    world.status = made.status
    return made


def test_the_plan_takes_in_what_was_learnt_and_touches_nothing() -> None:
    world = running()
    before = plan(world.observe(), NOT_ASKED, world.now)
    made = planned(world, usage())
    assert made.status.recommendation is not None
    assert made.actions == before.actions
    assert made.notes == ()


def test_the_same_use_an_hour_later_writes_nothing() -> None:
    world = running()
    first = planned(world, usage()).status
    world.now += PERIOD
    assert planned(world, usage(cpu=0.122)).status == first
    assert planned(world, Usage(problem="away")).status == first
    assert plan(world.observe(), NOT_ASKED, world.now).status == first


def test_advice_about_pods_that_are_not_active_any_more_is_forgotten() -> None:
    world = running()
    planned(world, usage())
    world.apply(spec("2.0.0", rollout={"bake": "10s"})).run(5)
    assert world.status.rollout is not None
    assert world.status.recommendation is not None, "the pods that it is about still have the clients"
    world.run(120)
    assert world.status.active is not None
    assert world.status.active.version == "2.0.0"
    assert world.status.recommendation is None


def test_use_that_was_learnt_as_a_rollout_begins_is_not_taken_in() -> None:
    world = running().apply(spec("2.0.0"))
    assert planned(world, usage()).status.recommendation is None
