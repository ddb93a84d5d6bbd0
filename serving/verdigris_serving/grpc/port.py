"""The port: gRPC's own server, which hands each inference to the App and carries its answer back.

No connection is kept for longer than a second. A client of gRPC stays on its connection for ever, also on a version
that is taken back, and gRPC's server takes the age of a connection only when it is made: it cannot follow the traffic
file as HTTP does. It tells a client to go in a way that loses no call (docs/design/0030-grpc.md).
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import grpc
from grpc import aio

from verdigris_serving.grpc.calls import MODEL_INFER, SERVICE, Calls
from verdigris_serving.http.admission import Admission, Rejection
from verdigris_serving.http.app import App
from verdigris_serving.http.drain import TRIAL_AGE
from verdigris_serving.http.inference import Spelling
from verdigris_serving.http.listener import listen
from verdigris_serving.http.messages import Request, Response
from verdigris_serving.protocol.service import InferenceService
from verdigris_serving.reasons import Reason, ServingError

_log = logging.getLogger("verdigris.grpc")
#: Calls under way on one connection; a client's further ones wait in the client.
STREAMS = 128
#: What a status of HTTP is called here; any other is INTERNAL.
_CODES = {
    **dict.fromkeys((400, 415, 422), grpc.StatusCode.INVALID_ARGUMENT),
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}
#: As Retry-After: a second (in ms), for clients that retry by themselves.
_RETRY = (("grpc-retry-pushback-ms", "1000"),)
_Context = aio.ServicerContext[bytes, bytes]


class Port:
    """gRPC on port ``number`` (0: any free one); belongs to the loop it is opened on.

    What is counted, and who is turned away, is the App's and the Admission's to say. The App must know ``spellings``.
    """

    def __init__(self, number: int, service: InferenceService, admission: Admission) -> None:
        self.number = number
        self._calls = Calls(service)
        self._admission = admission
        self.spellings: Mapping[str, Spelling] = {MODEL_INFER: self._calls.infer}
        #: The inferences under way, each with who waits for its answer.
        self._waiting: dict[Request, asyncio.Future[Response]] = {}
        self._arrived = self._seen = 0
        self._closing: asyncio.Task[None] | None = None

    async def open(self, app: App) -> None:
        """Have calls answered by ``app`` from now on. Raises ServingError when the port cannot be listened on."""
        self._app = app
        limits = self._admission.limits
        self._server = aio.server(
            options=[
                ("grpc.max_receive_message_length", limits.body),
                ("grpc.max_send_message_length", -1),
                ("grpc.max_metadata_size", limits.head),
                ("grpc.max_concurrent_streams", STREAMS),
                ("grpc.max_connection_age_ms", round(TRIAL_AGE * 1000)),
            ]
        )
        self._server.add_generic_rpc_handlers((self._handlers(),))
        try:
            # gRPC itself would share the port with any other process that listens there so.
            listen(self.number).close()
            self.number = self._server.add_insecure_port(f"[::]:{self.number}")
        except (OSError, RuntimeError) as error:
            raise ServingError(
                Reason.SETTINGS_INVALID, f"port {self.number} cannot be listened on: {error}; set VERDIGRIS_GRPC_PORT"
            ) from error
        await self._server.start()
        _log.info("gRPC is answered as well", extra={"fields": {"grpc_port": self.number}})

    def busy(self) -> bool:
        """Whether an inference is under way, or has come since this was last asked."""
        came, self._seen = self._arrived != self._seen, self._arrived
        return came or bool(self._waiting)

    def close(self, grace: float) -> None:
        """Take no more; what is under way has ``grace`` seconds."""
        self._closing = asyncio.get_running_loop().create_task(self._server.stop(grace))

    def cut_off(self) -> None:
        """Answer what is under way with UNAVAILABLE: there is no time left to compute it."""
        for request, answer in self._waiting.items():
            request.abandoned = True
            _settle(answer, self._app.turn_away(Rejection.STOPPING))

    async def closed(self, within: float) -> None:
        """Until every call has ended, for ``within`` seconds at most; to be called after ``close``."""
        if self._closing is not None:
            await asyncio.wait({self._closing}, timeout=max(0.0, within))

    def _handlers(self) -> grpc.GenericRpcHandler:
        calls = self._calls
        behaviours: dict[str, Callable[[bytes, _Context], Awaitable[bytes]]] = {
            **{name: partial(_told, answer) for name, answer in calls.of_server.items()},
            **{name: partial(self._about_model, name) for name in calls.of_model},
            "ModelInfer": self._infer,
        }
        methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            name: grpc.unary_unary_rpc_method_handler(behaviour) for name, behaviour in behaviours.items()
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    async def _about_model(self, name: str, body: bytes, context: _Context) -> bytes:
        answer = self._calls.about_model(name, body)
        return await _given(Response(answer.status, answer.body), context)

    async def _infer(self, body: bytes, context: _Context) -> bytes:
        request = Request("POST", MODEL_INFER, {}, body, keep_alive=True)
        request.arrived, request.inference = time.monotonic(), True
        self._arrived += 1
        room = self._admission.hold(len(body))
        try:
            response = await self._answer(request) if room else self._app.turn_away(Rejection.MEMORY)
        finally:
            self._admission.hold(-len(body))
        self._app.answered(request, response)
        if response.count is not None:
            response.count()
        return await _given(response, context)

    async def _answer(self, request: Request) -> Response:
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        response = self._app.admit(request, lambda _request, response: _settle(answer, response))
        if response is not None:
            return response
        self._waiting[request] = answer
        try:
            return await answer
        except asyncio.CancelledError:  # the client has left, or its deadline is over
            request.abandoned = True
            raise
        finally:
            del self._waiting[request]


def _settle(answer: asyncio.Future[Response], response: Response) -> None:
    if not answer.done():
        answer.set_result(response)


async def _told(answer: bytes, _body: bytes, _context: _Context) -> bytes:
    return answer


async def _given(response: Response, context: _Context) -> bytes:
    """The message of an answer; what is no answer ends the call with its status and sentence."""
    if response.status == 200:
        return response.body
    code = _CODES.get(response.status, grpc.StatusCode.INTERNAL)
    return await context.abort(code, json.loads(response.body)["error"], _RETRY if response.status == 503 else ())
