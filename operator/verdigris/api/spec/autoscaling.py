"""`spec.autoscaling`: the autoscaler of each colour."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from verdigris.api.schema.fields import ApiModel, Passthrough, Rule

_MEMBERS = {
    "Resource": "resource",
    "ContainerResource": "container_resource",
    "Pods": "pods",
    "Object": "object",
    "External": "external",
}


_CAMEL = {**_MEMBERS, "ContainerResource": "containerResource"}


def _only_its_own(metric: HpaMetric) -> bool:
    return all((getattr(metric, member) is not None) == (metric.type == kind) for kind, member in _MEMBERS.items())


class HpaMetric(ApiModel):
    """One metric as in autoscaling/v2; what is below the type's own field is passed through."""

    rules = (
        Rule(
            " && ".join(f"has(self.{member}) == (self.type == '{kind}')" for kind, member in _CAMEL.items()),
            "give the one field that the type names, as in autoscaling/v2: resource for Resource, containerResource "
            "for ContainerResource, pods for Pods, object for Object, external for External",
            _only_its_own,
        ),
    )
    type: Literal["Resource", "ContainerResource", "Pods", "Object", "External"]
    resource: Passthrough | None = None
    container_resource: Passthrough | None = None
    pods: Passthrough | None = None
    object: Passthrough | None = None
    external: Passthrough | None = None


class ScalingPolicy(ApiModel):
    """At most this change within this time."""

    type: Literal["Pods", "Percent"]
    value: Annotated[int, Field(ge=1, le=10000)]
    period_seconds: Annotated[int, Field(ge=1, le=1800)]


class ScalingRules(ApiModel):
    """How fast it goes in one direction."""

    stabilization_window_seconds: Annotated[int, Field(ge=0, le=3600)] | None = None
    select_policy: Literal["Max", "Min", "Disabled"] | None = None
    policies: Annotated[tuple[ScalingPolicy, ...], Field(max_length=8)] = ()


class ScalingBehavior(ApiModel):
    """As in autoscaling/v2. A direction that is not given keeps the operator's."""

    scale_up: ScalingRules | None = None
    scale_down: ScalingRules | None = None


class AutoscalingSpec(ApiModel):
    """The HorizontalPodAutoscaler that each colour has. minReplicas equal to maxReplicas: a fixed size and no HPA."""

    rules = (
        Rule(
            "self.minReplicas <= self.maxReplicas",
            "minReplicas must not be above maxReplicas (3 and 10 when left out): lower one or raise the other",
            lambda spec: spec.min_replicas <= spec.max_replicas,
            field="minReplicas",
        ),
        Rule(
            "!has(self.external) || !self.external || (size(self.metrics) == 0 && !has(self.behavior))",
            "metrics and behavior are of the operator's own autoscaler, and external: true makes none: remove them, or "
            "give them to yours",
            lambda spec: not spec.external or (not spec.metrics and spec.behavior is None),
            field="external",
        ),
        Rule(
            "!has(self.replicas) || (has(self.external) && self.external)",
            "replicas is for an autoscaler of your own: set external: true, or give minReplicas and maxReplicas",
            lambda spec: spec.replicas is None or spec.external,
            field="replicas",
        ),
    )
    min_replicas: Annotated[int, Field(ge=1, le=1000)] = 3
    max_replicas: Annotated[int, Field(ge=1, le=1000)] = 10
    metrics: Annotated[tuple[HpaMetric, ...], Field(max_length=8)] = Field(
        default=(), description="autoscaling/v2 metrics, passed through. Default: CPU at 70 %."
    )
    behavior: ScalingBehavior | None = Field(
        default=None, description="How fast it grows and shrinks. Default: down by a tenth a minute, after 5 minutes."
    )
    external: bool = Field(
        default=False,
        description="An autoscaler of your own decides on sizes, and the operator makes none. It may scale this "
        "ModelDeployment (then set replicas to begin with), or the Deployments NAME-blue and NAME-green: those get a "
        "size from the operator only while they have none, and while a rollout needs more.",
    )
    replicas: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None,
        description="The size of each colour in use, written by an external autoscaler through the scale subresource.",
    )

    @property
    def least(self) -> int:
        """The smallest size of a colour in use. An external autoscaler that writes `replicas` means exactly so many."""
        return self.min_replicas if self.replicas is None else self.replicas

    @property
    def most(self) -> int:
        """The largest size of a colour in use."""
        return self.max_replicas if self.replicas is None else self.replicas

    @property
    def leaves_sizes_alone(self) -> bool:
        """Whether somebody else sizes the Deployments themselves."""
        return self.external and self.replicas is None
