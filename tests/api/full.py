"""A spec that gives every field there is, and the way to each of them."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from tests.api.gates import GATES, OWN_GATE
from tests.api.manifests import SHA256

FULL_SPEC: dict[str, Any] = {
    "model": {
        "name": "diabetes",
        "version": "1.0.0",
        "uri": "models:/diabetes/1",
        "sha256": SHA256,
        "allowUnverified": True,
        "format": "linear",
        "credentialsSecret": "store-keys",
        "follow": {"alias": "champion", "every": "5m", "approval": "None", "report": True},
    },
    "serving": {
        "image": "example.com/team/serving:1.2.3",
        "imagePullSecrets": [{"name": "registry"}],
        "resources": {"requests": {"cpu": "1", "memory": 1}, "limits": {"cpu": 2, "memory": "1Gi"}},
        "concurrency": 3,
        "maxBodyMiB": 64,
        "page": True,
        "grpc": True,
        "env": [
            {"name": "LOG_LEVEL", "value": "info"},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "store", "key": "token"}}},
            {"name": "REGION", "valueFrom": {"configMapKeyRef": {"name": "site", "key": "region"}}},
        ],
        "nodeSelector": {"zone": "a"},
        "tolerations": [
            {"key": "gpu", "operator": "Equal", "value": "a", "effect": "NoExecute", "tolerationSeconds": 3}
        ],
        "startupDeadline": "5m",
        "modelSizeLimit": "2Gi",
        "podTemplate": {
            "labels": {"team": "clinic"},
            "annotations": {"team": "clinic"},
            "affinity": {"nodeAffinity": {}},
            "topologySpreadConstraints": [
                {"topologyKey": "topology.kubernetes.io/zone", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule"}
            ],
            "priorityClassName": "models",
            "serviceAccountName": "bucket-reader",
            "fsGroup": 2000,
            "volumes": [
                {"name": "claim", "persistentVolumeClaim": {"claimName": "features", "readOnly": True}},
                {"name": "site", "configMap": {"name": "site"}},
                {"name": "keys", "secret": {"secretName": "store"}},
                {"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}},
            ],
            "volumeMounts": [{"name": "claim", "mountPath": "/features", "subPath": "v1", "readOnly": True}],
            "sidecars": [
                {
                    "name": "proxy",
                    "image": "example.com/proxy:1",
                    "command": ["/proxy"],
                    "args": ["--quiet"],
                    "env": [{"name": "LOG_LEVEL", "value": "info"}],
                    "resources": {"requests": {"cpu": "10m"}, "limits": {"memory": "32Mi"}},
                    "volumeMounts": [{"name": "scratch", "mountPath": "/tmp", "subPath": "a", "readOnly": False}],
                }
            ],
        },
        "networkPolicy": {
            "enabled": True,
            "clients": "Anywhere",
            "extraIngress": [
                {
                    "from": [
                        {
                            "podSelector": {"matchLabels": {"app": "a"}},
                            "namespaceSelector": {
                                "matchExpressions": [{"key": "team", "operator": "In", "values": ["sre"]}]
                            },
                        }
                    ],
                    "ports": [{"port": 9000, "endPort": 9010, "protocol": "TCP"}],
                }
            ],
            "extraEgress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}],
        },
        "service": {
            "type": "LoadBalancer",
            "port": 80,
            "annotations": {"team": "clinic"},
            "nodePort": 30080,
            "loadBalancerClass": "example.com/internal",
            "loadBalancerSourceRanges": ["10.0.0.0/8"],
            "externalTrafficPolicy": "Cluster",
            "ipFamilyPolicy": "PreferDualStack",
            "ipFamilies": ["IPv4", "IPv6"],
        },
    },
    "autoscaling": {
        "minReplicas": 3,
        "maxReplicas": 5,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu"}}],
        "behavior": {
            "scaleUp": {
                "stabilizationWindowSeconds": 0,
                "selectPolicy": "Max",
                "policies": [{"type": "Pods", "value": 4, "periodSeconds": 60}],
            },
            "scaleDown": {"selectPolicy": "Disabled"},
        },
        "external": False,
    },
    "rollout": {
        "strategy": "BlueGreen",
        "bake": "5m",
        "shield": True,
        "schemaChange": True,
        "watchWarm": True,
        "steps": [
            *GATES,
            OWN_GATE,
            {"from": {"namespace": "staging", "name": "diabetes", "healthyFor": "24h"}},
            {"shadow": {"for": "10m", "share": 5.5, "maxDisagreement": 0.02}},
            {"weight": 1.5, "hold": "10m"},
            {"approval": {}},
            {"weight": 100},
        ],
        "gateResources": {"requests": {"cpu": "200m"}, "limits": {"memory": "1Gi"}},
        "answerWithin": "500ms",
        "progressDeadline": "10m",
        "approval": "None",
        "onInconclusive": "Hold",
        "inconclusiveDeadline": "5m",
        "keepWarm": "30m",
    },
    "traffic": {
        "router": "Gateway",
        "gateway": {
            "parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": "https", "port": 443}],
            "hostnames": ["models.example.com"],
        },
        "unit": {"header": "x-user-id"},
        "testers": {"header": "x-tester", "value": "yes"},
    },
    "analysis": {
        "prometheus": {"address": "http://prometheus.monitoring.svc:9090"},
        "interval": "5s",
        "errorRate": {"factor": 2, "floor": 0.01, "minRequests": 5},
        "latency": {"p95": "100ms"},
        "metrics": [{"name": "confidence", "query": "up", "max": 1, "min": 0}],
    },
    "monitoring": {
        "serviceMonitor": {"enabled": True, "interval": "5s", "labels": {"release": "prometheus"}},
        "prometheusRule": {
            "enabled": True,
            "labels": {"release": "prometheus"},
            "errorRate": {"warning": 0.005, "critical": 0.01, "window": "5m", "minRequests": 100},
            "latency": {"p95": "100ms"},
            "downtime": {"after": "2m", "noTraffic": "10m"},
            "memory": {"share": 0.9},
        },
        "slo": 99.9,
    },
    "paused": False,
}


def paths(value: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every member and item of a JSON value."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield (*above, str(key))
        yield from paths(member, (*above, str(key)))


FULL_PATHS = tuple(paths(FULL_SPEC))


def value_at(spec: Any, path: Sequence[str]) -> Any:
    """What is at that path."""
    for step in path:
        spec = spec[int(step) if isinstance(spec, list) else step]
    return spec


def with_value(spec: dict[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    """A copy of the spec with this value at that path."""
    result = copy.deepcopy(spec)
    place = value_at(result, path[:-1])
    place[int(path[-1]) if isinstance(place, list) else path[-1]] = copy.deepcopy(value)
    return result
