"""What is wrong with one model's Prometheus costs no other model its evidence."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web
from aiohttp.resolver import DefaultResolver

from verdigris.adapters.prometheus.session import open_session
from verdigris.adapters.prometheus.source import PrometheusSource

MANY = 150
"""More servers than there are threads that resolve names, or connections that a session has by default."""
GOOD = b'{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}'


@pytest.fixture
def silent() -> Iterator[int]:
    """The port, both of UDP and of TCP, of a server that takes everything and answers nothing."""
    with (
        socket.socket() as stream,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
    ):
        stream.bind(("127.0.0.1", 0))
        stream.listen(MANY)
        datagrams.bind(stream.getsockname())
        yield stream.getsockname()[1]


@pytest.fixture
async def sound() -> AsyncIterator[str]:
    """The address, by name, of a server that answers each query at once."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=GOOD, content_type="application/json")

    app = web.Application()
    app.router.add_post("/api/v1/query", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://localhost:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.parametrize("address", ["http://prometheus-{}.nowhere:{}", "http://127.0.0.1:{1}/of-model-{0}"])
async def test_servers_that_hang_or_are_not_found_hold_up_no_other(address: str, silent: int, sound: str) -> None:
    resolver = aiohttp.AsyncResolver(nameservers=[f"127.0.0.1:{silent}"])
    async with open_session(resolver) as session:
        source = PrometheusSource(session, timeout=timedelta(seconds=20))
        hanging = [asyncio.create_task(source._check(address.format(one, silent), "up")) for one in range(MANY)]
        await asyncio.sleep(0)  # Each has asked before the others do.
        answers = await asyncio.wait_for(asyncio.gather(*(source._check(sound, "up") for _ in range(20))), 10)
        assert [answer.value for answer in answers] == [1.0] * 20
        assert not any(task.done() for task in hanging)
        for task in hanging:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*hanging)
    await resolver.close()


def test_a_session_resolves_names_without_threads() -> None:
    assert DefaultResolver is aiohttp.AsyncResolver
