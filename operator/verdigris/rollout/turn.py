"""One turn of the loop: what was seen, and the status as the chain of decisions rewrites it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, TypeVar

from verdigris.api.fields import StatusModel
from verdigris.api.status import (
    ActiveStatus,
    Color,
    DecisionRecord,
    ModelDeploymentStatus,
    RevisionRef,
    RolloutStatus,
)
from verdigris.rollout.actions import Note, RemovePod
from verdigris.rollout.evidence import Evidence
from verdigris.rollout.observed import Observed, PodView
from verdigris.rollout.revision import revision_of

M = TypeVar("M", bound=StatusModel)


def evolve(model: M, **changes: Any) -> M:
    """A copy with these fields changed. Field names are the Python ones; values are trusted."""
    return model.model_copy(update=changes)


def clip(text: str, limit: int = 1024) -> str:
    """The text, cut to what the CRD allows."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


@dataclass(frozen=True)
class Turn:
    """Immutable: each step of the chain returns the next one.

    `removals` are the stuck pods to remove; `look_at` is when to look at the pods again without being woken.
    """

    observed: Observed
    evidence: Evidence
    now: datetime
    status: ModelDeploymentStatus
    notes: tuple[Note, ...] = ()
    answered: tuple[DecisionRecord, ...] = ()
    removals: tuple[RemovePod, ...] = ()
    look_at: datetime | None = None

    def change(self, **changes: Any) -> Turn:
        """With these fields of the status changed."""
        return replace(self, status=evolve(self.status, **changes))

    def change_rollout(self, **changes: Any) -> Turn:
        """With these fields of the running rollout changed."""
        return self.change(rollout=evolve(self.rollout, **changes))

    def note(self, kind: Literal["Normal", "Warning"], reason: str, message: str) -> Turn:
        """With one more Event to be written."""
        return replace(self, notes=(*self.notes, Note(kind, reason, clip(message))))

    @property
    def rollout(self) -> RolloutStatus:
        """The running rollout. Only to be asked when there is one."""
        if self.status.rollout is None:
            raise ValueError("no rollout is under way: ask status.rollout first")
        return self.status.rollout

    @property
    def active(self) -> ActiveStatus | None:
        """The colour that clients get, if any did yet."""
        return self.status.active

    @property
    def target(self) -> str:
        """The revision that the spec asks for."""
        return revision_of(self.observed.spec)

    def pods(self, ref: RevisionRef) -> tuple[PodView, ...]:
        """Pods of this colour and revision that are not on their way out."""
        return tuple(
            p for p in self.observed.pods if p.color == ref.color and p.revision == ref.revision and not p.terminating
        )

    def ready(self, ref: RevisionRef) -> int:
        """Pods of this revision that are ready *and* that the colour's Service has as endpoints."""
        ready = sum(p.ready for p in self.pods(ref))
        return min(ready, self.observed.endpoints.get(ref.color, 0))

    def size(self, color: Color) -> int:
        """The size of the colour's Deployment as it stands, 0 when there is none."""
        deployment = self.observed.deployments.get(color)
        return deployment.replicas if deployment else 0
