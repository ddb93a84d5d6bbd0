"""A version on trial behind the shield: asked by the active pods, judged as in a bake, and no client depends on it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.rollout.parts import Version, spec
from tests.rollout.small import until
from tests.rollout.test_rollout import bake, condition, reasons
from tests.rollout.world import World, serving
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import RolloutStatus, StepStatus
from verdigris.core.actions import MoveTraffic, SetOrder
from verdigris.core.engine.plan import plan
from verdigris.core.facts.policy import Policy
from verdigris.core.facts.revision import revision_of
from verdigris.core.routing.shield import answer_within


def shielded(version: str = "1.1.0", **rollout: Any) -> ModelDeploymentSpec:
    return spec(version, rollout={"shield": True, **rollout})


def on_trial(world: World, version: str = "1.1.0", behaviour: Version | None = None, **rollout: Any) -> World:
    """Run until the active pods pass requests on to this version."""
    world.versions[version] = behaviour or Version()
    world.apply(shielded(version, **rollout))
    for _ in range(60):
        if world.asked:
            return world
        world.run(1)
    raise AssertionError(f"nobody ever asked it: {world.status.rollout}")


def rollout_of(world: World) -> RolloutStatus:
    assert world.status.rollout is not None
    return world.status.rollout


def step(world: World, kind: str) -> StepStatus:
    return next(one for one in rollout_of(world).steps if one.kind == kind)


def orders(world: World) -> dict[str, set[str | None]]:
    found: dict[str, set[str | None]] = {"blue": set(), "green": set()}
    for pod in world.pods:
        found[pod.view.color].add(pod.view.order)
    return found


def active_version(world: World) -> str:
    assert world.status.active is not None
    return world.status.active.version


# it goes well, or not


def test_a_good_version_is_watched_behind_the_shield_and_then_gets_the_clients_without_a_second_bake() -> None:
    world = on_trial(serving("1.0.0"))
    began = rollout_of(world).since
    judged = {pod.view.uid for pod in world.pods if pod.view.color == "green"}
    assert rollout_of(world.run(28)).stage == "OnTrial"
    assert rollout_of(bake(world)).stage == "Baking"
    moved = world.switches[-1][0]
    assert timedelta(seconds=30) <= moved - began <= timedelta(seconds=36)
    world.run(3)
    assert (active_version(world), world.status.rollout) == ("1.1.0", None)
    assert {pod.view.uid for pod in world.pods if pod.view.color == "green"} == judged
    assert world.status.warm
    assert orders(world) == {"blue": {None}, "green": {None}}
    assert reasons(world)[-4:] == ["CandidateReady", "OnTrial", "TrafficShifted", "Promoted"]


def test_it_is_asked_as_soon_as_it_is_ready_as_the_pods_in_front_count_what_it_answers() -> None:
    world = serving("1.0.0")
    world.versions["1.1.0"] = Version(ready_after=4, unscraped=True)
    until(world.apply(shielded()), lambda w: w.ready("green") == 2)
    assert world.run(3).asked["green"] > 0


@pytest.mark.parametrize("asks", [{}, {"strategy": "Canary"}, {"steps": [{"weight": 5, "hold": "20s"}]}])
@pytest.mark.parametrize("on_inconclusive", ["Hold", "Rollback"])
def test_no_client_is_moved_to_what_prometheus_does_not_see_however_well_it_answers(
    asks: dict[str, Any], on_inconclusive: str
) -> None:
    given = {"onInconclusive": on_inconclusive, "inconclusiveDeadline": "60s", **asks}
    world = on_trial(serving("1.0.0"), behaviour=Version(unscraped=True), **given).run(240)
    assert (active_version(world), len(world.switches)) == ("1.0.0", 1)
    if on_inconclusive == "Rollback":
        assert world.status.rejected[-1].reason == "CandidateNotScraped"
        return
    assert rollout_of(world).stage == "OnTrial"
    assert "has not scraped 2 ready candidate pods" in rollout_of(world).message
    world.versions["1.1.0"] = Version()
    assert active_version(bake(world).run(10)) == "1.1.0"


def test_no_client_gets_an_error_of_a_version_that_fails_half_its_calls() -> None:
    world = on_trial(serving("1.0.0"), behaviour=Version(error_rate=0.5))
    began = rollout_of(world).since
    world.run(30)
    assert world.failed == 0
    assert world.asked["green"] > 0
    assert (active_version(world), world.selected, len(world.switches)) == ("1.0.0", "blue", 1)
    last = world.status.last_rollback
    assert last
    assert (last.reason, last.from_version) == ("ErrorRateDoubled", "1.1.0")
    assert last.decided_at - began <= timedelta(seconds=11), "two scrapes"
    assert last.traffic_restored_at
    assert world.status.rejected[-1].reason == "ErrorRateDoubled"
    assert world.status.history[-1].outcome == "RolledBack"
    assert orders(world)["blue"] == {None}
    assert "green" not in world.deployments
    restored = next(note.message for note in world.notes if note.reason == "TrafficRestored")
    assert "1.0.0 stood behind every answer" in restored


def test_a_version_that_answers_nobody_is_found_by_what_the_active_pods_count() -> None:
    world = on_trial(serving("1.0.0"), behaviour=Version(hangs=1.0))
    world.run(30)
    assert world.failed == 0
    last = world.status.last_rollback
    assert last
    assert last.reason == "ErrorRateDoubled"
    assert re.search(r"as the active pods saw it: (\d+) late; of these \1 they answered \1 themselves", last.message)


def test_a_version_that_takes_other_requests_is_told_so_in_words() -> None:
    world = on_trial(serving("1.0.0"), behaviour=Version(refuses=1.0))
    world.run(30)
    assert world.failed == 0
    last = world.status.last_rollback
    assert last
    assert "refused (4xx where the active version answers; see spec.rollout.schemaChange); of these" in last.message


def test_what_the_status_says_of_a_version_on_trial() -> None:
    world = on_trial(serving("1.0.0")).run(2)
    rollout = rollout_of(world)
    assert (rollout.stage, rollout.weight, rollout.wanted, rollout.passed_on) == ("OnTrial", 0, 0, 10_000)
    assert [(one.version, one.weight, one.shielded) for one in world.status.traffic] == [
        ("1.0.0", 100, None),
        ("1.1.0", 0, 100),
    ]
    assert "2 of 2 active pods pass its requests on." in condition(world, "Ready")[2]
    assert condition(world, "Available")[0] == "True"


def test_the_active_pods_are_told_whom_to_ask_and_for_how_long_to_wait() -> None:
    world = on_trial(serving("1.0.0"), answerWithin="400ms")
    (order,) = orders(world)["blue"]
    assert order is not None
    assert json.loads(order) == {
        "host": "10.96.0.2",
        "port": 80,
        "revision": revision_of(world.spec),
        "salt": "diabetes",
        "share": 10_000,
        "version": "1.1.0",
        "within": 0.4,
    }
    assert orders(world)["green"] == {None}


@pytest.mark.parametrize(
    ("rollout", "analysis", "seconds"),
    [
        ({"answerWithin": "50ms"}, {"latency": {"p95": "100ms"}}, 0.05),
        ({}, {"latency": {"p95": "100ms"}}, 0.4),
        ({}, {"latency": {"p95": "2x"}}, 1.0),
        ({}, {}, 1.0),
    ],
)
def test_how_long_an_active_pod_waits(rollout: dict[str, Any], analysis: dict[str, Any], seconds: float) -> None:
    wanted = spec("1.1.0", rollout=rollout, analysis=analysis)
    assert answer_within(Policy(wanted.rollout, wanted.analysis, "5s")).total_seconds() == seconds


# a rollback needs nothing


def test_to_stop_asking_comes_with_the_first_writes_whatever_else_is_to_be_done() -> None:
    world = on_trial(serving("1.0.0")).decide("abort", revision_of(shielded()))
    actions = plan(world.observe(), world.evidence(), world.now).actions
    assert isinstance(actions[0], MoveTraffic)
    assert [(action.order) for action in actions[1:3] if isinstance(action, SetOrder)] == [None, None]


@pytest.mark.parametrize("hindrance", ["unready candidate", "prometheus down", "paused", "no quota"])
def test_it_is_taken_back_at_once_whatever_else_is_the_matter(hindrance: str) -> None:
    world = on_trial(serving("1.0.0"))
    if hindrance == "unready candidate":
        world.unready.add("green")
    elif hindrance == "prometheus down":
        world.prometheus_down = True
    elif hindrance == "paused":
        world.apply(world.spec.model_copy(update={"paused": True}))
    else:
        world.quota = 0
    world.decide("abort", revision_of(shielded())).run(1)
    assert orders(world)["blue"] == {None}
    assert world.selected == "blue"
    world.run(20)
    assert world.status.rollout is None
    assert world.failed == 0


def test_a_bad_version_is_found_during_a_pause() -> None:
    world = on_trial(serving("1.0.0"), behaviour=Version(error_rate=0.5))
    world.apply(world.spec.model_copy(update={"paused": True})).run(12)
    assert orders(world)["blue"] == {None}
    assert world.status.last_rollback


def test_a_pause_promotes_nothing_and_goes_on_asking() -> None:
    world = on_trial(serving("1.0.0"))
    world.apply(world.spec.model_copy(update={"paused": True})).run(90)
    assert (rollout_of(world).stage, world.selected) == ("OnTrial", "blue")
    assert None not in orders(world)["blue"]


def test_a_new_spec_supersedes_it_and_is_tried_itself() -> None:
    world = on_trial(serving("1.0.0"))
    world.apply(shielded("1.2.0")).run(1)
    assert orders(world)["blue"] == {None}
    world.run(70)
    assert [entry.outcome for entry in world.status.history[-2:]] == ["Superseded", "Promoted"]
    assert active_version(world) == "1.2.0"


def test_who_is_told_to_promote_now_promotes_now() -> None:
    world = on_trial(serving("1.0.0")).decide("promote", revision_of(shielded())).run(4)
    assert active_version(world) == "1.1.0"


# what goes wrong beside it


def test_an_active_pod_that_comes_during_the_trial_stands_in_front_as_well() -> None:
    world = on_trial(serving("1.0.0"))
    world.pods.remove(next(pod for pod in world.pods if pod.view.color == "blue"))
    world.run(4)
    assert sum(pod.view.color == "blue" for pod in world.pods) == 2
    assert None not in orders(world)["blue"]
    world.run(60)
    assert (active_version(world), world.failed) == ("1.1.0", 0)


def test_a_pod_that_cannot_be_told_answers_itself_and_holds_nothing_up() -> None:
    world = serving("1.0.0")
    stubborn = next(pod.view.name for pod in world.pods if pod.view.color == "blue")
    world.refuses = lambda action: isinstance(action, SetOrder) and action.pod == stubborn
    on_trial(world, behaviour=Version(error_rate=0.5))
    assert "1 of 2 active pods pass its requests on." in condition(world, "Ready")[2]
    world.run(20)
    assert (world.failed, active_version(world), world.status.rollout) == (0, "1.0.0", None)


def test_an_order_that_cannot_be_taken_back_costs_no_client_an_error_and_ends_the_rollout_all_the_same() -> None:
    world = on_trial(serving("1.0.0"), behaviour=Version(error_rate=0.5))
    world.refuses = lambda action: isinstance(action, SetOrder)
    world.run(40)
    assert world.status.rollout is None
    assert "green" not in world.deployments
    assert world.failed == 0
    world.refuses = lambda _: False
    world.run(1)
    assert orders(world)["blue"] == {None}


def test_nothing_is_passed_on_while_the_status_cannot_be_kept() -> None:
    world = serving("1.0.0").apply(shielded()).run(2)
    world.keeps_status = lambda: False
    world.run(60)
    assert world.asked == {}


def test_a_restarted_operator_goes_on_with_what_the_status_says() -> None:
    world = on_trial(serving("1.0.0")).run(10)
    before = rollout_of(world).evidence
    world.status = world.status.parse(world.status.dump())
    world.run(1)
    after = rollout_of(world).evidence
    assert (after.sealed_at, after.looks >= before.looks) == (before.sealed_at, True)
    assert after.candidate.requests >= before.candidate.requests > 0


def test_a_lost_status_costs_the_trial_and_no_client() -> None:
    world = on_trial(serving("1.0.0"), behaviour=Version(error_rate=0.5))
    world.status = world.status.__class__()
    world.run(1)
    assert orders(world)["blue"] == {None}
    assert (world.selected, active_version(world)) == ("blue", "1.0.0")
    world.run(40)
    assert world.failed == 0
    assert world.status.rejected


def test_a_candidate_whose_pods_are_gone_is_tried_again_when_they_are_back() -> None:
    world = on_trial(serving("1.0.0"))
    world.unready.add("green")
    world.run(1)
    assert orders(world)["blue"] == {None}
    assert rollout_of(world).stage == "Starting"
    world.unready.clear()
    world.run(60)
    assert (active_version(world), world.failed) == ("1.1.0", 0)


def test_one_error_budget_counts_over_the_trial_and_the_bake() -> None:
    world = on_trial(serving("1.0.0"))
    before = rollout_of(world.run(20)).evidence
    evidence = rollout_of(bake(world)).evidence
    assert evidence.candidate.requests >= before.candidate.requests > 0
    assert evidence.looks >= before.looks > 0
    assert evidence.planned_looks == before.planned_looks


def test_without_evidence_the_declared_policy_ends_it() -> None:
    for policy, version in (("Promote", "1.1.0"), ("Rollback", "1.0.0")):
        world = on_trial(serving("1.0.0"), onInconclusive=policy, inconclusiveDeadline="40s")
        world.prometheus_down = True
        world.run(60)
        assert (active_version(world), world.status.rollout) == (version, None)


# where the active pods cannot stand in front


def today(world: World) -> str:
    """Run it to its end the way without a shield; the reason that is told."""
    since = rollout_of(bake(world)).since
    assert world.asked == {}
    assert step(world, "Trial").verdict is None
    told = step(world, "Trial").message
    world.run(28)
    assert rollout_of(world).stage == "Baking", "it is watched in full"
    world.run(12)
    assert active_version(world) == "1.1.0"
    assert world.now - since >= timedelta(seconds=30)
    assert f"without the shield: {told}" in next(n.message for n in world.notes if n.reason == "NotShielded")
    return told


def test_pods_of_an_older_rendering_are_left_as_they_are_and_clients_are_moved_as_ever() -> None:
    world = serving("1.0.0")
    for pod in world.pods:
        pod.view = replace(pod.view, forwards=False)
    pods = {pod.view.uid for pod in world.pods}
    assert "2 of 2 active pods were made by an operator that did not know the shield" in today(world.apply(shielded()))
    assert pods <= {pod.view.uid for pod in world.pods}, "law 7"


def test_to_ask_for_the_shield_is_no_new_revision() -> None:
    world = serving("1.0.0")
    pods = {pod.view.uid for pod in world.pods}
    world.apply(shielded("1.0.0")).run(10)
    assert world.status.rollout is None
    assert {pod.view.uid for pod in world.pods} == pods


def test_pods_that_do_not_do_what_they_are_told_are_told_of_and_the_version_is_watched_in_full() -> None:
    world = serving("1.0.0")
    world.refuses = lambda action: isinstance(action, SetOrder)
    bake(world.apply(shielded(bake="20s")))
    assert world.asked == {}
    assert "none of them counts any" in step(world, "Trial").message
    world.run(18)
    assert rollout_of(world).stage == "Baking"
    world.run(10)
    assert active_version(world) == "1.1.0"


def test_clients_are_not_left_with_nobody_because_a_version_is_on_trial() -> None:
    world = on_trial(serving("1.0.0"))
    world.unready.add("blue")
    world.run(3)
    assert world.selected == "green"
    assert "No active pod is ready" in step(world, "Trial").message
    world.run(25)
    assert rollout_of(world).stage == "Baking", "it is watched in full"


def test_a_bake_of_nothing_is_no_trial() -> None:
    world = serving("1.0.0").apply(shielded(bake="0s")).run(30)
    assert (world.asked, active_version(world)) == ({}, "1.1.0")


def test_the_first_version_of_all_has_nobody_in_front() -> None:
    world = World(shielded("1.0.0")).run(10)
    assert (world.asked, active_version(world)) == ({}, "1.0.0")


def test_an_edit_of_the_shield_counts_for_the_next_rollout() -> None:
    world = on_trial(serving("1.0.0"))
    world.apply(spec("1.1.0")).run(15)
    assert rollout_of(world).stage == "OnTrial"
    assert "spec.rollout.shield" in condition(world, "Ready")[2]
