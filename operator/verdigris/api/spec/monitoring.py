"""`spec.monitoring`: what is made for the monitoring system."""

from __future__ import annotations

from verdigris.api.schema.fields import ApiModel
from verdigris.api.schema.values import (
    Labels,
    duration,
)


class ServiceMonitorSpec(ApiModel):
    """The ServiceMonitor by which Prometheus finds the model's pods."""

    enabled: bool = True
    interval: duration("1s", "5m", "5s") = "5s"  # type: ignore[valid-type]
    labels: Labels = {}


class MonitoringSpec(ApiModel):
    """What is made for the monitoring system."""

    service_monitor: ServiceMonitorSpec = ServiceMonitorSpec()
