"""Gates that together use every field of one."""

from __future__ import annotations

from typing import Any

_DATA = {"uri": "https://models.test/holdout.csv", "sha256": "d" * 64, "target": "diabetes"}
_SHARES = ("auc", "accuracy", "balancedAccuracy", "f1", "precision", "recall", "calibration")

GATES: list[dict[str, Any]] = [
    {
        "quality": {
            "deadline": "10m",
            "data": _DATA,
            "decideOn": "Interval",
            "confidence": 0.9,
            **{name: {"min": 0.5, "max": 0.99} for name in _SHARES},
            **{name: {"min": 0.01, "max": 0.6} for name in ("brier", "logLoss", "r2", "mae", "rmse")},
            "versusActive": {"metric": "auc", "margin": 0.02},
        }
    },
    {
        "fairness": {
            "deadline": "10m",
            "data": _DATA,
            "decideOn": "Point",
            "confidence": 0.9,
            "attributes": [{"name": "age", "privileged": "old", "bins": [40.5, 60.5]}],
            "favourable": "1",
            "disparateImpact": {"min": 0.7},
            "equalOpportunity": {"maxDifference": 0.2},
            "minGroup": 50,
        }
    },
    {"smoke": {"deadline": "5m", "rows": 100}},
    {
        "load": {
            "deadline": "5m",
            "connections": 50,
            "for": "10s",
            "rate": 200.5,
            "p95": "150ms",
            "p99": "300ms",
            "minRate": 100.5,
            "maxErrors": 3,
        }
    },
]

OWN_GATE: dict[str, Any] = {
    "job": {
        "name": "bias-audit",
        "image": "clinic.test/audit:3",
        "command": ["python3"],
        "args": ["-m", "audit"],
        "env": [
            {"name": "LEVEL", "value": "info"},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "audit", "key": "token"}}},
            {"name": "REGION", "valueFrom": {"configMapKeyRef": {"name": "region", "key": "value"}}},
        ],
        "resources": {"requests": {"cpu": "150m"}, "limits": {"memory": "256Mi"}},
        "volumes": [
            {"name": "cases", "persistentVolumeClaim": {"claimName": "cases", "readOnly": True}},
            {"name": "claim", "configMap": {"name": "audit"}},
            {"name": "keys", "secret": {"secretName": "audit-keys"}},
            {"name": "work", "emptyDir": {"sizeLimit": "1Gi"}},
        ],
        "volumeMounts": [{"name": "cases", "mountPath": "/cases", "subPath": "a", "readOnly": True}],
        "deadline": "5m",
    }
}
"""A gate of the user's own, with every field."""
