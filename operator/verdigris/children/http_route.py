"""The HTTPRoute of the Gateway API: its weights say which share of a gateway's requests each colour gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from verdigris.api.spec import GatewaySpec
from verdigris.api.spec.traffic import TestersSpec
from verdigris.api.status import Color
from verdigris.children.meta import Manifest, metadata
from verdigris.children.names import COLOR_PORT, COLORS, Owner, color_name

GROUP = "gateway.networking.k8s.io"
API_VERSION = f"{GROUP}/v1"
KIND = "HTTPRoute"

_EVERYTHING = {"type": "PathPrefix", "value": "/"}


def build(
    owner: Owner, wanted: GatewaySpec, weights: Mapping[Color, int], testers: tuple[TestersSpec, Color] | None = None
) -> Manifest:
    """The route of ours: everything of these Gateways and hosts to the colours by weight; `testers` to one of them.

    What the API server would fill in is stated: a list that is one value is compared as a whole.
    """
    spec: Manifest = {
        "parentRefs": [{"group": GROUP, "kind": "Gateway", **ref.dump()} for ref in wanted.parent_refs or ()],
        "rules": rules(owner, weights, testers),
    }
    if wanted.hostnames is not None:
        spec["hostnames"] = list(wanted.hostnames)
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata(owner, owner.name), "spec": spec}


def rules(
    owner: Owner, weights: Mapping[Color, int], testers: tuple[TestersSpec, Color] | None = None
) -> list[Manifest]:
    """Its rules. The testers' is longer, so that gateways look at it first."""
    shared = {"matches": [{"path": dict(_EVERYTHING)}], "backendRefs": _backends(owner, weights)}
    if testers is None:
        return [shared]
    whom, color = testers
    header = {"type": "Exact", "name": whom.header, "value": whom.value}
    theirs = {
        "matches": [{"path": dict(_EVERYTHING), "headers": [header]}],
        "backendRefs": _backends(owner, {one: int(one == color) for one in COLORS}),
    }
    return [theirs, shared]


def _backends(owner: Owner, weights: Mapping[Color, int]) -> list[Manifest]:
    """Both colours are always there: to give one of them clients is a change of a number."""
    return [
        {
            "group": "",
            "kind": "Service",
            "name": color_name(owner.name, color),
            "port": COLOR_PORT,
            "weight": weights.get(color, 0),
        }
        for color in COLORS
    ]


def color_of(backend: Mapping[str, Any], owner: Owner) -> Color | None:
    """The colour whose Service a backendRef of a route in the model's namespace names; None for any other."""
    if backend.get("group", "") != "" or backend.get("kind", "Service") != "Service":
        return None
    if backend.get("namespace", owner.namespace) != owner.namespace:
        return None
    return next((color for color in COLORS if backend.get("name") == color_name(owner.name, color)), None)
