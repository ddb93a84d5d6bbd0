"""Threads for what must not be computed on the event loop."""

import threading
from collections.abc import Callable
from queue import SimpleQueue


class Workers:
    """``count`` threads, started with the first job; jobs are begun in the order they were handed in.

    Unlike an executor's, these threads do not keep the process from ending: a model that never answers must not
    outlast the grace after SIGTERM.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def submit(self, job: Callable[[], None]) -> None:
        """Run ``job``, which must not raise, as soon as a thread is free. To be called by one thread only."""
        self._jobs.put(job)
        while self._count:
            threading.Thread(target=self._work, name=f"infer-{self._count}", daemon=True).start()
            self._count -= 1

    def _work(self) -> None:
        while True:
            self._jobs.get()()
