"""One client's connection: requests answered in their order, at the pace at which the client takes the answers.

Nothing waits for a slow client but its own connection. A connection ends gently: after the last answer only our half
is closed, and what still arrives is dropped for a moment, because closing a socket with unread bytes resets it, and
a reset can overtake the answer.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import cast

from verdigris_serving.http.admission import Admission, Rejection
from verdigris_serving.http.drain import Drain
from verdigris_serving.http.messages import CONTINUE, COPY, FORWARDED, Request, Response, render
from verdigris_serving.http.parser import RequestParser, Stage
from verdigris_serving.http.shield.front import Shield

#: Pipelined requests of one connection answered in a row before the others get their turn.
BURST = 16
#: Seconds after which whoever asked for an answer has it, unless the connection has been reset.
CONFIRMED_AFTER = 0.05
_KEEP, _KEEP_1_0, _CLOSE = b"", b"connection: keep-alive\r\n", b"connection: close\r\n"


class Shared:
    """What all connections of a server have in common."""

    def __init__(self, app: Shield, drain: Drain, admission: Admission) -> None:
        self.app = app
        self.drain = drain
        self.admission = admission
        self.limits = admission.limits
        self.connections: set[Connection] = set()
        #: The value of the ``Date`` field; renewed with each beat.
        self.date = b""


class Connection(asyncio.Protocol):
    """A connection from its first byte to its last."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self._parser = RequestParser(shared.limits)
        self._waiting: deque[Request] = deque()
        #: The request that is being computed in a thread.
        self._computing: Request | None = None
        self._stalled = False
        self._no_more = False
        self._lingering = False
        self._paused = False
        self._dropped = 0
        #: Bytes accounted for with the admission.
        self._held = 0
        self._untaken = 0
        #: Counts the rows of an answer that another pod has asked for and may not have waited for.
        self._unconfirmed: Callable[[], None] | None = None

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called once, first."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by behaviour, not by class
        self._opened = self._since = time.monotonic()
        self.shared.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called once, last: nobody waits for an answer any more."""
        self.shared.connections.discard(self)
        self._count_untaken(0)
        self._confirm(had_it=exc is None)
        self._waiting.clear()
        self._lingering = True
        if self._computing is None:
            self._hold(0)
        else:
            # Its body is there until whoever computes lets go of it: clients that come and leave would fill the memory.
            self._computing.abandoned = True

    def data_received(self, data: bytes) -> None:
        """Some bytes; any number of requests may end in them."""
        if self._lingering:
            self._dropped += len(data)
            if self._dropped > self.shared.limits.dropped:
                self._transport.abort()
            return
        parser = self._parser
        stage = parser.stage
        requests = parser.feed(data)
        now = time.monotonic()
        if requests:
            if self._unconfirmed is not None:
                self._confirm(had_it=True)
            for request in requests:
                request.arrived = now
            self._since = now
            self._waiting.extend(requests)
            self._advance()
        elif parser.stage is not stage:
            self._since = now
        if parser.stage is Stage.BODY:
            self._body_goes_on()

    def eof_received(self) -> bool:
        """The client sends no more; it may still be waiting for answers."""
        self._no_more = True
        return not self._lingering and (self._computing is not None or bool(self._waiting))

    def pause_writing(self) -> None:
        """The client does not take in what it is sent: no further request is answered before it has."""
        self._stalled = True
        self._since = time.monotonic()
        self._count_untaken(self._transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """It has."""
        self._stalled = False
        self._count_untaken(0)
        self._since = time.monotonic()
        self._advance()

    # What the server calls.

    @property
    def idle(self) -> bool:
        """Nothing of a request is here, nothing is being computed or sent."""
        return self._computing is None and not self._waiting and self._parser.stage is Stage.BETWEEN

    def look(self, now: float) -> None:
        """End what has taken too long, at ``now`` (seconds, monotonic)."""
        limits, taken = self.shared.limits, now - self._since
        if self._unconfirmed is not None and taken > CONFIRMED_AFTER:
            self._confirm(had_it=True)
        if self._lingering or self._stalled:
            if taken > (limits.write_deadline if self._stalled else limits.linger):
                self._transport.abort()
        elif self._computing is not None or self._waiting:
            return
        elif self._parser.stage is Stage.HEAD and taken > limits.head_deadline:
            self._refuse(408, f"the request's head did not arrive within {limits.head_deadline:g} s")
        elif self._parser.stage is Stage.BODY and taken > limits.body_deadline:
            self._refuse(408, f"the body did not arrive within {limits.body_deadline:g} s")
        elif self._parser.stage is Stage.BETWEEN and taken > limits.idle:
            self.close()

    def cut_off(self) -> None:
        """Answer what is under way with 503: there is no time left to compute it."""
        if self._computing is not None:
            self._waiting.appendleft(self._computing.again())
            self._computing.abandoned = True
            self._computing = None
        for request in self._waiting:
            request.refusal = (503, Rejection.STOPPING)
        if self._parser.stage is not Stage.BETWEEN:
            self._waiting.extend(self._parser.take_refusal(503, Rejection.STOPPING))
        self._advance()

    def close(self) -> None:
        """Close once everything written is sent."""
        self._transport.close()

    def abort(self) -> None:
        """Close at once, whatever is lost."""
        self._transport.abort()

    # Answering.

    def _advance(self) -> None:
        """Answer what waits, in order, until something has to be waited for."""
        for _ in range(BURST):
            if not self._waiting or self._computing is not None or self._stalled or self._lingering:
                break
            self._answer(self._waiting.popleft())
        else:
            if self._waiting:
                asyncio.get_running_loop().call_soon(self._advance)
        self._steer()

    def _answer(self, request: Request) -> None:
        shared = self.shared
        response: Response | None
        if request.refusal is not None:
            response = shared.app.refuse(request, *request.refusal)
        else:
            response = shared.app.answer(request, self._computed)
        if response is None:
            self._computing = request
        else:
            self._send(request, response)

    def _computed(self, request: Request, response: Response) -> None:
        self._computing = None
        self._since = time.monotonic()
        if request.abandoned:
            self._hold(0)
            return
        self._send(request, response)
        self._advance()
        if self._parser.stage is Stage.BODY:
            self._body_goes_on()

    def _refuse(self, status: int, message: str) -> None:
        """End what is arriving with a refusal, after what came before it is answered."""
        self._waiting.extend(self._parser.take_refusal(status, message))
        self._waiting[-1].arrived = self._since = time.monotonic()
        self._advance()

    def _send(self, request: Request, response: Response) -> None:
        shared = self.shared
        last = not request.keep_alive
        if not last and not self._waiting:
            last = self._no_more or (self._parser.stage is Stage.BETWEEN and self._may_not_stay())
        connection = _CLOSE if last else _KEEP_1_0 if request.old else _KEEP
        self._transport.write(render(response, shared.date, connection, head_only=request.method == "HEAD"))
        shared.app.answered(request, response)
        if response.count is not None:
            if FORWARDED in request.headers:
                self._count_later(request, response.count)
            else:
                response.count()
        self._hold(self._parser.size if self._parser.stage is Stage.BODY else 0)
        if last:
            self._leave()

    def _count_later(self, request: Request, count: Callable[[], None]) -> None:
        self._confirm(had_it=True)
        if request.headers[FORWARDED] != COPY:
            self._since = time.monotonic()
            self._unconfirmed = count

    def _confirm(self, *, had_it: bool) -> None:
        """Whoever asked had the last answer, and uses it; or had given it up, and reset the connection."""
        count, self._unconfirmed = self._unconfirmed, None
        if count is not None and had_it:
            count()

    def _may_not_stay(self) -> bool:
        """Asked only where nothing of a further request is here: that one would be lost."""
        shared = self.shared
        age = time.monotonic() - self._opened
        return shared.drain.closes(age) or len(shared.connections) > shared.limits.connections

    def _leave(self) -> None:
        """The last answer has been written."""
        self._lingering = True
        self._since = time.monotonic()
        self._waiting.clear()
        if self._no_more:
            self._transport.close()
        else:
            self._transport.write_eof()

    # Reading.

    def _body_goes_on(self) -> None:
        """A part of a body has arrived, and more is to come."""
        computing = 0 if self._computing is None else len(self._computing.body)
        if not self._hold(computing + self._parser.size):
            self._refuse(503, Rejection.MEMORY)
        elif self._computing is None and not self._waiting and self._parser.wants_continue():
            self._transport.write(CONTINUE)

    def _count_untaken(self, size: int) -> None:
        self.shared.admission.untaken += size - self._untaken
        self._untaken = size

    def _hold(self, size: int) -> bool:
        more, self._held = size - self._held, size
        return not more or self.shared.admission.hold(more)

    def _steer(self) -> None:
        """Read no further while requests wait here or answers are not taken in."""
        pause = (bool(self._waiting) or self._stalled) and not self._lingering
        if pause is self._paused or self._transport.is_closing():
            return
        self._paused = pause
        if pause:
            self._transport.pause_reading()
        else:
            # The time for which nothing was read is not the client's.
            self._since = time.monotonic()
            self._transport.resume_reading()
