"""The operator itself has bad luck: killed, upgraded, without Prometheus, with an object that it cannot read.

Each of these disturbs everything on the cluster, so each runs alone, after all the scenarios.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from dev.cluster import Cluster
from dev.demo.install import NAMESPACE, install_operator, operator_pods
from tests.e2e.scene import NAME, Scene, active, settled, stage, wait_for

BAKING = {"rollout": {"bake": "6s"}, "autoscaling": {"minReplicas": 2, "maxReplicas": 2}}
CRD = "modeldeployments.verdigris.dev"


def leader(cluster: Cluster) -> str:
    """The pod that holds the Lease."""
    leases = json.loads(cluster.kubectl("-n", NAMESPACE, "get", "leases", "-o", "json"))["items"]
    holders = [str(lease["spec"].get("holderIdentity") or "") for lease in leases]
    return next(pod for pod in operator_pods(cluster) if any(pod in holder for holder in holders))


def test_a_rollout_goes_on_when_the_leader_is_killed(alone: Scene, operator: Cluster) -> None:
    scene, killed = alone, leader(operator)
    scene.given_active("1.0.0", **BAKING)
    with scene.clients() as clients:
        scene.apply("1.1.0", **BAKING)
        scene.until("1.1.0 to start", lambda status: stage(status) is not None)
        operator.kubectl("-n", NAMESPACE, "delete", "pod", killed, "--force", "--grace-period=0")
        scene.until("1.1.0 to be promoted", settled("1.1.0"))
    assert leader(operator) != killed
    assert [request.outcome for request in clients.requests if request.result != "answered"] == []


def test_a_bad_version_is_taken_back_by_the_next_leader(alone: Scene, operator: Cluster) -> None:
    scene, long = alone, {"rollout": {"bake": "1h"}}
    scene.given_active("1.0.0", **long)
    with scene.clients():
        scene.apply("1.2.0", **long)
        scene.until("1.2.0 to have the clients", lambda status: stage(status) == "Baking")
        operator.kubectl("-n", NAMESPACE, "delete", "pod", leader(operator), "--force", "--grace-period=0")
        status = scene.until("1.2.0 to be rejected", lambda status: bool(status.get("rejected")), 60)
    assert (active(status), scene.selected()) == ("1.0.0", "blue")


def test_a_rollout_holds_while_prometheus_is_away_and_ends_well_when_it_is_back(
    alone: Scene, operator: Cluster
) -> None:
    scene = alone
    scene.given_active("1.0.0", **BAKING)
    with scene.clients() as clients:
        scene.apply("1.1.0", **BAKING)
        scene.until("1.1.0 to have the clients", lambda status: stage(status) == "Baking")
        with prometheus_away(operator):
            held = scene.until("the verdict to be open", _inconclusive, 30)
            began = held["rollout"]["since"]
            wait_for("the bake time to be over", lambda: _seconds_since(began) > 8, 30)
            assert stage(scene.status()) == "Baking", "no evidence promotes nothing and takes nothing back"
        scene.until("1.1.0 to be promoted", settled("1.1.0"), 120)
    assert [request.outcome for request in clients.requests if request.result != "answered"] == []


def test_an_upgrade_of_the_operator_touches_no_model_pod(alone: Scene, operator: Cluster) -> None:
    scene = alone
    scene.given_active("1.0.0")
    pods, deployment = scene.pods(), scene.kube.get("deployment", "diabetes-blue") or {}
    old = set(operator_pods(operator))
    try:
        install_operator(operator, "serving.image=verdigris/serving:9.9.9", "logLevel=debug", "resyncInterval=1m")
        wait_for("new operator pods only", lambda: old.isdisjoint(operator_pods(operator)), 60, every=0.5)
        scene.patch({"spec": {"rollout": {"keepWarm": "1m"}}})
        wanted = scene.kube.get("modeldeployment", NAME) or {}
        generation = wanted["metadata"]["generation"]
        scene.until("the new operator to act", lambda status: status["observedGeneration"] == generation, 60)
        assert scene.pods() == pods
        after = scene.kube.get("deployment", "diabetes-blue") or {}
        assert after["spec"]["template"] == deployment["spec"]["template"]
        assert after["metadata"]["generation"] == deployment["metadata"]["generation"]
    finally:
        install_operator(operator)


def test_an_object_that_slipped_in_under_an_older_schema_is_told_so_and_others_go_on(
    alone: Scene, operator: Cluster
) -> None:
    scene = alone
    with any_spec_allowed(operator):
        bad: dict[str, Any] = {"model": {"version": 7, "uri": "nonsense", "colour": "red"}}
        thing = {"apiVersion": "verdigris.dev/v1alpha1", "kind": "ModelDeployment", "metadata": {"name": "old"}}
        scene.kube.apply({**thing, "spec": bad})
        wait_for("the operator to say so", lambda: "InvalidSpec" in _reasons(scene, "old"), 30, every=0.25)
    scene.given_active("1.0.0")
    message = next(text for reason, text in scene.events() if reason == "InvalidSpec")
    assert "spec.model.version" in message


def _reasons(scene: Scene, name: str) -> set[str]:
    conditions = scene.api.model(scene.namespace, name).get("status", {}).get("conditions", [])
    return {condition["reason"] for condition in conditions}


def _inconclusive(status: Any) -> bool:
    rollout = status.get("rollout") or {}
    return bool(rollout.get("evidence", {}).get("verdict") == "Inconclusive")


def _seconds_since(time_text: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(time_text)).total_seconds()


@contextmanager
def prometheus_away(cluster: Cluster) -> Iterator[None]:
    """No Prometheus for the length of the block."""
    words = ("-n", "monitoring", "patch", "prometheus", "main", "--type=merge", "-p")
    cluster.kubectl(*words, json.dumps({"spec": {"replicas": 0}}))
    try:
        yield
    finally:
        cluster.kubectl(*words, json.dumps({"spec": {"replicas": 1}}))
        cluster.kubectl("-n", "monitoring", "rollout", "status", "statefulset", "prometheus-main", "--timeout=60s")


@contextmanager
def any_spec_allowed(cluster: Cluster) -> Iterator[None]:
    """A CRD that allows any spec, as if an older version of it had; the right one again afterwards."""
    crd = json.loads(cluster.kubectl("get", "crd", CRD, "-o", "json"))
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    loose = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec"
    replace = [{"op": "replace", "path": path, "value": loose}]
    cluster.kubectl("patch", "crd", CRD, "--type=json", "-p", json.dumps(replace))
    try:
        yield
    finally:
        replace[0]["value"] = schema["properties"]["spec"]
        cluster.kubectl("patch", "crd", CRD, "--type=json", "-p", json.dumps(replace))
