"""The Services: the clients' one, whose name and IP stay for ever, and one a colour for preview and scraping."""

from __future__ import annotations

from verdigris.api.spec import ServiceSpec
from verdigris.api.status import Color
from verdigris.children.meta import Manifest, metadata, selector
from verdigris.children.names import COLOR_PORT, Owner, color_name


def clients(owner: Owner, spec: ServiceSpec, color: Color | None) -> Manifest:
    """The Service that clients know, pointing at `color`, or at the pods of both when it is None.

    Its own metadata carries no colour label: that is how the ServiceMonitor leaves it out (a pod is scraped once).
    """
    return _service(
        metadata(owner, owner.name, annotations=spec.annotations),
        owner,
        color,
        port=spec.port,
        kind=spec.type,
    )


def colored(owner: Owner, color: Color) -> Manifest:
    """The Service that always means this one colour, whatever its role is."""
    meta = metadata(owner, color_name(owner.name, color), color)
    return _service(meta, owner, color, port=COLOR_PORT, kind="ClusterIP")


def _service(meta: Manifest, owner: Owner, color: Color | None, *, port: int, kind: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta,
        "spec": {
            "type": kind,
            "ports": [{"name": "http", "port": port, "protocol": "TCP", "targetPort": "http"}],
            "selector": selector(owner, color),
            # Stated although they are the defaults: with another value a switch would not move every client.
            "sessionAffinity": "None",
            "internalTrafficPolicy": "Cluster",
        },
    }
