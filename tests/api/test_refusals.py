"""Bad manifests, each refused by `kubectl apply` with a message that names the field and says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from tests.api.conftest import Kubectl
from tests.api.manifests import GONE, SHA256, changed, good_spec, model_deployment, rollout_decision

pytestmark = pytest.mark.cluster

Changes = Mapping[str, Any]

CONFIG = {"name": "config", "configMap": {"name": "config"}}
SIDECAR = {"name": "proxy", "image": "example.com/proxy:1", "resources": {"requests": {}, "limits": {}}}

# What is wrong; how the good spec is spoilt; what the message must contain: the field, then the advice.
_ROWS = {"uri": "https://models.test/rows.csv", "sha256": "d" * 64, "target": "diabetes"}

BAD_SPECS: list[tuple[str, Changes, tuple[str, ...]]] = [
    ("no model", {"model": GONE}, ("spec.model", "Required value")),
    ("no version", {"model.version": GONE}, ("spec.model.version", "Required value")),
    ("no uri", {"model.uri": GONE}, ("spec.model.uri", "Required value")),
    ("a version with a v", {"model.version": "v1.2.0"}, ("spec.model.version", "MAJOR.MINOR.PATCH", "leading v")),
    ("a version of two numbers", {"model.version": "1.2"}, ("spec.model.version", "MAJOR.MINOR.PATCH")),
    ("a version with a leading zero", {"model.version": "1.02.0"}, ("spec.model.version", "MAJOR.MINOR.PATCH")),
    ("a version that YAML reads as a number", {"model.version": 1.2}, ("spec.model.version", "type string")),
    ("an empty version", {"model.version": ""}, ("spec.model.version", "MAJOR.MINOR.PATCH")),
    ("a version too long", {"model.version": "1.0.0-" + "a" * 60}, ("spec.model.version", "more than 64")),
    ("a uri of an unknown kind", {"model.uri": "ftp://example.com/m"}, ("spec.model.uri", "https://HOST/PATH")),
    ("a uri with a space", {"model.uri": "https://example.com/my model"}, ("spec.model.uri", "without spaces")),
    ("a uri with a password", {"model.uri": "https://u:p@example.com/m"}, ("spec.model.uri", "without a user")),
    ("a uri without a path", {"model.uri": "https://example.com"}, ("spec.model.uri", "https://HOST/PATH")),
    ("a path instead of a uri", {"model.uri": "/models/m.vmodel"}, ("spec.model.uri", "file:///PATH")),
    ("a bucket without a key", {"model.uri": "s3://models"}, ("spec.model.uri", "s3://BUCKET/KEY")),
    (
        "an OCI artifact without a tag",
        {"model.uri": "oci://registry.example.com/diabetes"},
        ("spec.model.uri", "oci://REGISTRY/REPOSITORY:TAG"),
    ),
    (
        "a stage of MLflow instead of a version",
        {"model.uri": "models:/diabetes/Production"},
        ("spec.model.uri", "models:/NAME/VERSION or models:/NAME@ALIAS"),
    ),
    (
        "a Secret in capitals",
        {"model.credentialsSecret": "Store"},
        ("spec.model.credentialsSecret", "must be the name of an object"),
    ),
    ("no checksum", {"model.sha256": GONE}, ("spec.model.sha256", "put the artifact's SHA-256 here")),
    (
        "no checksum, and allowUnverified false",
        {"model.sha256": GONE, "model.allowUnverified": False},
        ("spec.model.sha256", "allowUnverified: true"),
    ),
    ("a checksum in capitals", {"model.sha256": SHA256.upper()}, ("spec.model.sha256", "lower-case hex")),
    ("a checksum too short", {"model.sha256": SHA256[:-1]}, ("spec.model.sha256", "64 lower-case hex")),
    ("a checksum with a prefix", {"model.sha256": "sha256:" + SHA256}, ("spec.model.sha256", "without a prefix")),
    ("an unknown format", {"model.format": "pickle"}, ("spec.model.format", '"linear", "onnx", "sklearn"')),
    ("a model name in capitals", {"model.name": "Diabetes"}, ("spec.model.name", "lower-case letters")),
    ("a misspelt field", {"modle": {}}, ("spec.modle", "unknown field")),
    ("a misspelt nested field", {"rollout.baking": "5m"}, ("spec.rollout.baking", "unknown field")),
    ("a number as text", {"serving.concurrency": "8"}, ("spec.serving.concurrency", "type integer")),
    ("a body without end", {"serving.maxBodyMiB": 1025}, ("spec.serving.maxBodyMiB", "less than or equal to 1024")),
    ("gRPC from the operator's own image", {"serving.grpc": True}, ("spec.serving.image", "ends in -grpc")),
    (
        "two ports of one number",
        {"serving.grpc": True, "serving.image": "serving-grpc", "serving.service.port": 8081},
        ("spec.serving.service", "port 8081 of the Service is gRPC's"),
    ),
    ("no concurrency", {"serving.concurrency": 0}, ("spec.serving.concurrency", "greater than or equal to 1")),
    (
        "a port out of range",
        {"serving.service.port": 70000},
        ("spec.serving.service.port", "less than or equal to 65535"),
    ),
    (
        "an unknown Service type",
        {"serving.service.type": "ExternalName"},
        ("spec.serving.service.type", "ClusterIP", "LoadBalancer", "NodePort"),
    ),
    ("an image with a space", {"serving.image": "my image"}, ("spec.serving.image", "example.com/team/serving:1.2.3")),
    ("an image in capitals", {"serving.image": "Team/Serving:1"}, ("spec.serving.image", "must be a container image")),
    (
        "an environment variable with a dash",
        {"serving.env": [{"name": "LOG-LEVEL"}]},
        ("spec.serving.env[0].name", "LOG_LEVEL"),
    ),
    (
        "an environment variable of the operator",
        {"serving.env": [{"name": "VERDIGRIS_PORT", "value": "1"}]},
        ("spec.serving.env[0].name", "choose another name"),
    ),
    (
        "an environment variable twice",
        {"serving.env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]},
        ("spec.serving.env[1]", "Duplicate value"),
    ),
    (
        "an environment variable that is a number",
        {"serving.env": [{"name": "A", "value": 1}]},
        ("spec.serving.env[0].value", "type string"),
    ),
    (
        "a quantity with a comma",
        {"serving.resources": {"requests": {"cpu": "0,5"}}},
        ("spec.serving.resources.requests[cpu]", "write a number", "500m"),
    ),
    (
        "a quantity with a wrong unit",
        {"serving.resources": {"limits": {"memory": "128MB"}}},
        ("invalid: spec.serving.resources.limits[memory]", "128Mi"),
    ),
    (
        "a negative quantity",
        {"serving.resources": {"requests": {"cpu": -1}}},
        ("spec.serving.resources.requests[cpu]", "500m, 2 or 128Mi"),
    ),
    (
        "a fraction as a number",
        {"serving.resources": {"requests": {"cpu": 0.5}}},
        ("spec.serving.resources.requests.cpu", "type integer,string"),
    ),
    (
        "a request above the default limit",
        {"serving.resources": {"requests": {"cpu": "1", "memory": "1Gi"}}},
        ("spec.serving.resources.requests", "raise the limit or lower the request"),
    ),
    (
        "a device without a limit",
        {"serving.resources": {"requests": {"cpu": "1", "example.com/gpu": 1}}},
        ("spec.serving.resources.limits", "give it the same limit"),
    ),
    (
        "half a device",
        {"serving.resources.limits": {"memory": "192Mi", "example.com/gpu": "500m"}},
        ("spec.serving.resources.limits", "counted in whole ones"),
    ),
    (
        "a resource of quotas",
        {"serving.resources.limits": {"requests.example.com/gpu": 1}},
        ("spec.serving.resources.limits", "without the prefix requests."),
    ),
    (
        "a NUL in an environment variable",
        {"serving.env": [{"name": "A", "value": "a\0b"}]},
        ("spec.serving.env[0].value", "NUL"),
    ),
    (
        "an unknown resource",
        {"serving.resources": {"limits": {"ram": "1Gi"}}},
        ("spec.serving.resources.limits", "cpu, memory, ephemeral-storage"),
    ),
    (
        "a node selector with a bad value",
        {"serving.nodeSelector": {"zone": "a b"}},
        ("spec.serving.nodeSelector[zone]", "must be a label value"),
    ),
    (
        "a node selector with a bad key",
        {"serving.nodeSelector": {"my zone": "a"}},
        ("spec.serving.nodeSelector", "example.com/"),
    ),
    (
        "a toleration without a key",
        {"serving.tolerations": [{"value": "gpu"}]},
        ("spec.serving.tolerations[0].key", "operator: Exists"),
    ),
    (
        "a toleration of everything with a value",
        {"serving.tolerations": [{"operator": "Exists", "value": "gpu"}]},
        ("spec.serving.tolerations[0].value", "remove it"),
    ),
    (
        "a toleration for a time without NoExecute",
        {"serving.tolerations": [{"key": "a", "tolerationSeconds": 5}]},
        ("spec.serving.tolerations[0].tolerationSeconds", "effect: NoExecute"),
    ),
    (
        "a label of the operator's on the pods",
        {"serving.podTemplate": {"labels": {"verdigris.dev/color": "green"}}},
        ("spec.serving.podTemplate.labels", "choose other names"),
    ),
    (
        "AppArmor taken away by an annotation",
        {
            "serving.podTemplate": {
                "annotations": {"container.apparmor.security.beta.kubernetes.io/server": "unconfined"}
            }
        },
        ("spec.serving.podTemplate.annotations", "remove them"),
    ),
    (
        "a folder of the node",
        {"serving.podTemplate": {"volumes": [{"name": "a", "hostPath": {"path": "/"}}]}},
        ("spec.serving.podTemplate.volumes[0].hostPath", "unknown field"),
    ),
    (
        "a volume of two kinds",
        {
            "serving.podTemplate": {
                "volumes": [{"name": "a", "secret": {"secretName": "s"}, "configMap": {"name": "c"}}]
            }
        },
        ("spec.serving.podTemplate.volumes[0].name", "give one of"),
    ),
    (
        "a mount over the server's code",
        {"serving.podTemplate": {"volumes": [CONFIG], "volumeMounts": [{"name": "config", "mountPath": "/opt/app"}]}},
        ("spec.serving.podTemplate.volumeMounts[0].mountPath", "choose a mountPath elsewhere"),
    ),
    (
        "a mount of no volume",
        {"serving.podTemplate": {"volumeMounts": [{"name": "config", "mountPath": "/config"}]}},
        ("spec.serving.podTemplate.volumes", "add the volume there"),
    ),
    (
        "a sidecar called as the server",
        {"serving.podTemplate": {"sidecars": [{**SIDECAR, "name": "server"}]}},
        ("spec.serving.podTemplate.sidecars[0].name", "choose another name"),
    ),
    (
        "a sidecar that requests more than its limit",
        {
            "serving.podTemplate": {
                "sidecars": [{**SIDECAR, "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}]
            }
        },
        ("spec.serving.podTemplate.sidecars[0].resources.requests", "raise the limit or lower the request"),
    ),
    (
        "a variable of two values",
        {"serving.env": [{"name": "A", "value": "1", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
        ("spec.serving.env[0].value", "not both"),
    ),
    (
        "a network peer of two kinds",
        {
            "serving.networkPolicy": {
                "extraIngress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]}]
            }
        },
        ("spec.serving.networkPolicy.extraIngress[0].from[0]", "give ipBlock, or podSelector"),
    ),
    (
        "a load balancer's class on a ClusterIP",
        {"serving.service": {"loadBalancerClass": "example.com/internal"}},
        ("spec.serving.service.type", "set type: LoadBalancer"),
    ),
    (
        "two IP families without a policy",
        {"serving.service": {"ipFamilies": ["IPv4", "IPv6"]}},
        ("spec.serving.service.ipFamilies", "PreferDualStack or RequireDualStack"),
    ),
    (
        "a size of an autoscaler that is not asked for",
        {"autoscaling.replicas": 3},
        ("spec.autoscaling.replicas", "set external: true"),
    ),
    (
        "metrics for an external autoscaler",
        {"autoscaling": {"external": True, "metrics": [{"type": "Resource", "resource": {}}]}},
        ("spec.autoscaling.external", "give them to yours"),
    ),
    ("more minimum than maximum", {"autoscaling.minReplicas": 11}, ("spec.autoscaling.minReplicas", "lower one")),
    ("no replicas", {"autoscaling.minReplicas": 0}, ("spec.autoscaling.minReplicas", "greater than or equal to 1")),
    (
        "autoscaling by CPU without a CPU request",
        {"serving.resources": {"requests": {"memory": "64Mi"}}},
        ("spec.serving.resources.requests", "serving.resources.requests.cpu: add it"),
    ),
    (
        "a metric without its part",
        {"autoscaling.metrics": [{"type": "Pods", "resource": {}}]},
        ("spec.autoscaling.metrics[0]", "pods for Pods"),
    ),
    (
        "an unknown strategy",
        {"rollout.strategy": "Rolling"},
        ("spec.rollout.strategy", 'supported values: "BlueGreen"'),
    ),
    ("an approval of yes", {"rollout.approval": True}, ("spec.rollout.approval", "type string")),
    (
        "a shield without the pods that it is made of",
        {"rollout.strategy": "Recreate", "rollout.allowDowntime": True, "rollout.shield": True},
        ("spec.rollout.shield", "set shield: false, or use strategy BlueGreen"),
    ),
    (
        "exact weights without the shield",
        {"rollout.strategy": "Canary", "rollout.shield": False},
        ("spec.rollout.steps", "or set rollout.shield: true"),
    ),
    (
        "steps without the active pods that make weights",
        {"rollout.strategy": "Recreate", "rollout.allowDowntime": True, "rollout.steps": [{"weight": 10}]},
        ("spec.rollout.steps", "a strategy other than Recreate"),
    ),
    (
        "a step that is two",
        {"rollout.steps": [{"weight": 10, "approval": {}}]},
        ("spec.rollout.steps[0]", "give each step a list entry of its own"),
    ),
    ("a step that is none", {"rollout.steps": [{}]}, ("spec.rollout.steps[0]", "one of quality, fairness, smoke")),
    (
        "a quality gate that asks for nothing",
        {"rollout.steps": [{"quality": {"data": _ROWS}}]},
        ("spec.rollout.steps[0].quality", "give a threshold, for example auc: {min: 0.85}"),
    ),
    (
        "a threshold that no value keeps",
        {"rollout.steps": [{"quality": {"data": _ROWS, "auc": {"min": 0.9, "max": 0.8}}}]},
        ("spec.rollout.steps[0].quality.auc", "no value is at least min and at most max"),
    ),
    (
        "a fairness gate without attributes",
        {"rollout.steps": [{"fairness": {"data": _ROWS, "attributes": [], "disparateImpact": {}}}]},
        ("spec.rollout.steps[0].fairness.attributes",),
    ),
    (
        "more answers than are asked for",
        {"rollout.steps": [{"load": {"rate": 100, "minRate": 200}}]},
        ("spec.rollout.steps[0].load.minRate", "no more is answered than is asked"),
    ),
    (
        "a shadow without an end",
        {"rollout.steps": [{"shadow": {"share": 10}}]},
        ("spec.rollout.steps[0].shadow.for",),
    ),
    (
        "a disagreement in percent",
        {"rollout.steps": [{"shadow": {"for": "5m", "maxDisagreement": 2}}]},
        ("spec.rollout.steps[0].shadow.maxDisagreement", "0.01 means one row of a hundred"),
    ),
    (
        "an approval that is held",
        {"rollout.steps": [{"approval": {}, "hold": "5m"}]},
        ("spec.rollout.steps[0].hold", "write it beside weight"),
    ),
    (
        "weights that fall",
        {"rollout.steps": [{"weight": 50}, {"approval": {}}, {"weight": 10}]},
        ("spec.rollout.steps", "must not fall: sort them"),
    ),
    ("a weight of nothing", {"rollout.steps": [{"weight": 0}]}, ("spec.rollout.steps[0].weight", "from 0.01 to 100")),
    ("a weight as text", {"rollout.steps": [{"weight": "10%"}]}, ("spec.rollout.steps[0].weight", "type number")),
    (
        "a unit that is no header",
        {"traffic": {"unit": {"header": "user id"}}},
        ("spec.traffic.unit.header", "name of an HTTP header"),
    ),
    (
        "testers without a value",
        {"traffic": {"testers": {"header": "x-tester"}}},
        ("spec.traffic.testers.value",),
    ),
    ("a shield by a word", {"rollout.shield": "yes"}, ("spec.rollout.shield", "type boolean")),
    ("an answer that nobody waits for", {"rollout.answerWithin": "5m"}, ("spec.rollout.answerWithin", "10ms to 60s")),
    ("a duration without a unit", {"rollout.bake": "5"}, ("spec.rollout.bake", "for example 5m")),
    ("a duration that is a number", {"rollout.bake": 300}, ("spec.rollout.bake", "type string")),
    ("a duration of days", {"rollout.keepWarm": "2d"}, ("spec.rollout.keepWarm", "h, m, s or ms")),
    ("a duration below zero", {"rollout.bake": "-5m"}, ("spec.rollout.bake", "from 0s to 24h")),
    ("a deadline too short", {"rollout.progressDeadline": "5s"}, ("spec.rollout.progressDeadline", "from 10s to 24h")),
    ("a bake too long", {"rollout.bake": "25h"}, ("spec.rollout.bake", "from 0s to 24h")),
    (
        "a Prometheus without http",
        {"analysis.prometheus.address": "prometheus:9090"},
        ("spec.analysis.prometheus.address", "http://prometheus.monitoring.svc:9090"),
    ),
    (
        "a factor that every noise exceeds",
        {"analysis.errorRate.factor": 1},
        ("spec.analysis.errorRate.factor", "from 1.1 to 100"),
    ),
    ("a floor in percent", {"analysis.errorRate.floor": 5}, ("spec.analysis.errorRate.floor", "0.005 means 0.5 %")),
    (
        "a latency that the histogram cannot show",
        {"analysis.latency.p95": "2s"},
        ("spec.analysis.latency.p95", "from 1ms to 1s"),
    ),
    ("a latency without a limit", {"analysis.latency": {}}, ("spec.analysis.latency.p95", "Required value")),
    (
        "a metric without a bound",
        {"analysis.metrics": [{"name": "confidence", "query": "up"}]},
        ("spec.analysis.metrics[0].max", "give max or min"),
    ),
    (
        "a metric that nothing can pass",
        {"analysis.metrics": [{"name": "confidence", "query": "up", "max": 1, "min": 2}]},
        ("spec.analysis.metrics[0].min", "must not be above max"),
    ),
    (
        "a metric without a query",
        {"analysis.metrics": [{"name": "confidence", "query": "", "max": 1}]},
        ("spec.analysis.metrics[0].query", "at least 1 chars long"),
    ),
    (
        "a scrape interval of nothing",
        {"monitoring.serviceMonitor.interval": "0s"},
        ("spec.monitoring.serviceMonitor.interval", "from 1s to 5m"),
    ),
    (
        "a warning above what is critical",
        {"monitoring.prometheusRule.errorRate": {"warning": 0.02}},
        ("spec.monitoring.prometheusRule.errorRate.warning", "warning must not be above critical"),
    ),
    (
        "an objective as a share",
        {"monitoring.slo": 0.999},
        ("spec.monitoring.slo", "it is in percent"),
    ),
    (
        "gates of one's own that say more than a status can keep",
        {
            "rollout.steps": [
                {"job": {"name": f"own-{number}", "image": "clinic.test/audit:3", "args": ["x" * 4096]}}
                for number in range(9)
            ]
        },
        ("spec.rollout.steps", "more than 32768 characters together", "put what is long into a ConfigMap"),
    ),
    ("paused by a word", {"paused": "yes"}, ("spec.paused", "type boolean")),
]


def refusal(kubectl: Kubectl, namespace: str, manifest: Mapping[str, Any]) -> str:
    """What `kubectl apply` says to a manifest that it must not accept."""
    outcome = kubectl("apply", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(dict(manifest)))
    assert outcome.returncode != 0, f"kubectl apply accepted it: {outcome.stdout}"
    return outcome.stderr


def assert_says(message: str, fragments: tuple[str, ...]) -> None:
    missing = [fragment for fragment in fragments if fragment not in message]
    assert not missing, f"{missing} is not in: {message}"


@pytest.mark.parametrize(("changes", "fragments"), [pytest.param(*case[1:], id=case[0]) for case in BAD_SPECS])
def test_kubectl_apply_refuses(kubectl: Kubectl, namespace: str, changes: Changes, fragments: tuple[str, ...]) -> None:
    message = refusal(kubectl, namespace, model_deployment(changed(good_spec(), changes)))
    assert_says(message, fragments)


@pytest.mark.parametrize(
    ("name", "fragment"),
    [
        ("2nd-model", "must start with a letter"),
        ("my.model", "lower-case letters, digits and '-'"),
        ("a" * 41, "at most 40"),
        ("model-", "metadata.name"),
    ],
)
def test_kubectl_apply_refuses_the_name(kubectl: Kubectl, namespace: str, name: str, fragment: str) -> None:
    assert_says(refusal(kubectl, namespace, model_deployment(good_spec(), name)), ("metadata.name", fragment))


def test_kubectl_apply_refuses_an_object_without_a_spec(kubectl: Kubectl, namespace: str) -> None:
    manifest = model_deployment({})
    del manifest["spec"]
    assert_says(refusal(kubectl, namespace, manifest), ("spec", "Required value"))


@pytest.mark.parametrize(
    ("changes", "fragments"),
    [
        pytest.param({"verb": "bless"}, ("spec.verb", '"approve"', '"rollback"'), id="an unknown verb"),
        pytest.param({"revision": GONE}, ("spec.revision", "Required value"), id="no revision"),
        pytest.param({"revision": ""}, ("spec.revision", "status.rollout.revision"), id="an empty revision"),
        pytest.param({"reason": ""}, ("spec.reason", "at least 1 chars long"), id="an empty reason"),
        pytest.param({"modelDeployment": "A"}, ("spec.modelDeployment", "choose a name"), id="no possible model"),
        pytest.param({"requestedBy": ""}, ("spec.requestedBy", "at least 1 chars long"), id="nobody"),
        pytest.param({"approver": "bob"}, ("spec.approver", "unknown field"), id="an unknown field"),
    ],
)
def test_kubectl_apply_refuses_the_decision(
    kubectl: Kubectl, namespace: str, changes: Changes, fragments: tuple[str, ...]
) -> None:
    assert_says(refusal(kubectl, namespace, rollout_decision(**changes)), fragments)
