"""An event loop whose time stands still while anything can be done, and else jumps to what comes next."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _NoWaiting(selectors.DefaultSelector):
    """Does not wait for sockets, because there are none: it takes note of for how long it should have."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if timeout is None and not found:
            raise AssertionError("everything waits for something that never comes")
        self.now += timeout or 0.0
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
