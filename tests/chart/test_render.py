"""What `helm template` makes of the chart, without a cluster."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.dashboards.__main__ import BOARDS
from tests.chart.helm import CHART, NAMESPACE, REPOSITORY, Helm, Manifest, of_kind, only, pod_specs
from verdigris.app.settings import Settings, from_environment
from verdigris.children.alerts.of_operator import Limits, of_operator

CLUSTER_SCOPED = {
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}


def environment(manifests: list[Manifest]) -> dict[str, Any]:
    container = only(manifests, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    return {variable["name"]: variable.get("value", variable.get("valueFrom")) for variable in container["env"]}


def rules(manifests: list[Manifest], kind: str, name: str) -> list[dict[str, Any]]:
    (role,) = [role for role in of_kind(manifests, kind) if role["metadata"]["name"] == name]
    return list(role["rules"])


def test_lint_finds_no_fault(helm: Helm) -> None:
    said = helm.run("lint", "--strict", "--kube-version", "1.35.0", CHART)
    assert "0 chart(s) failed" in said


def test_the_chart_has_the_version_of_the_package() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert f'version = "{chart["appVersion"]}"' in (REPOSITORY / "pyproject.toml").read_text()
    assert chart["version"] == chart["appVersion"]


def test_no_values_give_two_replicas_of_this_versions_image(default_manifests: list[Manifest]) -> None:
    deployment = only(default_manifests, "Deployment")
    assert deployment["spec"]["replicas"] == 2
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "verdigris/operator:0.1.0"


def test_the_operator_is_told_its_settings(default_manifests: list[Manifest]) -> None:
    assert environment(default_manifests) == {
        "VERDIGRIS_NAMESPACES": "",
        "VERDIGRIS_SERVING_IMAGE": "verdigris/serving:0.1.0",
        "VERDIGRIS_SERVING_IMAGE_ONNX": "verdigris/serving-onnx:0.1.0",
        "VERDIGRIS_SERVING_IMAGE_SKLEARN": "verdigris/serving-sklearn:0.1.0",
        "VERDIGRIS_PROMETHEUS_ADDRESS": "http://prometheus-operated.monitoring.svc:9090",
        "VERDIGRIS_DECISION_POLICY": "verdigris-decisions",
        "VERDIGRIS_RESYNC": "10m",
        "VERDIGRIS_LOG_LEVEL": "info",
        "VERDIGRIS_WORKERS": "4",
        "VERDIGRIS_LEASE_DURATION": "15s",
        "VERDIGRIS_LEASE_RENEW_DEADLINE": "10s",
        "VERDIGRIS_LEASE_RETRY_PERIOD": "2s",
        "VERDIGRIS_PORT": "8080",
        "VERDIGRIS_LEASE_NAME": "verdigris",
        "VERDIGRIS_LEASE_NAMESPACE": {"fieldRef": {"fieldPath": "metadata.namespace"}},
    }


def test_the_operator_understands_what_it_is_told(helm: Helm) -> None:
    values = {
        "watchNamespaces": ["clinic", "lab"],
        "serving": {
            "image": "registry.example.com/serving:1",
            "images": {"onnx": "registry.example.com/onnx:2", "sklearn": "registry.example.com/sklearn:3"},
            "imagePullSecrets": [{"name": "a"}, {"name": "b"}],
        },
        "podSecurity": {"anyUser": True},
        "gatewayApi": {"enabled": True},
        "workers": 9,
        "lease": {"duration": "30s", "renewDeadline": "20s", "retryPeriod": "5s"},
        "prometheus": {
            "address": "http://prometheus.monitoring.svc:9090",
            "allowedAddresses": ["http://a.team-a:9090/", "https://b.team-b/prom"],
            "isolateQueries": True,
            "matchers": {"cluster": "eu-1", "tier": "a=b"},
            "auth": {"secretName": "prometheus-login"},
        },
        "registry": {
            "address": "https://mlflow.example.com/",
            "auth": {"secretName": "mlflow-login"},
            "cluster": "eu-1",
        },
        "resyncInterval": "1h30m",
        "logLevel": "debug",
    }
    told = environment(helm.render(values, release="ml")) | {"VERDIGRIS_LEASE_NAMESPACE": NAMESPACE}

    assert from_environment(told) == Settings(
        namespaces=("clinic", "lab"),
        serving_image="registry.example.com/serving:1",
        serving_image_onnx="registry.example.com/onnx:2",
        serving_image_sklearn="registry.example.com/sklearn:3",
        serving_pull_secrets=("a", "b"),
        any_user=True,
        gateway_api=True,
        workers=9,
        lease_duration=timedelta(seconds=30),
        lease_renew_deadline=timedelta(seconds=20),
        lease_retry_period=timedelta(seconds=5),
        prometheus_address="http://prometheus.monitoring.svc:9090",
        prometheus_allowed=("http://a.team-a:9090", "https://b.team-b/prom"),
        prometheus_credentials=Path("/etc/verdigris/prometheus"),
        isolate_queries=True,
        prometheus_matchers={"cluster": "eu-1", "tier": "a=b"},
        registry_address="https://mlflow.example.com",
        registry_credentials=Path("/etc/verdigris/registry"),
        registry_cluster="eu-1",
        decision_policy="ml-decisions",
        resync=timedelta(hours=1, minutes=30),
        log_level="debug",
        port=8080,
        lease_name="ml",
        lease_namespace=NAMESPACE,
        identity="verdigris",
    )


@pytest.mark.parametrize("whose", ["prometheus", "registry"])
def test_credentials_are_mounted_where_they_are_read(helm: Helm, whose: str) -> None:
    manifests = helm.render({whose: {"auth": {"secretName": "its-login"}}})
    (spec,) = [spec for name, spec in pod_specs(manifests) if name.startswith("Deployment/")]
    (volume,) = [volume for volume in spec["volumes"] if "secret" in volume]
    (mount,) = [one for one in spec["containers"][0]["volumeMounts"] if one["name"] == volume["name"]]
    # Whoever deletes it keeps no operator from starting, and so no version from being taken back (law 1).
    assert volume["secret"] == {"secretName": "its-login", "optional": True}
    assert (mount["mountPath"], mount["readOnly"]) == (
        environment(manifests)[f"VERDIGRIS_{whose.upper()}_CREDENTIALS"],
        True,
    )


def test_without_the_policy_the_operator_is_not_told_to_look_for_it(helm: Helm) -> None:
    manifests = helm.render({"decisions": {"policy": {"enabled": False}}})
    assert "VERDIGRIS_DECISION_POLICY" not in environment(manifests)
    assert "verdigris-policy" not in {found["metadata"]["name"] for found in of_kind(manifests, "ClusterRole")}


def test_every_variable_is_one_that_the_operator_reads(default_manifests: list[Manifest]) -> None:
    source = (REPOSITORY / "operator" / "verdigris" / "app" / "settings.py").read_text()
    for name in environment(default_manifests):
        assert f'"{name}"' in source


def test_every_pod_meets_the_restricted_pod_security_level(default_manifests: list[Manifest]) -> None:
    specs = dict(pod_specs(default_manifests))
    assert set(specs) == {"Deployment/verdigris", "Pod/verdigris-test"}
    for name, spec in specs.items():
        pod = spec["securityContext"]
        assert (pod["runAsNonRoot"], pod["runAsUser"], pod["runAsGroup"]) == (True, 65532, 65532), name
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        assert all("hostPath" not in volume for volume in spec.get("volumes", [])), name
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert container["resources"]["requests"], name
            assert container["resources"]["limits"]["memory"], name


def test_where_the_namespace_gives_a_user_no_pod_names_one(helm: Helm) -> None:
    """OpenShift's restricted-v2 refuses a user that is not of the namespace's own range."""
    for name, spec in pod_specs(helm.render({"podSecurity": {"anyUser": True}})):
        assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}, name
        assert all("runAsUser" not in container["securityContext"] for container in spec["containers"]), name


def test_variables_of_the_users_stand_after_the_operators_own(helm: Helm) -> None:
    extra = [
        {"name": "HTTPS_PROXY", "value": "http://proxy:3128"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}},
    ]
    container = only(helm.render({"extraEnv": extra}), "Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert container["env"][-2:] == extra


def test_no_label_is_written_twice_and_the_nearest_counts(helm: Helm) -> None:
    """Helm takes the last of two; what applies its output may refuse the whole manifest."""
    mine = {"release": "nearest"}
    values = {
        "commonLabels": {"release": "all", "team": "models"},
        "serviceMonitor": {"enabled": True, "labels": mine},
        "monitoring": {
            "prometheusRule": {"enabled": True, "labels": mine},
            "dashboards": {"enabled": True, "labels": mine},
        },
    }
    text = helm.run("template", "verdigris", CHART, "--kube-version", "1.35.0", values=values)
    for manifest in yaml.compose_all(text):
        (labels,) = (value for key, value in _fields(_of(manifest, "metadata")) if key == "labels")
        names = [name for name, _ in _fields(labels)]
        assert len(names) == len(set(names)), names
    manifests = helm.render(values)
    for kind in ("ServiceMonitor", "PrometheusRule", "ConfigMap"):
        for manifest in of_kind(manifests, kind):
            labels = manifest["metadata"]["labels"]
            assert (labels["release"], labels["team"]) == ("nearest", "models")
            assert labels["app.kubernetes.io/instance"] == "verdigris"


def _fields(node: Any) -> list[tuple[str, Any]]:
    return [(key.value, value) for key, value in node.value]


def _of(node: Any, field: str) -> Any:
    return next(value for key, value in _fields(node) if key == field)


def test_where_a_version_has_to_come_from_somewhere_that_is_before_any_share(helm: Helm) -> None:
    manifests = helm.render({"requiredGates": {"enabled": True, "from": "staging", "gates": []}})
    policies = {made["metadata"]["name"]: made for made in of_kind(manifests, "ValidatingAdmissionPolicy")}
    (ordered,) = (
        one for one in policies["verdigris-required-gates"]["spec"]["validations"] if "isSorted()" in one["expression"]
    )
    assert "step.from.namespace == 'staging'" in ordered["expression"]
    assert "put from before the weights" in ordered["message"]


def test_a_lease_of_minutes_is_one_that_grows(helm: Helm) -> None:
    lease = {"duration": "1m30s", "renewDeadline": "1m", "retryPeriod": "59s500ms"}
    told = environment(helm.render({"lease": lease}))
    assert from_environment(told | {"VERDIGRIS_LEASE_NAMESPACE": NAMESPACE}).lease_duration == timedelta(seconds=90)


def test_values_kept_from_before_these_were_there_render_as_well(helm: Helm) -> None:
    """`helm upgrade --reuse-values` gives the templates the old values, and no new default."""
    younger = {"workers": None, "lease": None, "podSecurity": None, "extraEnv": None}
    manifests = helm.render({**younger, "serving": {"imagePullSecrets": None}})
    told = environment(manifests) | {"VERDIGRIS_LEASE_NAMESPACE": NAMESPACE}
    assert not {name for name in told if name.startswith(("VERDIGRIS_LEASE_D", "VERDIGRIS_WORKERS", "VERDIGRIS_ANY"))}
    assert from_environment(told).lease_duration == timedelta(seconds=15)
    assert only(manifests, "Deployment")["spec"]["template"]["spec"]["securityContext"]["runAsUser"] == 65532


def test_selectors_find_the_operators_pods_and_not_the_test_pod(default_manifests: list[Manifest]) -> None:
    deployment = only(default_manifests, "Deployment")
    operator = deployment["spec"]["template"]["metadata"]["labels"].items()
    smoke = only(default_manifests, "Pod")["metadata"]["labels"].items()
    selectors = [
        deployment["spec"]["selector"]["matchLabels"],
        only(default_manifests, "Service")["spec"]["selector"],
        only(default_manifests, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        only(default_manifests, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selector.items() <= operator
        assert not selector.items() <= smoke


def test_a_new_chart_version_alone_restarts_no_operator(helm: Helm, tmp_path: Path) -> None:
    newer = tmp_path / "verdigris"
    shutil.copytree(CHART, newer)
    chart_file = newer / "Chart.yaml"
    chart_file.write_text(chart_file.read_text().replace("version: 0.1.0\n", "version: 0.1.1\n"))

    before, after = (only(helm.render(chart=chart), "Deployment") for chart in (CHART, newer))

    assert before["metadata"]["labels"] != after["metadata"]["labels"]
    assert before["spec"] == after["spec"]


def test_a_digest_takes_the_place_of_the_tag(helm: Helm) -> None:
    digest = "sha256:" + "a" * 64
    manifests = helm.render({"image": {"repository": "registry.example.com/operator", "tag": "9", "digest": digest}})
    for _, spec in pod_specs(manifests):
        assert spec["containers"][0]["image"] == f"registry.example.com/operator@{digest}"


def test_every_value_for_pods_reaches_them(helm: Helm) -> None:
    values = {
        "priorityClassName": "high",
        "imagePullSecrets": [{"name": "pull"}],
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
    }
    spec = only(helm.render(values | {"podAnnotations": {"a": "b"}, "commonLabels": {"team": "ml"}}), "Deployment")[
        "spec"
    ]["template"]
    assert {key: spec["spec"][key] for key in values} == values
    assert spec["metadata"]["annotations"]["a"] == "b"
    assert spec["metadata"]["labels"]["team"] == "ml"


@pytest.mark.parametrize(
    ("address", "port"),
    [
        ("http://prometheus.monitoring.svc:9091", 9091),
        ("http://[fd00::1]:9092/prometheus", 9092),
        ("https://metrics.example.com/tenant", 443),
        ("http://metrics.example.com", 80),
        ("http://prometheus.monitoring.svc:9090", 9090),
    ],
)
def test_the_network_policy_lets_the_operator_reach_prometheus(helm: Helm, address: str, port: int) -> None:
    policy = only(helm.render({"prometheus": {"address": address}}), "NetworkPolicy")
    ports = [entry["port"] for rule in policy["spec"]["egress"] for entry in rule["ports"]]
    assert port in ports
    assert ports.count(9090) == 1


def test_the_service_monitor_is_made_on_request_only(helm: Helm, default_manifests: list[Manifest]) -> None:
    assert not of_kind(default_manifests, "ServiceMonitor")
    monitor = only(helm.render({"serviceMonitor": {"enabled": True, "labels": {"release": "kps"}}}), "ServiceMonitor")
    assert monitor["metadata"]["labels"]["release"] == "kps"
    assert (
        monitor["spec"]["selector"]["matchLabels"].items()
        <= only(default_manifests, "Service")["metadata"]["labels"].items()
    )


def test_the_operators_own_alerts_are_made_on_request_only(helm: Helm, default_manifests: list[Manifest]) -> None:
    assert not of_kind(default_manifests, "PrometheusRule")
    wanted = {"enabled": True, "labels": {"release": "kps"}, "heldSeconds": 60, "stuckFor": "2m"}
    values = {"monitoring": {"prometheusRule": wanted, "runbooks": "https://example.com/runbooks/"}}
    manifests = helm.render(values)
    rule = only(manifests, "PrometheusRule")
    assert rule["metadata"]["labels"]["release"] == "kps"
    limits = Limits(evidence_stale="120", held="60", stuck_for="2m")
    expected = of_operator(NAMESPACE, "verdigris", limits).entry("https://example.com/runbooks")
    assert rule["spec"]["groups"] == [expected]
    assert environment(manifests)["VERDIGRIS_RUNBOOKS"] == "https://example.com/runbooks/"


def test_the_operators_series_keep_the_namespace_of_the_model_that_they_are_about(helm: Helm) -> None:
    monitor = only(helm.render({"serviceMonitor": {"enabled": True}}), "ServiceMonitor")
    assert monitor["spec"]["endpoints"][0]["honorLabels"] is True


def test_the_dashboards_are_made_on_request_only(helm: Helm, default_manifests: list[Manifest]) -> None:
    assert not of_kind(default_manifests, "ConfigMap")
    values = {"monitoring": {"dashboards": {"enabled": True, "annotations": {"grafana_folder": "Models"}}}}
    made = of_kind(helm.render(values), "ConfigMap")
    assert {name for found in made for name in found["data"]} == {f"{board.uid}.json" for board in BOARDS}
    for found in made:
        assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert found["metadata"]["annotations"] == {"grafana_folder": "Models"}
        ((name, text),) = found["data"].items()
        assert json.loads(text) == json.loads((CHART / "files" / "dashboards" / name).read_text())


def test_the_crds_in_the_chart_are_the_generated_ones() -> None:
    generated, shipped = (
        {path.name: path.read_bytes() for path in folder.glob("*.yaml")}
        for folder in (REPOSITORY / "crds", CHART / "files" / "crds")
    )
    assert set(generated) == {"verdigris.dev_modeldeployments.yaml", "verdigris.dev_rolloutdecisions.yaml"}
    assert generated == shipped, "run: python -m verdigris.tools.crds --write"


def test_rendering_changes_nothing_in_a_crd_but_its_labels_and_annotations(default_manifests: list[Manifest]) -> None:
    rendered = {crd["metadata"]["name"]: crd for crd in of_kind(default_manifests, "CustomResourceDefinition")}
    generated = [yaml.safe_load(path.read_text()) for path in (REPOSITORY / "crds").glob("*.yaml")]
    assert len(generated) == 2
    assert {crd["metadata"]["name"] for crd in generated} == set(rendered)
    for crd in generated:
        shipped = rendered[crd["metadata"]["name"]]
        assert shipped["spec"] == crd["spec"]
        assert shipped["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_crds_can_be_left_out(helm: Helm) -> None:
    assert not of_kind(helm.render({"crds": {"install": False}}), "CustomResourceDefinition")


def test_without_cluster_rights_the_chart_holds_nothing_of_cluster_scope(helm: Helm) -> None:
    values = {
        "watchNamespaces": ["clinic"],
        "crds": {"install": False},
        "decisions": {"policy": {"enabled": False}},
        "rbac": {"people": False},
    }
    kinds = {manifest["kind"] for manifest in helm.render(values)}
    assert not kinds & CLUSTER_SCOPED


def test_names_follow_the_release(helm: Helm) -> None:
    names = {manifest["metadata"]["name"] for manifest in helm.render(release="ml-rollouts")}
    assert all(name.startswith("ml-rollouts") or name.endswith(".verdigris.dev") for name in names)
    names = {manifest["metadata"]["name"] for manifest in helm.render({"fullnameOverride": "vg"}, release="other")}
    assert all(name.startswith("vg") or name.endswith(".verdigris.dev") for name in names)


def test_everything_with_a_namespace_is_in_the_releases(default_manifests: list[Manifest]) -> None:
    for manifest in default_manifests:
        namespace = manifest["metadata"].get("namespace")
        assert namespace == (None if manifest["kind"] in CLUSTER_SCOPED else NAMESPACE), manifest["kind"]


@pytest.mark.parametrize(
    ("address", "port"), [("https://mlflow.example.com", 443), ("http://mlflow.models.svc:5000", 5000)]
)
def test_the_registry_can_be_reached_where_there_is_one(helm: Helm, address: str, port: int) -> None:
    asked, without = (egress_ports(helm.render(values)) for values in ({"registry": {"address": address}}, {}))
    assert asked.count(port) == without.count(port) + 1


def egress_ports(manifests: list[Manifest]) -> list[int]:
    (policy,) = [one for one in of_kind(manifests, "NetworkPolicy") if one["metadata"]["name"] == "verdigris"]
    return [port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]]


def test_the_values_of_the_environments_ask_for_what_their_readme_says(helm: Helm) -> None:
    values = yaml.safe_load((REPOSITORY / "examples" / "environments" / "values.yaml").read_text(encoding="utf-8"))
    policies = of_kind(helm.render(values), "ValidatingAdmissionPolicy")
    (policy,) = [one for one in policies if one["metadata"]["name"].endswith("required-gates")]
    said = " ".join(one["message"] for one in policy["spec"]["validations"])
    for words in ("quality gate", "fairness gate", "served in staging first", "a person has to approve", "a checksum"):
        assert words in said
