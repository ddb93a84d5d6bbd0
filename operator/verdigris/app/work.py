"""The leader's workers: they reconcile the models that are due, several at once; the resync enqueues all of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

from verdigris.adapters.kube.reading import views
from verdigris.adapters.kube.reading.port import Key, Reader
from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.errors import ApiError, Conflict, NamespaceTerminating
from verdigris.app import logs
from verdigris.app.namespaces import NamespaceAccess
from verdigris.app.queue import QueueClosed, WorkQueue
from verdigris.app.reconcile import Result
from verdigris.core.facts.urgency import Urgency

log = logging.getLogger(__name__)

SLOW_SECONDS = 1.0
"""A reconcile that takes longer waits for something outside: it frees its slot, and another one begins."""
SLOW_PER_WORKER = 8
"""Reconciles that may be under way at once, for each worker: slow ones take no slot, but memory."""
URGENT = 2
"""Further slots, for models whose clients depend on it: rollbacks, and candidates that have clients."""
LOOK_LIMIT = 180.0
"""Seconds after which a look is given up. Every call in it has a limit of its own: this one is for bugs."""
UNUSUAL = 4
"""So many conflicts in a row are no chance: somebody writes the object all the time. Each doubling is told."""
RESYNC_JITTER = 0.1
RESYNC_RETRY = 10.0
"""Seconds after which a resync that could not list is tried again."""


class Reconciles(Protocol):
    """What a worker needs of the reconciler."""

    async def reconcile(self, key: Key) -> Result:
        """Raises only for bugs."""


class WorkerPool:
    """Reconciles models as they become due, until the queue is closed.

    There are `workers` slots, and URGENT more for models whose clients depend on it. A reconcile that takes longer than
    SLOW_SECONDS, because a webhook or the API server keeps it waiting, frees its slot: it goes on, and another begins.
    """

    def __init__(self, queue: WorkQueue[Key], reconciler: Reconciles, workers: int) -> None:
        self._queue = queue
        self._reconciler = reconciler
        self._workers = workers
        self._running: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Serve keys until the queue is closed; no key stops the others. Cancelled, it ends what is under way."""
        try:
            await asyncio.gather(
                self._serve(self._workers, Urgency.STEADY, self._workers * SLOW_PER_WORKER),
                self._serve(URGENT, Urgency.EXPOSED, None),
            )
            if self._running:
                await asyncio.wait(self._running)
        finally:
            for look in self._running:
                look.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def _serve(self, slots: int, least: Urgency, most: int | None) -> None:
        quick: set[asyncio.Task[None]] = set()
        loop = asyncio.get_running_loop()

        def free_slot(look: asyncio.Task[None]) -> None:
            quick.discard(look)
            self._changed.set()

        while True:
            while len(quick) >= self._slots(slots, least) or (most is not None and len(self._running) >= most):
                self._changed.clear()
                await self._changed.wait()
            try:
                key = await self._queue.get(least)
            except QueueClosed:
                return
            look = asyncio.create_task(self._look(key), name=f"look at {key}")
            quick.add(look)
            self._running.add(look)
            timer = loop.call_later(SLOW_SECONDS, free_slot, look)
            look.add_done_callback(partial(self._ended, timer, free_slot))

    def _slots(self, slots: int, least: Urgency) -> int:
        """One slot for everybody else during a rollback: they share its processor and its API server."""
        return 1 if least is Urgency.STEADY and self._queue.rolls_back else slots

    def _ended(
        self,
        timer: asyncio.TimerHandle,
        free_slot: Callable[[asyncio.Task[None]], None],
        look: asyncio.Task[None],
    ) -> None:
        timer.cancel()
        self._running.discard(look)
        free_slot(look)

    async def _look(self, key: Key) -> None:
        try:
            await _one(self._queue, self._reconciler, key)
        finally:
            self._queue.done(key)


async def _one(queue: WorkQueue[Key], reconciler: Reconciles, key: Key) -> None:
    token = logs.context.set({"key": str(key)})
    try:
        async with asyncio.timeout(LOOK_LIMIT):
            result = await reconciler.reconcile(key)
    except Exception:
        delay = queue.retry(key)
        log.exception("a bug in the operator: the reconcile of %s broke; again in %.1f s. Please report it", key, delay)
        return
    finally:
        logs.context.reset(token)
    if result.urgency is not None:
        queue.rank(key, result.urgency)
    if result.failure is not None and not result.paced:
        _put_back(queue, key, result.failure, result.requeue_after)
        return
    queue.forget(key)
    if result.requeue_after is not None:
        queue.add_after(key, result.requeue_after)


def _put_back(queue: WorkQueue[Key], key: Key, failure: ApiError, at_most: float | None) -> None:
    delay = queue.retry(key, at_least=failure.retry_after or 0.0, at_most=at_most)
    # The normal ways to be told of a deletion and of a change, unless there is no end of changes: nobody has to act.
    in_a_row = queue.failures(key)
    passing = isinstance(failure, Conflict) and (in_a_row < UNUSUAL or in_a_row.bit_count() > 1)
    level = logging.DEBUG if passing or isinstance(failure, NamespaceTerminating) else logging.WARNING
    log.log(level, "%s: %s; again in %.1f s", key, failure, delay)


async def resync(
    reader: Reader,
    queue: WorkQueue[Key],
    namespaces: Collection[str],
    interval: timedelta,
    *,
    chance: Callable[[], float],
    access: NamespaceAccess,
) -> None:
    """For ever: list every ModelDeployment and enqueue it, every `interval` +- 10 %, spread over a tenth of it.

    It covers what a watch has lost, and kinds that are not watched. Each namespace for itself: one that cannot be
    listed is told in `access`, tried again every RESYNC_RETRY seconds, and changes nothing for the others.
    """
    one = _Resync(reader, queue, interval.total_seconds(), chance, access)
    await asyncio.gather(*(one.run(namespace) for namespace in namespaces or (None,)))


@dataclass(frozen=True)
class _Resync:
    reader: Reader
    queue: WorkQueue[Key]
    seconds: float
    chance: Callable[[], float]
    access: NamespaceAccess

    async def run(self, namespace: str | None) -> None:
        # The watches have just listed everything: the first time it is only seen whether this can be done.
        await self._listed(namespace)
        while True:
            await asyncio.sleep(self.seconds * (1 - RESYNC_JITTER + 2 * RESYNC_JITTER * self.chance()))
            for raw in await self._listed(namespace):
                meta = views.metadata(raw)
                key = Key(meta["namespace"], meta["name"])
                self.queue.add_after(key, self.seconds * RESYNC_JITTER * self.chance())

    async def _listed(self, namespace: str | None) -> list[dict[str, Any]]:
        """All of them, however long it takes until they can be listed."""
        while True:
            try:
                found = await self.reader.list(kinds.MODEL_DEPLOYMENT, namespace)
            except ApiError as error:
                self.access.lost(namespace, error)
                await asyncio.sleep(RESYNC_RETRY)
                continue
            self.access.seen(namespace)
            return found
