"""uvicorn's HTTP/1.1 protocol, which also tells the application how old a connection is."""

import asyncio
import time

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Key of the scope under which a connection's beginning (seconds of the monotonic clock) is found.
OPENED = "verdigris.opened"


class AgedProtocol(HttpToolsProtocol):
    """Remembers when the connection was made."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called once a connection."""
        self._opened = time.monotonic()
        super().connection_made(transport)

    def on_message_begin(self) -> None:
        """Called once a request."""
        super().on_message_begin()
        self.scope[OPENED] = self._opened  # type: ignore[literal-required]
