"""A version on trial behind the shield, under the eyes of clients: whatever it does, they have an answer."""

from __future__ import annotations

from tests.e2e.crowd import scenario
from tests.e2e.scene import Scene, active, settled

SHIELDED = {
    # On a slow machine a good answer may be late as well, and here only what is bad is to be found.
    "rollout": {"bake": "8s", "shield": True, "answerWithin": "20s"},
    "autoscaling": {"minReplicas": 2, "maxReplicas": 2},
}


@scenario
def test_no_client_sees_that_a_version_fails_half_its_calls_and_a_good_one_is_let_through(scene: Scene) -> None:
    scene.given_active("1.0.0", **SHIELDED)
    with scene.clients() as clients:
        scene.apply("1.2.0", **SHIELDED)
        rejected = scene.until("1.2.0 to be rejected", lambda status: bool(status.get("rejected")))
        selected = scene.selected()
        scene.apply("1.1.0", **SHIELDED)
        scene.until("1.1.0 to be promoted", settled("1.1.0"))
        clients.until_answered_by("1.1.0")
    back = rejected["lastRollback"]
    assert (active(rejected), selected, back["fromVersion"]) == ("1.0.0", "blue", "1.2.0")
    assert back["evidence"]["candidate"]["errors"] > 0, "the fault must have been a real one"
    assert back["trafficRestoredAt"] > back["decidedAt"]
    assert [request.outcome for request in clients.requests if request.result != "answered"] == []
    assert {request.version for request in clients.requests} == {"1.0.0", "1.1.0", "1.2.0"}
    scene.event("OnTrial", "1.2.0")
    scene.event("RolledBack", "1.2.0")
    scene.event("Promoted", "1.1.0")
    assert scene.selected() == "green"
