"""When clients are told to go elsewhere: the traffic file says "off", or the process is about to stop.

A draining server still answers everything; each answer carries ``Connection: close``, so a keep-alive client's
next request finds its way through the Service to a colour that has traffic. Idle connections are left alone:
closing one could race with a request and lose it.
"""

import asyncio
import logging
from pathlib import Path

_log = logging.getLogger("verdigris.drain")
#: Seconds between two looks at the file: one read of a few bytes from memory.
POLL = 0.05


class Drain:
    """Whether answers should say ``Connection: close``: read ``closing``, set ``stopping`` at shutdown."""

    def __init__(self, traffic_file: Path) -> None:
        self._file = traffic_file
        self._off = False
        self._stopping = False
        self.closing = False
        self.look()

    def look(self) -> None:
        """Read the traffic file once. A missing or unreadable file means that traffic is on."""
        try:
            content = self._file.read_bytes()
        except OSError:
            content = b""
        off = content.strip() == b"off"
        if off != self._off:
            _log.info("traffic is %s: answers %s", *(("off", "close connections") if off else ("on", "keep them")))
        self._off = off
        self.closing = off or self._stopping

    def stop(self) -> None:
        """From now on, whatever the file says."""
        self._stopping = self.closing = True

    async def watch(self) -> None:
        """Look at the file for as long as the task lives."""
        while True:
            await asyncio.sleep(POLL)
            self.look()
