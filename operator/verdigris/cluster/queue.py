"""The work queue: one worker a key at a time, duplicates folded, delays, exponential backoff with jitter.

`Schedule` is the queue without waiting: pure bookkeeping that is told the time. `WorkQueue` lets workers await it.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

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


class Schedule(Generic[K]):
    """Which key is due, which is being worked on, which is delayed. `now` is in seconds on any steady clock.

    A key being worked on is not handed out again until `done`; added meanwhile, it is due again right then.
    """

    def __init__(self) -> None:
        self._ready: deque[K] = deque()
        self._queued_at: dict[K, float] = {}
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = itertools.count()

    def add(self, key: K, now: float) -> bool:
        """Due now. False when it already was."""
        if key in self._working:
            fresh = key not in self._again
            self._again.add(key)
            return fresh
        if key in self._queued_at:
            return False
        self._queued_at[key] = now
        self._ready.append(key)
        return True

    def add_at(self, key: K, due: float) -> None:
        """Due then, unless it is delayed to an earlier time already: the earlier wins."""
        if due >= self._due.get(key, float("inf")):
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, next(self._order), key))

    def take(self, now: float) -> tuple[K, float] | None:
        """The next due key and how long it had been waiting, or None. A delay set before is void: work is due now."""
        self._promote(now)
        if not self._ready:
            return None
        key = self._ready.popleft()
        waited = now - self._queued_at.pop(key)
        self._working.add(key)
        self._due.pop(key, None)
        return key, max(0.0, waited)

    def done(self, key: K, now: float) -> None:
        """The worker is through with it."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key, now)

    def next_due(self) -> float | None:
        """When the earliest delayed key is due, or None."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    @property
    def depth(self) -> int:
        """Keys that wait for a worker now; delayed ones are not among them."""
        return len(self._ready)

    def oldest(self, now: float) -> float:
        """Seconds that the longest-waiting due key has waited; 0 when none waits."""
        return now - self._queued_at[self._ready[0]] if self._ready else 0.0

    def _promote(self, now: float) -> None:
        while (due := self.next_due()) is not None and due <= now:
            key = heapq.heappop(self._heap)[2]
            del self._due[key]
            self.add(key, now)


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
    """A `Schedule` that workers can await. For one event loop; not thread-safe."""

    def __init__(
        self,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
        observer: QueueObserver | None = None,
    ) -> None:
        self._schedule: Schedule[K] = Schedule()
        self._backoff = backoff or Backoff()
        self._clock = clock
        self._chance = chance
        self._observer = observer or QueueObserver()
        self._failures: dict[K, int] = {}
        self._started: dict[K, float] = {}
        self._changed = asyncio.Event()
        self._closed = False

    def close(self) -> None:
        """Hand out no more keys: every waiting and every later `get` raises QueueClosed."""
        self._closed = True
        self._changed.set()

    def add(self, key: K) -> None:
        """Have it worked on as soon as a worker is free."""
        if self._schedule.add(key, self._clock()):
            self._observer.added()
        self._changed.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Have it worked on in a while; of two delays the earlier wins."""
        self._schedule.add_at(key, self._clock() + seconds)
        self._changed.set()

    def retry(self, key: K, at_least: float = 0.0) -> float:
        """Have it worked on again after its backoff, or `at_least` so many seconds. Returns the delay in seconds."""
        self._failures[key] = self._failures.get(key, 0) + 1
        delay = max(at_least, self._backoff.delay(self._failures[key], self._chance()))
        self._observer.retried()
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """It went well: the next failure is the first again."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """The next due key. Every `get` is answered by a `done`. Raises QueueClosed."""
        while not self._closed:
            taken = self._schedule.take(self._clock())
            if taken is not None:
                key, waited = taken
                self._started[key] = self._clock()
                self._observer.taken(waited)
                return key
            await self._wait()
        raise QueueClosed

    def done(self, key: K) -> None:
        """The worker is through with it, well or not."""
        self._schedule.done(key, self._clock())
        self._observer.worked(self._clock() - self._started.pop(key))
        self._changed.set()

    @property
    def depth(self) -> int:
        """Keys that wait for a worker now."""
        return self._schedule.depth

    def stalled_for(self) -> float:
        """Seconds that the longest-waiting due key has waited: a sign of workers that hang."""
        return self._schedule.oldest(self._clock())

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
