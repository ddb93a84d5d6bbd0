"""The ASGI application: reads a body, hands it to the protocol, sends the answer. Bare on purpose; no framework."""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from verdigris_serving.http.connection import OPENED
from verdigris_serving.http.drain import Drain
from verdigris_serving.http.metrics import CONTENT_TYPE, Metrics
from verdigris_serving.http.routes import Routes
from verdigris_serving.logs import Sparse
from verdigris_serving.protocol.binary import HEADER
from verdigris_serving.protocol.service import Answer, InferenceService, ModelFault, error_answer

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

#: Largest body of a request, in bytes: some 40,000 rows of eight features.
MAX_BODY = 8 * 1024 * 1024
#: How much more is read and dropped, so that the caller gets to see the 413 instead of a reset connection.
MAX_DROPPED = 64 * 1024 * 1024
#: Seconds for a body to arrive in full.
BODY_DEADLINE = 30.0
#: A body larger than this (bytes) is computed in a thread, so that the loop goes on answering probes.
LARGE_BODY = 32 * 1024

_JSON = (b"content-type", b"application/json")
_CLOSE = (b"connection", b"close")
_log = logging.getLogger("verdigris.http")


def _header_length(headers: Headers) -> int | None:
    """What ``Inference-Header-Content-Length`` says; -1 when that is no number."""
    for name, value in headers:
        if name == HEADER:
            return int(value) if value.isdigit() and len(value) < 20 else -1
    return None


def _answer_headers(answer: Answer) -> Headers:
    headers = [(b"content-type", answer.content_type)]
    if answer.header_length is not None:
        headers.append((HEADER, b"%d" % answer.header_length))
    return headers


class _Gone(Exception):
    """The client left before its request was complete; there is nobody to answer."""


class App:
    """One model over HTTP."""

    def __init__(self, service: InferenceService, metrics: Metrics, drain: Drain, *, concurrency: int) -> None:
        self._service = service
        self._metrics = metrics
        self._drain = drain
        self._routes = Routes(service)
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="infer")
        self._faults = Sparse()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """ASGI's entry. Only HTTP is served; the server in front is told to offer nothing else."""
        method, path = scope["method"], scope["path"]
        try:
            if method == "POST" and path.endswith(("/infer", "/infer/")):
                await self._inference(scope, receive, send)
            elif method == "GET" and path == "/metrics":
                await self._send(scope, send, 200, self._metrics.exposition(), [(b"content-type", CONTENT_TYPE)])
            else:
                answer, allow = self._routes.look_up(method, path)
                headers = [_JSON, (b"allow", allow.encode())] if allow else [_JSON]
                await self._send(scope, send, answer.status, answer.body, headers)
        except _Gone:
            pass

    async def _inference(self, scope: Message, receive: Receive, send: Send) -> None:
        path = scope["path"]
        message = await receive()
        if message["type"] != "http.request":
            raise _Gone
        body: bytes = message["body"]
        started = time.perf_counter()
        if message.get("more_body"):
            answer_or_body = await self._rest(body, receive)
            started = time.perf_counter()
        else:
            answer_or_body = body
        header_length = _header_length(scope["headers"])
        if isinstance(answer_or_body, Answer):
            answer = answer_or_body
        elif path not in self._routes.infer:
            answer = self._routes.look_up("POST", path)[0]
        elif len(answer_or_body) > LARGE_BODY:
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(self._threads, self._infer, answer_or_body, header_length)
        else:
            answer = self._infer(answer_or_body, header_length)
        await self._send(scope, send, answer.status, answer.body, _answer_headers(answer))
        self._metrics.observe(answer.status, time.perf_counter() - started)

    async def _rest(self, first: bytes, receive: Receive) -> bytes | Answer:
        """The whole body, or the answer that refuses it."""
        chunks, size, more = [first], len(first), True
        try:
            async with asyncio.timeout(BODY_DEADLINE):
                while more and size <= MAX_DROPPED:
                    message = await receive()
                    if message["type"] != "http.request":
                        raise _Gone
                    size += len(message["body"])
                    more = message.get("more_body", False)
                    if size <= MAX_BODY:
                        chunks.append(message["body"])
        except TimeoutError:
            return error_answer(408, f"the body did not arrive within {BODY_DEADLINE:g} s")
        if size > MAX_BODY:
            return error_answer(413, f"the body is larger than {MAX_BODY} bytes; send the rows in several requests")
        return b"".join(chunks)

    def _infer(self, body: bytes, header_length: int | None) -> Answer:
        """Answer one inference request; whatever goes wrong inside becomes a 500 without a trace."""
        fresh_id = os.urandom(16).hex()
        try:
            return self._service.infer(body, fresh_id, header_length)
        except ModelFault as fault:
            self._report(fault.message, fault.request_id, trace=False)
            return error_answer(500, f"internal error, id {fault.request_id}: {fault.message}")
        except Exception:
            self._report("an inference failed in a way the server does not know", fresh_id, trace=True)
            return error_answer(500, f"internal error, id {fresh_id}")

    def _report(self, message: str, request_id: str, *, trace: bool) -> None:
        held = self._faults.allow(time.monotonic())
        if held is not None:
            fields = {"request": request_id, "not_logged_before": held}
            _log.error("%s", message, exc_info=trace, extra={"fields": fields})

    async def _send(self, scope: Message, send: Send, status: int, body: bytes, headers: Headers) -> None:
        headers.append((b"content-length", b"%d" % len(body)))
        # 408 and 413 leave bytes of the request unread: the connection cannot be used again.
        if status in {408, 413} or self._drain.closes(time.monotonic() - scope[OPENED]):
            headers.append(_CLOSE)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
