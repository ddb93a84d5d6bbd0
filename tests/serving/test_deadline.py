"""An answer that has come is not late because the pod that waits for it was held up."""

import asyncio
import socket
import time
from collections.abc import Callable

import pytest
import uvloop

from verdigris_serving.http.shield.deadline import Deadline

#: Seconds.
WITHIN = 0.05
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


class Reads(asyncio.Protocol):
    """Calls this with the first bytes."""

    def __init__(self, come: Callable[[], None]) -> None:
        self._come = come

    def data_received(self, data: bytes) -> None:  # noqa: ARG002 - that they come is all
        """They have."""
        self._come()


async def reads(come: Callable[[], None]) -> socket.socket:
    """A connection whose first bytes call this; gives its other end."""
    mine, other = socket.socketpair()
    await asyncio.get_running_loop().create_connection(lambda: Reads(come), sock=mine)
    return other


@pytest.mark.parametrize("loop", LOOPS)
def test_what_comes_while_the_loop_is_busy_until_after_the_deadline_is_in_time(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def held_up() -> str:
        ended = asyncio.get_running_loop().create_future()

        def answered() -> None:
            deadline.cancel()
            ended.set_result("answered")

        def busy() -> None:
            answers.send(b"an answer")
            time.sleep(2 * WITHIN)

        answers, asks = await reads(answered), await reads(busy)
        deadline = Deadline(WITHIN, lambda: ended.set_result("late"))
        asks.send(b"another request, which takes long")
        with answers, asks:
            found: str = await ended
        return found

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(held_up()) == "answered"


@pytest.mark.parametrize("loop", LOOPS)
def test_what_does_not_come_is_late(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def waited() -> float:
        ended, began = asyncio.Event(), time.monotonic()
        Deadline(WITHIN, ended.set)
        await ended.wait()
        return time.monotonic() - began

    with asyncio.Runner(loop_factory=loop) as runner:
        # The loop's clock counts in milliseconds.
        assert runner.run(waited()) >= WITHIN - 0.002
