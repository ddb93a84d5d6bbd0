"""Asks the model registry about the aliases that are followed, beside the reconciles: none of them waits for it.

Each model that follows one has one asker, which asks once in `every`. An answer that is another than before wakes the
model; a look takes the newest there is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from verdigris.adapters.kube.reading.port import Key
from verdigris.adapters.registry.port import Registry
from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import Failure
from verdigris.app.waits import until
from verdigris.core.facts.followed import Alias, RegistryView, asked_alias, followed_now
from verdigris.core.facts.observed import Observed

log = logging.getLogger(__name__)

AT_ONCE = 8
"""Questions that are open at once: after a restart all models ask."""
NONE_CONFIGURED = RegistryView(
    problem=Failure(
        reason="RegistryUnknown",
        message="No registry is configured: set registry.address in the values of the operator's chart.",
    )
)


@dataclass
class _Asker:
    alias: Alias
    every: float
    task: asyncio.Task[None] | None = None
    answer: RegistryView | None = None
    sooner: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when `every` was shortened."""


class AliasDesk:
    """What is known of the aliases that models follow. `registry` None: nobody can be asked.

    Args:
        wake: called with the model that has another answer now.
        pause: waits for so many seconds.
        now: the time of day.
    """

    def __init__(
        self,
        registry: Registry | None,
        wake: Callable[[Key], None],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._now = now
        self._registry = registry
        self._wake = wake
        self._pause = pause
        self._askers: dict[Key, _Asker] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    def look(self, key: Key, observed: Observed) -> RegistryView | None:
        """The newest answer; None when none is wanted, or the first one is on its way."""
        alias, follow = asked_alias(observed.spec), observed.spec.model.follow
        if alias is None or follow is None:
            self.forget(key)
            return None
        if self._registry is None:
            return NONE_CONFIGURED
        asker, every = self._askers.get(key), parse_duration(follow.every).total_seconds()
        if asker is None or asker.alias != alias:
            self.forget(key)
            asker = self._askers[key] = _Asker(alias, every)
            asker.task = asyncio.create_task(self._ask(key, asker, self._registry), name=f"alias of {key}")
        if every < asker.every:
            asker.sooner.set()
        asker.every = every
        known = followed_now(observed.spec, observed.status)
        if asker.answer is not None and known is not None and asker.answer.is_overtaken(known, self._now()):
            # Another leader's answer is newer. The next one wakes the model, also when it says the same as this.
            asker.answer = None
        return asker.answer

    def forget(self, key: Key) -> None:
        """The model is gone, or follows nobody any more."""
        asker = self._askers.pop(key, None)
        if asker is not None and asker.task is not None:
            asker.task.cancel()

    async def close(self) -> None:
        """Ask no more."""
        tasks = [asker.task for asker in self._askers.values() if asker.task is not None]
        for key in list(self._askers):
            self.forget(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, key: Key, asker: _Asker, registry: Registry) -> None:
        while True:
            asker.sooner.clear()
            async with self._slots:
                asked_at = self._now()
                answer = replace(await self._answer(registry, asker.alias), asked_at=asked_at)
            before, asker.answer = asker.answer, answer
            if answer != before:
                self._wake(key)
            await until(asker.sooner, asker.every, self._pause)

    async def _answer(self, registry: Registry, alias: Alias) -> RegistryView:
        try:
            return await registry.look_up(alias)
        except Exception as error:
            log.error("a bug in the operator: asking about %s broke. Please report it", alias, exc_info=error)
            message = f"The registry could not be asked: a bug in the operator ({type(error).__name__})."
            return RegistryView(problem=Failure(reason="RegistryUnreachable", message=message))
