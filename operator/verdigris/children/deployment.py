"""The Deployment of a colour. It never says how many replicas: size belongs to the scale subresource and the HPA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from verdigris.api.status import Color
from verdigris.children.meta import Manifest, metadata, selector
from verdigris.children.names import COLOR_LABEL, RETRY_ANNOTATION, REVISION_LABEL, Owner, color_name

PROGRESS_DEADLINE_SECONDS = 600
"""Only what `kubectl rollout status` says; the rollout's own deadlines are the plan's."""


def build(
    owner: Owner,
    color: Color,
    template: Mapping[str, Any],
    revision: str,
    *,
    has_clients: bool = True,
    retries: int = 0,
) -> Manifest:
    """`template` is the colour-less PodTemplateSpec of the revision's snapshot; the colour is added here.

    A Deployment without clients replaces its pods in the places that they have. Its `retries`, when they grow, make a
    ReplicaSet try at once that backs off after a refusal. Neither restarts a pod.
    """
    annotations = {REVISION_LABEL: revision} | ({RETRY_ANNOTATION: str(retries)} if retries else {})
    # Pods that clients are on stay until new ones are ready. The others are in the way: on a full node, new pods
    # beside them would wait for their places for ever.
    surge, unavailable = ("100%", 0) if has_clients else (0, "100%")
    template_meta = template["metadata"]
    colored = {
        **template,
        "metadata": {**template_meta, "labels": {**template_meta["labels"], COLOR_LABEL: color}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(owner, color_name(owner.name, color), color, annotations=annotations),
        "spec": {
            "selector": {"matchLabels": selector(owner, color)},
            "template": colored,
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable},
            },
            # The way back is the other colour, not an old ReplicaSet.
            "revisionHistoryLimit": 1,
            "progressDeadlineSeconds": PROGRESS_DEADLINE_SECONDS,
        },
    }
