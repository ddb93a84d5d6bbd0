"""An event loop whose time stands still while anything can be done, and else jumps to what comes next."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from tests.patience import refuse, waiting

T = TypeVar("T")

MOST_SECONDS = 400_000.0
"""Virtual seconds after which whatever is waited for does not come."""
MOST_TURNS = 1_000_000
"""Turns of the loop in one moment after which time is taken to stand still for ever."""


class _NoWaiting(selectors.DefaultSelector):
    """Does not wait for sockets, because there are none: it takes note of for how long it should have."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._turns = 0
        self._refused = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        self._turns = 0 if timeout else self._turns + 1
        self.now += timeout or 0.0
        never = timeout is None and not found
        if not self._refused and (never or self.now > MOST_SECONDS or self._turns > MOST_TURNS):
            # What the loop does after this is to end.
            self._refused = True
            waited = f"{self.now:.1f} virtual seconds, and {self._turns} turns in that moment"
            raise refuse(waited, waiting(asyncio.get_running_loop()))
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` is in seconds since its start. `cost(seconds)` is how a test says that something took the CPU."""

    def __init__(self) -> None:
        self._no_waiting = _NoWaiting()
        super().__init__(self._no_waiting)

    def time(self) -> float:
        return self._no_waiting.now

    def cost(self, seconds: float) -> None:
        """The process was busy for so long, and nothing else ran."""
        self._no_waiting.now += seconds


def run(main: Coroutine[Any, Any, T]) -> T:
    """Like `asyncio.run`, in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def spend(seconds: float) -> None:
    """Take the CPU for so long."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.cost(seconds)


def now() -> float:
    """Virtual seconds since the start."""
    return asyncio.get_running_loop().time()
