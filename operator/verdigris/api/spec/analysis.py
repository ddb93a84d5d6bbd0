"""`spec.analysis`: what Prometheus is asked during a rollout, and what it must answer."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from verdigris.api.schema.fields import ApiModel, ListMap, Rule, parse_duration
from verdigris.api.schema.values import (
    BaseUrl,
    LatencyLimit,
    MetricName,
    SeriesLabels,
    duration,
    number,
)

GROSS_FAULT = 10.0
"""How many times the limit every pass rules out, unless it is told otherwise."""


class PrometheusSpec(ApiModel):
    """Where the evidence comes from."""

    address: BaseUrl | None = Field(default=None, description="Base URL of Prometheus. Default: the operator's.")
    matchers: SeriesLabels = Field(
        default={},
        description="Further labels of this model's series, such as the cluster's in a Prometheus over several.",
    )


class ErrorRateSpec(ApiModel):
    """The sequential test on (errors, requests): see docs/design/0004-judge.md."""

    rules = (
        Rule(
            "!has(self.detect) || self.detect >= self.factor",
            "detect must not be below factor: a lower rate is not held against the candidate at all",
            lambda policy: policy.detect is None or policy.detect >= policy.factor,
            field="detect",
        ),
    )
    factor: number(1.1, 100, "2 rolls back when the error rate doubles") = Field(  # type: ignore[valid-type]
        default=2.0, description="Roll back when the error rate is this many times the baseline."
    )
    floor: number(0.0001, 0.5, "it is a share, so that 0.005 means 0.5 %") = Field(  # type: ignore[valid-type]
        default=0.005, description="A baseline below this rate counts as this rate."
    )
    detect: number(1.1, 1000, "4 asks a pass to rule out four times the limit") | None = Field(  # type: ignore[valid-type]
        default=None,
        description="A pass needs so many requests that an error rate of this many times the limit would have been "
        "found with 90 %. Default: 10 (or factor, if that is higher).",
    )
    max: number(0.001, 1, "it is a share, so that 0.2 means 20 %") = Field(  # type: ignore[valid-type]
        default=0.2,
        description="A candidate that is not shown to fail less than this share of its requests is not promoted, "
        "however bad the baseline is.",
    )
    min_requests: Annotated[int, Field(ge=1, le=1000000)] = Field(
        default=50, description="A pass needs at least this many requests. A failure needs only the evidence."
    )

    @property
    def detected(self) -> float:
        """`detect`, or its default."""
        asked: float = self.detect if self.detect is not None else max(GROSS_FAULT, self.factor)
        return asked


class LatencySpec(ApiModel):
    """A limit on the candidate's request latency."""

    p95: LatencyLimit = Field(
        description="Roll back when 5 % of requests take longer than this: a duration, or a factor such as 2x of what "
        "the active version took. The histogram ends at 1s."
    )

    @property
    def factor(self) -> float | None:
        """How many times the active version's p95 is allowed; None when the limit is a duration."""
        return float(self.p95[:-1]) if self.p95.endswith("x") else None

    @property
    def seconds(self) -> float:
        """The limit in seconds. Raises ValueError when it is a factor."""
        return parse_duration(self.p95).total_seconds()


class MetricCheck(ApiModel):
    """A PromQL query of the user's own that must yield one number within a bound."""

    rules = (
        Rule(
            "has(self.max) || has(self.min)",
            "give max or min (or both): without a bound the metric decides nothing",
            lambda metric: metric.max is not None or metric.min is not None,
            field="max",
        ),
        Rule(
            "!has(self.max) || !has(self.min) || self.min <= self.max",
            "min must not be above max: no number could pass",
            lambda metric: metric.max is None or metric.min is None or metric.min <= metric.max,
            field="min",
        ),
    )
    name: MetricName
    query: Annotated[str, Field(min_length=1, max_length=4096)] = Field(
        description="PromQL that yields one number. The words color, revision, version, model and namespace, each in "
        "double braces, are replaced."
    )
    max: float | None = None
    min: float | None = None


class AnalysisSpec(ApiModel):
    """What Prometheus is asked during a rollout."""

    prometheus: PrometheusSpec = PrometheusSpec()
    interval: duration("1s", "5m", "5s") = Field(  # type: ignore[valid-type]
        default="1s", description="How often Prometheus is asked during a rollout."
    )
    error_rate: ErrorRateSpec = ErrorRateSpec()
    latency: LatencySpec | None = None
    metrics: Annotated[tuple[MetricCheck, ...], Field(max_length=16), ListMap("name")] = ()
