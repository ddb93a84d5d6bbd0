"""Specs that together use every field of a ModelDeployment, and another valid value for each of them."""

from __future__ import annotations

import copy
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from tests.api.gates import GATES, OWN_GATE
from verdigris.api.spec import ModelDeploymentSpec

Json = dict[str, Any]
Path = tuple[str, ...]

_RULE: Json = {
    "ports": [{"port": 9000, "endPort": 9010, "protocol": "TCP"}],
    "peers": [
        {
            "podSelector": {
                "matchLabels": {"app": "scraper"},
                "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a"]}],
            },
            "namespaceSelector": {
                "matchLabels": {"team": "ops"},
                "matchExpressions": [{"key": "zone", "operator": "In", "values": ["b"]}],
            },
        },
        {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
    ],
}
_ENV: list[Json] = [
    {"name": "LEVEL", "value": "debug"},
    {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "token", "key": "value"}}},
    {"name": "REGION", "valueFrom": {"configMapKeyRef": {"name": "region", "key": "value"}}},
]
_MOUNTS: list[Json] = [{"name": "cache", "mountPath": "/cache", "subPath": "x", "readOnly": False}]
_SCALING: Json = {
    "stabilizationWindowSeconds": 60,
    "selectPolicy": "Max",
    "policies": [{"type": "Pods", "value": 2, "periodSeconds": 30}],
}
_TARGET: Json = {"type": "AverageValue", "averageValue": "100"}

WHOLE: Json = {
    "model": {
        "name": "risk",
        "version": "1.1.0",
        "uri": "https://models.test/1.1.0.vmodel",
        "sha256": "b" * 64,
        "allowUnverified": False,
        "format": "linear",
        "credentialsSecret": "store",
    },
    "serving": {
        "image": "clinic.test/serving:7",
        "imagePullSecrets": [{"name": "pull"}],
        "resources": {"requests": {"cpu": "0.5", "memory": "256Mi"}, "limits": {"memory": "512Mi"}},
        "concurrency": 16,
        "maxBodyMiB": 16,
        "grpc": False,
        "page": True,
        "env": _ENV,
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [
            {"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoExecute", "tolerationSeconds": 30},
        ],
        "startupDeadline": "3m",
        "modelSizeLimit": "2Gi",
        "podTemplate": {
            "labels": {"team": "a"},
            "annotations": {"example.com/a": "b"},
            "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "a"}]}},
            "topologySpreadConstraints": [{"topologyKey": "zone", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule"}],
            "priorityClassName": "high",
            "serviceAccountName": "model",
            "fsGroup": 2000,
            "volumes": [
                {"name": "cache", "emptyDir": {"sizeLimit": "1Gi"}},
                {"name": "claim", "persistentVolumeClaim": {"claimName": "data", "readOnly": True}},
                {"name": "config", "configMap": {"name": "config"}},
                {"name": "secret", "secret": {"secretName": "secret"}},
            ],
            "volumeMounts": _MOUNTS,
            "sidecars": [
                {
                    "name": "proxy",
                    "image": "proxy:1",
                    "command": ["/proxy"],
                    "args": ["--x"],
                    "env": _ENV,
                    "resources": {"requests": {"cpu": "10m"}, "limits": {"memory": "32Mi"}},
                    "volumeMounts": _MOUNTS,
                }
            ],
        },
        "networkPolicy": {
            "enabled": True,
            "clients": "Pods",
            "extraIngress": [{"from": _RULE["peers"], "ports": _RULE["ports"]}],
            "extraEgress": [{"to": _RULE["peers"], "ports": _RULE["ports"]}],
        },
        "service": {
            "type": "LoadBalancer",
            "port": 8000,
            "annotations": {"example.com/pool": "a"},
            "nodePort": 30080,
            "loadBalancerClass": "example.com/lb",
            "loadBalancerSourceRanges": ["10.0.0.0/8"],
            "externalTrafficPolicy": "Local",
            "ipFamilyPolicy": "PreferDualStack",
            "ipFamilies": ["IPv4"],
        },
    },
    "autoscaling": {
        "minReplicas": 2,
        "maxReplicas": 4,
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 7}},
            },
            {
                "type": "ContainerResource",
                "containerResource": {"name": "cpu", "container": "server", "target": _TARGET},
            },
            {"type": "Pods", "pods": {"metric": {"name": "requests"}, "target": _TARGET}},
            {
                "type": "Object",
                "object": {
                    "metric": {"name": "requests"},
                    "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "x"},
                    "target": {"type": "Value", "value": "10"},
                },
            },
            {"type": "External", "external": {"metric": {"name": "queue"}, "target": _TARGET}},
        ],
        "behavior": {"scaleUp": _SCALING, "scaleDown": _SCALING},
    },
    "rollout": {
        "strategy": "BlueGreen",
        "allowDowntime": True,
        "onInsufficientCapacity": "Wait",
        "minAvailable": 1,
        "bake": "30s",
        "shield": True,
        "answerWithin": "300ms",
        "progressDeadline": "60s",
        "approval": "None",
        "onInconclusive": "Hold",
        "inconclusiveDeadline": "10m",
        "keepWarm": "2m",
        "gateResources": {"requests": {"cpu": "200m"}, "limits": {"memory": "1Gi"}},
        "schemaChange": False,
        "watchWarm": True,
        "steps": [
            *GATES,
            OWN_GATE,
            {"from": {"namespace": "staging", "name": "diabetes", "healthyFor": "1h"}},
            {"shadow": {"for": "30s", "share": 10.0, "maxDisagreement": 0.02}},
            {"weight": 5.0, "hold": "40s"},
            {"approval": {}},
        ],
    },
    "traffic": {
        "router": "Gateway",
        "gateway": {
            "parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": "https", "port": 443}],
            "hostnames": ["models.example.com"],
        },
    },
    "analysis": {
        "prometheus": {"matchers": {"cluster": "a"}},
        "interval": "5s",
        "errorRate": {"factor": 2.0, "floor": 0.01, "detect": 5.0, "max": 0.3, "minRequests": 20},
        "latency": {"p95": "100ms"},
        "metrics": [{"name": "lag", "query": "max(lag{$labels})", "max": 4.0, "min": 1.0}],
    },
    "cleanup": {
        "enabled": True,
        "dryRun": False,
        "giveUpAfter": "1h",
        "stuckAfter": "5m",
        "crashes": 5,
        "flaps": 5,
        "budget": 2,
        "nodeBudget": 2,
        "window": "10m",
        "backoff": "1m",
    },
    "monitoring": {
        "serviceMonitor": {"enabled": True, "interval": "10s", "labels": {"release": "a"}},
        "prometheusRule": {
            "enabled": True,
            "labels": {"release": "a"},
            "errorRate": {"warning": 0.01, "critical": 0.02, "window": "10m", "minRequests": 50},
            "latency": {"p95": "200ms"},
            "downtime": {"after": "2m", "noTraffic": "20m"},
            "memory": {"share": 0.8},
        },
        "slo": 99.5,
    },
    "paused": False,
}
SAMPLES: tuple[Json, ...] = (
    WHOLE,
    {**WHOLE, "autoscaling": {"external": True, "minReplicas": 2, "maxReplicas": 4}},
    {**WHOLE, "autoscaling": {"external": True, "minReplicas": 2, "maxReplicas": 4, "replicas": 3}},
    {
        **WHOLE,
        "model": {
            **WHOLE["model"],
            "uri": "models:/risk/1",
            "follow": {"alias": "champion", "every": "1m", "approval": "None", "report": False},
        },
    },
    {**WHOLE, "analysis": {"prometheus": {"address": "http://prometheus.test:9090"}}},
    {**WHOLE, "rollout": {"strategy": "BlueGreen", "allowDowntime": True}},
    {**WHOLE, "rollout": {"shield": True}},
    {
        **WHOLE,
        "rollout": {
            "steps": [
                {
                    "job": {
                        "name": "audit",
                        "image": "audit:1",
                        "volumes": [{"name": "spare", "configMap": {"name": "a"}}],
                    }
                }
            ]
        },
    },
    {**WHOLE, "traffic": {"router": "Gateway", "gateway": {"route": "shop"}}},
    {**WHOLE, "serving": {"tolerations": [{"key": "gpu", "operator": "Equal", "effect": "NoSchedule"}]}},
    {**WHOLE, "serving": {"service": {"type": "ClusterIP"}}},
    {**WHOLE, "serving": {"podTemplate": {"volumes": [{"name": "spare", "emptyDir": {"sizeLimit": "1Gi"}}]}}},
)
"""The first, and what excludes something of it, or whose other values do."""


_AMOUNTS = ("150ms", "20s", "7m", "7Mi", "2Gi", "1.2.0", "c" * 64)
_PLACES = ("claim", "https://other.test/2.vmodel", "http://other.test:9090", "10.128.0.0/9", "10.2.0.0/16", "IPv6")
_OF_PODS = ("Exists", "NoSchedule", "NoExecute", "ScheduleAnyway", "onnx", "Anywhere", "UDP", "NotIn")
_OF_GATES = ("accuracy", "Interval", "Point")
_OF_OTHERS = ("NodePort", "Cluster", "SingleStack", "Min", "Percent", "Recreate", "Abort", "Required", "Promote")


def fields(model: type[BaseModel] = ModelDeploymentSpec, path: Path = ()) -> Iterator[Path]:
    """The paths of all fields that hold no further ones, by their names in a manifest."""
    for name, field in model.model_fields.items():
        inner = [
            one
            for one in (field.annotation, *_arguments(field.annotation))
            if isinstance(one, type) and issubclass(one, BaseModel)
        ]
        here = (*path, field.alias or name)
        for one in inner:
            yield from fields(one, here)
        if not inner:
            yield here


def _arguments(annotation: Any) -> Iterator[Any]:
    for one in typing.get_args(annotation):
        yield one
        yield from _arguments(one)


def changed(path: Path) -> tuple[Json, Json]:
    """A valid spec that has this field, and the same with another value of it. Raises LookupError for none."""
    for sample in SAMPLES:
        now = _at(sample, path)
        for value in (value for value in _others(now) if value != now):
            made = copy.deepcopy(sample)
            _set(made, path, value)
            try:
                ModelDeploymentSpec.parse(made)
            except ValueError:
                continue
            return sample, made
    raise LookupError(f"no sample has spec.{'.'.join(path)}, or none is valid with another value of it: add one")


def _at(found: Any, path: Path) -> Any:
    """The value there, of the first elements of lists that have one; None where there is none."""
    if isinstance(found, list):
        return next((value for one in found if (value := _at(one, path)) is not None), None)
    if not path:
        return found
    return _at(found[path[0]], path[1:]) if isinstance(found, dict) and path[0] in found else None


def _set(found: Any, path: Path, value: Any) -> None:
    if isinstance(found, list):
        _set(next(one for one in found if _at(one, path) is not None), path, value)
    elif len(path) == 1:
        found[path[0]] = [value] if isinstance(found[path[0]], list) else value
    else:
        _set(found[path[0]], path[1:], value)


def _others(value: Any) -> Iterator[Any]:
    """Other values of the same shape, of which some are valid."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value + 1, value - 1, value / 2, (value + 1) / 2)
    elif isinstance(value, str):
        yield from (*_AMOUNTS, *_PLACES, *_OF_PODS, *_OF_GATES, *_OF_OTHERS)
        yield from (f"{value}x", f"{value}/x")
    elif isinstance(value, list):
        yield from ([other] for other in _others(value[0]))
    elif isinstance(value, dict):
        yield {key: next(_others(one)) for key, one in value.items()}
        yield {f"{key}x": one for key, one in value.items()}
        for key, one in value.items():
            yield from ({**value, key: other} for other in _others(one))
