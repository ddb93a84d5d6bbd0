"""A wait that ends early, for what goes on beside the reconciles."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


async def until(changed: asyncio.Event, seconds: float, pause: Callable[[float], Awaitable[None]]) -> None:
    """Until `changed` is set, or `pause` has waited for so many seconds."""
    waits = [asyncio.ensure_future(pause(seconds)), asyncio.ensure_future(changed.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
