"""Whose turn it is, without waiting: pure bookkeeping that is told the time.

Classes by urgency are served in their order; inside a class the namespaces take turns, and inside a namespace the first
come is the first served. So that nobody starves, of eight turns one begins with each of the less urgent classes.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, deque
from collections.abc import Callable, Hashable
from functools import partial
from typing import Generic, TypeVar

from verdigris.core.facts.urgency import Urgency

K = TypeVar("K", bound=Hashable)

ROUND = 8
_FIRST = {2: Urgency.EXPOSED, 5: Urgency.ROLLOUT, 7: Urgency.STEADY}
"""Of so many turns these begin with another class than the most urgent, whatever is being rolled back."""


class _Line(Generic[K]):
    """The due keys of one class, by namespace."""

    def __init__(self) -> None:
        self._by_namespace: dict[str, dict[K, None]] = {}
        self._turns: deque[str] = deque()

    def __bool__(self) -> bool:
        return bool(self._turns)

    def append(self, key: K, namespace: str) -> None:
        if namespace not in self._by_namespace:
            self._by_namespace[namespace] = {}
            self._turns.append(namespace)
        self._by_namespace[namespace][key] = None

    def remove(self, key: K, namespace: str) -> None:
        self._by_namespace[namespace].pop(key)
        if not self._by_namespace[namespace]:
            del self._by_namespace[namespace]
            self._turns.remove(namespace)

    def pop(self, may: Callable[[str], bool]) -> K | None:
        """The first key of the first namespace whose turn it is and that `may`; None when there is none."""
        for _ in range(len(self._turns)):
            namespace = self._turns.popleft()
            if not may(namespace):
                self._turns.append(namespace)
                continue
            keys = self._by_namespace[namespace]
            key = next(iter(keys))
            del keys[key]
            if keys:
                self._turns.append(namespace)
            else:
                del self._by_namespace[namespace]
            return key
        return None


class Schedule(Generic[K]):
    """Which key is due, which is being worked on, which is delayed. `now` is in seconds on any steady clock.

    A key being worked on is not handed out again until `done`; added meanwhile, it is due again right then.

    Args:
        namespace_of: to whom a key belongs.
        per_namespace: of so many keys of one namespace at most is work under way; what is being rolled back is exempt.
    """

    def __init__(self, namespace_of: Callable[[K], str] = str, per_namespace: int | None = None) -> None:
        self._namespace_of = namespace_of
        self._per_namespace = per_namespace
        self._lines: dict[Urgency, _Line[K]] = {urgency: _Line() for urgency in Urgency}
        self._rank: dict[K, Urgency] = {}
        self._queued: dict[K, tuple[float, Urgency]] = {}
        self._working: set[K] = set()
        self._busy: Counter[str] = Counter()
        self._again: dict[K, Urgency] = {}
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = itertools.count()
        self._turn = 0

    def rank(self, key: K, urgency: Urgency) -> None:
        """From now on this is how urgent the key is, whoever adds it. Steady is what is known of no key."""
        if urgency is Urgency.STEADY:
            self._rank.pop(key, None)
        else:
            self._rank[key] = urgency

    def add(self, key: K, now: float, urgency: Urgency = Urgency.STEADY) -> bool:
        """Due now; this once at least as urgent as told. False when it already was due."""
        urgency = min(urgency, self._rank.get(key, Urgency.STEADY))
        if key in self._working:
            fresh = key not in self._again
            self._again[key] = min(urgency, self._again.get(key, Urgency.STEADY))
            return fresh
        if key in self._queued:
            self._raise(key, urgency)
            return False
        self._queued[key] = (now, urgency)
        self._lines[urgency].append(key, self._namespace_of(key))
        return True

    def add_at(self, key: K, due: float) -> None:
        """Due then, unless it is delayed to an earlier time already: the earlier wins."""
        if due >= self._due.get(key, float("inf")):
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, next(self._order), key))

    def take(self, now: float, least: Urgency = Urgency.STEADY) -> tuple[K, float] | None:
        """The next due key, at least so urgent, and how long it had been waiting, or None.

        A delay set before is void: work is due now.
        """
        self._promote(now)
        for urgency in self._order_of_turn():
            key = self._lines[urgency].pop(partial(self._may, urgency)) if urgency <= least else None
            if key is not None:
                return key, max(0.0, now - self._begin(key))
        return None

    def done(self, key: K, now: float) -> None:
        """The worker is through with it."""
        if key in self._working:
            self._working.discard(key)
            self._busy[self._namespace_of(key)] -= 1
            self._busy += Counter()
        if key in self._again:
            self.add(key, now, self._again.pop(key))

    def next_due(self) -> float | None:
        """When the earliest delayed key is due, or None."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    @property
    def depth(self) -> int:
        """Keys that wait for a worker now; delayed ones are not among them."""
        return len(self._queued)

    @property
    def working(self) -> int:
        """Keys that are being worked on."""
        return len(self._working)

    @property
    def rolls_back(self) -> bool:
        """Whether a model that is being rolled back is looked at now, or is about to be."""
        line = bool(self._lines[Urgency.ROLLBACK])
        return line or any(self._rank.get(key) is Urgency.ROLLBACK for key in self._working)

    def oldest(self, now: float) -> float:
        """Seconds that the longest-waiting due key has waited; 0 when none waits."""
        return max((now - at for at, _ in itertools.islice(self._queued.values(), 1)), default=0.0)

    def _order_of_turn(self) -> tuple[Urgency, ...]:
        first = _FIRST.get(self._turn % ROUND)
        return tuple(Urgency) if first is None else (first, *(urgency for urgency in Urgency if urgency is not first))

    def _may(self, urgency: Urgency, namespace: str) -> bool:
        limit = self._per_namespace
        return urgency is Urgency.ROLLBACK or limit is None or self._busy[namespace] < limit

    def _begin(self, key: K) -> float:
        """Note that it is being worked on. Returns since when it was due."""
        self._turn += 1
        at, _ = self._queued.pop(key)
        self._working.add(key)
        self._busy[self._namespace_of(key)] += 1
        self._due.pop(key, None)
        return at

    def _raise(self, key: K, urgency: Urgency) -> None:
        at, before = self._queued[key]
        if urgency < before:
            namespace = self._namespace_of(key)
            self._lines[before].remove(key, namespace)
            self._lines[urgency].append(key, namespace)
            self._queued[key] = (at, urgency)

    def _promote(self, now: float) -> None:
        while (due := self.next_due()) is not None and due <= now:
            key = heapq.heappop(self._heap)[2]
            del self._due[key]
            self.add(key, now)
