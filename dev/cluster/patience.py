"""How long to wait on this machine, now: every wait was written for a quiet one and is stretched by one factor.

The factor comes from what is measured: how long pods took to start lately, and how many programs want a processor.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

Found = TypeVar("Found")

QUIET_START = 4.0
"""Seconds from creating a pod of a small Python server to its being Ready, on two quiet cores."""
QUIET_LOAD = 3.0
"""Programs that want a processor, for each core: what the waits as they are written allow for."""
MOST = 8.0
"""No wait is stretched further: a cluster that is broken shall be told of some time."""
REMEMBERED = 6
"""Starts of pods that count: the slowest of them."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def _load_of_a_core() -> float:
    return os.getloadavg()[0] / (os.cpu_count() or 1)


class Pace:
    """The pace of a machine. May be used from several threads.

    `load` gives the number of programs that want a processor, for each core.
    """

    def __init__(self, load: Callable[[], float] = _load_of_a_core) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._starts: deque[float] = deque(maxlen=REMEMBERED)
        self._measured = 0

    def started(self, seconds: float, usual: float = QUIET_START) -> None:
        """A start took so many seconds, and would take `usual` seconds on two quiet cores."""
        with self._lock:
            self._starts.append(seconds / usual)
            self._measured += 1

    @property
    def measured(self) -> int:
        """How many starts have been measured so far."""
        with self._lock:
            return self._measured

    @property
    def slowest(self) -> float:
        """The slowest start of late, as a multiple of what is usual; 1 when there was none."""
        with self._lock:
            return max(self._starts, default=1.0)

    @property
    def factor(self) -> float:
        """By how much to stretch a wait: from 1 (as it is written) to MOST."""
        return min(MOST, max(1.0, self.slowest, self._load() / QUIET_LOAD))


PACE = Pace()
"""Of this machine, as this process knows it."""


def stretched(seconds: float) -> float:
    """So many seconds on a quiet machine are so many on this one."""
    return seconds * PACE.factor


def seconds_of(duration: str) -> float:
    """Of a duration as it stands in a spec or a command, such as `20s` or `1h30m`. Raises ValueError."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise ValueError(f"{duration!r} is no duration such as 20s, 5m or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def patient(words: Iterable[str | Path]) -> list[str]:
    """The words of a kubectl or helm command, with its `--timeout` stretched."""
    result: list[str] = []
    for word in map(str, words):
        flag, equals, duration = word.partition("=")
        if flag == "--timeout" and equals:
            result.append(f"{flag}={_stretched(duration)}")
        else:
            result.append(_stretched(word) if result[-1:] == ["--timeout"] else word)
    return result


def _stretched(duration: str) -> str:
    return f"{round(stretched(seconds_of(duration)))}s"


def hold_out(
    look: Callable[[], Found], seconds: float, *, every: float = 0.1, least: float = 1.0, pace: Pace = PACE
) -> Found:
    """The first true thing that `look` returns, or the last false one when the stretched `seconds` are over.

    The machine may get slower while one waits: the largest factor seen counts, and never less than `least`.
    """
    began, factor = time.monotonic(), least
    while not (found := look()):
        factor = max(factor, pace.factor)
        if time.monotonic() - began > seconds * factor:
            break
        time.sleep(every)
    return found
