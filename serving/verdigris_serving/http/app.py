"""From a request to its answer: routes, inference here or in a thread, and what is counted. Knows no sockets.

What comes by another port than HTTP's is let in by ``admit`` as well: one line, one set of threads, one count.
"""

import asyncio
import contextlib
import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial

from verdigris_serving.http.access import AccessLog
from verdigris_serving.http.admission import Admission, Rejection
from verdigris_serving.http.huge_bodies import HugeBodyLock
from verdigris_serving.http.inference import Inference, Spelling, version_field
from verdigris_serving.http.messages import COPY, FORWARDED, JSON, Request, Response
from verdigris_serving.http.metrics import CONTENT_TYPE, Metrics
from verdigris_serving.http.routes import INFERENCES, Routes
from verdigris_serving.http.workers import Workers
from verdigris_serving.protocol.service import Answer, InferenceService, error_answer

#: A body larger than this (bytes) is computed in a thread, so that the loop goes on answering probes.
LARGE_BODY = 32 * 1024

#: Takes in an answer that came later.
Done = Callable[[Request, Response], None]
_RETRY = b"retry-after: 1\r\n"
_TURNED_AWAY = {
    Rejection.QUEUE: "too many inferences are waiting already; ask again in a second",
    Rejection.MEMORY: "too many large bodies are being received already; ask again in a second",
    Rejection.LATE: "the server is overloaded; ask again in a second",
    Rejection.STOPPING: "the server is stopping and has no time left for this; ask again, and another one answers",
}


class App:
    """One model over HTTP. ``blocking``: its predictor is too slow for the event loop, however small the request.

    ``spellings``: how the bodies of what comes by another port are read, by the path that its requests have.
    """

    def __init__(
        self,
        service: InferenceService,
        metrics: Metrics,
        admission: Admission,
        *,
        concurrency: int,
        blocking: bool,
        lock: HugeBodyLock,
        page: Mapping[str, Answer] | None = None,
        access: AccessLog | None = None,
        spellings: Mapping[str, Spelling] | None = None,
    ) -> None:
        spellings = spellings or {}
        self._version = version_field(service.manifest)
        self._infer = Inference(service, admission.limits.body, lock, spellings).answer
        self._metrics = metrics
        self._admission = admission
        self.limits = admission.limits
        self._access = access
        self._routes = Routes(service, page, spellings)
        self._largest_inline = -1 if blocking else LARGE_BODY
        self._concurrency = concurrency
        self._workers = Workers(concurrency)
        self._line: deque[tuple[Request, Done]] = deque()
        #: Seconds of inference on the loop since a request last stood in line. It may have been over many rounds:
        #: then one request stands in line for nothing, and is answered in the next round.
        self._spent = 0.0
        self._turn_due = False
        self._turn_ended = 0.0
        #: Seconds that an inference on the loop takes, the last few counting most.
        self._usual = 0.0
        # As unique as a random number each time, for the price of one.
        self._ids = (f"{prefix}{number:016x}" for prefix in [os.urandom(8).hex()] for number in itertools.count())
        metrics.in_flight = lambda: admission.in_flight + len(self._line)

    def answer(self, request: Request, done: Done) -> Response | None:
        """The answer; or None, and ``done`` will be called with it on the event loop, later."""
        if request.method == "POST" and request.path.endswith(INFERENCES):
            request.inference = True
            return self.admit(request, done) if request.path in self._routes.infer else self._looked_up(request)
        if request.path == "/metrics" and request.method in {"GET", "HEAD"}:
            return Response(200, self._metrics.exposition(), CONTENT_TYPE)
        return self._looked_up(request)

    @property
    def waited_for(self) -> bool:
        """Whether requests wait for others before them."""
        return bool(self._line) or self._admission.in_flight > self._concurrency

    @property
    def untaken(self) -> int:
        """Bytes of answers that are written and that their clients do not take in."""
        return self._admission.untaken

    def may_pass_on(self, request: Request) -> bool:
        """Whether it asks for an inference by whichever version there is."""
        return request.method == "POST" and request.path in self._routes.of_any_version

    def refuse(self, request: Request, status: int, message: str) -> Response:
        """The answer to a request that will not be acted upon; the sentence of a 503 is a Rejection."""
        request.inference = request.method == "POST" and request.path in self._routes.infer
        if status == 503:
            return self.turn_away(Rejection(message))
        answer = error_answer(status, message)
        return Response(answer.status, answer.body, JSON, self._version if request.inference else b"")

    def turn_away(self, why: Rejection) -> Response:
        """The answer to a request for which there is no room."""
        self._metrics.reject(why)
        answer = error_answer(503, _TURNED_AWAY[why])
        return Response(503, answer.body, JSON, self._version + _RETRY)

    def answered(self, request: Request, response: Response) -> None:
        """To be called once the answer is on its way: counts it (its rows are counted by ``response.count``)."""
        if request.inference:
            forwarded = request.headers.get(FORWARDED)
            if forwarded == COPY:
                self._metrics.compared(response.status)
            else:
                seconds = time.monotonic() - request.arrived
                self._metrics.observe(response.status, seconds, passed_on=forwarded is not None)
        if self._access is not None:
            self._access.note(request, response, self._routes.label(request.path))

    def admit(self, request: Request, done: Done) -> Response | None:
        """The answer to an inference request, now or later, as with ``answer``; 503 when there is no room for it."""
        if not self._needs_a_thread(request):
            if self._line or self._spent > self._admission.limits.turn:
                return self._stand_in_line(request, done)
            return self._infer_here(request)
        if request.away:
            request.away = False
            self._admission.reenter()
        elif not self._admission.enter():
            return self.turn_away(Rejection.QUEUE)
        loop = asyncio.get_running_loop()
        self._workers.submit(partial(self._in_thread, request, next(self._ids), loop, done))
        return None

    def send_away(self, request: Request) -> bool:
        """Have another version asked for it first; False when too many may come back already. Then ``come_back``."""
        if self._needs_a_thread(request):
            request.away = self._admission.send_away()
            return request.away
        return True

    def come_back(self, request: Request) -> None:
        """The other version has answered, or nobody waits any more: no place is needed for it."""
        if request.away:
            request.away = False
            self._admission.come_back()

    def _needs_a_thread(self, request: Request) -> bool:
        # A packed body may be of any size: unpacked in threads, there are no more of them at once than threads.
        return len(request.body) > self._largest_inline or b"content-encoding" in request.headers

    def _stand_in_line(self, request: Request, done: Done) -> Response | None:
        limits = self._admission.limits
        if len(self._line) >= limits.line:
            return self.turn_away(Rejection.QUEUE)
        if len(self._line) * self._usual > limits.wait:
            return self.turn_away(Rejection.LATE)
        if not self._line:
            self._turn_ended = request.arrived
        self._line.append((request, done))
        self._make_turn_due()
        return None

    def _make_turn_due(self) -> None:
        if not self._turn_due:
            self._turn_due = True
            asyncio.get_running_loop().call_soon(self._take_a_turn)

    def _take_a_turn(self) -> None:
        """Answer the first in line, and the next ones for as long as a turn is."""
        turn, now = self._admission.limits.turn, time.monotonic()
        # At least half of the time is for inference, however many are being turned away in between.
        end = now + min(max(turn, now - self._turn_ended), 4 * turn)
        self._turn_due = False
        try:
            while self._line:
                self._serve_first()
                if time.monotonic() >= end:
                    break
        finally:
            self._spent, self._turn_ended = 0.0, time.monotonic()
            if self._line:
                self._make_turn_due()

    def _serve_first(self) -> None:
        request, done = self._line.popleft()
        if time.monotonic() - request.arrived > 2 * self._admission.limits.wait:
            done(request, self.turn_away(Rejection.LATE))
        else:
            done(request, Response(503, b"") if request.abandoned else self._infer_here(request))

    def _infer_here(self, request: Request) -> Response:
        began = time.monotonic()
        response = self._infer(request, next(self._ids))
        took = time.monotonic() - began
        self._spent += took
        self._usual += (took - self._usual) / 16
        return response

    def _in_thread(
        self,
        request: Request,
        fresh_id: str,
        loop: asyncio.AbstractEventLoop,
        done: Done,
    ) -> None:
        # A client that has left while it waited costs no time.
        response = Response(503, b"") if request.abandoned else self._infer(request, fresh_id)
        with contextlib.suppress(RuntimeError):  # the grace is over and the loop closed: nobody waits any more
            loop.call_soon_threadsafe(self._leave, request, response, done)

    def _leave(self, request: Request, response: Response, done: Done) -> None:
        self._admission.leave()
        done(request, response)

    def _looked_up(self, request: Request) -> Response:
        answer, allow = self._routes.look_up(request.method, request.path)
        return Response(
            answer.status, answer.body, answer.content_type, f"allow: {allow}\r\n".encode() if allow else b""
        )
