"""What a leader does all day: workers that take keys from the queue, and the resync that puts them all back in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Protocol

from verdigris.cluster import kinds, logs, views
from verdigris.cluster.errors import ApiError, Conflict, NamespaceTerminating
from verdigris.cluster.observe import Key, Reader
from verdigris.cluster.queue import QueueClosed, WorkQueue
from verdigris.cluster.reconcile import Result

log = logging.getLogger(__name__)

RESYNC_JITTER = 0.1
RESYNC_RETRY = 10.0
"""Seconds after which a resync that could not list is tried again."""


class Reconciles(Protocol):
    """What a worker needs of the reconciler."""

    async def reconcile(self, key: Key) -> Result:
        """Raises only for bugs."""


async def work(queue: WorkQueue[Key], reconciler: Reconciles) -> None:
    """One worker: until the queue is closed. Nothing that one key does stops it from serving the others."""
    while True:
        try:
            key = await queue.get()
        except QueueClosed:
            return
        try:
            await _one(queue, reconciler, key)
        finally:
            queue.done(key)


async def _one(queue: WorkQueue[Key], reconciler: Reconciles, key: Key) -> None:
    token = logs.context.set({"key": str(key)})
    try:
        result = await reconciler.reconcile(key)
    except Exception:
        delay = queue.retry(key)
        log.exception("a bug in the operator: the reconcile of %s broke; again in %.1f s. Please report it", key, delay)
        return
    finally:
        logs.context.reset(token)
    if result.failure is not None:
        _put_back(queue, key, result.failure)
        return
    queue.forget(key)
    if result.requeue_after is not None:
        queue.add_after(key, result.requeue_after)


def _put_back(queue: WorkQueue[Key], key: Key, failure: ApiError) -> None:
    delay = queue.retry(key, at_least=failure.retry_after or 0.0)
    # The first is the normal way to be told of a change, the second of a deletion: nobody has to do anything.
    level = logging.DEBUG if isinstance(failure, (Conflict, NamespaceTerminating)) else logging.WARNING
    log.log(level, "%s: %s; again in %.1f s", key, failure, delay)


async def resync(
    reader: Reader,
    queue: WorkQueue[Key],
    namespaces: Collection[str],
    interval: timedelta,
    chance: Callable[[], float],
) -> None:
    """For ever: list every ModelDeployment and enqueue it, every `interval` +- 10 %, spread over a tenth of it.

    It covers what a watch has lost, and kinds that are not watched.
    """
    seconds = interval.total_seconds()
    while True:
        await asyncio.sleep(seconds * (1 - RESYNC_JITTER + 2 * RESYNC_JITTER * chance()))
        while not await _enqueue_all(reader, queue, namespaces, seconds * RESYNC_JITTER, chance):
            await asyncio.sleep(RESYNC_RETRY)


async def _enqueue_all(
    reader: Reader, queue: WorkQueue[Key], namespaces: Collection[str], spread: float, chance: Callable[[], float]
) -> bool:
    try:
        listed = [await reader.list(kinds.MODEL_DEPLOYMENT, namespace) for namespace in namespaces or (None,)]
    except ApiError as error:
        log.warning("the resync could not list ModelDeployments: %s; again in %.0f s", error, RESYNC_RETRY)
        return False
    for meta in (views.metadata(raw) for raws in listed for raw in raws):
        queue.add_after(Key(meta["namespace"], meta["name"]), spread * chance())
    return True
