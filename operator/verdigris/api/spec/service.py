"""`spec.serving.service`: the Service that clients know."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from verdigris.api.schema.fields import ApiModel, Rule
from verdigris.api.schema.values import Annotations, Cidr, LabelKey

_Family = Literal["IPv4", "IPv6"]


class ServiceSpec(ApiModel):
    """The clients' Service. Its name and its IP never change. What is not given here is left as the cluster has it."""

    rules = (
        Rule(
            "self.type == 'LoadBalancer' || (!has(self.loadBalancerClass) && !has(self.loadBalancerSourceRanges))",
            "loadBalancerClass and loadBalancerSourceRanges are of a load balancer: set type: LoadBalancer, or remove "
            "them",
            lambda service: (
                service.type == "LoadBalancer"
                or (service.load_balancer_class is None and service.load_balancer_source_ranges is None)
            ),
            field="type",
        ),
        Rule(
            "self.type != 'ClusterIP' || (!has(self.externalTrafficPolicy) && !has(self.nodePort))",
            "externalTrafficPolicy and nodePort are for clients from outside: set type: LoadBalancer or NodePort, or "
            "remove them",
            lambda service: (
                service.type != "ClusterIP" or (service.external_traffic_policy is None and service.node_port is None)
            ),
            field="type",
        ),
        Rule(
            "!has(self.ipFamilies) || size(self.ipFamilies) == 1 || (self.ipFamilies[0] != self.ipFamilies[1] && "
            "has(self.ipFamilyPolicy) && self.ipFamilyPolicy != 'SingleStack')",
            "two ipFamilies must differ and need ipFamilyPolicy: PreferDualStack or RequireDualStack",
            lambda service: (
                service.ip_families is None
                or len(service.ip_families) == 1
                or (
                    len(set(service.ip_families)) == 2
                    and service.ip_family_policy in ("PreferDualStack", "RequireDualStack")
                )
            ),
            field="ipFamilies",
        ),
    )
    type: Literal["ClusterIP", "LoadBalancer", "NodePort"] = "ClusterIP"
    port: Annotated[int, Field(ge=1, le=65535)] = 80
    annotations: Annotations = {}
    node_port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="Port on every node. Default: one that the cluster chooses."
    )
    load_balancer_class: LabelKey | None = Field(
        default=None, description="Which load balancer, for example example.com/internal. It cannot be changed later."
    )
    load_balancer_source_ranges: Annotated[tuple[Cidr, ...], Field(min_length=1, max_length=64)] | None = Field(
        default=None, description="Addresses whose connections the load balancer takes."
    )
    external_traffic_policy: Literal["Cluster", "Local"] | None = Field(
        default=None,
        description="Local keeps the clients' addresses. After a switch the load balancer then learns only by its own "
        "health checks on which nodes the other version's pods are; until then it may send clients to nobody.",
    )
    ip_family_policy: Literal["SingleStack", "PreferDualStack", "RequireDualStack"] | None = None
    ip_families: Annotated[tuple[_Family, ...], Field(min_length=1, max_length=2)] | None = Field(
        default=None, description="In this order. The first cannot be changed later."
    )
