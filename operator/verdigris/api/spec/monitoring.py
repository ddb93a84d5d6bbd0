"""`spec.monitoring`: what is made for the monitoring system."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from verdigris.api.schema.fields import ApiModel, Rule
from verdigris.api.schema.values import (
    Labels,
    duration,
    number,
)


class ServiceMonitorSpec(ApiModel):
    """The ServiceMonitor by which Prometheus finds the model's pods."""

    enabled: bool = True
    interval: duration("1s", "5m", "5s") = "5s"  # type: ignore[valid-type]
    labels: Labels = {}


class ErrorAlertSpec(ApiModel):
    """When too many of the clients' answers are errors (5xx)."""

    rules = (
        Rule(
            "(has(self.warning) ? double(self.warning) : 0.005) <= (has(self.critical) ? double(self.critical) : 0.01)",
            "warning must not be above critical: what is critical would be no warning",
            lambda limits: limits.warning <= limits.critical,
            field="warning",
        ),
    )
    warning: number(0.0001, 1, "it is a share, so that 0.005 means 0.5 %") = Field(  # type: ignore[valid-type]
        default=0.005, description="A share of answers above this is a warning."
    )
    critical: number(0.0001, 1, "it is a share, so that 0.01 means 1 %") = Field(  # type: ignore[valid-type]
        default=0.01, description="A share of answers above this is critical."
    )
    window: duration("1m", "1h", "5m") = Field(  # type: ignore[valid-type]
        default="5m", description="Over how long requests and errors are counted."
    )
    min_requests: Annotated[int, Field(ge=1, le=1000000)] = Field(
        default=100, description="With fewer requests within the window neither errors nor latency are alerted on."
    )


class LatencyAlertSpec(ApiModel):
    """When answers are too slow."""

    p95: duration("1ms", "900ms", "100ms") = Field(  # type: ignore[valid-type]
        default="100ms",
        description="More than 5 % of the answers within errorRate.window take longer. The histogram ends at 1s.",
    )


class DowntimeAlertSpec(ApiModel):
    """When nobody is answered."""

    after: duration("0s", "1h", "2m") = Field(  # type: ignore[valid-type]
        default="2m",
        description="For how long no pod has been ready, or has let Prometheus read its metrics. With less than 2m a "
        "model that is deleted may be told of: Prometheus learns some time later that its alerts went with it.",
    )
    no_traffic: duration("1m", "6h", "10m") = Field(  # type: ignore[valid-type]
        default="10m", description="For how long nobody has asked, where there were requests in the hour before."
    )


class MemoryAlertSpec(ApiModel):
    """When a pod comes near to the limit at which it is killed."""

    share: number(0.5, 0.99, "it is a share of the limit, so that 0.9 means 90 %") = Field(  # type: ignore[valid-type]
        default=0.9, description="A share of the container's memory limit."
    )


class PrometheusRuleSpec(ApiModel):
    """The PrometheusRule by which Prometheus alerts about this model: see docs/alerts.md."""

    enabled: bool = False
    labels: Labels = Field(default={}, description="Labels by which your Prometheus finds PrometheusRules.")
    error_rate: ErrorAlertSpec = ErrorAlertSpec()
    latency: LatencyAlertSpec = LatencyAlertSpec()
    downtime: DowntimeAlertSpec = DowntimeAlertSpec()
    memory: MemoryAlertSpec = MemoryAlertSpec()


class MonitoringSpec(ApiModel):
    """What is made for the monitoring system."""

    service_monitor: ServiceMonitorSpec = ServiceMonitorSpec()
    prometheus_rule: PrometheusRuleSpec = PrometheusRuleSpec()
    slo: number(90, 99.999, "it is in percent, so that 99.9 lets 1 of 1000 answers fail") | None = Field(  # type: ignore[valid-type]
        default=None,
        description="Percent of the clients' requests within 30 days that are to be answered without an error (5xx). "
        "With prometheusRule.enabled Prometheus alerts when the error budget is spent too fast.",
    )
