"""A server that behaves as it is told, for whoever asks one."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager

#: From the bytes of one request (its head and body) to those of the answer; None closes the connection without one.
Behaviour = Callable[[bytes], Awaitable[bytes | None]]


#: At the end of an answer: close the connection behind it, without a word.
CLOSE = b"\0close"


def http(status: int, body: bytes = b"{}") -> bytes:
    """An answer's bytes."""
    return b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


async def _requests(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
        length = fields.get(b"content-length", b"0").strip()
        # A length that is none, or beyond all limits, is answered as it stands.
        wanted = int(length) if length.isdigit() and len(length) < 9 else 0
        yield head + await reader.readexactly(wanted)


@contextmanager
def stand_in(behaviour: Behaviour) -> Iterator[str]:
    """Its address, while it runs in a thread of its own."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            async for request in _requests(reader):
                answer = await behaviour(request)
                if answer is None:
                    break
                writer.write(answer.removesuffix(CLOSE))
                await writer.drain()
                if answer.endswith(CLOSE):
                    break
        writer.close()

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0, backlog=2_048))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(asyncio.sleep(0))
        loop.close()
