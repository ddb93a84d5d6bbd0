"""What people decide: each decision is answered with a sentence, and is on record with who made it and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from dev.cluster import ClusterError
from dev.demo.models import decision
from tests.e2e.crowd import scenario
from tests.e2e.scene import NAME, Scene, active, settled, stage, wait_for

BY_HAND = {"rollout": {"approval": "Required"}}


def outcome(scene: Scene, name: str) -> tuple[str, str]:
    """What became of a decision, once something has: (Accepted or Refused, the sentence)."""
    found: dict[str, Any] = {}

    def answered(_: Mapping[str, Any]) -> bool:
        found.update((scene.kube.get("rolloutdecision", name) or {}).get("status") or {})
        return "outcome" in found

    scene.until(f"an answer to {name}", answered, 30)
    return found["outcome"], found["message"]


def awaiting(scene: Scene, version: str) -> str:
    """Apply a version that needs approval and wait until it waits; returns its revision."""
    scene.apply(version, **BY_HAND)
    status = scene.until(f"{version} to wait for approval", lambda status: stage(status) == "AwaitingApproval")
    revision: str = status["rollout"]["revision"]
    return revision


@scenario
def test_a_version_waits_for_approval_and_goes_on_with_it(scene: Scene) -> None:
    scene.given_active("1.0.0")
    revision = awaiting(scene, "1.1.0")
    assert scene.selected() == "blue"
    assert revision in scene.condition("Ready")["message"]
    name = scene.decide("approve", revision)
    status = scene.until("1.1.0 to be promoted", settled("1.1.0"))
    assert outcome(scene, name)[0] == "Accepted"
    record = status["decisions"][-1]
    assert (record["verb"], record["reason"], record["outcome"]) == ("approve", "for the demo", "Accepted")
    assert record["by"]
    scene.event("DecisionAccepted", record["by"], "for the demo")


@scenario
def test_an_aborted_version_stays_out_until_somebody_asks_for_a_retry(scene: Scene) -> None:
    scene.given_active("1.0.0")
    revision = awaiting(scene, "1.1.0")
    scene.decide("abort", revision)
    aborted = scene.until("1.1.0 to be rejected", lambda status: bool(status.get("rejected")))
    assert (active(aborted), aborted["history"][-1]["outcome"]) == ("1.0.0", "Aborted")
    assert "verb retry" in scene.condition("Ready")["message"]
    scene.decide("retry", revision)
    scene.until("1.1.0 to wait for approval", lambda status: stage(status) == "AwaitingApproval")
    scene.decide("approve", revision)
    scene.until("1.1.0 to be promoted", settled("1.1.0"))


@scenario
def test_a_version_that_bakes_can_be_promoted_at_once_and_rolled_back_at_once(scene: Scene) -> None:
    scene.given_active("1.0.0")
    scene.apply("1.1.0", rollout={"bake": "1h"})
    baking = scene.until("1.1.0 to bake", lambda status: stage(status) == "Baking")
    pods = scene.pods()
    scene.decide("promote", baking["rollout"]["revision"])
    promoted = scene.until("1.1.0 to be promoted", settled("1.1.0"), 25)
    name = scene.decide("rollback", promoted["active"]["revision"])
    wait_for("clients to be back on blue", lambda: scene.selected() == "blue", 10)
    status = scene.until("1.0.0 to be active", settled("1.0.0"))
    assert outcome(scene, name)[0] == "Accepted"
    assert status["lastRollback"]["reason"] == "RequestedRollback"
    (warm,) = [uid for uid, version in pods.items() if version == "1.0.0"]
    wait_for("blue's own warm pod, and no other, to stay", lambda: scene.pods() == {warm: "1.0.0"}, 30, every=0.5)
    assert status["rejected"][-1]["version"] == "1.1.0"


@pytest.mark.thorough
@scenario
def test_a_decision_that_cannot_be_carried_out_is_refused_with_the_reason(scene: Scene) -> None:
    scene.given_active("1.0.0")
    revision = awaiting(scene, "1.1.0")
    refused = {
        scene.decide("approve", "no-such-revision"): "not of no-such-revision",
        scene.decide("retry", revision): "is not a rejected one",
        scene.decide("rollback", "no-such-revision"): "is not the active one",
    }
    for name, words in refused.items():
        result, message = outcome(scene, name)
        assert (result, words in message) == ("Refused", True), message
    assert stage(scene.status()) == "AwaitingApproval"
    scene.event("DecisionRefused", "is not the active one")


@scenario
def test_a_decision_in_anothers_name_or_changed_afterwards_is_refused_by_the_api_server(scene: Scene) -> None:
    scene.given_active("1.0.0")
    revision = scene.status()["active"]["revision"]
    with pytest.raises(ClusterError, match="requestedBy must be your own name"):
        scene.kube.create(decision("forged", model=NAME, revision=revision, verb="rollback", by="somebody-else"))
    name = scene.decide("rollback", revision)
    with pytest.raises(ClusterError, match="cannot be changed"):
        scene.patch({"spec": {"verb": "abort"}}, "rolloutdecision", name)


@scenario
def test_a_pause_holds_a_rollout_but_never_a_rollback(scene: Scene) -> None:
    scene.given_active("1.0.0")
    scene.apply("1.1.0", rollout={"bake": "1h"})
    baking = scene.until("1.1.0 to bake", lambda status: stage(status) == "Baking")
    scene.patch({"spec": {"paused": True, "rollout": {"bake": "0s"}}})
    scene.until_condition("Ready", lambda ready: "Paused by spec.paused" in ready["message"])
    assert stage(scene.status()) == "Baking"
    scene.decide("abort", baking["rollout"]["revision"])
    status = scene.until("1.1.0 to be taken back", lambda status: bool(status.get("rejected")))
    assert (active(status), scene.selected()) == ("1.0.0", "blue")


@pytest.mark.thorough
@scenario
def test_a_paused_model_starts_no_rollout_until_it_goes_on(scene: Scene) -> None:
    scene.given_active("1.0.0")
    scene.apply("1.1.0")
    scene.patch({"spec": {"paused": True}})
    scene.until_condition("Ready", lambda ready: "aused" in ready["message"])
    scene.patch({"spec": {"paused": False}})
    scene.until("1.1.0 to be promoted", settled("1.1.0"))
