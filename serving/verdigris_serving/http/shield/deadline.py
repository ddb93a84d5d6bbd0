"""When an answer of the version on trial is late: not where it is here already, and only this pod was held up."""

import asyncio
from collections.abc import Callable


class Deadline:
    """Calls ``late`` after so many seconds, unless it is cancelled before; belongs to the running event loop."""

    def __init__(self, seconds: float, late: Callable[[], None]) -> None:
        self._late = late
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.Handle = self._loop.call_later(seconds, self._over)

    def cancel(self) -> None:
        """Do not call it."""
        self._handle.cancel()

    def _over(self) -> None:
        # A loop may run its timers before it reads. What came while it had no processor is read within two rounds.
        self._handle = self._loop.call_soon(self._read)

    def _read(self) -> None:
        self._handle = self._loop.call_soon(self._late)
