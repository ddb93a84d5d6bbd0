"""Serving, once the port is taken (``server.py``): verify, load, prove, and only then answer.

Nothing answers before the checksum, the load and the golden rows are through, so a pod that is ready serves the
very bytes that were asked for. Exit code 0: asked to stop. 1: could not start; the termination message says why.
"""

import asyncio
import gc
import logging
import socket
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import uvloop

from verdigris_serving.artifact.limits import bounded_time, memory_limit
from verdigris_serving.artifact.verify import load_verified
from verdigris_serving.http.access import AccessLog
from verdigris_serving.http.admission import Admission
from verdigris_serving.http.app import App
from verdigris_serving.http.drain import Drain
from verdigris_serving.http.huge_bodies import HugeBodyLock, releasing
from verdigris_serving.http.lifecycle import Server, allow_many_connections, end_within
from verdigris_serving.http.limits import BODY, Limits
from verdigris_serving.http.listener import listen
from verdigris_serving.http.metrics import Metrics
from verdigris_serving.http.shield.front import Shield
from verdigris_serving.http.shield.order import Orders
from verdigris_serving.http.shield.shadow.copies import Comparison
from verdigris_serving.logs import set_up_logging
from verdigris_serving.model.loaded import LoadedModel
from verdigris_serving.protocol.service import Answer, InferenceService
from verdigris_serving.protocol.tensors import MAX_ROWS
from verdigris_serving.reasons import Reason, ServingError, write_termination
from verdigris_serving.settings import ServerSettings, termination_log

if TYPE_CHECKING:
    from verdigris_serving.grpc.port import Port

_log = logging.getLogger("verdigris.server")


def serve(settings: ServerSettings, listener: socket.socket | None, termination: str) -> None:
    """Load the model and serve it until a signal says stop. Raises ServingError when it cannot start.

    ``termination`` is where it is written when loading does not end.
    """
    with bounded_time(termination):
        model = load_verified(settings.model.path, settings.model.expected, max_bytes=settings.model.max_bytes)
    run(model, settings, Limits.for_bodies_of(settings.max_body), listener)


def run(model: LoadedModel, settings: ServerSettings, limits: Limits, listener: socket.socket | None = None) -> None:
    """Serve a verified model until a signal says stop. Raises ServingError when the port cannot be listened on."""
    server = build(model, settings, limits)
    allow_many_connections()
    # What is alive now stays: the collector need not look at it again. Nor need it look each time that a batch has made
    # 700 rows, which was half of what a large batch cost: what is dropped is freed without it, unless it is a cycle.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
    try:
        listener = listener or listen(settings.port)
    except OSError as error:
        raise ServingError(
            Reason.SETTINGS_INVALID, f"port {settings.port} cannot be listened on: {error.strerror}; set VERDIGRIS_PORT"
        ) from error
    fields = {
        "model": model.manifest.name,
        "version": model.manifest.version,
        "sha256": model.sha256,
        "port": listener.getsockname()[1],
    }
    if model.told:
        _log.warning("%s", model.told, extra={"fields": fields})
    _log.info("ready: %d golden rows pass", model.golden_rows, extra={"fields": fields})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(listener))


def build(model: LoadedModel, settings: ServerSettings, limits: Limits) -> Server:
    """The server of a model, its parts put together; nothing listens yet."""
    lock, metrics = HugeBodyLock(), Metrics(model, memory_limit=memory_limit())
    model = replace(model, predictor=releasing(model.predictor, lock))
    admission = Admission(limits, concurrency=settings.concurrency, queue=settings.queue)
    service = InferenceService(
        model, metrics.observations.observe, max_rows=max(MAX_ROWS, MAX_ROWS * limits.body // BODY)
    )
    port = None if settings.grpc_port is None else _grpc_port(settings.grpc_port, service, admission)
    app = App(
        service,
        metrics,
        admission,
        concurrency=settings.concurrency,
        blocking=model.predictor.blocking,
        lock=lock,
        page=_page(model) if settings.page else None,
        access=AccessLog(settings.access_log) if settings.access_log else None,
        spellings=port.spellings if port else None,
    )
    return Server(
        Shield(app, Orders(settings.shield_file), Comparison(model.manifest, model.quality)),
        Drain(settings.traffic_file),
        admission,
        metrics,
        grace=settings.grace,
        stopping=partial(end_within, settings.grace),
        ports=[port] if port else [],
    )


def _grpc_port(number: int, service: InferenceService, admission: Admission) -> "Port":
    # Imported only where there is such a port: the default image has no grpcio.
    try:
        from verdigris_serving.grpc.port import Port  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ServingError(
            Reason.SETTINGS_INVALID,
            f"VERDIGRIS_GRPC_PORT is set, but there is no package {error.name} here: take an image for gRPC (its name "
            "ends in -grpc), or install verdigris[serving-grpc]",
        ) from error
    return Port(number, service, admission)


def _page(model: LoadedModel) -> Mapping[str, Answer]:
    # Imported only where there is a page: a pod has none, and starts the faster.
    from verdigris_serving.http.page import page  # noqa: PLC0415

    return page(model)


def main(env: Mapping[str, str], listener: socket.socket | None) -> int:
    """Settings from ``env``; the result as an exit code and a termination message."""
    set_up_logging()
    try:
        serve(ServerSettings.from_environment(env), listener, termination_log(env))
    except ServingError as failure:
        _log.error("%s", failure.message, extra={"fields": {"reason": failure.reason}})
        write_termination(termination_log(env), failure.reason, failure.message)
        return 1
    except Exception as error:
        message = f"the server failed in a way it does not know ({type(error).__name__}); its log has the trace"
        _log.exception("%s", message)
        write_termination(termination_log(env), Reason.INTERNAL_ERROR, message)
        return 1
    return 0
