"""What others have in the model's namespace: nobody of ours may change or remove it (law 14)."""

from __future__ import annotations

from typing import Any

from verdigris.children.names import COLOR_LABEL, MODEL_LABEL

Json = dict[str, Any]


def _theirs(kind: str, api_version: str, name: str, labels: dict[str, str] | None = None, **rest: Any) -> Json:
    meta: Json = {"name": name, "namespace": "clinic", "labels": {"foreign": "yes", **(labels or {})}}
    meta |= rest.pop("metadata", {})
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, **rest}


_JOB = _theirs("Job", "batch/v1", "nightly", metadata={"uid": "uid-of-the-job"}, spec={})
_OF_JOB = {"apiVersion": "batch/v1", "kind": "Job", "name": "nightly", "uid": "uid-of-the-job", "controller": True}
_COPIED = {MODEL_LABEL: "diabetes", COLOR_LABEL: "blue"}

OBJECTS: tuple[Json, ...] = (
    _JOB,
    _theirs("Pod", "v1", "nightly-1", _COPIED, metadata={"ownerReferences": [_OF_JOB]}, spec={"containers": []}),
    _theirs("Service", "v1", "shop", spec={"selector": {"app": "shop"}, "ports": [{"name": "http", "port": 80}]}),
    _theirs("NetworkPolicy", "networking.k8s.io/v1", "shop", spec={"podSelector": {}}),
    _theirs("ServiceAccount", "v1", "shop"),
    _theirs("ControllerRevision", "apps/v1", "shop-1", data={}, revision=1),
    _theirs("PodDisruptionBudget", "policy/v1", "shop", {MODEL_LABEL: "shop"}, spec={"maxUnavailable": 1}),
)
"""The pod bears the model's labels, copied from a manifest, and answers nobody."""
