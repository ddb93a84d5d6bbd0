"""Gates on a real cluster: what a Job finds of a version decides whether a client ever meets it."""

from __future__ import annotations

import re
from math import ceil
from typing import Any

import pytest

from dev.cluster import Cluster
from tests.e2e.crowd import scenario
from tests.e2e.scene import Scene, Status, active, merged, settled
from tests.e2e.stock import SLOW

BASE: dict[str, Any] = {
    "rollout": {"onInconclusive": "Rollback", "inconclusiveDeadline": "2s"},
    "autoscaling": {"minReplicas": 1, "maxReplicas": 1},
}


def gated(*steps: dict[str, Any]) -> dict[str, Any]:
    return merged(BASE, {"rollout": {"steps": list(steps)}})


def gates(status: Status) -> dict[str, dict[str, Any]]:
    """What the gates of the rollout under way have answered, by kind."""
    steps = (status.get("rollout") or {}).get("steps", ())
    return {step["kind"]: step["gate"] for step in steps if (step.get("gate") or {}).get("verdict")}


def until_decided(scene: Scene, version: str, within: float = 90.0) -> Status:
    """Until it is promoted, or rejected for what it is itself.

    Where other scenes take the processor of the active version, that suffers, and a load gate has no verdict: it is
    asked again, as a person would.
    """

    def is_rejected(status: Status) -> bool:
        last: dict[str, Any] = (status.get("rejected") or [{}])[-1]
        return not status.get("rollout") and last.get("version") == version

    for _ in range(4):
        found = scene.until(f"{version} to end", lambda status: settled(version)(status) or is_rejected(status), within)
        if active(found) == version or found["rejected"][-1]["reason"] != "ActiveSuffered":
            return found
        scene.decide("retry", found["rejected"][-1]["revision"])
        scene.until("it to be tried again", lambda status: bool(status.get("rollout")))
    raise AssertionError(f"the active version suffered four times beside {version}")


@scenario
def test_a_version_goes_through_its_gates_and_one_that_learnt_the_wrong_thing_meets_no_client(scene: Scene) -> None:
    quality = {"quality": {"data": scene.stock.holdout(), "auc": {"min": 0.85}}}
    # At a rate: as fast as it goes would take a core from the scenes beside it, whose times then say nothing.
    load = {"load": {"connections": 4, "for": "3s", "rate": 20, "p95": "5s"}}
    scene.given_active("1.0.0", **gated(quality, {"smoke": {"rows": 50}}))
    passed = scene.condition("GatesPassed")
    with scene.clients() as clients:
        scene.apply(scene.stock.swapped(), **gated(quality))
        rejected = scene.until("it to be rejected", lambda status: bool(status.get("rejected")))
        scene.apply("1.1.0", **gated(quality, {"smoke": {"rows": 50}}, load))
        scene.until("all gates to have answered", lambda status: len(gates(status)) == 3)
        assert active(until_decided(scene, "1.1.0")) == "1.1.0"
        clients.until_answered_by("1.1.0")
    assert (passed["status"], passed["reason"]) == ("True", "Passed")
    assert "auc is 0.8" in passed["message"]
    last = rejected["rejected"][-1]
    assert (active(rejected), last["reason"]) == ("1.0.0", "QualityGateFailed")
    assert "at least 0.85 is missed." in last["message"]
    assert {request.version for request in clients.requests} == {"1.0.0", "1.1.0"}
    assert [request.outcome for request in clients.requests if request.result != "answered"] == []
    scene.event("GateFailed", "auc")
    scene.event("GatePassed", "load")


@pytest.mark.thorough
@scenario
def test_groups_that_are_treated_unlike_are_shown_and_data_that_is_not_what_was_said_is_no_verdict(
    scene: Scene,
) -> None:
    data = scene.stock.holdout()
    scene.given_active("1.0.0", **BASE)
    fairness = {
        "data": data,
        "attributes": [{"name": "age_band"}],
        "disparateImpact": {"min": 0.8},
        "decideOn": "Point",
    }
    scene.apply("1.1.0", **gated({"fairness": fairness}))
    found = scene.until("the fairness gate to answer", lambda status: "Fairness" in gates(status))
    unfair = scene.until("1.1.0 to be rejected", lambda status: bool(status.get("rejected")))
    scene.apply("1.3.0", **gated({"fairness": {**fairness, "data": {**data, "sha256": "0" * 64}}}))
    unknown = scene.until("1.3.0 to be rejected", lambda status: len(status.get("rejected", ())) == 2)
    groups = gates(found)["Fairness"]["groups"]
    assert len(groups) >= 3
    assert all(0 <= group["selectionRate"] <= 1 and group["count"] > 0 for group in groups)
    assert unfair["rejected"][-1]["reason"] == "FairnessGateFailed"
    assert "sha256" in unknown["rejected"][-1]["message"].lower() or "SHA-256" in unknown["rejected"][-1]["message"]
    assert active(unknown) == "1.0.0"


# The numeric libraries alone take more memory than the usual limit of a linear model.
ROOM = {"resources": {"requests": {"cpu": "25m", "memory": "32Mi"}, "limits": {"memory": "512Mi"}}}


@scenario
def test_a_version_that_is_far_slower_is_refused_by_its_load_and_no_client_meets_it(scene: Scene) -> None:
    """The limit is four times what the first version takes on this machine, now."""
    assert isinstance(scene.cluster, Cluster)
    scene.cluster.load_images(variants=True)
    load = {"connections": 4, "for": "6s", "rate": 15}
    scene.given_active("1.0.0", **gated({"load": {**load, "p95": "60s"}}))
    fast = p95(scene.condition("GatesPassed")["message"])
    limit = f"{ceil(4 * fast * 1000)}ms"
    before = scene.active_pod()
    with scene.clients(rate=20) as clients:
        # As few requests as are enough for what is so slow leave the active version a processor.
        few = {**load, "for": "8s", "rate": 5}
        scene.apply(scene.stock.slow(), serving=ROOM, **gated({"load": {**few, "p95": limit}}))
        rejected = until_decided(scene, SLOW, 180)
    last = rejected["rejected"][-1]
    assert (active(rejected), last["version"], last["reason"]) == ("1.0.0", SLOW, "LoadGateFailed"), last["message"]
    assert p95(last["message"]) > 4 * fast
    assert scene.active_pod() == before
    assert {request.version for request in clients.requests} == {"1.0.0"}
    assert [request.outcome for request in clients.requests if request.result != "answered"] == []


def p95(message: str) -> float:
    """In seconds, as a load gate tells it."""
    found = re.search(r"p95 in seconds is ([0-9.e-]+)", message)
    assert found, message
    return float(found[1])


OWN = """
import json, os, sys, urllib.request
asked = json.loads(os.environ["VERDIGRIS_GATE"])
with urllib.request.urlopen(asked["url"] + "/v2/models/diabetes", timeout=10) as answer:
    serves = json.load(answer)["versions"]
said = {"message": "it serves " + serves[0] + ", asked about " + asked["model"]["version"], "reason": "Audited"}
with open("/dev/termination-log", "w") as log:
    json.dump(said, log)
sys.exit(10 if serves == ["1.1.0"] else 0)
"""
"""Asks the new version for its name, and refuses one."""


@scenario
def test_a_program_of_ones_own_lets_one_version_pass_and_refuses_the_next(scene: Scene) -> None:
    image = scene.cluster.kubectl(
        *("-n", "verdigris-system", "get", "deployment", "verdigris", "-o"),
        "jsonpath={.spec.template.spec.containers[0].env[?(@.name=='VERDIGRIS_SERVING_IMAGE')].value}",
    ).strip()
    own = {"job": {"name": "audit", "image": image, "command": ["python3", "-c", OWN], "deadline": "60s"}}
    scene.given_active("1.0.0", **gated(own))
    passed = scene.condition("GatesPassed")
    scene.apply("1.1.0", **gated(own))
    rejected = scene.until("it to be rejected", lambda status: bool(status.get("rejected")))
    assert (passed["status"], passed["message"]) == ("True", "Job: it serves 1.0.0, asked about 1.0.0.")
    last = rejected["rejected"][-1]
    assert (active(rejected), last["reason"]) == ("1.0.0", "JobGateFailed")
    assert last["message"] == "it serves 1.1.0, asked about 1.1.0."
    scene.event("GateFailed", "asked about 1.1.0")
