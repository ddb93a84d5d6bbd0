"""The PodDisruptionBudgets: how many pods of a colour a node drain may take at once."""

from __future__ import annotations

from verdigris.api.status import Color
from verdigris.children.meta import Manifest, metadata, selector
from verdigris.children.names import Owner, color_name


def build(owner: Owner, color: Color) -> Manifest:
    """One voluntary disruption at a time, for each colour by itself.

    One budget over both colours would count a candidate that never gets ready against the active pods, and block
    every node drain for as long as it is broken. `maxUnavailable`, because `minAvailable: 1` would make a model of
    one replica undrainable for ever. Pods that are not ready protect nobody, so they may always be evicted.
    """
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(owner, color_name(owner.name, color), color),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": selector(owner, color)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
