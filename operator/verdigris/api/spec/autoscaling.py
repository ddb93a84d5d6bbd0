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


class AutoscalingSpec(ApiModel):
    """The HorizontalPodAutoscaler that each colour has. minReplicas equal to maxReplicas: a fixed size and no HPA."""

    rules = (
        Rule(
            "self.minReplicas <= self.maxReplicas",
            "minReplicas must not be above maxReplicas (3 and 10 when left out): lower one or raise the other",
            lambda spec: spec.min_replicas <= spec.max_replicas,
            field="minReplicas",
        ),
    )
    min_replicas: Annotated[int, Field(ge=1, le=1000)] = 3
    max_replicas: Annotated[int, Field(ge=1, le=1000)] = 10
    metrics: Annotated[tuple[HpaMetric, ...], Field(max_length=8)] = Field(
        default=(), description="autoscaling/v2 metrics, passed through. Default: CPU at 70 %."
    )
