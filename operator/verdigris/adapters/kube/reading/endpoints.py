"""EndpointSlices as what they say of the colours: whose pods answer, and to whose new connections go. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from verdigris.api.status import Color
from verdigris.children.names import COLORS, color_name
from verdigris.core.facts.observed import PodView

Raw = Mapping[str, Any]

SERVICE_LABEL = "kubernetes.io/service-name"
SLICE_CONTROLLER = "endpointslice-controller.k8s.io"
"""What Kubernetes' own controller calls itself on the EndpointSlices that it makes."""


def services_of(name: str) -> tuple[str, ...]:
    """The Services of a model whose EndpointSlices are read: the clients' one, and one a colour."""
    return name, *(color_name(name, color) for color in COLORS)


def ready_endpoints(slices: Iterable[Raw], name: str) -> dict[Color, int]:
    """How many pods each colour's own Service really has behind it. A dual-stack pod counts once.

    Only Kubernetes' own controller says so: what others slice says nothing of the clients' Service.
    """
    ready = list(_ready(slices))
    return {color: len({pod for service, pod in ready if service == color_name(name, color)}) for color in COLORS}


def still_behind(slices: Iterable[Raw], name: str, pods: Iterable[PodView]) -> frozenset[Color]:
    """The colours to whose pods new connections to the clients' Service go: its slices follow its selector late."""
    ready = {pod for service, pod in _ready(slices) if service == name}
    return frozenset(pod.color for pod in pods if pod.uid in ready)


def _ready(slices: Iterable[Raw]) -> Iterator[tuple[str, str]]:
    """(Service, UID of a pod that is ready), by Kubernetes' own controller."""
    for raw in slices:
        labels = (raw.get("metadata") or {}).get("labels") or {}
        if labels.get("endpointslice.kubernetes.io/managed-by") == SLICE_CONTROLLER:
            for target in _ready_targets(raw):
                yield labels.get(SERVICE_LABEL, ""), target


def _ready_targets(raw: Raw) -> Iterator[str]:
    for endpoint in raw.get("endpoints") or ():
        # A missing `ready` means ready, says the API.
        if (endpoint.get("conditions") or {}).get("ready", True):
            target = (endpoint.get("targetRef") or {}).get("uid")
            yield target or "".join(endpoint.get("addresses") or ())
