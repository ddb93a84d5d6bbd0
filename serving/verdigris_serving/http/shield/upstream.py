"""Connections to the version on trial: HTTP/1.1, one request at a time on each, kept for a moment.

Their other end is a Service, which spreads connections over its ready pods, not requests. So no connection grows old:
a pod that is new has its share within a second or two, and one that is gone gets nothing more.
"""

import asyncio
import errno
import socket
import struct
import time
from collections.abc import Callable
from typing import cast

from verdigris_serving.http.messages import PASSED_ON, Request, Response
from verdigris_serving.http.shield.outcomes import Outcome
from verdigris_serving.http.shield.passing import outcome_of, passed_back, rendered
from verdigris_serving.http.shield.reading import AnswerParser

#: Seconds for which a connection is used.
MOST_AGE = 1.0
#: Connections at once, and so requests that are under way; each may hold a body.
MOST_CONNECTIONS = 256
#: Bytes of an answer.
MOST_BYTES = 64 * 2**20
#: Bytes of all answers together that have begun, or are whole and not taken in by their clients.
MOST_HELD = 2 * MOST_BYTES
#: The part of the container's memory that those may have: one is there up to three times while it is passed back.
OF_THE_MEMORY = 4
#: Bytes of one answer after which whatever else is to be done has its turn.
AT_A_TIME = 2**20
#: Why this pod can make no connection, whoever is at the other end: no file, port or memory is left.
_WANTS = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM})
#: Ends a connection with a reset: who was to answer learns that nobody waited.
_WITH_A_RESET = struct.pack("ii", 1, 0)
#: Takes in how an exchange ended, and the answer where there is one.
Ended = Callable[[Outcome, Response | None], None]


class Exchange:
    """One request on its way: ``ended`` is called once, unless it is ``dropped`` before."""

    def __init__(self, request: Request, ended: Ended) -> None:
        self.request = request
        self._ended: Ended | None = ended
        self.line: Line | None = None
        #: What makes a connection for it.
        self.connecting: asyncio.Task[None] | None = None
        #: Whether it is on a connection that had been kept, which its other end may have just closed.
        self.reused = False

    def end(self, outcome: Outcome, response: Response | None = None) -> None:
        """Tell how it ended."""
        ended, self._ended, self.line = self._ended, None, None
        if ended is not None:
            ended(outcome, response)

    @property
    def over(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._ended is None

    def drop(self) -> None:
        """Wait no longer. Its connection ends: whatever still came over it would be this answer."""
        self._ended = None
        if self.line is not None:
            self.line.reset()
        if self.connecting is not None:
            self.connecting.cancel()


class Upstream:
    """The connections to one address; belongs to the running event loop.

    ``mark`` is what its requests are marked with, ``connections`` how many there may be at once, and ``most_bytes``
    what an answer may have. ``memory`` is what the container has, ``untaken`` tells how many bytes of answers clients
    do not take in.
    """

    def __init__(
        self,
        host: str,
        port: int,
        mark: bytes = PASSED_ON,
        connections: int = MOST_CONNECTIONS,
        most_bytes: int = MOST_BYTES,
        *,
        memory: int | None = None,
        untaken: Callable[[], int] = lambda: 0,
    ) -> None:
        self.address = host, port
        self._most_held = MOST_HELD if memory is None else min(MOST_HELD, memory // OF_THE_MEMORY)
        self.most_bytes = min(most_bytes, self._most_held)
        self._untaken = untaken
        self._mark = mark
        self._most_connections = connections
        self._name = f"[{host}]:{port}".encode() if ":" in host else f"{host}:{port}".encode()
        self._idle: list[Line] = []
        self._connecting = 0
        self._open = 0
        self._held = 0
        self._closed = False
        self._keeps = True

    @property
    def connections(self) -> int:
        """Connections that are open or on their way."""
        return self._connecting + self._open

    def ask(self, request: Request, ended: Ended) -> Exchange | None:
        """Pass a request on; None when too many are under way."""
        self._closed = False
        exchange = Exchange(request, ended)
        line = self._kept()
        if line is not None:
            exchange.reused = True
            line.send(exchange, rendered(request, self._name, self._mark))
        elif self.connections < self._most_connections:
            self._connect(exchange)
        else:
            return None
        return exchange

    def close(self) -> None:
        """Keep no connection until it is asked again; what is under way may end."""
        self._closed = True
        self._drop_idle()

    def _drop_idle(self) -> None:
        for line in self._idle:
            line.abort()
        self._idle.clear()

    def tidy(self) -> None:
        """End idle connections that have grown old; to be called now and then."""
        now = time.monotonic()
        old = [line for line in self._idle if line.outlived(now)]
        self._idle = [line for line in self._idle if not line.outlived(now)]
        for line in old:
            line.abort()

    def _kept(self) -> "Line | None":
        now = time.monotonic()
        while self._idle:
            line = self._idle.pop()
            if not line.outlived(now):
                return line
            line.abort()
        return None

    def _connect(self, exchange: Exchange) -> None:
        self._connecting += 1
        exchange.connecting = asyncio.get_running_loop().create_task(self._begin(exchange))
        # Not at the end of the task itself: one that is cancelled before its first step never gets there.
        exchange.connecting.add_done_callback(self._tried)

    def _tried(self, _connecting: "asyncio.Task[None]") -> None:
        self._connecting -= 1

    async def _begin(self, exchange: Exchange) -> None:
        line = Line(self)
        try:
            await asyncio.get_running_loop().create_connection(lambda: line, *self.address)
        except OSError as error:
            line.drop()
            exchange.end(Outcome.BUSY if error.errno in _WANTS else Outcome.UNREACHABLE)
        except ValueError:  # a host that is no name at all
            line.drop()
            exchange.end(Outcome.UNREACHABLE)
        except asyncio.CancelledError:
            line.abort()
            line.drop()
            raise
        else:
            if line.outlived(time.monotonic()):  # its other end has closed it already: nobody would tell of it again
                exchange.end(Outcome.RESET)
            else:
                line.send(exchange, rendered(exchange.request, self._name, self._mark))
        finally:
            exchange.connecting = None

    def made(self) -> None:
        """A connection is open."""
        self._open += 1

    def hold(self, size: int) -> bool:
        """Account for ``size`` more bytes of answers (negative: fewer); False when that is more than there may be."""
        self._held += size
        return self._held + self._untaken() <= self._most_held

    def keep(self, line: "Line") -> None:
        """A connection is free for the next request."""
        if self._closed or not self._keeps or line.outlived(time.monotonic()):
            line.abort()
        else:
            self._idle.append(line)

    def distrust(self) -> None:
        """Something came that nobody had asked for: on a kept connection it would be taken for another's answer.

        From here on each connection has one request.
        """
        self._keeps = False
        self._drop_idle()

    def lost(self, line: "Line", exchange: Exchange | None) -> None:
        """A connection is gone, with a request on it or without."""
        self._open -= 1
        if line in self._idle:
            self._idle.remove(line)
        if exchange is None or exchange.over:
            return
        if exchange.reused and not line.answering:
            # Its other end closed it while the request was on its way: no fault of anybody's. Once more, on a new one.
            exchange.reused, exchange.line = False, None
            self._connect(exchange)
        else:
            exchange.end(Outcome.RESET)


class Line(asyncio.Protocol):
    """One connection to the version on trial."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._transport: asyncio.Transport | None = None
        self._opened = 0.0
        self._exchange: Exchange | None = None
        self._answer = AnswerParser(upstream.most_bytes)
        #: Bytes accounted for with the upstream.
        self._held = 0
        self._read_until = AT_A_TIME

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called once, first."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by behaviour, not by class
        self._opened = time.monotonic()
        self._upstream.made()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why it ended changes nothing
        """Called once, last."""
        self._hold(0)
        exchange, self._exchange = self._exchange, None
        self._upstream.lost(self, exchange)
        self._answer.drop()

    def outlived(self, now: float) -> bool:
        """Whether it is too old for another request, or closing."""
        return self._transport is None or self._transport.is_closing() or now - self._opened >= MOST_AGE

    @property
    def answering(self) -> bool:
        """Whether a part of the answer is here."""
        return self._answer.size > 0

    def send(self, exchange: Exchange, data: bytes) -> None:
        """Send a request."""
        self._exchange, exchange.line = exchange, self
        self._read_until = AT_A_TIME
        if self._transport is not None:
            self._transport.write(data)

    def drop(self) -> None:
        """Let go of everything, where there was never a connection: of one that was, its end does."""
        if self._transport is None:
            self._answer.drop()

    def abort(self) -> None:
        """Close at once, whatever is lost."""
        if self._transport is not None:
            self._transport.abort()

    def reset(self) -> None:
        """The same, and have the other end know that its answer was not waited for: it counts no row of it."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _WITH_A_RESET)
        self.abort()

    def data_received(self, data: bytes) -> None:
        """Some bytes of the answer."""
        if self._exchange is None:
            self._upstream.distrust()
            self.abort()
            return
        answer = self._answer
        answer.feed(data)
        if answer.malformed:
            if answer.whole:  # and more
                self._upstream.distrust()
            self._end(Outcome.MALFORMED, None)
        elif answer.whole:
            response = passed_back(self._exchange.request, answer.status, answer.fields, answer.body)
            self._end(outcome_of(response), response)
        elif not self._hold(answer.size):
            self._end(Outcome.BUSY, None)
        elif answer.size >= self._read_until and self._transport is not None:
            # The loop would read on for as long as there is more, and everybody else would wait.
            self._read_until = answer.size + AT_A_TIME
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._read_on)

    def _read_on(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _hold(self, size: int) -> bool:
        more, self._held = size - self._held, size
        return self._upstream.hold(more)

    def _end(self, outcome: Outcome, response: Response | None) -> None:
        exchange, self._exchange = self._exchange, None
        self._hold(0)
        if self._answer.stays and not self._answer.malformed:
            self._upstream.keep(self)
        else:
            self.abort()
        self._answer.await_another()
        if exchange is not None:
            exchange.end(outcome, response)
