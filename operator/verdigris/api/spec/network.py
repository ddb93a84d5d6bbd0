"""`spec.serving.networkPolicy`: who may reach the pods beside the clients, and whom they may reach."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from verdigris.api.schema.fields import ApiModel, Rule
from verdigris.api.schema.values import LABEL_KEYS, Cidr, LabelKey, LabelValue

# Short lists: what a check of each label costs is multiplied by rules, peers and labels (the API server's budget).
_Labels = Annotated[dict[str, LabelValue], Field(max_length=8), LABEL_KEYS]
_Port = Annotated[int, Field(ge=1, le=65535)]


class LabelDemand(ApiModel):
    """One demand on labels, as in a label selector."""

    rules = (
        Rule(
            "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
            "In and NotIn need values, Exists and DoesNotExist take none: add them, or remove them",
            lambda demand: (demand.operator in ("In", "NotIn")) == bool(demand.values),
            field="values",
        ),
    )
    key: LabelKey
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: Annotated[tuple[LabelValue, ...], Field(max_length=4)] = ()


class LabelSelector(ApiModel):
    """What has all of these labels; empty: everything."""

    match_labels: _Labels = {}
    match_expressions: Annotated[tuple[LabelDemand, ...], Field(max_length=4)] = ()


class IpBlock(ApiModel):
    """A range of addresses, without some within it."""

    cidr: Cidr
    excluding: Annotated[tuple[Cidr, ...], Field(max_length=8)] = Field(default=(), alias="except")


class NetworkPeer(ApiModel):
    """The other end: pods, the pods of namespaces, or addresses."""

    rules = (
        Rule(
            "has(self.ipBlock) != (has(self.podSelector) || has(self.namespaceSelector))",
            "give ipBlock, or podSelector and namespaceSelector (one or both)",
            lambda peer: (
                (peer.ip_block is not None) != (peer.pod_selector is not None or peer.namespace_selector is not None)
            ),
        ),
    )
    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    ip_block: IpBlock | None = None


class NetworkPort(ApiModel):
    """A port, or with endPort a range of them."""

    rules = (
        Rule(
            "!has(self.endPort) || self.endPort >= self.port",
            "endPort must not be below port: exchange the two, or remove endPort",
            lambda port: port.end_port is None or port.end_port >= port.port,
            field="endPort",
        ),
    )
    port: _Port
    end_port: _Port | None = None
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"


_Peers = Annotated[tuple[NetworkPeer, ...], Field(max_length=8)]
_Ports = Annotated[tuple[NetworkPort, ...], Field(max_length=8)]


class IngressRule(ApiModel):
    """Connections that are let in. `from` empty: from everywhere; `ports` empty: to every port."""

    sources: _Peers = Field(default=(), alias="from")
    ports: _Ports = ()


class EgressRule(ApiModel):
    """Connections that are let out. `to` empty: to everywhere; `ports` empty: to every port."""

    to: _Peers = ()
    ports: _Ports = ()


class NetworkPolicySpec(ApiModel):
    """The NetworkPolicy of the pods. It follows a change at once; no pod restarts."""

    enabled: bool = Field(default=True, description="Off: the operator makes none, and removes the one it made.")
    clients: Literal["Pods", "Anywhere"] | None = Field(
        default=None,
        description="Who may reach the model's port. Pods: those of the cluster. Anywhere: also what runs in a node's "
        "own network, such as an ingress controller with hostNetwork, and what is outside. Default: Pods for a "
        "ClusterIP Service, else Anywhere.",
    )
    extra_ingress: Annotated[tuple[IngressRule, ...], Field(max_length=8)] = ()
    extra_egress: Annotated[tuple[EgressRule, ...], Field(max_length=8)] = ()
