"""A plain Deployment beside Verdigris: the same pods, the same fault, and what Kubernetes alone makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from verdigris.api.spec import ModelDeploymentSpec
from verdigris.resources import pod_template
from verdigris.resources.meta import labels
from verdigris.resources.names import COLOR_LABEL, MODEL_LABEL, Defaults, Owner

NAME = "plain"
IMAGE = "verdigris/serving:0.1.0"
PICKED = {MODEL_LABEL: NAME}


def objects(spec: Mapping[str, Any], namespace: str) -> list[dict[str, Any]]:
    """What a team without Verdigris would apply for this spec: a Deployment with the defaults, and its Service.

    Raises `pydantic.ValidationError` for a spec that the API server would not take either.
    """
    parsed = ModelDeploymentSpec.parse(spec)
    owner = Owner(namespace, NAME, "")
    template = pod_template.build(owner, parsed, "0", Defaults(IMAGE))
    # The colour tells nothing here, but the spread of the pods asks for it.
    template["metadata"]["labels"] = {**labels(owner), COLOR_LABEL: "blue"}
    template["spec"].pop("serviceAccountName")
    deployment = {
        "replicas": parsed.autoscaling.min_replicas,
        "selector": {"matchLabels": PICKED},
        "template": template,
    }
    service = {"selector": PICKED, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}
    meta = {"name": NAME}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": deployment},
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": service},
    ]
