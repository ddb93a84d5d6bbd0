"""Followers: kubectl processes whose output is read as it comes, each in a thread, all into one queue.

Whoever takes from that queue does so in one thread, so nothing else needs a lock.
"""

from __future__ import annotations

import queue
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

PAUSE = 0.5
"""Seconds before a follower that ended (the API server closes watches now and then) is started again."""


@dataclass(frozen=True)
class Seen:
    """One line that a follower read: which follower, when it was read (unix seconds), and the line."""

    source: str
    at: float
    line: str


class Followers:
    """Context manager that runs followers, starts again the ones that end, and ends what it started."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Seen] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._processes: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Followers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._lock:
            self._closing.set()
            processes = list(self._processes.values())
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=10)

    def follow(self, source: str, argv: Sequence[str]) -> None:
        """Follow a command line by line. Started again, it must begin at its beginning."""

        def read() -> None:
            while (process := self._started(source, argv)) is not None:
                for line in process.stdout or ():
                    self._queue.put(Seen(source, time.time(), line))
                process.wait()
                self._closing.wait(PAUSE)

        threading.Thread(target=read, name=f"follow-{source}", daemon=True).start()

    def next(self, timeout: float) -> Seen | None:
        """The next line read, or None when there was nothing for `timeout` seconds."""
        try:
            return self._queue.get(timeout=timeout)
        except queue.Empty:
            return None

    def _started(self, source: str, argv: Sequence[str]) -> subprocess.Popen[str] | None:
        with self._lock:
            if self._closing.is_set():
                return None
            process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            self._processes[source] = process
            return process
