"""Whether the version that serves clients suffers from the load on the one beside it."""

import asyncio
import contextlib
import sys
from collections import deque
from collections.abc import AsyncIterator

from verdigris_serving.gate.client import Address
from verdigris_serving.gate.config import Guard
from verdigris_serving.gate.probe import EVERY
from verdigris_serving.gate.refusals import NotNow

#: Requests that the p95 is taken of: three seconds of them.
WINDOW = round(3 / EVERY)
_SHARE = 0.95
#: Without a limit of its own: so many times what it was before, and so many seconds more at least.
_FACTOR, _MORE = 2.0, 0.02
#: What a request without a good answer counts as, in seconds: more than any limit.
_FAILED = 1e6
#: Seconds to wait for the first answers.
_PATIENCE = 30.0


class Watch:
    """The last answers of the active version; ``limit`` is the p95 in seconds beyond which it suffers."""

    def __init__(self, limit: float | None) -> None:
        self._last: deque[float] = deque(maxlen=WINDOW)
        self._limit = limit
        self.before: float | None = None

    def add(self, took: float) -> None:
        """One more answer, in seconds; below zero: it was none, or an error."""
        self._last.append(took if took >= 0 else _FAILED)

    @property
    def full(self) -> bool:
        """Whether there are enough answers to say anything."""
        return len(self._last) == WINDOW

    @property
    def p95(self) -> float:
        """Of the last answers, in seconds."""
        return sorted(self._last)[int(_SHARE * len(self._last))]

    @property
    def limit(self) -> float:
        """In seconds, once it is known how the version is without load."""
        assert self.before is not None
        return self._limit or max(_FACTOR * self.before, self.before + _MORE)

    def begin(self) -> None:
        """What has been seen so far is how it is without load."""
        self.before = self.p95
        self._last.clear()

    def suffering(self) -> str:
        """What the clients of the active version notice, in words; empty while that is nothing."""
        if not self.full or self.p95 <= self.limit:
            return ""
        assert self.before is not None
        return (
            f"the active version's p95 rose from {_spelt(self.before)} to {_spelt(self.p95)}, and "
            f"{_spelt(self.limit)} is its limit"
        )


def _spelt(seconds: float) -> str:
    return "no answer" if seconds >= _FAILED else f"{seconds * 1000:.3g} ms"


@contextlib.asynccontextmanager
async def watching(guard: Guard, path: str, body: bytes) -> AsyncIterator[Watch]:
    """A watch that knows how the version is without load, and goes on. Raises NotNow where it does not answer."""
    address = Address.of(guard.url)
    watch, ready = Watch(guard.p95_seconds), asyncio.Event()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "verdigris_serving.gate.probe", guard.url, path),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )

    async def read() -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(body)
        process.stdin.write_eof()
        async for line in process.stdout:
            watch.add(float(line))
            if watch.full:
                ready.set()

    reading = asyncio.create_task(read())
    try:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ready.wait(), _PATIENCE)
        if not watch.full or watch.p95 >= _FAILED:
            raise NotNow(
                "ActiveNotReached",
                f"the active version at {address} does not answer, so nobody could see whether it suffers: nothing was "
                "loaded. Check guard.url, and that network policies let the gate's pod in",
            )
        watch.begin()
        yield watch
    finally:
        reading.cancel()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
