"""The listening socket and the way out: uvicorn, with a shutdown that loses no request.

On SIGTERM uvicorn alone would close idle keep-alive connections at once, and a request just on its way over one
of them would be reset. Here SIGTERM first only makes every answer say ``Connection: close`` while new connections
are still taken, until no connection is open or half the grace is over; only then does uvicorn's own shutdown run.
"""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Iterator

import uvicorn

from verdigris_serving.http.app import App
from verdigris_serving.http.connection import AgedProtocol
from verdigris_serving.http.drain import Drain

_log = logging.getLogger("verdigris.lifecycle")
#: Seconds that an idle connection is kept: longer than any common client's pool does, so that the client closes.
KEEP_ALIVE = 620
BACKLOG = 2048
#: Seconds without any connection after which nobody else is expected.
QUIET = 0.2


def listen(port: int) -> socket.socket:
    """A socket listening on every address, IPv4 and IPv6 where the machine has both. Raises OSError."""
    if socket.has_dualstack_ipv6():
        with contextlib.suppress(OSError):
            return socket.create_server(
                ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG, reuse_port=False
            )
    return socket.create_server(("", port), backlog=BACKLOG)


class GracefulServer(uvicorn.Server):
    """uvicorn with a lingering shutdown; ``grace`` in seconds from SIGTERM to the end."""

    def __init__(self, app: App, drain: Drain, *, grace: float) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="uvloop",
                http=AgedProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE,
                timeout_graceful_shutdown=max(1, round(grace / 2)),
            )
        )
        self._drain = drain
        self._linger = grace / 2

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave with exit code 0 after SIGTERM; uvicorn would raise the signal again at the end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal says stop."""
        watching = asyncio.create_task(self._drain.watch())
        try:
            await super().serve(sockets)
        finally:
            watching.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell clients to leave, wait for them, then close."""
        self._drain.stop()
        _log.info("stopping: %d connections are open", len(self.server_state.connections))
        await self._until_left()
        await super().shutdown(sockets)
        _log.info("stopped")

    async def _until_left(self) -> None:
        clock = asyncio.get_running_loop().time
        end, quiet_since = clock() + self._linger, clock()
        while clock() < end and clock() - quiet_since < QUIET and not self.force_exit:
            await asyncio.sleep(0.02)
            if self.server_state.connections:
                quiet_since = clock()
