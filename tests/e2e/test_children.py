"""What the operator makes: it puts back what others change, takes away what is deleted, and is silent when steady."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dev.demo.install import NAMESPACE as OPERATOR_NAMESPACE
from tests.e2e.crowd import scenario
from tests.e2e.scene import NAME, Scene, settled, stage, wait_for

KINDS = (
    *("deployments", "replicasets", "pods", "services", "horizontalpodautoscalers", "poddisruptionbudgets"),
    *("networkpolicies", "serviceaccounts", "controllerrevisions", "servicemonitors"),
)
AUTOSCALED = {"autoscaling": {"minReplicas": 1, "maxReplicas": 3}}
SILENCE = 45.0
"""Seconds for which a steady operator is watched."""


def children(scene: Scene) -> set[str]:
    """Everything in the namespace that bears the model's label."""
    names = scene.kube.run("get", ",".join(KINDS), "-l", f"verdigris.dev/model={NAME}", "-o", "name")
    return set(names.split())


@scenario
def test_a_model_gets_every_child_and_leaves_none_behind(scene: Scene) -> None:
    scene.given_active("1.0.0", **AUTOSCALED)
    made = {name.partition("/")[0].partition(".")[0] for name in children(scene)}
    assert made >= {kind.removesuffix("s").replace("networkpolicie", "networkpolicy") for kind in KINDS}
    scene.kube.delete("modeldeployment", NAME)
    wait_for("every child to be gone", lambda: children(scene) == set(), within=60, every=0.5)


@scenario
def test_a_child_that_is_deleted_is_put_back(scene: Scene) -> None:
    scene.given_active("1.0.0", **AUTOSCALED)
    before = children(scene)
    for kind, name in (
        ("service", NAME),
        ("service", "diabetes-blue"),
        ("horizontalpodautoscaler", "diabetes-blue"),
        ("poddisruptionbudget", "diabetes-blue"),
        ("networkpolicy", NAME),
        ("servicemonitor", NAME),
        ("deployment", "diabetes-blue"),
    ):
        scene.kube.delete(kind, name)
        wait_for(f"{kind} {name} to be back", partial(exists, scene, kind, name), 30, every=0.25)
    scene.until_condition("Ready", lambda ready: ready.get("status") == "True")
    lasting = {name for name in before if not name.startswith(("pod/", "replicaset"))}
    assert lasting <= children(scene)


@scenario
def test_a_child_that_is_changed_is_set_right(scene: Scene) -> None:
    scene.given_active("1.0.0", **AUTOSCALED)
    scene.patch({"spec": {"selector": {"verdigris.dev/color": "green"}}}, "service", NAME)
    wait_for("the clients' Service to select blue", lambda: scene.selected() == "blue", 30, every=0.25)
    scene.patch({"spec": {"maxReplicas": 7}}, "horizontalpodautoscaler", "diabetes-blue")
    wait_for("the HPA's limit to be 3", lambda: field(scene, "hpa", "maxReplicas") == 3, 30, every=0.25)
    limit = "progressDeadlineSeconds"
    scene.patch({"spec": {limit: 77}}, "deployment", "diabetes-blue")
    wait_for("the Deployment to be as it was", lambda: field(scene, "deployment", limit) != 77, 30, every=0.25)


@pytest.mark.thorough
@scenario
def test_what_somebody_sets_on_a_child_is_taken_away_again(scene: Scene) -> None:
    """Fields that we do not state, and a port, by which lists are merged."""
    scene.given_active("1.0.0", **AUTOSCALED)
    renumbered = {"spec": {"publishNotReadyAddresses": True, "ports": [{"name": "http", "port": 81}]}}
    scene.patch(renumbered, "service", NAME)
    wait_for("the clients' Service to be as it was", lambda: ports(scene) == [80], 30, every=0.25)
    assert "publishNotReadyAddresses" not in (scene.kube.get("service", NAME) or {})["spec"]
    scene.patch({"spec": {"paused": True}}, "deployment", "diabetes-blue")
    wait_for("the Deployment to go on", lambda: not field(scene, "deployment", "paused"), 30, every=0.25)
    scene.patch({"spec": {"template": {"spec": {"hostAliases": ALIAS}}}}, "deployment", "diabetes-blue")
    wait_for("the pods' template to be as it was", lambda: not aliased(scene), 30, every=0.25)


ALIAS = [{"ip": "192.0.2.1", "hostnames": ["x.test"]}]


def ports(scene: Scene) -> list[int]:
    """The ports of the clients' Service."""
    return [port["port"] for port in (scene.kube.get("service", NAME) or {})["spec"]["ports"]]


def aliased(scene: Scene) -> bool:
    """Whether blue's pods are to have what somebody has added."""
    template = field(scene, "deployment", "template") or {}
    return "hostAliases" in template.get("spec", {})


@scenario
def test_a_service_that_is_deleted_comes_back_with_its_address(scene: Scene) -> None:
    scene.given_active("1.0.0")
    address = (scene.kube.get("service", NAME) or {})["spec"]["clusterIP"]
    scene.until("the address to be known", lambda status: (status.get("service") or {}).get("address") == address)
    scene.kube.delete("service", NAME)
    wait_for("the Service to be back", partial(exists, scene, "service", NAME), 30, every=0.1)
    assert (scene.kube.get("service", NAME) or {})["spec"]["clusterIP"] == address


@scenario
def test_every_name_that_is_taken_is_told_at_once_and_left_alone(scene: Scene) -> None:
    spec = {"selector": {"app": "theirs"}, "ports": [{"port": 80}]}
    policy = {"podSelector": {}, "policyTypes": ["Ingress"]}
    scene.kube.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME}, "spec": spec})
    scene.kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME}})
    scene.kube.apply(
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": NAME}, "spec": policy}
    )
    scene.apply("1.0.0")
    scene.until_condition("Stalled", lambda stalled: stalled.get("reason") == "NameTaken")
    message = scene.condition("Stalled")["message"]
    assert all(f"{kind} {NAME}" in message for kind in ("Service", "ServiceAccount", "NetworkPolicy"))
    assert "or give the ModelDeployment another name" in message
    assert scene.pods() == {}
    for kind in ("service", "serviceaccount", "networkpolicy"):
        found = scene.kube.get(kind, NAME) or {}
        assert "ownerReferences" not in found["metadata"]
        scene.kube.delete(kind, NAME)
    scene.until("1.0.0 to be active", settled("1.0.0"))
    scene.until_condition("Stalled", lambda stalled: stalled["status"] == "False")


@pytest.mark.thorough
@scenario
def test_a_model_that_was_deleted_without_its_children_takes_them_over_and_no_pod_notices(scene: Scene) -> None:
    scene.given_active("1.0.0", **AUTOSCALED)
    before = scene.pods()
    scene.kube.run("delete", "modeldeployment", NAME, "--cascade=orphan")
    scene.given_active("1.0.0", **AUTOSCALED)
    scene.kube.run("wait", "--for=condition=Ready", f"mdep/{NAME}", "--timeout=30s")
    assert scene.pods() == before
    uid = (scene.kube.get("modeldeployment", NAME) or {})["metadata"]["uid"]
    owned = [(scene.kube.get(*name.split("/")) or {})["metadata"] for name in children(scene) if "/diabetes" in name]
    direct = [meta for meta in owned if meta["ownerReferences"][0]["kind"] == "ModelDeployment"]
    assert {meta["ownerReferences"][0]["uid"] for meta in direct} == {uid}


@pytest.mark.thorough
@scenario
def test_the_same_spec_in_another_spelling_rolls_nothing_out(scene: Scene) -> None:
    scene.given_active("1.0.0")
    before, revision = scene.pods(), scene.status()["active"]["revision"]
    amounts = {"requests": {"cpu": "0.025", "memory": "32768Ki"}, "limits": {"memory": 134217728}}
    scene.apply("1.0.0", serving={"resources": amounts, "env": []})
    scene.until("the spec to be seen", lambda status: status["observedGeneration"] == 2)
    assert (scene.status()["active"]["revision"], scene.status().get("rollout")) == (revision, None)
    assert scene.pods() == before


@scenario
def test_a_model_that_is_deleted_in_mid_rollout_and_made_again_starts_anew(scene: Scene) -> None:
    scene.given_active("1.0.0")
    scene.apply("1.1.0", rollout={"bake": "1h"})
    scene.until("1.1.0 to bake", lambda status: stage(status) == "Baking")
    before = scene.pods()
    scene.kube.delete("modeldeployment", NAME, "--wait=false")
    scene.given_active("1.1.0")
    wait_for("pods of 1.1.0 only", lambda: set(scene.pods().values()) == {"1.1.0"}, 60)
    assert before.keys().isdisjoint(scene.pods()), "no pod may be taken over from the one that was deleted"


def exists(scene: Scene, kind: str, name: str) -> bool:
    """Whether there is such an object."""
    return scene.kube.get(kind, name) is not None


def field(scene: Scene, kind: str, name: str) -> Any:
    """A field of the spec of blue's child of that kind."""
    return (scene.kube.get(kind, "diabetes-blue") or {}).get("spec", {}).get(name)


@scenario
def test_a_steady_model_costs_no_write(scene: Scene) -> None:
    audit = getattr(scene.cluster, "audit_log", None)
    if audit is None:
        pytest.skip("this provider has no audit log to count writes in")
    scene.given_active("1.0.0", **AUTOSCALED)
    wait_for("the model to settle", lambda: _quiet_since(scene, audit) > 5, 60, every=0.5)
    began = time.time()
    wait_for("the watch to be over", lambda: time.time() - began > SILENCE, SILENCE + 5, every=0.5)
    written = [w for w in writes(audit, scene.namespace) if w["at"] >= began]
    assert written == []


def _quiet_since(scene: Scene, audit: Path) -> float:
    """Seconds since the operator last wrote in the scene's namespace."""
    return time.time() - max(float(write["at"]) for write in writes(audit, scene.namespace))


def writes(audit: Path, namespace: str) -> list[dict[str, Any]]:
    """The operator's writes in a namespace: what and when, by the API server's audit log."""
    of_operator, inside = f"system:serviceaccount:{OPERATOR_NAMESPACE}:", f'"namespace":"{namespace}"'
    lines = (line for line in audit.read_text().splitlines() if inside in line and of_operator in line)
    return [_write(json.loads(line)) for line in lines]


def _write(entry: Mapping[str, Any]) -> dict[str, Any]:
    target = entry["objectRef"]
    at = datetime.fromisoformat(entry["requestReceivedTimestamp"]).timestamp()
    return {"verb": entry["verb"], "what": f"{target['resource']}/{target.get('name')}", "at": at}


@pytest.mark.thorough
@scenario
def test_the_smallest_spec_that_a_person_writes_is_enough(scene: Scene) -> None:
    artifact = scene.stock.artifact("1.0.0")
    spec = {"model": {"name": "diabetes", "version": "1.0.0", "uri": artifact.uri, "sha256": artifact.sha256}}
    thing = {
        "apiVersion": "verdigris.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": NAME},
        "spec": spec,
    }
    scene.kube.apply(thing)
    scene.until("1.0.0 to be active", settled("1.0.0"))
    scene.kube.run("wait", "--for=condition=Ready", f"mdep/{NAME}", "--timeout=30s")
    assert len(scene.pods()) == 3, "three replicas are the default"
