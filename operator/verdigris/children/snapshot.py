"""The value that a ControllerRevision keeps: a revision as it was first seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Snapshot:
    """A revision as it was first seen: kept in a ControllerRevision, so that it outlives the spec it came from.

    `pod_template` is colour-less and already rendered: a newer operator does not render it again (law 7).
    """

    revision: str
    version: str
    sha256: str
    uri: str
    pod_template: Mapping[str, Any]
    created: datetime | None = None
