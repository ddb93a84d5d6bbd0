"""The streams that say when a page has changed: bounded, and they say nothing else."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager

from verdigris.web.port import Cluster, Denied, Key, Trouble

MOST, MOST_OF_ONE = 200, 20
"""Streams at the same time: of all, and of one session."""
TICK = 20.0
"""Seconds after which a page is drawn anew although nothing was told: times go on, and pods are no models."""
LONGEST = 3600.0
"""Seconds after which a stream ends. The browser begins another, and is looked at again."""
CHANGED, BEGUN = b"event: changed\ndata: \n\n", b"retry: 3000\n\n"


class Streams:
    """Who listens. For several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: Counter[str] = Counter()

    @contextmanager
    def one_more(self, session: str) -> Iterator[None]:
        """A stream of this session. Raises Denied when there are too many."""
        with self._lock:
            if sum(self._open.values()) >= MOST or self._open[session] >= MOST_OF_ONE:
                raise Denied("There are too many open pages of this session: close some, or reload by hand.")
            self._open[session] += 1
        try:
            yield
        finally:
            with self._lock:
                self._open[session] -= 1
                if not self._open[session]:
                    del self._open[session]


async def events(
    cluster: Cluster,
    key: Key | None,
    since: int,
    *,
    clock: Callable[[], float],
    pause: Callable[[float], Awaitable[None]],
    settle: float,
) -> AsyncIterator[bytes]:
    """What to send. Ends with any Trouble.

    Args:
        since: the number of what the browser shows.
        clock: seconds.
        pause: waits so many.
        settle: seconds between two, so that many small changes come together.
    """
    began = clock()
    yield BEGUN
    try:
        number = since
        while clock() - began < LONGEST:
            now = await cluster.changed(number, key, TICK)
            yield CHANGED
            if now != number:
                await pause(settle)
            number = now
    except Trouble:
        # The page itself will say what is wrong when the browser asks for it again.
        yield CHANGED
