"""The Deployment of a colour. It never says how many replicas: size belongs to the scale subresource and the HPA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from verdigris.api.status import Color
from verdigris.resources.meta import Manifest, metadata, selector
from verdigris.resources.names import COLOR_LABEL, REVISION_LABEL, Owner, color_name

PROGRESS_DEADLINE_SECONDS = 600
"""Only what `kubectl rollout status` says; the rollout's own deadlines are the plan's."""


def build(owner: Owner, color: Color, template: Mapping[str, Any], revision: str) -> Manifest:
    """`template` is the colour-less PodTemplateSpec of the revision's snapshot; the colour is added here."""
    template_meta = template["metadata"]
    colored = {
        **template,
        "metadata": {**template_meta, "labels": {**template_meta["labels"], COLOR_LABEL: color}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(owner, color_name(owner.name, color), color, annotations={REVISION_LABEL: revision}),
        "spec": {
            "selector": {"matchLabels": selector(owner, color)},
            "template": colored,
            # When a colour is reused in place, the new pods come up beside the old ones.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "100%", "maxUnavailable": 0}},
            # The way back is the other colour, not an old ReplicaSet.
            "revisionHistoryLimit": 1,
            "progressDeadlineSeconds": PROGRESS_DEADLINE_SECONDS,
        },
    }
