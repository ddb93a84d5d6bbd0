"""The HTTP session in which the Prometheus servers of all models are asked, so that none of them holds up another."""

from __future__ import annotations

from collections.abc import Sequence

import aiohttp

AT_ONCE = 50
"""Connections to one server. There is no limit over all servers: one that hangs would use up what the others need."""


def open_session(nameservers: Sequence[str] | None = None) -> aiohttp.ClientSession:
    """A session; call it in the running loop, and close it.

    Names are resolved without threads. The loop's own way has six of them for everybody, and a name server that does
    not answer keeps each for up to a minute: six wrong addresses, and no model's server could be found any more.

    Args:
        nameservers: `host:port` of each; None: the machine's own.
    """
    resolver = aiohttp.AsyncResolver(nameservers=list(nameservers)) if nameservers else aiohttp.AsyncResolver()
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, limit_per_host=AT_ONCE, resolver=resolver))
