"""The PrometheusRule: what Prometheus alerts on about the model."""

from __future__ import annotations

from verdigris.api.spec import MonitoringSpec
from verdigris.children.alerts.of_models import of_model
from verdigris.children.meta import Manifest, metadata
from verdigris.children.names import Owner
from verdigris.children.service_monitor import API_VERSION

KIND = "PrometheusRule"


def build(owner: Owner, spec: MonitoringSpec, runbooks: str) -> Manifest:
    """All alerts with the thresholds of the spec. `spec.prometheus_rule.enabled` is the caller's to look at.

    `runbooks` is the URL under which the pages of docs/runbooks are; empty: the alerts name that folder.
    """
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": metadata(owner, owner.name, extra_labels=spec.prometheus_rule.labels),
        "spec": {"groups": [group.entry(runbooks) for group in of_model(owner, spec)]},
    }
