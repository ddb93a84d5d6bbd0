"""Tells the model registry who serves, beside the reconciles: none of them waits for it.

Each model that asks for it has one teller. It reads which versions have the model's tag, and changes what differs from
who is active: at once when that changes, and again once in `every`, so that whatever somebody else wrote there, or a
process that ended in between left there, is put right. Two that tell the same write nothing the second time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from verdigris.adapters.kube.reading.port import Key
from verdigris.adapters.registry.port import Tags
from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import Failure
from verdigris.app.aliases import AT_ONCE, NONE_CONFIGURED
from verdigris.core.facts.observed import Observed
from verdigris.core.facts.served import Serving, Told, edits, to_tell

log = logging.getLogger(__name__)

RETRY = 60.0
"""Seconds between two tries at a registry that refuses, or is away; `every`, where that is less."""
LAST_TRIES = 3
"""How often it is tried to take the tag away of a model that is gone, or asks for it no more."""


@dataclass
class _Teller:
    wanted: Serving
    every: float
    before: Serving | None = None
    """What still stands of another registered model, whose versions are to have the tag no more."""
    told: Told | None = None
    tries: int | None = None
    """That are left where it is asked for no more; None: it is."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def ask(self, wanted: Serving) -> None:
        """Wake the teller when this is another thing to tell."""
        if wanted == self.wanted:
            return
        if wanted.model != self.wanted.model:
            self.before = _nobody(self.wanted)
        self.wanted = wanted
        self.changed.set()


class TagDesk:
    """What the registry has been told of who serves. `tags` None: nobody can be told.

    Args:
        wake: called with the model of which it is known now how the telling went.
        cluster: this cluster's name among those that share the registry.
        pause: waits for so many seconds.
    """

    def __init__(
        self,
        tags: Tags | None,
        wake: Callable[[Key], None],
        cluster: str = "",
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._tags = tags
        self._wake = wake
        self._cluster = cluster
        self._pause = pause
        self._tellers: dict[Key, _Teller] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    def look(self, key: Key, observed: Observed) -> Told | None:
        """How it went to tell what is to be told now; None when that is nothing, or on its way."""
        follow = observed.spec.model.follow
        if follow is None or not follow.report:
            self.leave(key)
            return None
        wanted = to_tell(observed.owner, observed.spec, observed.status, observed.snapshots, self._cluster)
        if wanted is None:
            return None
        if self._tags is None:
            return Told(wanted, NONE_CONFIGURED.problem)
        every = parse_duration(follow.every).total_seconds()
        teller = self._tellers.get(key)
        if teller is None:
            teller = self._tellers[key] = _Teller(wanted, every)
            teller.task = asyncio.create_task(self._tell(key, teller, self._tags), name=f"tag of {key}")
        teller.every, teller.tries = every, None
        teller.ask(wanted)
        return teller.told if teller.told is not None and teller.told.serving == wanted else None

    def leave(self, key: Key) -> None:
        """The model is gone, or asks for it no more: no version is to have its tag."""
        teller = self._tellers.get(key)
        if teller is not None and teller.tries is None:
            teller.tries = LAST_TRIES
            teller.ask(_nobody(teller.wanted))

    async def close(self) -> None:
        """Tell no more. What stands in the registry stays: who leads next compares it."""
        tasks = [teller.task for teller in self._tellers.values() if teller.task is not None]
        self._tellers.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _tell(self, key: Key, teller: _Teller, tags: Tags) -> None:
        while True:
            teller.changed.clear()
            wanted = teller.wanted
            problem = await self._bring_all(tags, teller, wanted)
            told = Told(wanted, problem)
            if told != teller.told:
                teller.told = told
                self._wake(key)
            if teller.tries is not None and wanted == teller.wanted:
                teller.tries -= 1
                if problem is None or teller.tries <= 0:
                    break
            await self._until(teller, min(teller.every, RETRY) if problem is not None else teller.every)
        if problem is not None:
            log.warning("%s: the tag %s may stay in the registry: %s", key, wanted.tag, problem.message)
        # Whoever looks from here on begins anew.
        self._tellers.pop(key, None)

    async def _bring_all(self, tags: Tags, teller: _Teller, wanted: Serving) -> Failure | None:
        before = teller.before
        if before is not None and await self._bring(tags, before) is None and teller.before == before:
            teller.before = None
        return await self._bring(tags, wanted)

    async def _bring(self, tags: Tags, wanted: Serving) -> Failure | None:
        """Read, and change what differs. None: it stands there so."""
        try:
            async with self._slots:
                tagged = await tags.tagged(wanted.model, wanted.tag)
                if isinstance(tagged, Failure):
                    return tagged
                for edit in edits(wanted, tagged):
                    if (refused := await tags.edit(wanted.model, wanted.tag, edit)) is not None:
                        return refused
            return None
        except Exception as error:
            log.error("a bug in the operator: the tag %s is not set. Please report it", wanted.tag, exc_info=error)
            message = f"The registry could not be told: a bug in the operator ({type(error).__name__})."
            return Failure(reason="RegistryUnreachable", message=message)

    async def _until(self, teller: _Teller, seconds: float) -> None:
        """Until so long has passed, or there is another thing to tell."""
        waits = [asyncio.ensure_future(self._pause(seconds)), asyncio.ensure_future(teller.changed.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


def _nobody(serving: Serving) -> Serving:
    return replace(serving, number=None, value="")
