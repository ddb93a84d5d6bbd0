"""Asks what the models use, each once an hour, at a time of its own."""

from __future__ import annotations

from datetime import datetime

from verdigris.adapters.kube.reading.port import Key
from verdigris.adapters.prometheus.port import UsageSource
from verdigris.app.evidence import USAGE_NOT_YET
from verdigris.core.advice.sizing import due, usage_question
from verdigris.core.facts.evidence import Usage
from verdigris.core.facts.observed import Observed


class UsageSchedule:
    """When each model's usage is asked for. In memory only: after a restart all are asked within an hour."""

    def __init__(self, source: UsageSource) -> None:
        self._source = source
        self._looked: dict[Key, datetime] = {}
        self._waiting: set[Key] = set()

    def is_due(self, observed: Observed, now: datetime) -> bool:
        """Whether `look` would ask now, or has asked and not been answered."""
        owner = observed.owner
        key = Key(owner.namespace, owner.name)
        waits = key in self._waiting or due(owner.uid, self._looked.get(key), now)
        return waits and usage_question(observed, now) is not None

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
        if key not in self._waiting and not due(owner.uid, before, now):
            return None
        answer = await self._source.usage(question)
        if answer is USAGE_NOT_YET:
            self._waiting.add(key)
            return None
        self._waiting.discard(key)
        return answer

    def forget(self, key: Key) -> None:
        """The model is gone."""
        self._looked.pop(key, None)
        self._waiting.discard(key)
