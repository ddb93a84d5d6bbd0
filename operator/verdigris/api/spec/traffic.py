"""`spec.traffic`: by which way clients come, and which requests meet a version on trial."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from verdigris.api.schema.fields import ApiModel, Rule, pattern
from verdigris.api.schema.values import NO_NUL, DnsLabel, DnsName

_Header = Annotated[
    str,
    Field(max_length=128),
    pattern("[A-Za-z0-9][-A-Za-z0-9_.]*", "must be the name of an HTTP header, for example x-user-id"),
]


class UnitSpec(ApiModel):
    """Whose requests belong together."""

    header: _Header = Field(
        description="Behind the shield, requests with the same value of this header always meet the same version, in "
        "every pod. A growing share only adds values. Requests without it are assigned by chance."
    )


class TestersSpec(ApiModel):
    """Who always meets the version on trial, from its first weight on; nobody meets it in a shadow.

    By the weights of an HTTPRoute: only where the operator makes it.
    """

    header: _Header
    value: Annotated[str, Field(min_length=1, max_length=256), NO_NUL]


_Hostname = Annotated[
    str,
    Field(max_length=253),
    pattern(
        r"([*][.])?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
        "must be a host name, for example models.example.com or *.example.com",
    ),
]


class ParentRef(ApiModel):
    """A Gateway that is to take the clients' requests in."""

    name: DnsName
    namespace: DnsLabel | None = Field(default=None, description="Default: the model's own.")
    section_name: DnsName | None = Field(default=None, description="One of its listeners. Default: all.")
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="Its listeners on this port. Default: all."
    )


class GatewaySpec(ApiModel):
    """The HTTPRoute by which clients of a gateway come."""

    rules = (
        Rule(
            "has(self.route) != has(self.parentRefs)",
            "give either parentRefs (the operator makes an HTTPRoute) or route (the name of an HTTPRoute of yours), "
            "and not both",
            lambda gateway: (gateway.route is not None) != (gateway.parent_refs is not None),
            field="parentRefs",
        ),
        Rule(
            "!has(self.hostnames) || !has(self.route)",
            "hostnames are of the HTTPRoute that the operator makes: write them into your own route, or give "
            "parentRefs instead of route",
            lambda gateway: gateway.hostnames is None or gateway.route is None,
            field="hostnames",
        ),
    )
    parent_refs: Annotated[tuple[ParentRef, ...], Field(min_length=1, max_length=16)] | None = Field(
        default=None, description="The Gateways of an HTTPRoute that the operator makes and keeps, called as the model."
    )
    hostnames: Annotated[tuple[_Hostname, ...], Field(min_length=1, max_length=16)] | None = Field(
        default=None, description="For which hosts it takes requests in. Default: those of the Gateways' listeners."
    )
    route: DnsName | None = Field(
        default=None,
        description="An HTTPRoute of yours in the same namespace. Of it only the weights of the backendRefs to "
        "NAME-blue and NAME-green are the operator's, and an annotation that says so.",
    )


class TrafficSpec(ApiModel):
    """By which way clients come, and which requests meet a version on trial. It follows a change at once."""

    rules = (
        Rule(
            "(has(self.router) && self.router == 'Gateway') == has(self.gateway)",
            "router: Gateway and gateway belong together: give both, for example gateway: {parentRefs: [{name: "
            "my-gateway}]}, or neither",
            lambda traffic: (traffic.router == "Gateway") == (traffic.gateway is not None),
            field="gateway",
        ),
    )
    router: Literal["Service", "Gateway"] = Field(
        default="Service",
        description="Service: clients come by the model's Service. Gateway: also by an HTTPRoute of the Gateway API, "
        "whose weights give exact shares where the active pods cannot stand in front.",
    )
    gateway: GatewaySpec | None = None
    unit: UnitSpec | None = None
    testers: TestersSpec | None = None

    @property
    def is_routed(self) -> bool:
        """Whether clients come by an HTTPRoute, too."""
        return self.router == "Gateway"
