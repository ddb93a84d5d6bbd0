"""The ControllerRevision that keeps a revision: its pod template as first rendered. Its data can never change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from verdigris.children.meta import Manifest, metadata
from verdigris.children.names import COLOR_LABEL, REVISION_LABEL, Owner, snapshot_name
from verdigris.children.pod_template import environment, is_built, source
from verdigris.children.snapshot import Snapshot


def build(owner: Owner, snapshot: Snapshot) -> Manifest:
    """Apply it once, when there is none of that name: the API server refuses any later change of `data`."""
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": metadata(owner, snapshot_name(owner.name, snapshot.revision), revision=snapshot.revision),
        # Demanded by the API; ours are ordered by time of creation and named by hash.
        "revision": 1,
        "data": {
            "version": snapshot.version,
            "sha256": snapshot.sha256,
            "uri": snapshot.uri,
            "podTemplate": dict(snapshot.pod_template),
        },
    }


def of_running(deployment: Mapping[str, Any]) -> Snapshot | None:
    """What a colour's Deployment runs, for a revision whose snapshot somebody has deleted; None where that is unclear.

    To render it again would give its pods what another operator has in mind for new ones (law 7).
    """
    template: Any = (deployment.get("spec") or {}).get("template")
    if not is_built(template):
        return None
    meta, told = template["metadata"], dict(environment(template))
    labels = {name: value for name, value in meta["labels"].items() if name != COLOR_LABEL}
    names = ("VERDIGRIS_MODEL_VERSION", "VERDIGRIS_MODEL_URI")
    if REVISION_LABEL not in labels or not all(told.get(name) for name in names):
        return None
    return Snapshot(
        revision=labels[REVISION_LABEL],
        version=told["VERDIGRIS_MODEL_VERSION"],
        sha256=told.get("VERDIGRIS_MODEL_SHA256", ""),
        uri=source(template, told["VERDIGRIS_MODEL_URI"]),
        pod_template={
            "metadata": {"labels": labels, "annotations": dict(meta.get("annotations") or {})},
            "spec": template["spec"],
        },
    )


def parse(raw: Mapping[str, Any]) -> Snapshot:
    """The snapshot back from the live object. Raises ValueError when it is none of ours, saying what is missing.

    Which revision it is stands in its data, which nobody can change. One whose label says otherwise has no time, like
    one that has yet to be applied: so it is, and the label is back.
    """
    meta = raw.get("metadata") or {}
    data = raw.get("data") or {}
    name = meta.get("name", "?")
    missing = [key for key in ("version", "sha256", "uri", "podTemplate") if key not in data]
    if missing:
        raise ValueError(
            f"ControllerRevision {name} lacks data.{missing[0]}: delete it and roll the revision out again"
        )
    if not (all(isinstance(data[key], str) for key in ("version", "sha256", "uri")) and is_built(data["podTemplate"])):
        raise ValueError(f"ControllerRevision {name} has data that is none of ours: delete it, and roll it out again")
    label = (meta.get("labels") or {}).get(REVISION_LABEL)
    revision = data["podTemplate"]["metadata"]["labels"].get(REVISION_LABEL) or label
    if not revision:
        raise ValueError(f"ControllerRevision {name} does not say which revision it is: delete it")
    created = meta.get("creationTimestamp") if label == revision else None
    return Snapshot(
        revision=revision,
        version=data["version"],
        sha256=data["sha256"],
        uri=data["uri"],
        pod_template=data["podTemplate"],
        created=datetime.fromisoformat(created) if created else None,
    )
