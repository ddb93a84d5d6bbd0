"""Specs to build children from: the least one, one that uses every field, and generated ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from tests.api.gates import OWN_GATE
from verdigris.api.spec import JobGate, ModelDeploymentSpec
from verdigris.children import (
    controller_revision,
    deployment,
    gate_job,
    hpa,
    network_policy,
    pdb,
    pod_template,
    prometheus_rule,
    service,
    service_account,
    service_monitor,
)
from verdigris.children.meta import Manifest
from verdigris.children.names import COLORS, Defaults, Owner, gate_name
from verdigris.children.snapshot import Snapshot

OWNER = Owner(namespace="clinic", name="diabetes", uid="5f1c7a52-0d7e-4b0f-9f0e-3d1f2a4b5c6d")
DEFAULTS = Defaults(serving_image="verdigris/serving:0.1.0")
REVISION = "v1-0123456789"
CREATED = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
SHA256 = "ab" * 32

MINIMAL: Mapping[str, Any] = {
    "model": {"version": "1.0.0", "uri": "https://models.example.com/diabetes-1.0.0.vmodel", "sha256": SHA256},
}
FULL: Mapping[str, Any] = {
    "model": {
        "name": "diabetes-risk",
        "version": "2.1.0-rc.1+build.7",
        "uri": "pvc://artifacts/diabetes/2.1.0.vmodel",
        "allowUnverified": True,
        "format": "linear",
    },
    "serving": {
        "image": "clinic.example.com/serving:7",
        "imagePullSecrets": [{"name": "pull"}, {"name": "other"}],
        "resources": {
            "requests": {"cpu": "0.5", "memory": "1024Mi"},
            "limits": {"cpu": 1, "memory": "1Gi", "ephemeral-storage": "1.5Gi"},
        },
        "concurrency": 16,
        "env": [
            {"name": "LOG_LEVEL", "value": "debug"},
            {"name": "EMPTY"},
        ],
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [
            {"key": "dedicated", "operator": "Equal", "value": "models", "effect": "NoSchedule"},
            {
                "key": "node.kubernetes.io/unreachable",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 0,
            },
        ],
        "service": {"type": "LoadBalancer", "port": 8000, "annotations": {"example.com/pool": "clinic"}},
    },
    "autoscaling": {
        "minReplicas": 2,
        "maxReplicas": 4,
        "metrics": [
            {
                "type": "Pods",
                "pods": {
                    "metric": {"name": "requests_per_second"},
                    "target": {"type": "AverageValue", "averageValue": "1000"},
                },
            },
        ],
    },
    "monitoring": {
        "serviceMonitor": {"interval": "90s", "labels": {"release": "prometheus"}},
        "prometheusRule": {
            "labels": {"release": "prometheus"},
            "errorRate": {"warning": 0.02, "critical": 0.05, "window": "90s", "minRequests": 20},
            "latency": {"p95": "250ms"},
            "downtime": {"after": "0s", "noTraffic": "1h30m"},
            "memory": {"share": 0.75},
        },
        "slo": 99.9,
    },
}


OWN = gate_job.Question("job", '{"gate":"bias-audit"}', 300, own=JobGate.parse(OWN_GATE["job"]))
GATE = gate_job.Question(
    "smoke", '{"rows":200}', 900, {"/gate/data": "rows"}, {"requests": {"cpu": "200m"}, "limits": {"memory": "1Gi"}}
)


def spec(raw: Mapping[str, Any]) -> ModelDeploymentSpec:
    """The parsed spec."""
    return ModelDeploymentSpec.parse(raw)


def snapshot(owner: Owner, parsed: ModelDeploymentSpec, revision: str = REVISION) -> Snapshot:
    """The snapshot that the plan would keep of this spec."""
    model = parsed.model
    template = pod_template.build(owner, parsed, revision, DEFAULTS)
    return Snapshot(revision, model.version, model.sha256 or "", model.uri, template, CREATED)


def children(owner: Owner, parsed: ModelDeploymentSpec, revision: str = REVISION) -> dict[str, Manifest]:
    """Every child of a ModelDeployment with both colours in use, by a name for people."""
    kept, scaling, clients = snapshot(owner, parsed, revision), parsed.autoscaling, parsed.serving.service
    made = {
        "service_account": service_account.build(owner),
        "controller_revision": controller_revision.build(owner, kept),
        "network_policy": network_policy.build(owner, [kept.uri], external=clients.type != "ClusterIP"),
        "service_monitor": service_monitor.build(owner, parsed.monitoring, parsed.monitoring.service_monitor.interval),
        "prometheus_rule": prometheus_rule.build(owner, parsed.monitoring, ""),
        "service_clients": service.clients(owner, clients, "blue"),
        "gate_job": gate_job.build(
            owner,
            gate_name(owner, "smoke", revision, CREATED, step=1, asked="e" * 64),
            GATE,
            kept.pod_template,
            revision,
        ),
        "gate_policy": network_policy.of_gates(owner, [kept.uri]),
    }
    for color in COLORS:
        made[f"service_{color}"] = service.colored(owner, color)
        made[f"pdb_{color}"] = pdb.build(owner, color)
        made[f"deployment_{color}"] = deployment.build(owner, color, kept.pod_template, revision)
        made[f"hpa_{color}"] = hpa.build(owner, color, scaling.min_replicas, scaling.max_replicas, scaling.metrics)
    return made


def _optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def _named(names: st.SearchStrategy[str], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    item = st.fixed_dictionaries({"name": names}, optional=fields)
    return st.lists(item, max_size=3, unique_by=lambda entry: str(entry["name"]))


_NAMES = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
_AMOUNTS = st.one_of(
    st.integers(1, 64),
    st.from_regex(r"[1-9][0-9]{0,3}(\.[0-9]{1,3})?(m|k|M|G|Ki|Mi|Gi)?", fullmatch=True),
)
_RESOURCES = st.dictionaries(st.sampled_from(["cpu", "memory", "ephemeral-storage"]), _AMOUNTS).flatmap(
    lambda amounts: st.sampled_from([{"requests": amounts, "limits": {}}, {"requests": amounts, "limits": amounts}])
)
_TEXTS = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=12)
_ENV_NAMES = st.sampled_from(["A", "B", "HTTPS_PROXY", "_"])
_TOLERATIONS = st.one_of(
    st.fixed_dictionaries({"key": _NAMES}, optional={"value": st.one_of(st.just(""), _NAMES)}),
    st.fixed_dictionaries({"operator": st.just("Exists")}, optional={"effect": st.just("NoSchedule")}),
)
_PLAIN = st.sampled_from(
    [{"requests": {"cpu": "0.5", "memory": "1024Ki"}, "limits": {"memory": "1Gi"}}, {"requests": {}, "limits": {}}]
)
_MOUNTS = st.lists(
    st.fixed_dictionaries(
        {"name": st.just("extra"), "mountPath": st.sampled_from(["/extra", "/data/x"])},
        optional={"readOnly": st.booleans(), "subPath": st.just("a")},
    ),
    max_size=2,
    unique_by=lambda mount: str(mount["mountPath"]),
)
_SIDECARS = st.lists(
    st.fixed_dictionaries(
        {"name": st.just("proxy"), "image": _NAMES, "resources": _PLAIN},
        optional={"args": st.lists(st.just("--x"), max_size=1), "volumeMounts": _MOUNTS},
    ),
    max_size=1,
)
_ADDITIONS = st.fixed_dictionaries(
    {"volumes": st.sampled_from([[{"name": "extra", "emptyDir": {"sizeLimit": "1024Mi"}}]])},
    optional={
        "labels": st.dictionaries(_NAMES, _NAMES, max_size=2),
        "annotations": st.dictionaries(_NAMES, _TEXTS, max_size=2),
        "volumeMounts": _MOUNTS,
        "sidecars": _SIDECARS,
        "serviceAccountName": _NAMES,
        "fsGroup": st.integers(1, 9),
    },
)
_URIS = st.sampled_from(
    [
        "https://models.example.com/a.vmodel",
        "http://store:9000/a.vmodel",
        "http://store.models.svc.cluster.local/a.vmodel",
        "pvc://claim/deep/a.vmodel",
        "file:///opt/a.vmodel",
        "s3://models/a.vmodel",
        "oci://registry.tools:5000/models/a:1",
    ]
)
SPECS: st.SearchStrategy[ModelDeploymentSpec] = st.fixed_dictionaries(
    {
        "model": st.fixed_dictionaries(
            {"version": st.just("1.2.3"), "uri": _URIS, "allowUnverified": st.just(True)},
            optional={"name": _NAMES, "sha256": st.just(SHA256), "credentialsSecret": _NAMES},
        ),
        "serving": _optional(
            image=_NAMES,
            imagePullSecrets=_named(_NAMES),
            resources=_RESOURCES,
            concurrency=st.integers(1, 1024),
            maxBodyMiB=st.integers(1, 1024),
            page=st.booleans(),
            env=_named(_ENV_NAMES, value=_TEXTS),
            nodeSelector=st.dictionaries(_NAMES, st.one_of(st.just(""), _NAMES), max_size=2),
            tolerations=st.lists(_TOLERATIONS, max_size=2),
            startupDeadline=st.sampled_from(["10s", "5m"]),
            modelSizeLimit=_AMOUNTS.map(str),
            podTemplate=_ADDITIONS,
            service=_optional(
                type=st.sampled_from(["ClusterIP", "LoadBalancer", "NodePort"]),
                port=st.integers(1, 65535),
                annotations=st.dictionaries(_NAMES, _TEXTS, max_size=2),
            ),
        ),
        # A fixed size: scaling by CPU demands requests.cpu, which these specs may lack.
        "autoscaling": st.just({"minReplicas": 2, "maxReplicas": 2}),
        "monitoring": _optional(
            serviceMonitor=_optional(labels=st.dictionaries(_NAMES, _NAMES, max_size=2)),
            prometheusRule=_optional(labels=st.dictionaries(_NAMES, _NAMES, max_size=2)),
        ),
    }
).map(spec)
"""Specs in every shape that changes a child; not every spec that the API accepts."""
