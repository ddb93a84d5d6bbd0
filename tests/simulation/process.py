"""One operator process: the loop of `app`, wired as `app.runtime` wires it, but for sockets, kopf and the lease."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.simulation.registry import Registry
from tests.simulation.server import Server
from tests.simulation.watch import Watch
from tests.simulation.wire import Wire
from verdigris.adapters.kube.reading.admission import Guard
from verdigris.adapters.kube.reading.memory import Memory
from verdigris.adapters.kube.reading.port import Key
from verdigris.adapters.kube.reading.survey import Surveyor
from verdigris.adapters.kube.reading.watches import Filter
from verdigris.adapters.kube.writing.events import Recorder
from verdigris.app.aliases import AliasDesk
from verdigris.app.evidence import GRACE, EvidenceDesk
from verdigris.app.metrics import Metrics
from verdigris.app.namespaces import NamespaceAccess
from verdigris.app.queue import WorkQueue
from verdigris.app.reconcile import Reconciler
from verdigris.app.settings import Settings
from verdigris.app.work import WorkerPool, resync
from verdigris.children.names import Defaults

PROMETHEUS = "http://prometheus"
NAMESPACES = ("clinic",)
"""Whose models it looks after."""
WORKERS = 2


class Process:
    """An operator that leads, with a memory of its own. `image` is what its chart configures for new pods."""

    def __init__(
        self,
        server: Server,
        wire: Wire,
        *,
        prometheus: Any,
        registry: Registry,
        now: Callable[[], datetime],
        image: str,
    ) -> None:
        clock = asyncio.get_running_loop().time
        self.wire = wire
        metrics = Metrics(now)
        self._queue: WorkQueue[Key] = WorkQueue(
            clock=clock, chance=_no_chance, namespace_of=lambda key: key.namespace, per_namespace=2 * WORKERS
        )
        self._desk = EvidenceDesk(prometheus, prometheus, self._queue.add, clock)
        self._aliases = AliasDesk(registry, self._queue.add, now=now)
        client: Any = wire
        self._memory = Memory(client, clock)
        self._reconciler = Reconciler(
            client=client,
            evidence=self._desk,
            usage=self._desk,
            grace=GRACE,
            on_gone=self._desk.forget,
            recorder=Recorder(client, clock, now, "host"),
            metrics=metrics,
            defaults=Defaults(image, PROMETHEUS),
            memory=self._memory,
            surveyor=Surveyor(client, clock, now),
            guard=Guard(client, None, clock),
            now=now,
            chance=_no_chance,
            aliases=self._aliases,
        )
        self.watch = Watch(server, Filter(self._queue.add, self._memory.hear), lambda: not wire.cut)
        self._pool: asyncio.Task[None] | None = None
        self._resync: asyncio.Task[None] | None = None
        self._ended: asyncio.Future[None] | None = None

    def start(self) -> None:
        """List, watch, and work."""
        self.watch.begin()
        self._pool = asyncio.create_task(WorkerPool(self._queue, self._reconciler, WORKERS).run())
        client: Any = self.wire
        again = resync(client, self._queue, NAMESPACES, Settings.resync, chance=_no_chance, access=NamespaceAccess())
        self._resync = asyncio.create_task(again)

    def kill(self) -> None:
        """As `kill -9`: nothing more is sent, and nothing is heard."""
        self.wire.cut = True
        self.watch.end()
        for task in (self._pool, self._resync):
            if task is not None:
                task.cancel()
        self._ended = asyncio.ensure_future(self._aliases.close())

    async def stop(self) -> None:
        """As SIGTERM: what is under way is finished."""
        self._queue.close()
        assert self._pool is not None
        await asyncio.wait({self._pool}, timeout=5)
        await self._desk.close()
        await self._reconciler.close()
        self.kill()

    def broken(self) -> str | None:
        """Why the workers have ended although nobody asked them to; None: they have not."""
        if self._pool is None or not self._pool.done() or self.wire.cut or self._pool.cancelled():
            return None
        return repr(self._pool.exception())


def _no_chance() -> float:
    """No jitter: the same run again is the same run."""
    return 0.0
