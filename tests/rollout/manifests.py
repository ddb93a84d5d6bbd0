"""What the plan's manifests are about, as far as the simulated cluster has to know it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from verdigris.children.names import COLOR_LABEL, REVISION_LABEL
from verdigris.core.actions import Action, Keep, MoveTraffic
from verdigris.core.facts.observed import Selection


def writes_clients_service(action: Action) -> bool:
    """Whether it is about the clients' Service, as a move or as a whole."""
    return isinstance(action, MoveTraffic | Keep) and is_clients_service(action.manifest)


def is_clients_service(manifest: Mapping[str, Any]) -> bool:
    """Whether it is the Service that keeps its name: the others bear a colour."""
    return manifest["kind"] == "Service" and COLOR_LABEL not in manifest["metadata"]["labels"]


def selection_in(manifest: Mapping[str, Any]) -> Selection:
    """Whom the clients' Service selects by it."""
    selection: Selection = manifest["spec"]["selector"].get(COLOR_LABEL, "both")
    return selection


def revision_made_by(action: Action) -> str | None:
    """The revision whose pods a Deployment would make; None for every other action."""
    if not isinstance(action, Keep) or action.manifest["kind"] != "Deployment":
        return None
    labels: Mapping[str, str] = action.manifest["spec"]["template"]["metadata"]["labels"]
    return labels[REVISION_LABEL]
