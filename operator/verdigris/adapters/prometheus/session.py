"""The HTTP session in which the Prometheus servers of all models are asked, so that none of them holds up another."""

from __future__ import annotations

import aiohttp
import aiohttp.abc

AT_ONCE = 50
"""Connections to one server. There is no limit over all servers: one that hangs would use up what the others need."""


def open_session(resolver: aiohttp.abc.AbstractResolver | None = None) -> aiohttp.ClientSession:
    """A session; call it in the running loop, and close it.

    Names are resolved without threads, which is aiohttp's own way where aiodns is installed. The loop's way has six of
    them for everybody, and a name server that does not answer keeps each for up to a minute: six wrong addresses, and
    no model's server could be found any more.

    Args:
        resolver: of names, closed by who made it; None: by the machine's own name servers.
    """
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, limit_per_host=AT_ONCE, resolver=resolver))
