"""Every state ends: by a new spec, by a person's verb, or at its deadline; and its sentence says so."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.rollout.parts import Version, spec
from tests.rollout.test_rollout import bake, condition
from tests.rollout.world import World, serving
from verdigris.api.decision import Verb
from verdigris.core.facts.revision import revision_of


def left_on_a_bad_candidate() -> World:
    """Given: no pod of the active version is ready, and the candidate, which has the clients, has turned bad."""
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0")))
    world.unready.add("blue")
    world.versions["1.1.0"] = Version(error_rate=0.5)
    world.run(60)
    assert world.status.rollout
    assert world.status.rollout.stage == "RollingBack"
    assert world.selected == "green"
    return world


def test_a_new_spec_starts_although_clients_cannot_go_back_to_the_active_version() -> None:
    world = left_on_a_bad_candidate()
    world.apply(spec("1.2.0")).run(3)
    world.unready.clear()
    world.run(90)
    assert world.status.active
    assert world.status.active.version == "1.2.0"
    assert "ActiveGivenUp" in [note.reason for note in world.notes]


def test_a_rollout_superseded_while_the_active_version_is_gone_makes_way_for_the_next() -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0")))
    world.unready.add("blue")
    world.apply(spec("1.2.0")).run(60)
    world.unready.clear()
    world.run(90)
    assert world.status.active
    assert world.status.active.version == "1.2.0"


def test_the_spec_may_return_to_the_version_that_has_the_clients() -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0")))
    world.unready.add("blue")
    world.apply(spec("1.0.0")).run(600)
    assert world.selected == "green"
    world.apply(spec("1.1.0")).run(40)
    assert world.status.active
    assert world.status.active.version == "1.1.0"
    assert world.status.rollout is None


def test_promote_keeps_the_version_that_has_the_clients_when_nobody_else_answers() -> None:
    world = left_on_a_bad_candidate()
    world.decide("promote", revision_of(world.spec), by="dana").run(1)
    assert world.status.decisions[-1].outcome == "Accepted"
    assert world.status.active
    assert world.status.active.version == "1.1.0"
    assert world.selected == "green"


@pytest.mark.parametrize("verb", ["approve", "abort", "retry", "rollback"])
def test_the_other_verbs_are_answered_with_a_sentence(verb: Verb) -> None:
    world = left_on_a_bad_candidate()
    world.decide(verb, revision_of(world.spec)).run(1)
    assert world.status.decisions[-1].outcome == "Refused"
    assert len(world.status.decisions[-1].message) > 20


def test_what_is_waited_for_is_said_and_how_to_end_it() -> None:
    world = left_on_a_bad_candidate()
    message = condition(world, "Ready")[2]
    assert "Clients stay on 1.1.0 (green): no pod of 1.0.0 (blue) is ready" in message
    assert f"verb promote and revision {revision_of(world.spec)}" in message


def test_clients_go_back_as_soon_as_one_active_pod_is_ready() -> None:
    world = left_on_a_bad_candidate()
    world.unready.clear()
    world.run(2)
    assert world.selected == "blue"


def test_an_active_version_that_is_away_for_a_moment_is_not_given_up() -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0")))
    world.unready.add("blue")
    world.apply(spec("1.2.0")).run(10)
    world.unready.clear()
    world.run(2)
    assert world.selected == "blue"
    assert world.status.active
    assert world.status.active.version == "1.0.0"


def test_low_traffic_ends_by_the_declared_policy_and_says_what_could_not_be_seen() -> None:
    world = serving("1.0.0")
    world.rate = 0.005
    bake(world.apply(spec("1.1.0", rollout={"inconclusiveDeadline": "10m"}))).run(900)
    assert world.status.rollout is None
    assert world.status.history[-1].outcome == "RolledBack"
    assert "requests" in world.status.rejected[-1].message or "sample" in world.status.rejected[-1].message


def test_by_default_nothing_is_held_for_ever() -> None:
    policy = spec().rollout
    assert (policy.on_inconclusive, policy.inconclusive_deadline) == ("Rollback", "1h")


def test_a_candidate_short_of_pods_is_not_promoted_and_ends_at_the_progress_deadline_with_the_cause() -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0")))
    one = next(pod for pod in world.pods if pod.view.color == "green")
    one.ready_at = world.now + timedelta(days=1)
    world.run(40)
    assert world.status.active
    assert world.status.active.version == "1.0.0"
    assert "Only 1 of 2 pods of version 1.1.0 are ready" in condition(world, "Ready")[2]
    world.run(40)
    assert world.selected == "blue"
    assert "Only 1 of 2 pods" in world.status.rejected[-1].message


def test_a_candidate_that_gets_its_pods_back_is_promoted() -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0")))
    one = next(pod for pod in world.pods if pod.view.color == "green")
    one.ready_at = world.now + timedelta(seconds=45)
    world.run(50)
    assert world.status.active
    assert world.status.active.version == "1.1.0"


def test_a_pause_stops_the_clock_of_a_candidate_that_is_short_of_pods() -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0")))
    one = next(pod for pod in world.pods if pod.view.color == "green")
    one.ready_at = world.now + timedelta(seconds=200)
    world.apply(spec("1.1.0", paused=True)).run(180)
    assert world.status.rollout
    assert world.status.rollout.stage == "Baking"
    world.apply(spec("1.1.0")).run(60)
    assert world.status.active
    assert world.status.active.version == "1.1.0"


def test_a_candidate_that_its_autoscaler_grew_is_promoted_with_all_its_pods_only() -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0")))
    world.versions["1.1.0"] = Version(ready_after=10**6)
    world._scale("green", 4)
    world.run(50)
    assert world.status.active
    assert world.status.active.version == "1.0.0"
    assert "Only 2 of 4 pods of version 1.1.0 are ready" in condition(world, "Ready")[2]
    for pod in world.pods:
        pod.ready_at = min(pod.ready_at, world.now)
    world.run(10)
    assert world.status.active.version == "1.1.0"


def test_pods_that_an_autoscaler_adds_and_no_node_takes_are_not_held_against_the_version() -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0")))
    world.room = len(world.pods)
    world._scale("green", 4)
    world.run(60)
    assert world.status.active
    assert world.status.active.version == "1.1.0"


def test_a_service_that_is_made_anew_while_only_the_candidate_answers_selects_the_candidate() -> None:
    world = left_on_a_bad_candidate()
    world.selected = None
    world.run(1)
    assert world.selected == "green"


def test_pods_that_an_autoscaler_adds_one_after_the_other_take_back_no_version() -> None:
    world = serving("1.0.0")
    world.versions["1.1.0"] = Version(ready_after=40)
    bake(world.apply(spec("1.1.0")))
    for size in range(3, 8):
        world._scale("green", size)
        world.run(39)
    world.run(60)
    assert world.status.active
    assert world.status.active.version == "1.1.0"
