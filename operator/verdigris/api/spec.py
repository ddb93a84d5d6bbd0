"""`spec` of a ModelDeployment: what the user asks for. Defaults and bounds live here and nowhere else."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from verdigris.api.autoscaling import AutoscalingSpec
from verdigris.api.fields import ApiModel, ListMap, Rule
from verdigris.api.rollout import CleanupSpec, RolloutSpec
from verdigris.api.values import (
    Annotations,
    ArtifactUri,
    BaseUrl,
    DnsName,
    EnvName,
    ImageRef,
    LabelKey,
    Labels,
    LabelValue,
    MetricName,
    ModelName,
    ResourceList,
    SemVer,
    Sha256,
    duration,
    number,
    parse_quantity,
)


class ModelSpec(ApiModel):
    """The artifact: which model, which version, where its bytes are and what they must hash to."""

    rules = (
        Rule(
            "has(self.sha256) || self.allowUnverified",
            "sha256 is required: put the artifact's SHA-256 here (64 hex digits, printed by verdigris-model pack), "
            "or set allowUnverified: true to run bytes that nobody checked",
            lambda model: model.sha256 is not None or model.allow_unverified,
            field="sha256",
        ),
    )
    name: ModelName | None = Field(default=None, description="Served as /v2/models/NAME. Default: metadata.name.")
    version: SemVer = Field(description="Semantic version of the model, for example 2.1.0.")
    uri: ArtifactUri = Field(
        description="Where the artifact is: https://, http://, s3://, gs://, az://, oci://, models:/ (MLflow), "
        "pvc://CLAIM/PATH or file:///PATH in the image."
    )
    sha256: Sha256 | None = Field(default=None, description="SHA-256 of the artifact, 64 lower-case hex digits.")
    allow_unverified: bool = Field(
        default=False, description="Run an artifact without a checksum. For experiments only."
    )
    format: Literal["linear", "onnx", "sklearn"] = Field(default="linear", description="How the artifact is served.")
    credentials_secret: DnsName | None = Field(
        default=None, description="Secret whose keys the fetch step gets as environment variables."
    )


# Named, because API servers before 1.34 find a comparison of six quantities of unknown length too dear.
_COMPARED = ("cpu", "memory", "ephemeral-storage")


def _is_within_its_limit(resources: ResourceRequirements, name: str) -> bool:
    wanted, limit = resources.requests.get(name), resources.limits.get(name)
    return wanted is None or limit is None or parse_quantity(wanted) <= parse_quantity(limit)


class ResourceRequirements(ApiModel):
    """Requests and limits of the serving container."""

    rules = (
        Rule(
            f"{list(_COMPARED)}.all(name, !(name in self.requests) || !(name in self.limits) || "
            "!isQuantity(string(self.requests[name])) || !isQuantity(string(self.limits[name])) || "
            "quantity(string(self.requests[name])).compareTo(quantity(string(self.limits[name]))) <= 0)",
            "a request must not be above the limit of the same name (limits.memory is 192Mi when you give no limits): "
            "raise the limit or lower the request",
            lambda resources: all(_is_within_its_limit(resources, name) for name in _COMPARED),
            field="requests",
        ),
        Rule(
            "self.requests.all(name, !name.contains('/') || (name in self.limits && "
            "self.requests[name] == self.limits[name]))",
            "a device such as example.com/gpu cannot be shared: give it the same limit, written in the same way",
            lambda resources: all(
                resources.limits.get(name) == wanted for name, wanted in resources.requests.items() if "/" in name
            ),
            field="limits",
        ),
    )
    requests: ResourceList = {"cpu": "100m", "memory": "64Mi"}
    limits: ResourceList = {"memory": "192Mi"}


class EnvVar(ApiModel):
    """An environment variable of the serving container."""

    name: EnvName
    value: Annotated[str, Field(max_length=4096)] = ""


class ServiceSpec(ApiModel):
    """The clients' Service. Its name and its IP never change."""

    type: Literal["ClusterIP", "LoadBalancer", "NodePort"] = "ClusterIP"
    port: Annotated[int, Field(ge=1, le=65535)] = 80
    annotations: Annotations = {}


class Toleration(ApiModel):
    """As in a pod."""

    rules = (
        Rule(
            "has(self.key) || self.operator == 'Exists'",
            "key is required when operator is Equal: add it, or set operator: Exists to tolerate every taint",
            lambda toleration: toleration.key is not None or toleration.operator == "Exists",
            field="key",
        ),
        Rule(
            "!has(self.value) || self.operator == 'Equal'",
            "value has no meaning when operator is Exists: remove it, or set operator: Equal",
            lambda toleration: toleration.value is None or toleration.operator == "Equal",
            field="value",
        ),
        Rule(
            "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            "tolerationSeconds needs effect: NoExecute: set that, or remove tolerationSeconds",
            lambda toleration: toleration.toleration_seconds is None or toleration.effect == "NoExecute",
            field="tolerationSeconds",
        ),
    )
    key: LabelKey | None = None
    operator: Literal["Exists", "Equal"] = "Equal"
    value: LabelValue | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: Annotated[int, Field(ge=0, le=86400)] | None = None


class LocalReference(ApiModel):
    """An object of the same namespace, by name."""

    name: DnsName


class ServingSpec(ApiModel):
    """The pods that answer."""

    image: ImageRef | None = Field(default=None, description="Serving image. Default: the operator's.")
    image_pull_secrets: Annotated[tuple[LocalReference, ...], Field(max_length=8), ListMap("name")] = ()
    resources: ResourceRequirements = ResourceRequirements()
    concurrency: Annotated[int, Field(ge=1, le=1024)] = Field(
        default=8, description="Requests that one pod works on at once."
    )
    env: Annotated[tuple[EnvVar, ...], Field(max_length=64), ListMap("name")] = ()
    node_selector: Labels = {}
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=16)] = ()
    service: ServiceSpec = ServiceSpec()


class PrometheusSpec(ApiModel):
    """Where the evidence comes from."""

    address: BaseUrl | None = Field(default=None, description="Base URL of Prometheus. Default: the operator's.")


class ErrorRateSpec(ApiModel):
    """The sequential test on (errors, requests): see docs/design/0004-judge.md."""

    factor: number(1.1, 100, "2 rolls back when the error rate doubles") = Field(  # type: ignore[valid-type]
        default=2.0, description="Roll back when the error rate is this many times the baseline."
    )
    floor: number(0.0001, 0.5, "it is a share, so that 0.005 means 0.5 %") = Field(  # type: ignore[valid-type]
        default=0.005, description="A baseline below this rate counts as this rate."
    )
    min_requests: Annotated[int, Field(ge=1, le=1000000)] = Field(
        default=50, description="A pass needs at least this many requests. A failure needs only the evidence."
    )


class LatencySpec(ApiModel):
    """A limit on the candidate's request latency."""

    p95: duration("1ms", "1s", "100ms") = Field(  # type: ignore[valid-type]
        description="Roll back when 95 % of requests take longer than this. The histogram ends at 1s."
    )


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


class ServiceMonitorSpec(ApiModel):
    """The ServiceMonitor by which Prometheus finds the model's pods."""

    enabled: bool = True
    interval: duration("1s", "5m", "5s") = "5s"  # type: ignore[valid-type]
    labels: Labels = {}


class MonitoringSpec(ApiModel):
    """What is made for the monitoring system."""

    service_monitor: ServiceMonitorSpec = ServiceMonitorSpec()


def _cpu_is_measurable(spec: ModelDeploymentSpec) -> bool:
    """The autoscaler's default measure is CPU in percent of what the pod requests, or else of its limit."""
    scaling, resources = spec.autoscaling, spec.serving.resources
    is_fixed = scaling.min_replicas == scaling.max_replicas
    return is_fixed or bool(scaling.metrics) or "cpu" in resources.requests or "cpu" in resources.limits


class ModelDeploymentSpec(ApiModel):
    """Everything a user may ask for."""

    rules = (
        Rule(
            "self.autoscaling.minReplicas == self.autoscaling.maxReplicas || size(self.autoscaling.metrics) > 0 || "
            "'cpu' in self.serving.resources.requests || 'cpu' in self.serving.resources.limits",
            "autoscaling by CPU needs serving.resources.requests.cpu: add it (for example 100m), or give "
            "autoscaling.metrics, or set autoscaling.minReplicas and maxReplicas to the same number",
            _cpu_is_measurable,
            field="serving.resources.requests",
        ),
    )

    model: ModelSpec
    serving: ServingSpec = ServingSpec()
    autoscaling: AutoscalingSpec = AutoscalingSpec()
    rollout: RolloutSpec = RolloutSpec()
    analysis: AnalysisSpec = AnalysisSpec()
    cleanup: CleanupSpec = CleanupSpec()
    monitoring: MonitoringSpec = MonitoringSpec()
    paused: bool = Field(default=False, description="Hold every rollout where it is. A rollback still works.")
