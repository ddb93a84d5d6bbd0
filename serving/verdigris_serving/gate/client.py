"""A small HTTP client for asking one server many things: one request at a time on a connection, all on one loop."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools

from verdigris_serving.fetching.port import safe_uri
from verdigris_serving.gate.refusals import NotNow, Refusal

#: Bytes of an answer's body: beyond it, it is no answer to what is asked here.
MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Address:
    """Where a server is. ``path`` is what stands before the protocol's own paths."""

    host: str
    port: int
    path: str = ""

    @classmethod
    def of(cls, url: str) -> "Address":
        """From ``http://HOST[:PORT][/PATH]``. Raises Refusal."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or 80
        except ValueError:
            host, port = "", 0
        if not host or parts.scheme != "http" or parts.query or parts.username:
            raise Refusal(
                "ConfigInvalid", f"url {safe_uri(url)} is no address of a Service: write http://HOST:PORT, without more"
            )
        return cls(host, port, parts.path.rstrip("/"))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{self.path}"

    def request(self, path: str, body: bytes = b"", method: str = "POST") -> bytes:
        """The bytes of a request."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        head = (
            f"{method} {self.path}{path} HTTP/1.1\r\nhost: {host}:{self.port}\r\nuser-agent: verdigris-gate\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@dataclass(frozen=True)
class Reply:
    """An answer; ``status`` 0 and no body: none came, and ``fault`` says why.

    ``stale``: the connection had been kept, and its other end closed it while the request was on its way, which is no
    fault of anybody's: it is to be asked once more on a new one.
    """

    status: int
    body: bytes = b""
    fault: str = ""
    stale: bool = False


Ended = Callable[[Reply], None]


class Line(asyncio.Protocol):
    """One connection. ``ask`` calls back once for each request, whatever happens to it."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._ended: Ended | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._size = 0
        self._whole = False
        #: Whether it has answered before, and whether a part of the next answer is here.
        self._kept = self._answering = False

    @property
    def usable(self) -> bool:
        """Whether another request can be sent on it."""
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, request: bytes, ended: Ended) -> None:
        """Send a request; the one before is answered."""
        self._ended, self._answering = ended, False
        if self._transport is None or self._transport.is_closing():
            self._end(Reply(0, fault="the connection was closed", stale=self._kept))
        else:
            self._transport.write(request)

    def give_up(self, fault: str) -> None:
        """Wait no longer for the answer under way; the connection ends with it."""
        self.close()
        self._end(Reply(0, fault=fault))

    def abandon(self) -> None:
        """End the connection, and tell nobody: it is over."""
        self._ended = None
        self.close()

    def close(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called once, first."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by behaviour, not by class

    def connection_lost(self, exc: Exception | None) -> None:
        """Called once, last."""
        fault = f"the connection was {'reset' if exc else 'closed without an answer'}"
        self._end(Reply(0, fault=fault, stale=self._kept and not self._answering))

    def data_received(self, data: bytes) -> None:
        """Some bytes of the answer."""
        self._answering = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.give_up("the answer is no HTTP")
            return
        if self._whole:
            reply = Reply(self._parser.get_status_code(), b"".join(self._pieces))
            if not self._parser.should_keep_alive():
                self.close()
            self._pieces, self._size, self._whole, self._kept = [], 0, False, True
            self._end(reply)

    def on_body(self, data: bytes) -> None:
        """A part of the body, as httptools calls it."""
        self._size += len(data)
        if self._size > MOST_BYTES:
            self.give_up("the answer does not end")
        else:
            self._pieces.append(data)

    def on_message_complete(self) -> None:
        """The answer is whole; an interim one (100) is none."""
        self._whole = self._parser.get_status_code() >= 200

    def _end(self, reply: Reply) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(reply)


async def connected(address: Address, within: float) -> Line:
    """A new connection. Raises OSError (TimeoutError among them)."""
    line = Line()
    async with asyncio.timeout(within):
        await asyncio.get_running_loop().create_connection(lambda: line, address.host, address.port)
    return line


async def asked(line: Line, request: bytes, within: float) -> Reply:
    """The reply to one request."""
    waiting: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def ended(reply: Reply) -> None:
        if not waiting.done():
            waiting.set_result(reply)

    line.ask(request, ended)
    try:
        async with asyncio.timeout(within):
            return await waiting
    except TimeoutError:
        line.close()
        return Reply(0, fault=f"there was no answer within {within:g} s")


def unreachable(address: Address, error: OSError) -> NotNow:
    """Why nothing was asked at all: that is no fault of the model's."""
    cause = "nothing took the connection in time" if isinstance(error, TimeoutError) else error
    return NotNow(
        "Unreachable",
        f"{address} cannot be reached: {cause}. Check that the Service has ready endpoints, and that network policies "
        "let the gate's pod in",
    )
