"""The server's heartbeat, and a way out that loses no request.

Closing idle connections on SIGTERM would reset a request just on its way over one of them. So SIGTERM first only
makes every answer say ``Connection: close`` while new connections are still taken, until no connection is open or
half the grace is over. Then the socket and what is idle are closed, and what is under way has the other half. What
is not done shortly before its end is answered with 503, and the process ends in time, whatever its threads are doing.
"""

import asyncio
import faulthandler
import logging
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Sequence
from email.utils import formatdate
from typing import Protocol

from verdigris_serving.http.admission import Admission
from verdigris_serving.http.app import App
from verdigris_serving.http.connection import Connection, Shared
from verdigris_serving.http.door import Door
from verdigris_serving.http.drain import Drain
from verdigris_serving.http.metrics import Metrics
from verdigris_serving.http.shield.front import Shield

_log = logging.getLogger("verdigris.lifecycle")
#: Seconds between two heartbeats: the traffic and shield files are looked at, overdue connections ended, rows counted.
BEAT = 0.05
#: Seconds without any connection after which nobody else is expected.
QUIET = 0.2
#: Seconds before the end of the grace when what is under way is cut off; a fifth of the grace, if that is less.
CUT_OFF_BEFORE_END = 1.0


def allow_many_connections() -> None:
    """As many open files as the container may have: by default it is often 1,024, and a connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def end_within(seconds: float) -> None:
    """Let the process end after this time at the latest, with exit code 1 and no word, if it has not ended before.

    The watchdog is a thread that needs no interpreter: what computes in C, and gives it to nobody, cannot stop it.
    """
    faulthandler.dump_traceback_later(seconds, exit=True, file=open(os.devnull, "w"))  # noqa: SIM115 - open to the end


class Port(Protocol):
    """Another port than HTTP's, which is opened and ends with it."""

    async def open(self, app: App) -> None:
        """Have calls answered by ``app`` from now on. Raises ServingError when the port cannot be listened on."""

    def busy(self) -> bool:
        """Whether a call is under way, or has come since this was last asked."""

    def close(self, grace: float) -> None:
        """Take no more calls; what is under way has ``grace`` seconds."""

    def cut_off(self) -> None:
        """Answer what is under way: there is no time left to compute it."""

    async def closed(self, within: float) -> None:
        """Until every call has ended, for ``within`` seconds at most; to be called after ``close``."""


class Server:
    """Connections in, answers out, until a signal; ``grace`` in seconds from SIGTERM to the end.

    ``stopping`` is called as soon as the signal is seen; ``ports`` are those besides HTTP's.
    """

    def __init__(
        self,
        shield: Shield,
        drain: Drain,
        admission: Admission,
        metrics: Metrics,
        *,
        grace: float,
        stopping: Callable[[], None] = lambda: None,
        ports: Sequence[Port] = (),
    ) -> None:
        self.shared = Shared(shield, drain, admission)
        self._metrics = metrics
        self._grace = grace
        self._stopping = stopping
        self._ports = ports
        #: The second that the answers are dated with.
        self._dated = 0
        metrics.connections = lambda: len(self.shared.connections)
        metrics.shield = shield.collect

    async def serve(self, listener: socket.socket) -> None:
        """Serve until SIGTERM or SIGINT, then leave gently; returns once every connection is closed.

        Raises ServingError when a port cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        self._beat()
        beating = asyncio.create_task(self._keep_beating())
        # Who is ready by HTTP, by which probes ask, is ready by every port.
        for port in self._ports:
            await port.open(self.shared.app.app)
        door = Door(listener, lambda: Connection(self.shared))
        door.open()
        try:
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({beating, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            await self._leave(door)
        finally:
            beating.cancel()

    async def _keep_beating(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            self._beat()

    def _beat(self) -> None:
        shared, now = self.shared, time.monotonic()
        shared.drain.look()
        shared.app.look()
        if (second := int(time.time())) != self._dated:
            self._dated, shared.date = second, formatdate(second, usegmt=True).encode()
        self._metrics.observations.count()
        for connection in list(shared.connections):
            connection.look(now)

    async def _leave(self, door: Door) -> None:
        self._stopping()
        connections, began = self.shared.connections, time.monotonic()
        self.shared.drain.stop()
        self.shared.app.stop()
        _log.info("stopping: %d connections are open", len(connections))
        await self._until_left(began + self._grace / 2, QUIET)
        door.close()
        self.shared.app.recall()
        before_end = min(CUT_OFF_BEFORE_END, self._grace / 5)
        for port in self._ports:
            port.close(began + self._grace - before_end / 2 - time.monotonic())
        for connection in list(connections):
            if connection.idle:
                connection.close()
        await self._until_left(began + self._grace - before_end)
        if connections:
            _log.warning("the grace is nearly over: %d connections are cut off with 503", len(connections))
        for connection in list(connections):
            connection.cut_off()
        for port in self._ports:
            port.cut_off()
        await self._until_left(began + self._grace - before_end / 2)
        for connection in list(connections):
            connection.abort()
        for port in self._ports:
            await port.closed(began + self._grace - time.monotonic())
        _log.info("stopped")

    async def _until_left(self, end: float, quiet: float = 0.0) -> None:
        """Until there has been no connection for ``quiet`` seconds, or ``end`` has come (monotonic)."""
        last_seen = time.monotonic()
        while (now := time.monotonic()) < end:
            if self.shared.connections or any(port.busy() for port in self._ports):
                last_seen = now
            elif now - last_seen >= quiet:
                return
            await asyncio.sleep(0.02)
