"""The operator itself has bad luck: killed, upgraded, without Prometheus, with an object that it cannot read.

Each of these disturbs everything on the cluster, so each runs alone, after all the scenarios.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dev.cluster import Cluster, ClusterError
from dev.demo import released
from dev.demo.install import NAMESPACE, install_operator, operator_pods
from dev.demo.models import decision
from tests.e2e.scene import NAME, Scene, active, settled, stage, wait_for

BAKING = {"rollout": {"bake": "6s"}, "autoscaling": {"minReplicas": 2, "maxReplicas": 2}}
LONG = {"rollout": {"bake": "1h"}}
RELEASED = {"rollout": {"bake": "1h", "shield": None}}
"""Without what the released operator does not know: it takes such a model for malformed."""
LABELS = "app.kubernetes.io/instance=verdigris"
CRD = "modeldeployments.verdigris.dev"


def leader(cluster: Cluster) -> str:
    """The pod that holds the Lease."""
    leases = json.loads(cluster.kubectl("-n", NAMESPACE, "get", "leases", "-o", "json"))["items"]
    holders = [str(lease["spec"].get("holderIdentity") or "") for lease in leases]
    return next(pod for pod in operator_pods(cluster) if any(pod in holder for holder in holders))


def test_when_the_leader_is_killed_the_next_one_promotes_what_is_good_and_takes_back_what_is_bad(
    alone: Scene, make_scene: Callable[[str], Scene], operator: Cluster
) -> None:
    good, killed = alone, leader(operator)
    with make_scene("test_a_bad_version_and_the_next_leader") as bad:
        good.given_active("1.0.0", **BAKING)
        bad.given_active("1.0.0", **LONG)
        with good.clients() as clients, bad.clients():
            bad.apply("1.2.0", **LONG)
            good.apply("1.1.0", **BAKING)
            good.until("1.1.0 to start", lambda status: stage(status) is not None)
            bad.until("1.2.0 to have the clients", lambda status: stage(status) == "Baking")
            operator.kubectl("-n", NAMESPACE, "delete", "pod", killed, "--force", "--grace-period=0")
            rejected = bad.until("1.2.0 to be rejected", lambda status: bool(status.get("rejected")), 60)
            good.until("1.1.0 to be promoted", settled("1.1.0"))
        assert (active(rejected), bad.selected()) == ("1.0.0", "blue")
    assert leader(operator) != killed
    assert [request.outcome for request in clients.requests if request.result != "answered"] == []


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


@pytest.mark.thorough
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


def test_an_upgrade_and_a_downgrade_in_mid_bake_touch_no_pod_and_can_be_rolled_back(
    alone: Scene, operator: Cluster
) -> None:
    """Helm replaces the released operator by this one, and this one by the released, each while a version bakes."""
    chart = released.load(operator)
    try:
        released.install(operator, chart)
        alone.given_active("1.0.0", **RELEASED)
        with alone.clients() as clients:
            _bake_while(alone, operator, "up", lambda: install_operator(operator, "replicas=1"))
            _bake_while(alone, operator, "down", lambda: released.install(operator, chart))
        assert clients.lost() == []
    finally:
        install_operator(operator)


def _bake_while(scene: Scene, cluster: Cluster, way: str, replace: Callable[[], None]) -> None:
    """A version bakes, the operator is replaced, and the one that leads then takes the version back when asked to."""
    scene.apply("1.1.0", **RELEASED, serving={"env": [{"name": "WAY", "value": way}]})
    baking = scene.until("1.1.0 to bake", lambda status: stage(status) == "Baking")
    # What the switch itself changes (how a colour without clients replaces its pods) is written by then.
    _let_it_judge(scene)
    pods, templates, old = scene.pods(), _templates(scene), set(operator_pods(cluster))
    replace()
    wait_for("new operator pods only", lambda: old.isdisjoint(operator_pods(cluster)), 60, every=0.5)
    _let_it_judge(scene)
    assert (stage(scene.status()), scene.pods()) == ("Baking", pods)
    for name, deployment in _templates(scene).items():
        assert deployment == templates[name], f"{name}'s Deployment was changed"
    scene.decide("abort", baking["rollout"]["revision"])
    wait_for("clients to be back on blue", lambda: scene.selected() == "blue", 20)
    scene.until("the rollout to have ended", settled("1.0.0"), 60)


def _templates(scene: Scene) -> dict[str, Any]:
    """Colour -> the pod template of its Deployment, and how often its spec was changed."""
    found = {name: scene.kube.get("deployment", f"{NAME}-{name}") or {} for name in ("blue", "green")}
    return {name: (raw["spec"]["template"], raw["metadata"]["generation"]) for name, raw in found.items()}


def _let_it_judge(scene: Scene) -> None:
    """Wait until the operator that leads now has judged the rollout."""
    began = scene.status()["rollout"]["evidence"].get("at")
    scene.until("another judgement", lambda status: status["rollout"]["evidence"].get("at") != began, 60)


def test_the_operator_asks_for_nothing_that_it_may_not_do(alone: Scene, operator: Cluster) -> None:
    """By the audit log, which has every write: all that was asked for was allowed, and stands in the chart's rules."""
    if operator.audit_log is None:
        pytest.skip(f"the provider {operator.provider} shows no audit log")
    alerts = {"prometheusRule": {"enabled": True}}
    alone.given_active("1.0.0", autoscaling={"minReplicas": 1, "maxReplicas": 2}, monitoring=alerts)
    less = {"serviceMonitor": {"enabled": False}, "prometheusRule": {"enabled": False}}
    alone.patch({"spec": {"autoscaling": {"minReplicas": 1, "maxReplicas": 1}, "monitoring": less}})
    wait_for("the autoscaler to go", lambda: not alone.kube.list("hpa"), 30)
    wait_for("the ServiceMonitor to go", lambda: not alone.kube.list("servicemonitors"), 30)
    wait_for("the PrometheusRule to go", lambda: not alone.kube.list("prometheusrules"), 30)
    granted, asked = _granted(operator), set[tuple[str, str]]()
    for event in _written(operator, operator.audit_log):
        refused = event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"
        assert not refused, event
        ref = event["objectRef"]
        resource = "/".join(part for part in (ref["resource"], ref.get("subresource")) if part)
        asked.add((event["verb"], resource))
        if (event["verb"], event.get("responseStatus", {}).get("code")) == ("patch", 201):
            asked.add(("create", resource))
    assert asked <= granted
    assert granted - asked <= _SELDOM


def _written(cluster: Cluster, log: Path) -> Iterator[dict[str, Any]]:
    """The audit events of the operator, since its present pods were made."""
    pods = json.loads(cluster.kubectl("-n", NAMESPACE, "get", "pods", "-l", LABELS, "-o", "json"))["items"]
    since = min(pod["metadata"]["creationTimestamp"] for pod in pods)
    whole_lines = log.read_text(encoding="utf-8").rpartition("\n")[0]
    for event in map(json.loads, whole_lines.splitlines()):
        ours = event["user"]["username"] == f"system:serviceaccount:{NAMESPACE}:verdigris"
        if ours and event["requestReceivedTimestamp"] >= since:
            yield event


_SELDOM = {
    # Only the first operator of all makes the Lease.
    ("create", "leases"),
    # Asked by the admission plugin OwnerReferencesPermissionEnforcement, where it is on.
    ("update", "modeldeployments/finalizers"),
    # Only where stuck pods are, where decisions are made, and after the fifth idle revision: other tests do that.
    *(("create", "pods/eviction"), ("delete", "pods"), ("patch", "pods"), ("patch", "rolloutdecisions/status")),
    *(("delete", "controllerrevisions"), ("delete", "deployments"), ("delete", "poddisruptionbudgets")),
    # Only where a rollout has gates, where a version comes from another namespace, and where a model has a gateway:
    # test_gates, test_environments, test_gateway.
    *(("create", "jobs"), ("patch", "jobs"), ("delete", "jobs")),
    ("create", "localsubjectaccessreviews"),
    *(("create", "httproutes"), ("patch", "httproutes"), ("delete", "httproutes")),
    # Only where a model switches its own off.
    ("delete", "networkpolicies"),
    *(("patch", "events"), ("patch", "deployments/scale")),
}


def _granted(cluster: Cluster) -> set[tuple[str, str]]:
    """(verb, resource) of every right to write that the operator's account was given."""
    found = json.loads(cluster.kubectl("get", "clusterroles,roles", "-A", "-l", LABELS, "-o", "json"))["items"]
    own = [one for one in found if one["metadata"]["name"] in {f"verdigris{end}" for end in ("", "-lease", "-nodes")}]
    rights = {
        (verb, resource)
        for one in own
        for rule in one["rules"]
        for verb in rule["verbs"]
        for resource in rule["resources"]
    }
    return {(verb, resource) for verb, resource in rights if verb not in ("get", "list", "watch")}


def test_while_nobody_checks_who_decides_no_version_goes_on_and_any_can_be_taken_back(
    alone: Scene, operator: Cluster
) -> None:
    scene, policy = alone, "verdigris-decisions"
    scene.given_active("1.0.0")
    scene.apply("1.1.0", rollout={"approval": "Required"})
    waiting = scene.until("it to wait for approval", lambda status: stage(status) == "AwaitingApproval")
    revision = waiting["rollout"]["revision"]
    operator.kubectl("delete", "validatingadmissionpolicybinding", policy)
    try:
        wait_for("the API server to check no more", lambda: _forged(scene, "approve", revision), 30, every=0.5)
        refused = scene.until("an answer", lambda status: bool(status.get("decisions")), 30)["decisions"][-1]
        assert (refused["outcome"], refused["by"]) == ("Refused", "somebody-else")
        assert "helm upgrade" in refused["message"]
        assert _forged(scene, "abort", revision)
        scene.until("it to be taken back", lambda status: bool(status.get("rejected")), 60)
    finally:
        install_operator(operator)


def _forged(scene: Scene, verb: str, revision: str) -> bool:
    """A decision in somebody else's name; whether the API server took it."""
    forged = decision(f"forged-{verb}", model=NAME, revision=revision, verb=verb, by="somebody-else")
    try:
        scene.kube.create(forged)
    except ClusterError as error:
        if "requestedBy must be your own name" not in str(error):
            raise
        return False
    return True


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
    scene.event("InvalidSpec", "spec.model.version")


def _reasons(scene: Scene, name: str) -> set[str]:
    conditions = (scene.kube.get("modeldeployment", name) or {}).get("status", {}).get("conditions", [])
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
