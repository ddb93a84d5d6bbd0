"""The server's heartbeat, and a way out that loses no request.

Closing idle connections on SIGTERM would reset a request just on its way over one of them. So SIGTERM first only
makes every answer say ``Connection: close`` while new connections are still taken, until no connection is open or
half the grace is over. Then the socket and what is idle are closed, and what is under way has the other half.
"""

import asyncio
import logging
import resource
import signal
import socket
import time
from email.utils import formatdate

from verdigris_serving.http.admission import Admission
from verdigris_serving.http.app import App
from verdigris_serving.http.connection import Connection, Shared
from verdigris_serving.http.door import Door
from verdigris_serving.http.drain import Drain
from verdigris_serving.http.metrics import Metrics

_log = logging.getLogger("verdigris.lifecycle")
#: Seconds between two heartbeats: the traffic file is looked at, overdue connections are ended, rows are counted.
BEAT = 0.05
#: Seconds without any connection after which nobody else is expected.
QUIET = 0.2


def allow_many_connections() -> None:
    """As many open files as the container may have: by default it is often 1,024, and a connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Server:
    """Connections in, answers out, until a signal; ``grace`` in seconds from SIGTERM to the end."""

    def __init__(self, app: App, drain: Drain, admission: Admission, metrics: Metrics, *, grace: float) -> None:
        self.shared = Shared(app, drain, admission)
        self._metrics = metrics
        self._half = grace / 2
        metrics.connections = lambda: len(self.shared.connections)

    async def serve(self, listener: socket.socket) -> None:
        """Serve until SIGTERM or SIGINT, then leave gently; returns once every connection is closed."""
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        self._beat()
        beating = asyncio.create_task(self._keep_beating())
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
        shared.date = formatdate(usegmt=True).encode()
        self._metrics.observations.count()
        for connection in list(shared.connections):
            connection.look(now)

    async def _leave(self, door: Door) -> None:
        connections = self.shared.connections
        self.shared.drain.stop()
        _log.info("stopping: %d connections are open", len(connections))
        await self._until_left(QUIET)
        door.close()
        for connection in list(connections):
            if connection.idle:
                connection.close()
        await self._until_left(0.0)
        if connections:
            _log.warning("the grace is over: %d connections are cut off", len(connections))
        for connection in list(connections):
            connection.abort()
        _log.info("stopped")

    async def _until_left(self, quiet: float) -> None:
        """Until there has been no connection for ``quiet`` seconds, or half the grace is over."""
        clock = asyncio.get_running_loop().time
        end, last_seen = clock() + self._half, clock()
        while clock() < end:
            if self.shared.connections:
                last_seen = clock()
            elif clock() - last_seen >= quiet:
                return
            await asyncio.sleep(0.02)
