"""`check`: whether Verdigris can be installed, and whether it has what it needs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cli.scenes import healthy
from tests.cli.stage import Stage
from verdigris.cli.model.checks import behind_the_api, targets

PROMETHEUS = "/api/v1/namespaces/monitoring/services/prometheus-operated:9090/proxy/api/v1"
TARGETS = {"data": {"activeTargets": [{"scrapePool": "serviceMonitor/clinic/diabetes/0", "health": "up"}]}}
DATA = {"status": "success", "data": {"result": [{"metric": {"color": "blue"}, "value": [1, "2"]}]}}
UID = "0f1e2d3c-0000-4000-8000-0123456789ab"


def rules(*files: str, **rule: str) -> dict[str, Any]:
    """What Prometheus has loaded: a group of one rule from each of these files."""
    one = {"name": "VerdigrisNoLeader", "health": "ok", **rule}
    return {
        "data": {"groups": [{"file": f"/etc/prometheus/rules/main-0/{file}.yaml", "rules": [one]} for file in files]}
    }


LOADED = rules(f"verdigris-system-verdigris-{UID}", f"clinic-diabetes-{UID}")
RAW = {
    f"{PROMETHEUS}/query?query=up": {"status": "success"},
    f"{PROMETHEUS}/rules": LOADED,
    f"{PROMETHEUS}/targets": TARGETS,
    f"{PROMETHEUS}/query?query=sum": DATA,
}


def definition(name: str) -> dict[str, Any]:
    conditions = [{"type": "Established", "status": "True"}]
    return {"kind": "CustomResourceDefinition", "metadata": {"name": name}, "status": {"conditions": conditions}}


def deployment(address: str = "http://prometheus-operated.monitoring.svc:9090", ready: int = 2) -> dict[str, Any]:
    environment = [{"name": "VERDIGRIS_PROMETHEUS_ADDRESS", "value": address}]
    labels = {"app.kubernetes.io/name": "verdigris", "app.kubernetes.io/component": "operator"}
    pod = {"serviceAccountName": "verdigris", "containers": [{"name": "operator", "env": environment}]}
    return {
        "kind": "Deployment",
        "metadata": {"name": "verdigris", "namespace": "verdigris-system", "labels": labels},
        "spec": {"replicas": 2, "template": {"spec": pod}},
        "status": {"readyReplicas": ready},
    }


def lease(age: float = 1.0) -> dict[str, Any]:
    renewed = datetime.now(UTC) - timedelta(seconds=age)
    spec = {"holderIdentity": "verdigris-0", "renewTime": renewed.isoformat()}
    return {"kind": "Lease", "metadata": {"name": "verdigris"}, "spec": spec}


def alerts_of(name: str, namespace: str, uid: str = UID) -> dict[str, Any]:
    return {"kind": "PrometheusRule", "metadata": {"name": name, "namespace": namespace, "uid": uid}}


ALERTS = alerts_of("verdigris", "verdigris-system")
CRDS = [
    definition(name)
    for name in (
        "modeldeployments.verdigris.dev",
        "rolloutdecisions.verdigris.dev",
        "servicemonitors.monitoring.coreos.com",
    )
]


@pytest.fixture
def installed(stage: Stage) -> Stage:
    """A cluster on which all is well."""
    return stage.given(healthy().model, deployment(), lease(), ALERTS, *CRDS).holds("raw.json", RAW)


def looked(stage: Stage, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and each check by its name."""
    code, out, _ = stage.run("check", *arguments, "-o", "json")
    return code, {one["name"]: one for one in json.loads(out)["checks"]}


def results(stage: Stage, *arguments: str) -> dict[str, str]:
    """By name, how each check ended."""
    return {name: one["result"] for name, one in looked(stage, *arguments)[1].items()}


def test_an_upgrade_that_does_not_come_up_is_seen_beside_the_pods_that_serve(installed: Stage) -> None:
    upgraded = deployment()
    upgraded["status"]["unavailableReplicas"] = 1
    installed.given(upgraded)
    told = looked(installed)[1]["operator"]
    assert told["result"] == "warning"
    assert told["message"] == "verdigris-system/verdigris: 2 of 2 replicas ready; 1 pod of its last upgrade not"
    assert told["next"] == "kubectl describe pods -n verdigris-system says what they wait for."


def test_where_all_is_well_each_check_says_so(installed: Stage) -> None:
    code, found = looked(installed)
    assert {name: one["result"] for name, one in found.items()} == dict.fromkeys(
        [
            "Kubernetes",
            "CRDs",
            "ServiceMonitors",
            "operator",
            "leader",
            "the operator's rights",
            "Prometheus",
            "PrometheusRule verdigris-system/verdigris",
            "ServiceMonitor clinic/diabetes",
            "query clinic/diabetes",
        ],
        "ok",
    )
    assert code == 0


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        ({"version.json": "v1.29.3"}, "Kubernetes"),
        (
            {"raw.json": {**RAW, f"{PROMETHEUS}/targets": {"data": {"activeTargets": []}}}},
            "ServiceMonitor clinic/diabetes",
        ),
        (
            {"raw.json": {**RAW, f"{PROMETHEUS}/query?query=sum": {"status": "success", "data": {}}}},
            "query clinic/diabetes",
        ),
        ({"raw.json": {"/nothing": {}}}, "Prometheus"),
        # Of another model whose name begins alike, and of another namespace.
        (
            {"raw.json": {**RAW, f"{PROMETHEUS}/rules": rules(f"verdigris-system-verdigris-page-{UID}", f"a-b-{UID}")}},
            "PrometheusRule verdigris-system/verdigris",
        ),
        (
            {
                "raw.json": {
                    **RAW,
                    f"{PROMETHEUS}/rules": rules(
                        f"verdigris-system-verdigris-{UID}", health="err", lastError="no such"
                    ),
                }
            },
            "PrometheusRule verdigris-system/verdigris",
        ),
    ],
)
def test_what_is_broken_fails_and_says_what_to_do(installed: Stage, broken: dict[str, Any], name: str) -> None:
    for file, content in broken.items():
        installed.holds(file, content)
    code, found = looked(installed)
    assert (code, found[name]["result"], bool(found[name]["next"])) == (1, "failed", True)


def test_alerts_that_were_not_asked_for_are_not_missed(stage: Stage) -> None:
    stage.given(healthy().model, deployment(), lease(), *CRDS).holds("raw.json", RAW)
    code, found = looked(stage)
    assert (code, found["PrometheusRule verdigris-system/verdigris"]["result"]) == (0, "skipped")


def test_a_model_with_alerts_of_its_own_has_them_looked_at(installed: Stage) -> None:
    model = healthy().model
    model["spec"]["monitoring"]["prometheusRule"] = {"enabled": True}
    assert results(installed.given(model))["PrometheusRule clinic/diabetes"] == "skipped"
    assert results(installed.given(alerts_of("diabetes", "clinic")))["PrometheusRule clinic/diabetes"] == "ok"
    installed.holds("raw.json", {**RAW, f"{PROMETHEUS}/rules": rules()})
    assert results(installed)["PrometheusRule clinic/diabetes"] == "failed"


def test_an_operator_without_pods_or_leader_fails(installed: Stage) -> None:
    installed.given(deployment(ready=0), lease(age=300))
    found = results(installed)
    assert (found["operator"], found["leader"]) == ("failed", "failed")


def test_a_cluster_without_verdigris_fails(stage: Stage) -> None:
    found = results(stage)
    assert (found["CRDs"], found["operator"]) == ("failed", "failed")


def test_what_may_not_be_looked_at_is_skipped_with_the_right_that_is_missing(installed: Stage) -> None:
    installed.may_not("get leases", "impersonate users")
    code, out, _ = installed.run("check")
    assert (code, "bob may not get leases" in out, "may not impersonate users" in out) == (0, True, True)
    assert out.count("○") == 2


def test_a_servicemonitor_that_is_switched_off_is_told(installed: Stage) -> None:
    model = healthy().model
    monitoring = {"serviceMonitor": {"enabled": False}}
    installed.given({**model, "spec": {**model["spec"], "monitoring": monitoring}})
    code, found = looked(installed)
    assert (code, found["ServiceMonitor clinic/diabetes"]["result"]) == (0, "skipped")
    assert "spec.monitoring.serviceMonitor.enabled is false" in found["ServiceMonitor clinic/diabetes"]["message"]


def test_a_prometheus_outside_of_the_cluster_is_not_asked(installed: Stage) -> None:
    installed.given(deployment(address="https://prom.example.com"))
    assert results(installed)["Prometheus"] == "skipped"


def test_before_the_installation_rights_and_version_are_looked_at(stage: Stage) -> None:
    stage.given(*CRDS).holds("raw.json", RAW)
    assert results(stage, "--pre") == {"Kubernetes": "ok", "your rights": "ok", "ServiceMonitors": "ok"}
    stage.may_not("create clusterroles")
    code, out, _ = stage.run("check", "--pre")
    assert (code, "you may not create clusterroles.rbac" in out) == (1, True)


def test_targets_that_are_down_are_named_with_the_reason() -> None:
    down = {"scrapePool": "serviceMonitor/n/m/0", "health": "down", "lastError": "connection refused"}
    found = targets({"data": {"activeTargets": [down]}}, "n", "m")
    assert (found.result, "1 of 1 target are down: connection refused" in found.message) == ("failed", True)


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("http://prom.monitoring.svc:9090", "/api/v1/namespaces/monitoring/services/prom:9090/proxy/q"),
        (
            "http://prom.monitoring.svc.cluster.local/base/",
            "/api/v1/namespaces/monitoring/services/prom:80/proxy/base/q",
        ),
        ("https://prom.monitoring.svc", "/api/v1/namespaces/monitoring/services/https:prom:443/proxy/q"),
        ("https://prom.example.com", None),
        ("http://prom.monitoring.svc:port", None),
    ],
)
def test_a_service_is_reached_behind_the_api_server(address: str, path: str | None) -> None:
    assert behind_the_api(address, "/q") == path
