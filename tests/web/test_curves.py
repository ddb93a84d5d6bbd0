"""The page in the cluster asks the operator's own Prometheus, and says why where it has no answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import aiohttp
import pytest
from aiohttp import web

from verdigris.adapters.prometheus.access import Access
from verdigris.web.incluster.curves import Curves
from verdigris.web.port import Key
from verdigris.web.timeline import Span

KEY, SPAN = Key("clinic", "diabetes"), Span(1000.0, 1600.0, 5.0)
GOOD = {
    "status": "success",
    "data": {"resultType": "matrix", "result": [{"metric": {"color": "blue"}, "values": [[1000, "2"]]}]},
}


class Prometheus:
    """Answers what `says` says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.says: Callable[[], web.Response] = lambda: web.json_response(GOOD)
        self.asked: list[dict[str, str]] = []
        self.address = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append({name: str(value) for name, value in (await request.post()).items()})
        return self.says()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as made:
        yield made


@pytest.fixture
async def prometheus(stack: AsyncExitStack) -> Prometheus:
    made = Prometheus()
    app = web.Application()
    app.router.add_post("/api/v1/query_range", made.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    return made


@pytest.fixture
async def curves(stack: AsyncExitStack, prometheus: Prometheus) -> Curves:
    session = await stack.enter_async_context(aiohttp.ClientSession())
    return Curves(session, Access([prometheus.address]), prometheus.address, {"cluster": "eu-1"})


async def test_both_questions_are_asked_about_this_span_and_this_cluster(
    curves: Curves, prometheus: Prometheus
) -> None:
    found = await curves.measured(KEY, SPAN)
    assert (found.requests, found.problem) == ({"blue": ((1000.0, 2.0),)}, "")
    assert len(prometheus.asked) == 2
    for one in prometheus.asked:
        assert (one["start"], one["end"], one["step"]) == ("1000.0", "1600.0", "5.0")
        assert 'namespace="clinic",model="diabetes",cluster="eu-1"' in one["query"]


@pytest.mark.parametrize(
    ("says", "why"),
    [
        (lambda: web.Response(status=500, text="x"), "Prometheus answered 500: check the address."),
        (lambda: web.Response(text="<html>"), "Prometheus' answer cannot be used: "),
        (
            lambda: web.json_response({"status": "success", "data": {"resultType": "vector"}}),
            "cannot be used: it is not",
        ),
        (lambda: web.Response(text="x" * 3 * 1024 * 1024), "answered with more than"),
        (lambda: web.Response(status=302, headers={"Location": "/"}), "redirects elsewhere"),
    ],
)
async def test_what_is_no_answer_is_a_sentence(
    curves: Curves, prometheus: Prometheus, says: Callable[[], web.Response], why: str
) -> None:
    prometheus.says = says
    found = await curves.measured(KEY, SPAN)
    assert why in found.problem
    assert found.problem.endswith(".")
    assert (found.requests, found.errors) == ({}, {})


async def test_without_an_address_nobody_is_asked(stack: AsyncExitStack) -> None:
    session = await stack.enter_async_context(aiohttp.ClientSession())
    found = await Curves(session, Access(), None, {}).measured(KEY, SPAN)
    assert found.problem == "the page was given no address (prometheus.address of the chart)."
    assert json.dumps(found.requests) == "{}"
