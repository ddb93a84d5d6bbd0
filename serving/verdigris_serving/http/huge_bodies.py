"""Huge bodies are worked on one at a time.

Python code computes in one thread at a time anyway. Eight threads that each read and check megabytes make the event
loop the ninth that waits for the interpreter, so probes, and the end of the process, would wait for seconds; and each
of them would hold its rows in memory, many times the size of the body.
"""

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, cast

from verdigris_serving.model.loaded import Predictor
from verdigris_serving.model.schema import Row

#: A body beyond this (bytes) is huge.
HUGE = 1024 * 1024


class HugeBodyLock:
    """Held by the one thread that works on a huge body; ``with lock:`` waits for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._own = threading.local()

    @property
    def held(self) -> bool:
        """Whether the asking thread has it."""
        return getattr(self._own, "held", False)

    def acquire(self) -> None:
        """Wait for it."""
        self._lock.acquire()
        self._own.held = True

    def release(self) -> None:
        """Let the next one have it."""
        self._own.held = False
        self._lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.release()


def releasing(predictor: Predictor, lock: HugeBodyLock) -> Predictor:
    """The predictor, releasing the lock while it computes; one that computes in Python keeps it."""
    return cast(Predictor, _Releasing(predictor, lock)) if predictor.blocking else predictor


class _Releasing:
    """A predictor of a slow format, which computes outside of Python: meanwhile another thread may have the lock."""

    blocking = True

    def __init__(self, predictor: Predictor, lock: HugeBodyLock) -> None:
        self._predictor = predictor
        self._lock = lock

    def __getattr__(self, name: str) -> Any:
        """Whatever else the predictor offers."""
        return getattr(self._predictor, name)

    def scores(self, row: Row) -> list[float]:
        """As the predictor itself: one row is never huge."""
        return self._predictor.scores(row)

    def scores_many(self, rows: Sequence[Row]) -> list[list[float]]:
        """As the predictor itself."""
        if not self._lock.held:
            return self._predictor.scores_many(rows)
        self._lock.release()
        try:
            return self._predictor.scores_many(rows)
        finally:
            self._lock.acquire()
