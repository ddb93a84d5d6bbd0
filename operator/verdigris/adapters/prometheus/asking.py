"""One question to a Prometheus server over HTTP: a bounded answer, or the sentence why there is none."""

from __future__ import annotations

import os
from collections.abc import Mapping

import aiohttp

from verdigris.adapters.prometheus.access import Access
from verdigris.adapters.prometheus.wire import Unusable, error_of

MAX_BYTES = 16 * 1024 * 1024
"""A longer answer is refused, so that no query can fill our memory."""


async def ask(
    session: aiohttp.ClientSession,
    access: Access,
    url: str,
    fields: Mapping[str, str],
    *,
    seconds: float,
    most: int = MAX_BYTES,
) -> bytes:
    """POST these fields; the body of an answer with status 200. Raises Unusable for every other outcome.

    Args:
        url: of the API call, such as `<address>/api/v1/query`.
        seconds: that it may take in all.
        most: bytes of the body.
    """
    address = url.partition("/api/v1/")[0]
    papers = access.papers(address)
    try:
        async with session.post(
            url,
            data=fields,
            timeout=aiohttp.ClientTimeout(total=seconds),
            allow_redirects=False,
            headers=papers.headers,
            ssl=papers.trust,
        ) as response:
            body = await _bounded(response, most)
    except TimeoutError:
        raise Unusable(f"did not answer within {seconds:g} s: check that it runs and is not overloaded") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise Unusable(f"cannot be reached ({_why(error)}): check the address and that it runs") from None
    if response.status == 200:
        return body
    if 300 <= response.status < 400:
        raise Unusable("redirects elsewhere: give the address that it redirects to")
    if response.status in (401, 403):
        raise Unusable(access.refusal(address, response.status))
    reason = error_of(body)
    raise Unusable(f"answered {response.status}" + (f": {reason}" if reason else ": check the address"))


async def _bounded(response: aiohttp.ClientResponse, most: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > most:
            raise Unusable(f"answered with more than {MAX_BYTES // 2**20} MiB: narrow the query")
    return bytes(body)


def _why(error: Exception) -> str:
    """A short reason that stays the same from look to look: no address of a resolver's choice in it."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is not known"
    if isinstance(error, aiohttp.ClientConnectorError):
        return os.strerror(error.os_error.errno) if error.os_error.errno else "no connection"
    return type(error).__name__
