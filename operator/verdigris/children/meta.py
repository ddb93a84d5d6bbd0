"""Metadata that all children share: labels to find them by, and the owner whose deletion takes them along."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from verdigris.api.status import Color
from verdigris.children.names import API_VERSION, COLOR_LABEL, KIND, MODEL_LABEL, REVISION_LABEL, Owner

Manifest = dict[str, Any]
"""A Kubernetes object as plain JSON values."""


def labels(owner: Owner, color: Color | None = None, revision: str | None = None) -> dict[str, str]:
    """The labels of a child; `color` and `revision` only where the child belongs to one."""
    found = {
        "app.kubernetes.io/managed-by": "verdigris",
        "app.kubernetes.io/name": owner.name,
        MODEL_LABEL: owner.name,
    }
    if color is not None:
        found[COLOR_LABEL] = color
    if revision is not None:
        found[REVISION_LABEL] = revision
    return found


def selector(owner: Owner, color: Color | None = None) -> dict[str, str]:
    """What picks the pods of one colour, or of both when `color` is None. Never by revision: selectors outlive them."""
    picked = {MODEL_LABEL: owner.name}
    if color is not None:
        picked[COLOR_LABEL] = color
    return picked


def owner_reference(owner: Owner) -> dict[str, Any]:
    """What makes a child ours, and the garbage collector delete it with its ModelDeployment."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def metadata(
    owner: Owner,
    name: str,
    color: Color | None = None,
    revision: str | None = None,
    *,
    extra_labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    """Metadata of a child called `name`. Our own labels win over `extra_labels`: children are found by them.

    The owner reference makes the garbage collector delete the child with its ModelDeployment: no finalizer needed.
    """
    made: Manifest = {
        "name": name,
        "namespace": owner.namespace,
        "labels": {**(extra_labels or {}), **labels(owner, color, revision)},
        "ownerReferences": [owner_reference(owner)],
    }
    if annotations:
        made["annotations"] = dict(annotations)
    return made
