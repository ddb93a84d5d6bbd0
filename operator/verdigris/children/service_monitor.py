"""The ServiceMonitor: how the Prometheus Operator finds the model's pods, and how their series are labelled."""

from __future__ import annotations

from verdigris.api.schema.fields import spell_duration
from verdigris.api.spec import MonitoringSpec
from verdigris.children.meta import Manifest, metadata
from verdigris.children.names import COLOR_LABEL, MODEL_LABEL, REVISION_LABEL, Owner

API_VERSION = "monitoring.coreos.com/v1"

_TARGET_LABELS = {"model": MODEL_LABEL, "color": COLOR_LABEL, "revision": REVISION_LABEL}

UID_LABEL = "modeldeployment_uid"
"""Label of the series: one Prometheus over several clusters tells models of equal names apart by it."""


def build(owner: Owner, spec: MonitoringSpec, interval: str) -> Manifest:
    """Scrapes each pod once in `interval`: through the Service of its colour, never through the clients' Service.

    Only colour Services bear the colour label. `model`, `color` and `revision` come from the pod, `namespace` and
    `pod` from the Prometheus Operator itself. `spec.service_monitor.enabled` is the caller's to look at.
    """
    monitor = spec.service_monitor
    return {
        "apiVersion": API_VERSION,
        "kind": "ServiceMonitor",
        "metadata": metadata(owner, owner.name, extra_labels=monitor.labels),
        "spec": {
            "selector": {
                "matchLabels": {MODEL_LABEL: owner.name},
                "matchExpressions": [{"key": COLOR_LABEL, "operator": "Exists"}],
            },
            "endpoints": [
                {
                    "port": "http",
                    "path": "/metrics",
                    "interval": spell_duration(interval),
                    "honorLabels": False,
                    "relabelings": [
                        {"action": "replace", "sourceLabels": [_pod_label(label)], "targetLabel": target}
                        for target, label in _TARGET_LABELS.items()
                    ]
                    + [{"action": "replace", "targetLabel": UID_LABEL, "replacement": owner.uid}],
                }
            ],
        },
    }


def _pod_label(label: str) -> str:
    """The discovery's name for a pod label: whatever no Prometheus label may contain becomes `_`."""
    return "__meta_kubernetes_pod_label_" + "".join(char if char.isalnum() else "_" for char in label)
