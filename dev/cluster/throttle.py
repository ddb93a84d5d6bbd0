"""How many scenarios may run at once on this machine: as many as it bears, by how long pods take to start."""

from __future__ import annotations

import os
import threading
from types import TracebackType

from dev.cluster.patience import PACE, Pace

OF_A_CORE = 4
"""Scenarios for each core, when all is quiet. Each waits most of the time: for a kubelet, a probe, a scrape."""
LEAST, MOST = 2, 16
BORNE = 3.0
"""So much slower than alone may the pods start that many scenarios make together."""


class Throttle:
    """Context manager for one scenario: entering waits until there is room for it. For several threads."""

    def __init__(self, most: int | None = None, pace: Pace = PACE) -> None:
        self.most = most or min(MOST, max(LEAST, OF_A_CORE * (os.cpu_count() or 1)))
        self._pace = pace
        self._running = 0
        self._changed = threading.Condition()

    @property
    def limit(self) -> int:
        """How many may run now: fewer the slower the machine, and no more than LEAST before a start was measured.

        Each start that is measured makes room for one more: all at once would be slow on any machine.
        """
        bearable = int(self.most * BORNE / self._pace.factor)
        return min(self.most, max(LEAST, bearable), LEAST + self._pace.measured)

    def __enter__(self) -> None:
        with self._changed:
            while self._running >= self.limit:
                # The pace changes without anybody telling.
                self._changed.wait(1.0)
            self._running += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._changed:
            self._running -= 1
            self._changed.notify()
