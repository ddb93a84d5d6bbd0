"""Tells the model registry who serves, beside the reconciles: none of them waits for it.

Each model that asks for it has one teller. It reads which versions have the model's tag, and changes what differs from
who is active: at once when that changes, and again once in `every`, so that whatever somebody else wrote there, or a
process that ended in between left there, is put right. Two that tell the same write nothing the second time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from verdigris.adapters.kube.reading.port import Key
from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.registry.port import Tags
from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import Failure
from verdigris.app.aliases import AT_ONCE, NONE_CONFIGURED
from verdigris.app.waits import until
from verdigris.core.facts.observed import Observed
from verdigris.core.facts.served import Serving, Told, Wish, asks_to_tell, edits, first_wish, to_tell

log = logging.getLogger(__name__)

RETRY = 60.0
"""Seconds between two tries at a registry that refuses, or is away; `every`, where that is less."""
LAST_TRIES = 3
"""How often it is tried to take the tag away of a model that is gone, or asks for it no more."""
DISPUTED = 2
"""Rounds in a row that find changed by somebody else what stood there as it was to."""


@dataclass
class _Teller:
    uid: str
    """Of the ModelDeployment that it tells of: another one of its name is another model."""
    wish: Wish
    every: float
    told: Told | None = None
    undone: int = 0
    """Rounds in a row that found changed what the round before had seen in its place."""
    tries: int | None = None
    """That are left where it is asked for no more; None: it is."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def ask(self, wish: Wish, every: float) -> None:
        """Wake the teller when this is another thing to tell, or is to be told sooner."""
        if wish != self.wish or every < self.every:
            self.changed.set()
        self.wish, self.every = wish, every

    @property
    def may_stay(self) -> str:
        """The registered models whose versions may have a tag that they are not to have; empty: none."""
        models = (*self.wish.left, self.wish.serving.model) if self.tries is not None else self.wish.left
        return ", ".join(f"models:/{model}" for model in models)


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
        """How it went to tell what is to be told now; None when that is nothing, not known, or on its way.

        What could not be read changes nothing that is told (law 11).
        """
        if observed.skew.cannot_read(("model",)) or kinds.CONTROLLER_REVISION.kind in observed.unseen:
            return None
        follow, teller = observed.spec.model.follow, self._tellers.get(key)
        if follow is None or not asks_to_tell(observed.spec) or _serves_nobody(observed, teller):
            self.leave(key)
            return None
        wanted = to_tell(observed.owner, observed.spec, observed.status, observed.snapshots, self._cluster)
        if wanted is None:
            return None
        if self._tags is None:
            return Told(Wish(wanted), NONE_CONFIGURED.problem)
        every = parse_duration(follow.every).total_seconds()
        if teller is None:
            wish = first_wish(wanted, observed.snapshots)
            teller = self._tellers[key] = _Teller(observed.owner.uid, wish, every)
            teller.task = asyncio.create_task(self._tell(key, teller, self._tags), name=f"tag of {key}")
        teller.uid, teller.tries = observed.owner.uid, None
        teller.ask(teller.wish.then(wanted), every)
        return teller.told if teller.told is not None and teller.told.wish == teller.wish else None

    def leave(self, key: Key) -> None:
        """The model is gone, serves nobody, or asks for it no more: no version is to have its tag."""
        teller = self._tellers.get(key)
        if teller is not None and teller.tries is None:
            teller.tries = LAST_TRIES
            teller.ask(teller.wish.of_nobody(), teller.every)
            teller.changed.set()

    async def close(self) -> None:
        """Tell no more. What is to stand in the registry stays: who leads next compares it."""
        for key, teller in self._tellers.items():
            if teller.may_stay:
                tag, models = teller.wish.serving.tag, teller.may_stay
                log.warning("%s: the tag %s may stay at versions of %s: this operator stops telling", key, tag, models)
        tasks = [teller.task for teller in self._tellers.values() if teller.task is not None]
        self._tellers.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _tell(self, key: Key, teller: _Teller, tags: Tags) -> None:
        while True:
            teller.changed.clear()
            told = await self._bring_all(tags, teller)
            if told != teller.told:
                teller.told = told
                self._wake(key)
            if teller.tries is not None and not teller.changed.is_set():
                teller.tries -= 1
                if told.problem is None or teller.tries <= 0:
                    break
            every = min(teller.every, RETRY) if told.problem is not None else teller.every
            await until(teller.changed, every, self._pause)
        if told.problem is not None:
            tag, models = teller.wish.serving.tag, teller.may_stay
            log.warning("%s: the tag %s may stay at versions of %s: %s", key, tag, models, told.problem.message)
        # Whoever looks from here on begins anew.
        self._tellers.pop(key, None)

    async def _bring_all(self, tags: Tags, teller: _Teller) -> Told:
        """Who serves first, then whoever is left; what one of them refuses keeps none of the others."""
        wish, before = teller.wish, teller.told
        stood = before is not None and before.problem is None and before.wish.serving == wish.serving
        wrote, problem = await self._bring(tags, wish.serving)
        teller.undone = teller.undone + 1 if stood and wrote else 0
        for model in wish.left:
            _, refused = await self._bring(tags, Serving(model, wish.serving.tag))
            if refused is None:
                # The spec may have changed meanwhile: what has been done is done in any wish.
                wish, teller.wish = wish.without(model), teller.wish.without(model)
            problem = problem or refused
        return Told(wish, problem, teller.undone >= DISPUTED)

    async def _bring(self, tags: Tags, wanted: Serving) -> tuple[bool, Failure | None]:
        """Read, and change what differs: whether anything did, and why it could not be brought about, if so."""
        try:
            async with self._slots:
                tagged = await tags.tagged(wanted.model, wanted.tag)
                if isinstance(tagged, Failure):
                    return False, tagged
                differing = edits(wanted, tagged)
                for edit in differing:
                    if (refused := await tags.edit(wanted.model, wanted.tag, edit)) is not None:
                        return True, refused
            return bool(differing), None
        except Exception as error:
            log.error("a bug in the operator: the tag %s is not set. Please report it", wanted.tag, exc_info=error)
            message = f"The registry could not be told: a bug in the operator ({type(error).__name__})."
            return False, Failure(reason="RegistryUnreachable", message=message)


def _serves_nobody(observed: Observed, teller: _Teller | None) -> bool:
    """Whether it is known that no version is active.

    A status that was lost says so too, until the next look has read it back from the colour that the clients' Service
    selects. That of another ModelDeployment than was told of has lost nothing.
    """
    is_another = teller is not None and teller.uid != observed.owner.uid
    return observed.status.active is None and (is_another or observed.selected is None)
