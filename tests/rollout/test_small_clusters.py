"""Releases on clusters where the new pods do not fit beside the old ones, told as scenarios."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.rollout.parts import OWNER, Version
from tests.rollout.small import candidate, full, over, serves, small, stage, until
from tests.rollout.test_rollout import condition, reasons
from verdigris.adapters.kube.reading import views
from verdigris.api.status import CapacityStatus, Failure, ModelDeploymentStatus
from verdigris.children import service
from verdigris.core.actions import Keep
from verdigris.core.engine.plan import plan
from verdigris.core.facts.revision import revision_of
from verdigris.core.pods.room import fit as capacity

# In place


def test_three_pods_are_traded_in_room_for_three_and_two_are_always_ready() -> None:
    world = full().apply(small("1.1.0")).run(1)
    until(world, over, least=2)

    assert serves(world, "1.1.0", 3)
    assert world.status.warm is None
    assert "Nothing stays warm" in world.notes[-1].message
    world.run(2)
    assert set(world.deployments) == {"green"}
    assert world.hpas == {"green": 3}


def test_traffic_goes_in_step_with_ready_pods_and_is_judged_at_each_step() -> None:
    world = full().apply(small("1.1.0")).run(1)
    until(world, candidate(1))
    assert world.selected == "both"
    assert world.hpas == {}
    world.run(1)
    assert world.status.rollout
    assert world.status.rollout.weight == 33
    assert {t.color: t.weight for t in world.status.traffic} == {"blue": 67, "green": 33}
    assert world.status.rollout.evidence.baseline.source == "Concurrent"
    until(world, candidate(2))
    assert condition(world, "AnalysisHealthy")[0] == "True"


def test_a_trade_goes_no_faster_than_the_bake_and_bakes_in_the_end() -> None:
    world = full().apply(small("1.1.0")).run(1)
    until(world, stage("Trading"))
    began = world.now
    until(world, stage("Baking"))
    assert (world.now - began).total_seconds() >= 30
    began = world.now
    until(world, over)
    assert (world.now - began).total_seconds() >= 30


def test_a_bad_version_is_taken_back_at_the_first_step_in_the_plan_that_finds_it() -> None:
    world = full()
    world.versions["1.1.0"] = Version(error_rate=0.5)
    until(world.apply(small("1.1.0")).run(1), stage("RollingBack"), least=2)
    assert world.selected == "blue"
    until(world, lambda w: over(w) and serves(w, "1.0.0", 3), least=2)
    assert world.status.rejected[-1].reason == "ErrorRateDoubled"
    assert world.status.last_rollback
    assert world.status.last_rollback.traffic_restored_at
    world.run(1)
    assert world.hpas == {"blue": 3}


def test_a_pod_that_took_a_place_is_tried_behind_the_shield_before_any_client_meets_it() -> None:
    world = full(shield=True)
    world.versions["1.1.0"] = Version(error_rate=0.5)
    until(world.apply(small("1.1.0", shield=True)).run(1), stage("OnTrial"), least=2)
    assert world.status.rollout
    assert world.status.rollout.passed_on == 3333
    until(world, lambda w: over(w) and serves(w, "1.0.0", 3), least=2)
    assert world.status.rejected[-1].reason == "ErrorRateDoubled"
    assert world.failed == 0
    assert {selected for _, selected in world.switches} == {"blue"}


def test_a_good_one_is_traded_after_its_trial_and_two_pods_are_always_ready() -> None:
    world = full(shield=True).apply(small("1.1.0", shield=True)).run(1)
    until(world, stage("OnTrial"), least=2)
    began = world.now
    until(world, stage("Trading"), least=2)
    assert (world.now - began).total_seconds() >= 10
    until(world, over, least=2)
    assert serves(world, "1.1.0", 3)


@pytest.mark.parametrize("moment", ["with the last pod", "while it bakes"])
def test_the_way_back_is_the_same_path_backwards(moment: str) -> None:
    world = full().apply(small("1.1.0")).run(1)
    until(world, candidate(3) if moment == "with the last pod" else stage("Baking"))
    assert world.ready("blue") == 0
    world.versions["1.1.0"] = Version(error_rate=0.5)
    until(world, stage("RollingBack"), least=2)
    assert world.selected == "both"
    until(world, lambda w: w.selected == "blue", least=2)
    assert world.ready("blue") >= 2
    until(world, lambda w: over(w) and serves(w, "1.0.0", 3), least=2)
    assert world.status.last_rollback
    assert world.status.last_rollback.traffic_restored_at


def test_a_candidate_that_dies_with_all_active_pods_traded_gives_the_clients_to_the_first_that_is_back() -> None:
    world = full().apply(small("1.1.0")).run(1)
    until(world, stage("Baking"))
    world.unready.add("green")
    until(world, lambda w: w.selected == "blue" and w.answering() > 0, seconds=5)
    until(world, lambda w: over(w) and serves(w, "1.0.0", 3))


def test_room_for_one_more_costs_no_active_pod_before_the_first_step() -> None:
    world = full(room=4).apply(small("1.1.0")).run(1)
    until(world, candidate(1), least=3)
    assert world.ready("blue") == 3
    until(world, over, least=3)
    assert serves(world, "1.1.0", 3)


def test_a_trade_that_can_keep_nobody_available_waits_and_says_what_would_do() -> None:
    world = full(size=1, room=1).apply(small("1.1.0", size=1)).run(10)
    message = condition(world, "Ready")[2]
    assert "at least 2 replicas" in message
    assert "Recreate" in message
    until(world, over, least=1)
    assert world.status.rejected[-1].reason == "InsufficientCapacity"


def test_no_pod_is_given_that_the_clients_cannot_spare_although_the_first_made_no_room() -> None:
    world = full()
    world.room = 2
    world.apply(small("1.1.0")).run(30)
    assert (world.ready("blue"), world.ready("green")) == (2, 0)
    assert "at least 2 must stay ready" in condition(world, "Ready")[2]
    until(world, over, least=2)
    assert world.status.rejected[-1].reason == "InsufficientCapacity"
    world.room = 3
    until(world, lambda w: serves(w, "1.0.0", 3), least=2)


def test_a_pause_holds_a_trade_but_never_its_way_back() -> None:
    world = full().apply(small("1.1.0")).run(1)
    until(world, candidate(1))
    paused = small("1.1.0").model_copy(update={"paused": True})
    world.apply(paused).run(120)
    assert (world.ready("blue"), world.ready("green")) == (2, 1)
    world.versions["1.1.0"] = Version(error_rate=0.5)
    until(world, lambda w: w.selected == "blue", least=2, seconds=20)


@pytest.mark.parametrize("verb", ["abort", "rollback"])
def test_a_decision_takes_a_trade_back(verb: Any) -> None:
    world = full().apply(small("1.1.0")).run(1)
    until(world, candidate(2))
    world.decide(verb, revision_of(world.spec))
    until(world, lambda w: over(w) and serves(w, "1.0.0", 3), least=2)
    assert world.status.rejected[-1].reason == "Aborted"


def test_a_new_spec_supersedes_a_trade_and_is_traded_in_its_turn() -> None:
    world = full().apply(small("1.1.0")).run(1)
    until(world, candidate(2))
    world.apply(small("1.2.0"))
    until(world, lambda w: over(w) and serves(w, "1.2.0", 3), least=2)
    assert [(h.version, h.outcome) for h in world.status.history][-2:] == [
        ("1.1.0", "Superseded"),
        ("1.2.0", "Promoted"),
    ]


def test_an_operator_that_restarts_at_any_moment_goes_on_with_the_trade() -> None:
    world = full().apply(small("1.1.0"))
    for _ in range(200):
        world.run(1)
        observed = world.observe()
        read_back = ModelDeploymentStatus.parse(world.status.dump())
        assert read_back == observed.status
        if over(world):
            break
    assert serves(world, "1.1.0", 3)


def test_a_candidate_that_crashes_during_the_trade_is_taken_back() -> None:
    world = full().apply(small("1.1.0")).run(1)
    until(world, candidate(1))
    world.versions["1.1.0"] = Version(never_ready=True)
    until(world, lambda w: over(w) and serves(w, "1.0.0", 3), least=2)
    assert world.status.rejected[-1].reason == "ProgressDeadlineExceeded"


def test_warm_pods_are_given_up_before_any_active_one() -> None:
    world = full(room=6).apply(small("1.1.0")).run(1)
    until(world, over)
    assert world.status.warm
    world.room = 6
    until(world.apply(small("1.2.0")).run(1), over, least=3)
    assert "InPlace" not in reasons(world)
    assert serves(world, "1.2.0", 3)


# Wait and Abort


def test_wait_goes_on_as_soon_as_there_is_room_and_says_meanwhile_what_is_short() -> None:
    world = full("Wait").apply(small("1.1.0", "Wait")).run(20)
    assert "Insufficient cpu" in condition(world, "Ready")[2]
    world.room = 6
    until(world, over, least=3)
    assert serves(world, "1.1.0", 3)


def test_wait_says_the_same_as_long_as_nothing_happens() -> None:
    world = full("Wait").apply(small("1.1.0", "Wait")).run(10)
    before = world.status
    world.run(20)
    assert world.status == before


def test_wait_ends_at_the_deadline_with_active_untouched() -> None:
    world = full("Wait").apply(small("1.1.0", "Wait")).run(1)
    until(world, over, least=3)
    assert world.status.rejected[-1].reason == "InsufficientCapacity"
    assert "Insufficient cpu" in world.status.rejected[-1].message


def test_abort_ends_within_seconds_once_the_scheduler_has_said_no() -> None:
    world = full("Abort").apply(small("1.1.0", "Abort")).run(1)
    until(world, over, least=3, seconds=10)
    assert world.status.rejected[-1].reason == "InsufficientCapacity"


@pytest.mark.parametrize(("seen", "words"), [(True, "quota pods allows 3 pods"), (False, "exceeded quota")])
def test_a_quota_is_named_and_ends_the_wait_by_its_own_reason(*, seen: bool, words: str) -> None:
    world = full("Wait", room=None)
    world.quota, world.quota_is_seen = 3, seen
    world.apply(small("1.1.0", "Wait")).run(3)
    assert words in condition(world, "Ready")[2]
    until(world, over, least=3)
    assert world.status.rejected[-1].reason == "QuotaExceeded"


@pytest.mark.parametrize("seen", [True, False])
def test_a_quota_can_be_traded_under(*, seen: bool) -> None:
    world = full(room=None)
    world.quota, world.quota_is_seen = 3, seen
    until(world.apply(small("1.1.0")).run(1), over, least=2)
    assert serves(world, "1.1.0", 3)


def test_nothing_is_traded_for_a_pod_that_no_freed_place_would_help(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = "0/1 nodes are available: persistentvolumeclaim not found."
    monkeypatch.setattr("tests.rollout.cluster.FULL", Failure(reason="Unschedulable", message=nowhere))
    world = full().apply(small("1.1.0")).run(1)
    until(world, over, least=3)
    assert world.status.rejected[-1].reason != "InsufficientCapacity"


def test_nothing_is_traded_for_a_pod_that_no_node_is_large_enough_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "no_node_is_large_enough", lambda *_: True)
    world = full().apply(small("1.1.0")).run(8)
    assert "No node would have room for it if it were empty" in condition(world, "Ready")[2]
    until(world, over, least=3)
    assert world.status.rejected[-1].reason == "InsufficientCapacity"


@pytest.mark.parametrize("policy", ["Wait", "InPlace"])
def test_what_a_limit_range_refuses_ends_soon_because_no_room_heals_it(
    monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    refused = Failure(reason="LimitExceeded", message="LimitRange narrow refuses the pods.")
    monkeypatch.setattr(capacity, "quota_refusal", lambda *_: refused)
    world = full(policy, room=None)
    world.quota = 3
    world.apply(small("1.1.0", policy)).run(20)
    assert world.status.rollout
    assert world.status.rollout.message.endswith(refused.message)
    until(world, over, least=3, seconds=20)
    assert world.status.rejected[-1].reason == "LimitExceeded"


# The check is advice, the scheduler is the truth


@pytest.mark.parametrize(
    ("fits", "room", "sentence"), [(3, 3, "the scheduler decides"), (0, 6, "The scheduler found room where")]
)
def test_where_check_and_scheduler_differ_the_scheduler_is_followed_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch, fits: int, room: int, sentence: str
) -> None:
    expected = CapacityStatus(needed=3, fits=fits, message=f"{fits} fit now.")
    monkeypatch.setattr(capacity, "check", lambda *_: expected)
    world = full("Wait")
    world.versions["1.1.0"] = Version(ready_after=8)
    world.apply(small("1.1.0", "Wait")).run(3)
    world.room = room
    world.run(3)
    assert world.status.rollout
    assert world.status.rollout.capacity == expected
    assert sentence in world.status.rollout.message
    assert (world.count("green"), world.ready("blue")) == (3, 3)


def test_a_quota_that_has_room_again_nudges_its_replica_set_at_most_every_five_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = full("Wait", room=None)
    world.quota = 3
    world.apply(small("1.1.0", "Wait")).run(10)
    monkeypatch.setattr(capacity, "quota_has_room_again", lambda *_: True)
    world.run(5)
    assert world.retries == 1
    world.run(5)
    assert world.retries == 2


# Progress


def test_a_pod_that_restarts_makes_no_progress_however_often_it_is_ready() -> None:
    world = full("Wait", room=6)
    world.versions["1.1.0"] = Version(never_ready=True)
    world.apply(small("1.1.0", "Wait")).run(2)
    pods = [p for p in world.pods if p.view.color == "green"]
    for moment in range(70):
        if over(world):
            break
        world.versions["1.1.0"] = Version(never_ready=moment % 10 != 0)
        for pod in pods[: 1 + moment // 30]:
            pod.view = replace(pod.view, restarts=moment // 10 + 1)
        for pod in pods[1 + moment // 30 :]:
            pod.placed = False
        world.run(1)
    assert over(world)


# Roles and places


def test_pods_without_clients_are_replaced_in_their_places_and_others_are_not() -> None:
    world = full(room=6).apply(small("1.1.0")).run(3)
    strategies = {
        action.manifest["metadata"]["name"]: action.manifest["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
        for action in plan(world.observe(), world.evidence(), world.now).actions
        if isinstance(action, Keep) and action.manifest["kind"] == "Deployment"
    }
    assert strategies == {"diabetes-blue": "100%", "diabetes-green": 0}


@pytest.mark.parametrize("selection", ["blue", "green", "both"])
def test_what_the_clients_service_selects_is_read_back_as_it_was_written(selection: Any) -> None:
    color = None if selection == "both" else selection
    manifest = service.clients(OWNER, small("1.0.0").serving.service, color)
    assert views.selected_color(manifest) == selection
