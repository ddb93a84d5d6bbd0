"""A decision to take a version back whose status could not be written: it holds all the same.

By then the clients have been moved. An operator that began anew from the status in the cluster would have to be shown
the evidence once more, and until it was, would send the clients to the version that they were taken from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from verdigris.adapters.kube.reading.port import Key
from verdigris.api.status import ModelDeploymentStatus
from verdigris.core.facts.observed import Observed


@dataclass(frozen=True)
class _Kept:
    uid: str
    before: ModelDeploymentStatus
    status: ModelDeploymentStatus


class Unwritten:
    """Rollback statuses that could not be written, in memory. What goes forward is not kept: it is decided again."""

    def __init__(self) -> None:
        self._kept: dict[Key, _Kept] = {}

    def keep(self, key: Key, observed: Observed, status: ModelDeploymentStatus) -> bool:
        """Remember a status that could not be written, if it is a rollback's. Returns whether it is remembered."""
        if not (_goes_back(status) or (key in self._kept and status.rollout is None)):
            self._kept.pop(key, None)
            return False
        self._kept[key] = _Kept(observed.owner.uid, observed.status, status)
        return True

    def fill_in(self, key: Key, observed: Observed) -> Observed:
        """The picture with the status that should stand in the cluster, as long as nobody has written another since."""
        kept = self._kept.get(key)
        if kept is None:
            return observed
        if (kept.uid, kept.before) != (observed.owner.uid, observed.status):
            self.forget(key)
            return observed
        return replace(observed, status=kept.status)

    def forget(self, key: Key) -> None:
        """Drop it: it was written, or the model is gone."""
        self._kept.pop(key, None)


def _goes_back(status: ModelDeploymentStatus) -> bool:
    return status.rollout is not None and status.rollout.stage == "RollingBack"
