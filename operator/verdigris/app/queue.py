"""The work queue: one worker a key at a time, duplicates folded, the urgent first, delays, backoff with jitter."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from verdigris.app.schedule import Schedule
from verdigris.core.facts.urgency import Urgency

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Backoff:
    """Delays in seconds: `base` doubled with each failure in a row up to `cap`, then less by up to `jitter` of it."""

    base: float = 0.1
    cap: float = 30.0
    jitter: float = 0.2

    def delay(self, failures: int, chance: float) -> float:
        """After this many failures in a row (from 1). `chance` is in [0, 1): 0 gives the longest."""
        full = min(self.cap, self.base * 2.0 ** min(failures - 1, 60))
        return full * (1.0 - self.jitter * chance)


class QueueClosed(Exception):
    """No more keys are handed out: the worker is to end."""


class QueueObserver:
    """Told what the queue does; the metrics are one. This one listens to nothing."""

    def added(self) -> None:
        """A key became due that was not."""

    def retried(self) -> None:
        """A key was put back after a failure."""

    def taken(self, waited: float) -> None:
        """A worker took a key that had been due for this many seconds."""

    def worked(self, seconds: float) -> None:
        """A worker is through with a key."""


class WorkQueue(Generic[K]):
    """A `Schedule` that workers can await. For one event loop; not thread-safe.

    `namespace_of` and `per_namespace` are those of `Schedule`.
    """

    def __init__(
        self,
        backoff: Backoff | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
        observer: QueueObserver | None = None,
        namespace_of: Callable[[K], str] = str,
        per_namespace: int | None = None,
    ) -> None:
        self._schedule: Schedule[K] = Schedule(namespace_of, per_namespace)
        self._backoff = backoff or Backoff()
        self._clock = clock
        self._chance = chance
        self._observer = observer or QueueObserver()
        self._failures: dict[K, int] = {}
        self._started: dict[K, float] = {}
        self._progress_at = clock()
        self._changed = asyncio.Event()
        self._closed = False

    def close(self) -> None:
        """Hand out no more keys: every waiting and every later `get` raises QueueClosed."""
        self._closed = True
        self._changed.set()

    def add(self, key: K, urgency: Urgency = Urgency.STEADY) -> None:
        """Have it worked on as soon as it is its turn; this once at least as urgent as told."""
        self._note_progress_if_idle()
        if self._schedule.add(key, self._clock(), urgency):
            self._observer.added()
        self._changed.set()

    def rank(self, key: K, urgency: Urgency) -> None:
        """From now on this is how urgent the key is."""
        self._schedule.rank(key, urgency)

    def add_after(self, key: K, seconds: float) -> None:
        """Have it worked on in a while; of two delays the earlier wins."""
        self._schedule.add_at(key, self._clock() + seconds)
        self._changed.set()

    def retry(self, key: K, at_least: float = 0.0, at_most: float | None = None) -> float:
        """Have it worked on again after its backoff, within these bounds in seconds (`at_most` wins).

        Returns the delay in seconds.
        """
        self._failures[key] = self._failures.get(key, 0) + 1
        delay = max(at_least, self._backoff.delay(self._failures[key], self._chance()))
        delay = delay if at_most is None else min(delay, at_most)
        self._observer.retried()
        self.add_after(key, delay)
        return delay

    def failures(self, key: K) -> int:
        """How often in a row it went wrong."""
        return self._failures.get(key, 0)

    def forget(self, key: K) -> None:
        """It went well: the next failure is the first again."""
        self._failures.pop(key, None)

    async def get(self, least: Urgency = Urgency.STEADY) -> K:
        """The next due key that is at least so urgent. Every `get` is answered by a `done`. Raises QueueClosed."""
        while not self._closed:
            self._note_progress_if_idle()
            taken = self._schedule.take(self._clock(), least)
            if taken is not None:
                key, waited = taken
                self._started[key] = self._clock()
                self._observer.taken(waited)
                return key
            await self._wait()
        raise QueueClosed

    def done(self, key: K) -> None:
        """The worker is through with it, well or not."""
        self._progress_at = self._clock()
        self._schedule.done(key, self._clock())
        self._observer.worked(self._clock() - self._started.pop(key))
        self._changed.set()

    @property
    def depth(self) -> int:
        """Keys that wait for a worker now."""
        return self._schedule.depth

    @property
    def rolls_back(self) -> bool:
        """Whether a model that is being rolled back is looked at now, or is about to be."""
        return self._schedule.rolls_back

    def stalled_for(self) -> float:
        """Seconds since a worker was last through with a key, while there is work: workers that hang, or are gone.

        A long backlog is none: as long as keys are finished one after the other, this stays small.
        """
        busy = self._schedule.depth or self._schedule.working
        return self._clock() - self._progress_at if busy else 0.0

    def _note_progress_if_idle(self) -> None:
        """The clock of `stalled_for` begins with the first work after none."""
        if not self._schedule.depth and not self._schedule.working:
            self._progress_at = self._clock()

    async def _wait(self) -> None:
        """Until something was added or a delay is over."""
        self._changed.clear()
        due = self._schedule.next_due()
        timeout = None if due is None else max(0.0, due - self._clock())
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            return
