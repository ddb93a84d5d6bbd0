"""`spec` of a ModelDeployment, a file a section. Defaults and bounds live here and nowhere else."""

from __future__ import annotations

from pydantic import Field

from verdigris.api.schema.fields import ApiModel, Rule
from verdigris.api.spec.analysis import AnalysisSpec, ErrorRateSpec, LatencySpec, MetricCheck, PrometheusSpec
from verdigris.api.spec.autoscaling import AutoscalingSpec, HpaMetric
from verdigris.api.spec.cleanup import CleanupSpec
from verdigris.api.spec.environment import EnvVar
from verdigris.api.spec.gates import AnyGate, FairnessGate, GateData, JobGate, LoadGate, QualityGate, SmokeGate
from verdigris.api.spec.model import FollowSpec, ModelSpec
from verdigris.api.spec.monitoring import MonitoringSpec, PrometheusRuleSpec, ServiceMonitorSpec
from verdigris.api.spec.network import NetworkPolicySpec
from verdigris.api.spec.pod import PodTemplateSpec
from verdigris.api.spec.resources import ResourceRequirements
from verdigris.api.spec.rollout import FromStep, RolloutSpec, RolloutStep
from verdigris.api.spec.service import ServiceSpec
from verdigris.api.spec.serving import LocalReference, ServingSpec, Toleration
from verdigris.api.spec.traffic import GatewaySpec, TrafficSpec

__all__ = [
    "AnalysisSpec",
    "AnyGate",
    "AutoscalingSpec",
    "CleanupSpec",
    "EnvVar",
    "ErrorRateSpec",
    "FairnessGate",
    "FollowSpec",
    "FromStep",
    "GateData",
    "GatewaySpec",
    "HpaMetric",
    "JobGate",
    "LatencySpec",
    "LoadGate",
    "LocalReference",
    "MetricCheck",
    "ModelDeploymentSpec",
    "ModelSpec",
    "MonitoringSpec",
    "NetworkPolicySpec",
    "PodTemplateSpec",
    "PrometheusRuleSpec",
    "PrometheusSpec",
    "QualityGate",
    "ResourceRequirements",
    "RolloutSpec",
    "RolloutStep",
    "ServiceMonitorSpec",
    "ServiceSpec",
    "ServingSpec",
    "SmokeGate",
    "Toleration",
    "TrafficSpec",
]


def _cpu_is_measurable(spec: ModelDeploymentSpec) -> bool:
    """The autoscaler's default measure is CPU in percent of what the pod requests, or else of its limit."""
    scaling, resources = spec.autoscaling, spec.serving.resources
    is_fixed = scaling.external or scaling.min_replicas == scaling.max_replicas
    return is_fixed or bool(scaling.metrics) or "cpu" in resources.requests or "cpu" in resources.limits


def _shares_can_be_given(spec: ModelDeploymentSpec) -> bool:
    asked = spec.rollout.strategy == "Canary" or any(step.is_share for step in spec.rollout.steps)
    return not asked or spec.rollout.is_shielded or (spec.traffic.is_routed and spec.rollout.strategy != "Recreate")


class ModelDeploymentSpec(ApiModel):
    """Everything a user may ask for."""

    rules = (
        Rule(
            "(has(self.autoscaling.external) && self.autoscaling.external) || "
            "self.autoscaling.minReplicas == self.autoscaling.maxReplicas || size(self.autoscaling.metrics) > 0 || "
            "'cpu' in self.serving.resources.requests || 'cpu' in self.serving.resources.limits",
            "autoscaling by CPU needs serving.resources.requests.cpu: add it (for example 100m), or give "
            "autoscaling.metrics, or set autoscaling.minReplicas and maxReplicas to the same number",
            _cpu_is_measurable,
            field="serving.resources.requests",
        ),
        Rule(
            "(self.rollout.strategy != 'Canary' && (!has(self.rollout.steps) || "
            "self.rollout.steps.all(s, !has(s.weight) && !has(s.shadow)))) || "
            "(self.rollout.strategy != 'Recreate' && (!has(self.rollout.shield) || self.rollout.shield || "
            "(has(self.traffic) && has(self.traffic.router) && self.traffic.router == 'Gateway')))",
            "exact weights are made by the active pods, which pass a share of the requests on, or by a gateway: leave "
            "weights, shadows and strategy Canary out, or set rollout.shield: true or traffic.router: Gateway (and a "
            "strategy other than Recreate)",
            _shares_can_be_given,
            field="rollout.steps",
        ),
    )

    model: ModelSpec
    serving: ServingSpec = ServingSpec()
    autoscaling: AutoscalingSpec = AutoscalingSpec()
    rollout: RolloutSpec = RolloutSpec()
    traffic: TrafficSpec = TrafficSpec()
    analysis: AnalysisSpec = AnalysisSpec()
    cleanup: CleanupSpec = CleanupSpec()
    monitoring: MonitoringSpec = MonitoringSpec()
    paused: bool = Field(default=False, description="Hold every rollout where it is. A rollback still works.")
