"""The Services: the clients' one, whose name and IP stay for ever, and one a colour for preview and scraping."""

from __future__ import annotations

from verdigris.api.spec import ServiceSpec
from verdigris.api.status import Color
from verdigris.children.meta import Manifest, metadata, selector
from verdigris.children.names import COLOR_PORT, GRPC_PORT, Owner, color_name

_REACH = (
    "loadBalancerClass",
    "loadBalancerSourceRanges",
    "externalTrafficPolicy",
    "ipFamilyPolicy",
    "ipFamilies",
)


def clients(owner: Owner, spec: ServiceSpec, color: Color | None, *, grpc: bool = False) -> Manifest:
    """The Service that clients know, pointing at `color`, or at the pods of both when it is None; with `grpc` its port.

    Its own metadata carries no colour label: that is how the ServiceMonitor leaves it out (a pod is scraped once).
    """
    made = _service(
        metadata(owner, owner.name, annotations=spec.annotations),
        owner,
        color,
        port=spec.port,
        kind=spec.type,
        grpc=grpc,
    )
    if spec.node_port is not None:
        made["spec"]["ports"][0]["nodePort"] = spec.node_port
    return {**made, "spec": {**made["spec"], **_reach(spec)}}


def _reach(spec: ServiceSpec) -> Manifest:
    """How the outside comes to it, as far as the spec says: the rest is the cluster's and its controllers'."""
    said = spec.dump()
    return {name: said[name] for name in _REACH if name in said}


def colored(owner: Owner, color: Color, *, grpc: bool = False) -> Manifest:
    """The Service that always means this one colour, whatever its role is."""
    meta = metadata(owner, color_name(owner.name, color), color)
    return _service(meta, owner, color, port=COLOR_PORT, kind="ClusterIP", grpc=grpc)


def _service(meta: Manifest, owner: Owner, color: Color | None, *, port: int, kind: str, grpc: bool) -> Manifest:
    ports = [{"name": "http", "port": port, "protocol": "TCP", "targetPort": "http"}]
    if grpc:
        ports.append({"name": "grpc", "port": GRPC_PORT, "protocol": "TCP", "targetPort": "grpc"})
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta,
        "spec": {
            "type": kind,
            "ports": ports,
            "selector": selector(owner, color),
            # Stated although they are the defaults: with another value a switch would not move every client.
            "sessionAffinity": "None",
            "internalTrafficPolicy": "Cluster",
        },
    }
