"""A revision's pods as they were first rendered (law 7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from verdigris.children import pod_template
from verdigris.core.facts.observed import Snapshot
from verdigris.core.turn import Turn


def render(turn: Turn) -> Snapshot:
    """The snapshot of what the spec asks for now, as this version of the operator renders it.

    Not to be asked for while it is unclear which pods the spec asks for (`Skew.pods_unclear`).
    """
    observed, model = turn.observed, turn.observed.spec.model
    template = pod_template.build(observed.owner, observed.spec, turn.target, observed.defaults)
    return Snapshot(
        revision=turn.target, version=model.version, sha256=model.sha256 or "", uri=model.uri, pod_template=template
    )


def snapshot_of(turn: Turn, revision: str) -> Snapshot | None:
    """What is kept of a revision; rendered now only for the wanted one that has no snapshot yet, else None."""
    snapshot = turn.observed.snapshots.get(revision)
    unclear = turn.observed.skew.pods_unclear or "ControllerRevision" in turn.observed.unseen
    return render(turn) if snapshot is None and revision == turn.target and not unclear else snapshot


def template_of(turn: Turn, revision: str) -> Mapping[str, Any] | None:
    """The revision's PodTemplateSpec, as `snapshot_of`."""
    snapshot = snapshot_of(turn, revision)
    return snapshot.pod_template if snapshot else None
