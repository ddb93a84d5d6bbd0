"""Asks what the models use, each once an hour, at a time of its own."""

from __future__ import annotations

from datetime import datetime

from verdigris.cluster.observe import Key
from verdigris.evidence.port import UsageSource
from verdigris.rollout.evidence import Usage
from verdigris.rollout.observed import Observed
from verdigris.rollout.sizing import due, usage_question


class UsageRota:
    """Whose turn it is. Only in memory: a restarted operator takes up to an hour to come round to every model."""

    def __init__(self, source: UsageSource) -> None:
        self._source = source
        self._looked: dict[Key, datetime] = {}

    async def look(self, observed: Observed, now: datetime) -> Usage | None:
        """The model's use, when there is something to ask and its time has come. Never raises.

        It asks for no look of its own: it takes those that events and the resync bring.
        """
        question = usage_question(observed, now)
        if question is None:
            return None
        owner = observed.owner
        key = Key(owner.namespace, owner.name)
        before, self._looked[key] = self._looked.get(key), now
        return await self._source.usage(question) if due(owner.uid, before, now) else None

    def forget(self, key: Key) -> None:
        """The model is gone."""
        self._looked.pop(key, None)
