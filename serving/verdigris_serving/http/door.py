"""Taking in who knocks at the listening socket.

libuv takes in one connection each time round the loop. When a round is long because there is much to do, new
connections, and so the probes, would wait for ever; here many are taken in each time.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Callable

from verdigris_serving.logs import Sparse

_log = logging.getLogger("verdigris.door")
#: Connections taken in each time round the loop.
BURST = 512
#: Seconds before another try when the system has no room for a further connection.
PAUSE = 0.1


class Door:
    """Makes a protocol of ``factory`` for each connection that comes to ``listener``; belongs to the running loop."""

    def __init__(self, listener: socket.socket, factory: Callable[[], asyncio.Protocol]) -> None:
        self._listener = listener
        self._factory = factory
        self._loop = asyncio.get_running_loop()
        self._entering: set[asyncio.Task[object]] = set()
        self._faults = Sparse()
        listener.setblocking(False)
        # Whoever comes in inherits it: an answer is one write and waits for nothing.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def open(self) -> None:
        """Take in connections from now on."""
        if self._listener.fileno() >= 0:
            self._loop.add_reader(self._listener, self._take_in)

    def close(self) -> None:
        """Take in no more; who is in stays."""
        self._loop.remove_reader(self._listener)
        self._listener.close()

    def _take_in(self) -> None:
        for _ in range(BURST):
            try:
                client, _address = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:  # it has left again already
                continue
            except OSError as error:
                self._wait(error)
                return
            client.setblocking(False)
            entering = self._loop.create_task(self._loop.connect_accepted_socket(self._factory, client))
            self._entering.add(entering)
            entering.add_done_callback(self._entering.discard)

    def _wait(self, error: OSError) -> None:
        """No file descriptor or memory is left: who is in can be served, who waits outside does so a little longer."""
        self._loop.remove_reader(self._listener)
        self._loop.call_later(PAUSE, self.open)
        held = self._faults.allow(time.monotonic())
        if held is not None:
            message = "no further connection can be taken in (%s): raise the limit of open files or add replicas"
            _log.error(message, error.strerror, extra={"fields": {"not_logged_before": held}})
