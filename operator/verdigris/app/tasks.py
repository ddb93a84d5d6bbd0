"""Tasks that live as long as a part of the operator does: how they begin, and how they are seen to end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any


def start(name: str, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Begin it, under the name by which its end is told."""
    return asyncio.create_task(coroutine, name=name)


def ended(task: asyncio.Task[Any]) -> str:
    """How it ended, for the log."""
    if task.cancelled():
        return f"{task.get_name()} was cancelled"
    error = task.exception()
    return f"{task.get_name()} failed ({error!r})" if error is not None else f"{task.get_name()} ended"


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel it and see it end; how it ended was looked at before, or is of no interest."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task


async def drain(workers: list[asyncio.Task[Any]], seconds: float) -> None:
    """Let running reconciles finish for a while; workers that wait for a key end at once."""
    if seconds > 0:
        await asyncio.wait(workers, timeout=seconds)
    for worker in workers:
        await end(worker)
