"""The running operator: leads or stands by, and stops in the right order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import signal
import time

from verdigris import __version__
from verdigris.adapters.kube.reading.watches import watch
from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.connection import Connection
from verdigris.adapters.kube.transport.errors import ApiError
from verdigris.app import http
from verdigris.app.parts import build
from verdigris.app.settings import Settings
from verdigris.app.tasks import drain, end, ended, start
from verdigris.app.work import WorkerPool, resync

log = logging.getLogger(__name__)

STALLED_SECONDS = 200.0
"""Work, and no look that ended for this long, means that the workers hang: /healthz says so, and the kubelet restarts
us. However long the backlog: as long as one look after the other ends, it is being worked off."""
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
        self._parts = build(self._settings, self._connection)
        self._take_signals()
        try:
            runner, port = await http.serve(
                self._settings.port, self._healthy, self._ready, self._parts.metrics.text, self._note
            )
        except OSError as error:
            log.error("cannot listen on port %s (%s): set VERDIGRIS_PORT to a free one", self._settings.port, error)
            await self._parts.close()
            return 2
        log.info("verdigris %s has started as %s, port %s", __version__, self._parts.identity, port)
        life = asyncio.create_task(self._live(), name="life")
        stop = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            await asyncio.wait({life, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not self._stop.is_set() and self._broken is None:
                self._broken = str(life.exception()) if not life.cancelled() and life.exception() else "it ended"
            await end(life)
        finally:
            await end(stop)
            await runner.cleanup()
            await self._parts.close()
        if self._broken is not None:
            log.error("this replica ends: %s", self._broken)
            return 1
        log.info("stopped as asked")
        return 0

    async def _live(self) -> None:
        """Stand by, lead, and give the lease back. Ends only by cancellation or a loss."""
        await self._parts.elector.acquire()
        self._leads = True
        self._parts.metrics.leading(True)
        try:
            await self._lead()
        finally:
            self._leads = False
            self._parts.metrics.leading(False)
            # Only now: nobody else may lead while a reconcile of ours is still writing.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RELEASE_SECONDS):
                    await self._parts.elector.release()

    async def _lead(self) -> None:
        """Work until one of the parts ends, which none of them should."""
        hold = start("lease", self._parts.elector.hold())
        served = await self._served(hold)
        self._started = asyncio.Event()
        watching = start("watches", self._watch(served))
        begun = start("watches have started", self._started.wait())
        await asyncio.wait({begun, watching}, return_when=asyncio.FIRST_COMPLETED)
        await end(begun)
        if self._parts.webhooks is not None:
            self._parts.webhooks.begin()
        workers = [
            start("workers", WorkerPool(self._parts.queue, self._parts.reconciler, self._settings.workers).run())
        ]
        again = start(
            "resync",
            resync(
                self._parts.client,
                self._parts.queue,
                self._settings.namespaces,
                self._settings.resync,
                chance=random.random,
                access=self._parts.namespaces,
            ),
        )
        guarding = start("guard", self._watch_guard())
        routes = [start("watch of routes", self._watch_routes())] if self._settings.gateway_api else []
        following = [start(type(one).__name__, one.run()) for one in self._parts.tellers]
        parts = [hold, watching, again, guarding, *routes, *workers]
        try:
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            self._broken = "; ".join(ended(task) for task in done)
        finally:
            self._parts.queue.close()
            await drain(workers, DRAIN_SECONDS if not hold.done() else 0.0)
            # Nothing of ours may still be on its way when somebody else leads.
            await self._parts.desk.close()
            await self._parts.aliases.close()
            await self._parts.tags.close()
            await self._parts.reconciler.close()
            for part in following:
                await end(part)
            if self._parts.trail is not None:
                await self._parts.trail.close(AUDIT_SECONDS)
            for part in (again, guarding, hold, *routes, watching):
                await end(part)

    async def _served(self, hold: asyncio.Task[None]) -> list[kinds.Resource]:
        """The kinds to watch, once the API server knows ours; of the Prometheus Operator's those that it knows."""
        needed = (kinds.MODEL_DEPLOYMENT, kinds.ROLLOUT_DECISION)
        while not hold.done():
            try:
                missing = [kind.plural for kind in needed if not await self._parts.client.knows(kind)]
                if not missing:
                    watched = [kind for kind in kinds.WATCHED if kind not in kinds.OPTIONAL]
                    optional = [kind for kind in kinds.OPTIONAL if await self._parts.client.knows(kind)]
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
            sentence = await self._parts.guard.check()
            self._parts.metrics.guarded(self._parts.guard.state)
            if sentence is not None and sentence != told:
                log.warning("decisions: %s", sentence)
            told = sentence
            await asyncio.sleep(GUARD_SECONDS)

    async def _watch_routes(self) -> None:
        """Watch HTTPRoutes, once the API server knows them: the Gateway API may be installed at any time."""
        await self._parts.client.until_known(kinds.HTTP_ROUTE, ROUTES_SECONDS)
        await self._watch([kinds.HTTP_ROUTE])

    async def _watch(self, resources: list[kinds.Resource]) -> None:
        """Until the watching is broken. kopf takes SIGTERM for itself when it starts; it is ours."""
        started = asyncio.Event()
        connection, namespaces, heard = self._connection, self._settings.namespaces, self._parts.memory.hear
        watches = watch(connection, namespaces, resources, enqueue=self._parts.queue.add, hear=heard, started=started)
        watching, begun = start("watches", watches), start("watches have started", started.wait())
        try:
            await asyncio.wait({begun, watching}, return_when=asyncio.FIRST_COMPLETED)
            self._take_signals()
            self._started.set()
            await watching
        finally:
            await end(begun)
            await end(watching)

    def _note(self) -> str | None:
        audit = self._parts.trail.sentence if self._parts.trail is not None else None
        return "; ".join(filter(None, (self._parts.namespaces.notice(), self._parts.guard.sentence, audit))) or None

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)

    def _healthy(self) -> str | None:
        if self._broken is not None:
            return f"this replica is ending: {self._broken}"
        silence = self._parts.queue.stalled_for()
        if silence <= STALLED_SECONDS:
            return None
        return f"there is work, and no look at a model has ended for {silence:.0f} s: the workers hang"

    def _ready(self) -> str | None:
        heard = self._parts.elector.heard_at
        if heard is None:
            return "the API server has not answered yet"
        silence = time.monotonic() - heard
        return f"the API server has not answered for {silence:.0f} s" if silence > UNANSWERED_SECONDS else None
