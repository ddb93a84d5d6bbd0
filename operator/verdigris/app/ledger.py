"""What this operator has removed lately, over all models: the memory that node budgets and the circuit breaker need.

Each model's own removals are in its status. The ledger adds them up, and bridges a status write that failed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from verdigris.adapters.kube.reading.port import Key
from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import ModelDeploymentStatus, RemovedPod
from verdigris.core.facts.observed import Observed
from verdigris.core.facts.survey import Removal
from verdigris.core.pods.remedies.cleanup import bounded

KEPT = timedelta(hours=24)
"""The longest window that a spec may ask for."""


class Ledger:
    """Removals by model and its UID. It forgets what is older than any window; a deleted model's stay, because nodes
    remember them, but are none of another's that bears its name by now.

    An operator that has just started knows a model's removals from when it first sees the model.
    """

    def __init__(self) -> None:
        self._removed: dict[tuple[Key, str], dict[tuple[str, str], RemovedPod]] = {}

    def add(self, key: Key, uid: str, entry: RemovedPod) -> None:
        """A pod of this model, whose own UID this is, was removed."""
        self._removed.setdefault((key, uid), {})[entry.uid, entry.remedy] = entry

    def fill_in(self, key: Key, observed: Observed, now: datetime) -> Observed:
        """The picture with the removals of all models, and with those of its own that its status does not hold yet."""
        for entry in observed.status.removed:
            self._removed.setdefault((key, observed.owner.uid), {}).setdefault((entry.uid, entry.remedy), entry)
        self._forget(now - KEPT)
        return replace(observed, status=self._completed(key, observed, now), removals=self._all())

    def _forget(self, begin: datetime) -> None:
        for model, entries in list(self._removed.items()):
            self._removed[model] = {ref: entry for ref, entry in entries.items() if entry.at > begin}
            if not self._removed[model]:
                del self._removed[model]

    def _completed(self, key: Key, observed: Observed, now: datetime) -> ModelDeploymentStatus:
        status, begin = observed.status, now - parse_duration(observed.spec.cleanup.window)
        known = {(entry.uid, entry.remedy) for entry in status.removed}
        mine = self._removed.get((key, observed.owner.uid), {})
        missing = [entry for ref, entry in mine.items() if ref not in known and entry.at > begin]
        if not missing:
            return status
        removed = tuple(sorted((*status.removed, *missing), key=lambda entry: entry.at))
        return status.model_copy(update={"removed": bounded(removed)})

    def _all(self) -> tuple[Removal, ...]:
        """Leftovers were on no node any more, and a pod that was evicted and then removed by force went only once."""
        return tuple(
            Removal(str(key), entry.node, entry.at)
            for (key, _), entries in self._removed.items()
            for entry in {entry.uid: entry for entry in entries.values() if entry.kind != "Leftover"}.values()
        )
