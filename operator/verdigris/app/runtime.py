"""The running operator: wires the parts, leads or stands by, and stops in the right order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import signal
import socket
import time
import uuid
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

from verdigris import __version__
from verdigris.adapters.kube.lease import Elector, LeaseTerms
from verdigris.adapters.kube.reading.admission import Guard
from verdigris.adapters.kube.reading.memory import Memory
from verdigris.adapters.kube.reading.observe import Key
from verdigris.adapters.kube.reading.survey import Surveyor
from verdigris.adapters.kube.reading.watches import watch
from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.client import Client
from verdigris.adapters.kube.transport.connection import Connection
from verdigris.adapters.kube.transport.errors import ApiError
from verdigris.adapters.kube.writing.events import Recorder
from verdigris.adapters.prometheus.access import Access
from verdigris.adapters.prometheus.session import open_session
from verdigris.adapters.prometheus.source import PrometheusSource
from verdigris.adapters.registry.mlflow import MlflowRegistry
from verdigris.api.status import ModelDeploymentStatus
from verdigris.app import audit_setup, http, webhook_setup
from verdigris.app.aliases import AliasDesk
from verdigris.app.evidence import GRACE, EvidenceDesk
from verdigris.app.metrics import Metrics, QueueMetrics
from verdigris.app.namespaces import NamespaceAccess
from verdigris.app.queue import WorkQueue
from verdigris.app.reconcile import Reconciler
from verdigris.app.settings import Settings
from verdigris.app.tags import TagDesk
from verdigris.app.work import WorkerPool, resync
from verdigris.children.names import Defaults

log = logging.getLogger(__name__)

STALLED_SECONDS = 200.0
"""Work, and no look that ended for this long, means that the workers hang: /healthz says so, and the kubelet restarts
us. However long the backlog: as long as one look after the other ends, it is being worked off."""
PER_NAMESPACE = 2
"""Looks that one namespace may have under way at once, for each worker, slow ones included."""
UNANSWERED_SECONDS = 60.0
"""Without an answer about the lease for this long, a replica is not ready."""
DRAIN_SECONDS = 5.0
"""How long running reconciles may go on after SIGTERM."""
AUDIT_SECONDS = 2.0
"""How long the last entries of the audit log may take to be written."""
RELEASE_SECONDS = 3.0
"""How long giving the lease back may take; after that it expires by itself."""
ROUTES_SECONDS = 15.0
"""Time between two looks whether the API server has come to know HTTPRoutes."""
GUARD_SECONDS = 30.0
"""Time between two looks at the admission policy while nobody decides anything."""


def _now() -> datetime:
    return datetime.now(UTC)


class Runtime:
    """One operator process."""

    def __init__(self, settings: Settings, connection: Connection) -> None:
        self._settings = settings
        self._connection = connection
        self._stop = asyncio.Event()
        self._leads = False
        self._broken: str | None = None

    async def run(self) -> int:
        """Until SIGTERM or SIGINT (0), until leadership or the watches are lost (1), or not at all (2)."""
        self._build()
        self._take_signals()
        try:
            runner, port = await http.serve(
                self._settings.port, self._healthy, self._ready, self._metrics.text, self._note
            )
        except OSError as error:
            log.error("cannot listen on port %s (%s): set VERDIGRIS_PORT to a free one", self._settings.port, error)
            await self._close()
            return 2
        log.info("verdigris %s has started as %s, port %s", __version__, self._terms.identity, port)
        life = asyncio.create_task(self._live(), name="life")
        stop = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            await asyncio.wait({life, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not self._stop.is_set() and self._broken is None:
                self._broken = str(life.exception()) if not life.cancelled() and life.exception() else "it ended"
            await _end(life)
        finally:
            await _end(stop)
            await runner.cleanup()
            await self._close()
        if self._broken is not None:
            log.error("this replica ends: %s", self._broken)
            return 1
        log.info("stopped as asked")
        return 0

    def _build(self) -> None:
        settings = self._settings
        self._metrics = Metrics(_now)
        self._client = Client(self._connection, self._metrics.wrote)
        self._queue: WorkQueue[Key] = WorkQueue(
            observer=QueueMetrics(self._metrics.registry, lambda: self._queue.depth),
            namespace_of=lambda key: key.namespace,
            per_namespace=settings.workers * PER_NAMESPACE,
        )
        self._namespaces = NamespaceAccess()
        self._metrics.watch_namespaces(lambda: tuple(self._namespaces.lost_namespaces))
        self._terms = LeaseTerms(
            settings.lease_namespace,
            settings.lease_name,
            f"{settings.identity}_{uuid.uuid4().hex[:8]}",
            settings.lease_duration,
            settings.lease_renew_deadline,
            settings.lease_retry_period,
        )
        self._elector = Elector(self._client, self._terms, time.monotonic, _now)
        self._questions = open_session()
        own = [settings.prometheus_address] if settings.prometheus_address is not None else []
        prometheus = PrometheusSource(self._questions, access=Access(own, settings.prometheus_credentials))
        self._desk = EvidenceDesk(prometheus, prometheus, self._queue.add, time.monotonic, self._metrics.asked)
        registry = self._registry()
        self._aliases = AliasDesk(registry, self._queue.add)
        self._tags = TagDesk(registry, self._queue.add, settings.registry_cluster)
        self._guard = Guard(self._client, settings.decision_policy, time.monotonic)
        self._memory = Memory(self._client, time.monotonic)
        self._trail = audit_setup.trail(settings, self._client, self._metrics.registry, self._terms.identity, _now)
        self._webhooks = webhook_setup.webhooks(settings.webhooks, self._questions, self._metrics.registry, _now)
        self._listeners = [one for one in (self._trail, self._webhooks) if one is not None]
        self._reconciler = Reconciler(
            client=self._client,
            evidence=self._desk,
            usage=self._desk,
            grace=GRACE,
            on_gone=self._gone,
            saw=self._saw,
            aliases=self._aliases,
            tags=self._tags,
            recorder=Recorder(self._client, time.monotonic, _now, socket.gethostname()),
            metrics=self._metrics,
            defaults=Defaults(
                settings.serving_image,
                settings.prometheus_address,
                {"onnx": settings.serving_image_onnx, "sklearn": settings.serving_image_sklearn},
                prometheus_allowed=settings.prometheus_allowed,
                prometheus_matchers=settings.prometheus_matchers,
                isolated_queries=settings.isolate_queries,
                pull_secrets=settings.serving_pull_secrets,
                any_user=settings.any_user,
                runbooks=settings.runbooks,
            ),
            memory=self._memory,
            surveyor=Surveyor(self._client, time.monotonic, _now),
            guard=self._guard,
        )

    def _registry(self) -> MlflowRegistry | None:
        address = self._settings.registry_address
        if address is None:
            return None
        return MlflowRegistry(self._questions, address, Access([address], self._settings.registry_credentials).papers)

    def _saw(self, key: Key, uid: str, status: ModelDeploymentStatus) -> None:
        for listener in self._listeners:
            listener.saw(key, uid, status)

    def _gone(self, key: Key) -> None:
        self._desk.forget(key)
        for listener in self._listeners:
            listener.gone(key)

    async def _close(self) -> None:
        await self._questions.close()
        await self._client.close()

    async def _live(self) -> None:
        """Stand by, lead, and give the lease back. Ends only by cancellation or a loss."""
        await self._elector.acquire()
        self._leads = True
        self._metrics.leading(True)
        try:
            await self._lead()
        finally:
            self._leads = False
            self._metrics.leading(False)
            # Only now: nobody else may lead while a reconcile of ours is still writing.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RELEASE_SECONDS):
                    await self._elector.release()

    async def _lead(self) -> None:
        """Work until one of the parts ends, which none of them should."""
        hold = _task("lease", self._elector.hold())
        served = await self._served(hold)
        self._started = asyncio.Event()
        watching = _task("watches", self._watch(served))
        begun = _task("watches have started", self._started.wait())
        await asyncio.wait({begun, watching}, return_when=asyncio.FIRST_COMPLETED)
        await _end(begun)
        if self._webhooks is not None:
            self._webhooks.begin()
        workers = [_task("workers", WorkerPool(self._queue, self._reconciler, self._settings.workers).run())]
        again = _task(
            "resync",
            resync(
                self._client,
                self._queue,
                self._settings.namespaces,
                self._settings.resync,
                chance=random.random,
                access=self._namespaces,
            ),
        )
        guarding = _task("guard", self._watch_guard())
        routes = [_task("watch of routes", self._watch_routes())] if self._settings.gateway_api else []
        following = [_task(type(one).__name__, one.run()) for one in self._listeners]
        parts = [hold, watching, again, guarding, *routes, *workers]
        try:
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            self._broken = "; ".join(_why(task) for task in done)
        finally:
            self._queue.close()
            await _drain(workers, DRAIN_SECONDS if not hold.done() else 0.0)
            # Nothing of ours may still be on its way when somebody else leads.
            await self._desk.close()
            await self._aliases.close()
            await self._tags.close()
            await self._reconciler.close()
            for part in following:
                await _end(part)
            if self._trail is not None:
                await self._trail.close(AUDIT_SECONDS)
            for part in (again, guarding, hold, *routes, watching):
                await _end(part)

    async def _served(self, hold: asyncio.Task[None]) -> list[kinds.Resource]:
        """The kinds to watch, once the API server knows ours; of the Prometheus Operator's those that it knows."""
        needed = (kinds.MODEL_DEPLOYMENT, kinds.ROLLOUT_DECISION)
        while not hold.done():
            try:
                missing = [kind.plural for kind in needed if not await self._client.knows(kind)]
                if not missing:
                    watched = [kind for kind in kinds.WATCHED if kind not in kinds.OPTIONAL]
                    optional = [kind for kind in kinds.OPTIONAL if await self._client.knows(kind)]
                    return [*needed, *watched, *optional]
                log.warning("the API server does not know %s yet: apply the CRDs of the chart", " and ".join(missing))
            except ApiError as error:
                log.warning("the kinds to watch could not be looked up: %s", error)
            await asyncio.sleep(2.0)
        return list(needed)

    async def _watch_guard(self) -> None:
        """Say it when nobody checks who decides, also before anybody decides anything."""
        told: str | None = None
        while True:
            sentence = await self._guard.check()
            self._metrics.guarded(self._guard.state)
            if sentence is not None and sentence != told:
                log.warning("decisions: %s", sentence)
            told = sentence
            await asyncio.sleep(GUARD_SECONDS)

    async def _watch_routes(self) -> None:
        """Watch HTTPRoutes, once the API server knows them: the Gateway API may be installed at any time."""
        await self._client.until_known(kinds.HTTP_ROUTE, ROUTES_SECONDS)
        await self._watch([kinds.HTTP_ROUTE])

    async def _watch(self, resources: list[kinds.Resource]) -> None:
        """Until the watching is broken. kopf takes SIGTERM for itself when it starts; it is ours."""
        started = asyncio.Event()
        connection, namespaces, heard = self._connection, self._settings.namespaces, self._memory.hear
        watches = watch(connection, namespaces, resources, enqueue=self._queue.add, hear=heard, started=started)
        watching, begun = _task("watches", watches), _task("watches have started", started.wait())
        try:
            await asyncio.wait({begun, watching}, return_when=asyncio.FIRST_COMPLETED)
            self._take_signals()
            self._started.set()
            await watching
        finally:
            await _end(begun)
            await _end(watching)

    def _note(self) -> str | None:
        audit = self._trail.sentence if self._trail is not None else None
        return "; ".join(filter(None, (self._namespaces.notice(), self._guard.sentence, audit))) or None

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)

    def _healthy(self) -> str | None:
        if self._broken is not None:
            return f"this replica is ending: {self._broken}"
        silence = self._queue.stalled_for()
        if silence <= STALLED_SECONDS:
            return None
        return f"there is work, and no look at a model has ended for {silence:.0f} s: the workers hang"

    def _ready(self) -> str | None:
        heard = self._elector.heard_at
        if heard is None:
            return "the API server has not answered yet"
        silence = time.monotonic() - heard
        return f"the API server has not answered for {silence:.0f} s" if silence > UNANSWERED_SECONDS else None


def _task(name: str, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.create_task(coroutine, name=name)


def _why(task: asyncio.Task[Any]) -> str:
    if task.cancelled():
        return f"{task.get_name()} was cancelled"
    error = task.exception()
    return f"{task.get_name()} failed ({error!r})" if error is not None else f"{task.get_name()} ended"


async def _end(task: asyncio.Task[Any]) -> None:
    """Cancel it and see it end; how it ended was looked at before, or is of no interest."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task


async def _drain(workers: list[asyncio.Task[Any]], seconds: float) -> None:
    """Let running reconciles finish for a while; workers that wait for a key end at once."""
    if seconds > 0:
        await asyncio.wait(workers, timeout=seconds)
    for worker in workers:
        await _end(worker)
