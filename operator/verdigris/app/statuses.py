"""The last status that was seen of every model, once for all who tell what has happened."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Protocol

from verdigris.adapters.kube.reading.port import Key
from verdigris.api.status import ModelDeploymentStatus
from verdigris.audit.model import Model

log = logging.getLogger(__name__)


class Follower(Protocol):
    """Told of each change. Never waits."""

    def changed(self, model: Model, before: ModelDeploymentStatus | None, after: ModelDeploymentStatus | None) -> None:
        """A status is so in the cluster now. None before: the model is new to this process; after: it was deleted."""


class Statuses:
    """Notes the statuses of all models as they stand in the cluster, and tells its followers of each change."""

    def __init__(self) -> None:
        self._known: dict[Key, tuple[Model, ModelDeploymentStatus]] = {}
        self._followers: Sequence[Follower] = ()

    def follow(self, *followers: Follower) -> None:
        """Tell these from now on."""
        self._followers = (*self._followers, *followers)

    def __iter__(self) -> Iterator[tuple[Model, ModelDeploymentStatus]]:
        return iter(tuple(self._known.values()))

    def saw(self, key: Key, uid: str, status: ModelDeploymentStatus) -> None:
        """The model's status is so in the cluster: accepted, or read. Never waits, never raises."""
        model, before = Model(key.namespace, key.name, uid), None
        if (known := self._known.get(key)) is not None:
            if known[0] == model:
                before = known[1]
            else:
                # Deleted and made anew between two looks.
                self.gone(key)
        self._known[key] = model, status
        if before != status:
            self._tell(model, before, status)

    def gone(self, key: Key) -> None:
        """The model was deleted. Never waits, never raises."""
        if (known := self._known.pop(key, None)) is not None:
            self._tell(*known, None)

    def _tell(self, model: Model, before: ModelDeploymentStatus | None, after: ModelDeploymentStatus | None) -> None:
        for follower in self._followers:
            try:
                follower.changed(model, before, after)
            except Exception:  # whatever it is: a rollout goes on without being recorded or told of
                name = type(follower).__name__
                log.exception("a bug in the operator: a change is lost to %s. Please report it", name)
