"""Rollouts under the eyes of clients: nothing is lost by a switch, and what fails is taken back."""

from __future__ import annotations

import pytest

from dev.cluster.patience import stretched
from tests.e2e.crowd import scenario
from tests.e2e.scene import Scene, active, settled, stage

WATCHED = {"rollout": {"bake": "8s"}, "autoscaling": {"minReplicas": 2, "maxReplicas": 2}}


@scenario
def test_a_good_version_takes_over_and_no_request_is_lost(scene: Scene) -> None:
    scene.given_active("1.0.0", **WATCHED)
    first = scene.pods()
    with scene.clients() as clients:
        scene.apply("1.1.0", **WATCHED)
        status = scene.until("1.1.0 to be promoted", settled("1.1.0"))
    assert [request.outcome for request in clients.requests if request.result != "answered"] == []
    assert {request.version for request in clients.requests} == {"1.0.0", "1.1.0"}
    assert {request.version for request in clients.requests[-20:]} == {"1.1.0"}
    assert status["active"]["color"] == "green"
    assert status["history"][-1]["outcome"] == "Promoted"
    assert first.keys() < scene.pods().keys(), "the old colour's pods must stay warm, the very same ones"
    assert scene.condition("Ready")["status"] == "True"
    scene.event("Promoted", "1.1.0")


@scenario
def test_a_bad_version_is_taken_back_and_then_a_good_one_is_let_through(scene: Scene) -> None:
    scene.given_active("1.0.0", **WATCHED)
    with scene.clients() as clients:
        scene.apply("1.2.0", **WATCHED)
        scene.until("1.2.0 to have the clients", lambda status: stage(status) == "Baking")
        rejected = scene.until("1.2.0 to be rejected", lambda status: bool(status.get("rejected")))
        refused = scene.condition("Ready")
        scene.apply("1.1.0", **WATCHED)
        scene.until("1.1.0 to be promoted", settled("1.1.0"))
    back = rejected["lastRollback"]
    assert (active(rejected), back["fromVersion"], back["toVersion"]) == ("1.0.0", "1.2.0", "1.0.0")
    assert back["evidence"]["verdict"] == "Fail"
    assert back["trafficRestoredAt"] > back["decidedAt"]
    assert rejected["rejected"][-1]["version"] == "1.2.0"
    assert refused["status"] == "False"
    assert "retry" in refused["message"]
    scene.event("RolledBack", "1.2.0")
    assert clients.bad(), "the fault must have been a real one"
    assert [request.outcome for request in clients.lost()] == []
    bad = [request.ended for request in clients.bad()]
    assert max(bad) - min(bad) < stretched(10)


@scenario
def test_a_version_that_is_superseded_while_it_bakes_gives_the_clients_back_first(scene: Scene) -> None:
    baking = {"rollout": {"bake": "1h"}}
    scene.given_active("1.0.0")
    with scene.clients() as clients:
        scene.apply("1.1.0", **baking)
        scene.until("1.1.0 to have the clients", lambda status: stage(status) == "Baking")
        clients.until_answered_by("1.1.0")
        scene.apply("1.3.0")
        scene.until("1.3.0 to be promoted", settled("1.3.0"))
        clients.until_answered_by("1.3.0")
    assert [entry["outcome"] for entry in scene.status()["history"]][-2:] == ["Superseded", "Promoted"]
    scene.event("Superseded", "1.3.0")
    ended = {version: [r.ended for r in clients.requests if r.version == version] for version in ("1.1.0", "1.3.0")}
    assert max(ended["1.1.0"]) < min(ended["1.3.0"]), "the active version has the clients in between"
    assert [request.outcome for request in clients.requests if request.result != "answered"] == []


@pytest.mark.thorough
@scenario
def test_a_version_whose_pods_go_away_gives_its_clients_back_without_evidence_and_goes_on(scene: Scene) -> None:
    """Somebody deletes them: nothing that the version did, so it is tried again when its new pods are ready."""
    scene.given_active("1.0.0")
    scene.apply("1.1.0", rollout={"bake": "1h"})
    scene.until("1.1.0 to have the clients", lambda status: stage(status) == "Baking")
    scene.kube.run("delete", "pods", "-l", "verdigris.dev/color=green", "--grace-period=0", "--force")
    status = scene.until("its clients to be taken back", lambda status: bool(status.get("lastRollback")))
    assert (active(status), status["lastRollback"]["reason"]) == ("1.0.0", "CandidateUnavailable")
    scene.event("RollingBack", "No pod of the candidate is ready")
    status = scene.until("1.1.0 to have the clients again", lambda status: stage(status) == "Baking")
    assert not status.get("rejected")
    assert not status["rollout"].get("again"), "what its surroundings did is not counted"
