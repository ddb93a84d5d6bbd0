"""However Prometheus fails, the source answers in time, with one sentence that says what to do."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from dev.cluster.patience import stretched
from tests.evidence.conftest import free_port
from verdigris.adapters.prometheus.source import MAX_BYTES, PrometheusSource
from verdigris.adapters.prometheus.wire import Unusable, read_counters, read_number
from verdigris.core.facts.evidence import Evidence, Question

TIMEOUT = timedelta(milliseconds=400)
"""For a server that gives no answer."""
AMPLE = timedelta(seconds=30)
"""For one that does: a busy machine must not make it late."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """A server on loopback that answers every query by `handler`; yields its address."""
    app = web.Application()
    app.router.add_post("/api/v1/query", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def question(address: str, **checks: str) -> Question:
    return Question(
        address=address,
        namespace="clinic",
        model="diabetes",
        since={"green": datetime.now(UTC)},
        revisions={"green": "v1-new"},
        checks=checks,
    )


async def gather(session: aiohttp.ClientSession, address: str, timeout: timedelta = AMPLE) -> Evidence:
    return await PrometheusSource(session, timeout).gather(question(address))


def success(kind: str, result: Any, **more: Any) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}, **more}).encode()


def answering(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=body, status=status, headers=headers)

    return handler


ERROR = json.dumps({"status": "error", "errorType": "bad_data", "error": "parse error: unexpected end"}).encode()


@pytest.mark.parametrize(
    ("handler", "says"),
    [
        (answering(b"out of memory", 500), "answered 500: check the address"),
        (answering(ERROR, 400), "answered 400: parse error: unexpected end"),
        (answering(ERROR), "refused the query: parse error"),
        (answering(b""), "not Prometheus' JSON: is the address right?"),
        (answering(b"<html>Please log in</html>"), "not Prometheus' JSON: is the address right?"),
        (answering(b"[" * 100_000), "not Prometheus' JSON"),
        (answering(b'{"status":"success"}'), "answered without data"),
        (answering(success("vector", [])), "something else than samples"),
        (answering(success("matrix", [], warnings=["store is down"])), "may be incomplete: store is down"),
        (answering(b" " * (MAX_BYTES + 1)), "more than 16 MiB"),
        (answering(b"", 302, {"Location": "/login"}), "redirects elsewhere"),
        (answering(b"not gzip", 200, {"Content-Encoding": "gzip"}), "cannot be reached"),
    ],
)
async def test_a_bad_answer_is_a_problem_in_one_sentence(
    session: aiohttp.ClientSession, handler: Handler, says: str
) -> None:
    async with serving(handler) as address:
        evidence = await PrometheusSource(session, timedelta(seconds=10)).gather(question(address))
    assert evidence.problem is not None
    assert evidence.problem.startswith(f"Prometheus at {address} ")
    assert says in evidence.problem
    assert not evidence.counters
    assert len(evidence.problem) < 400


async def test_nobody_listening_is_a_problem_at_once(session: aiohttp.ClientSession) -> None:
    evidence = await gather(session, f"http://127.0.0.1:{free_port()}")
    assert "cannot be reached (Connection refused)" in str(evidence.problem)


@pytest.mark.parametrize(
    "address", ["http://no-such-host.invalid:9090", "http://127.0.0.1:99999", "ftp://x", "nonsense"]
)
async def test_an_address_that_is_none_is_a_problem(session: aiohttp.ClientSession, address: str) -> None:
    evidence = await gather(session, address)
    assert "check the address and that it runs" in str(evidence.problem) or "did not answer" in str(evidence.problem)


async def test_a_server_that_accepts_and_never_answers_costs_no_more_than_the_timeout(
    session: aiohttp.ClientSession,
) -> None:
    never = asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await never.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    started = time.monotonic()
    evidence = await gather(session, address, TIMEOUT)
    assert time.monotonic() - started < stretched(1.5)
    assert evidence.problem == (
        f"Prometheus at {address} did not answer within 0.4 s: check that it runs and is not overloaded."
    )
    never.set()
    server.close()


async def test_a_server_that_drips_costs_no_more_than_the_timeout(session: aiohttp.ClientSession) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.05)

    async with serving(drip) as address:
        started = time.monotonic()
        evidence = await gather(session, address, TIMEOUT)
        assert time.monotonic() - started < stretched(1.5)
    assert "did not answer within 0.4 s" in str(evidence.problem)


async def test_a_connection_cut_in_the_middle_is_a_problem(session: aiohttp.ClientSession) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"status"')
        assert request.transport
        request.transport.close()
        return response

    async with serving(cut) as address:
        assert "cannot be reached" in str((await gather(session, address)).problem)


async def test_all_queries_of_a_question_are_asked_at_once(session: aiohttp.ClientSession) -> None:
    together, waiting = asyncio.Event(), 0

    async def meet(request: web.Request) -> web.Response:
        nonlocal waiting
        waiting += 1
        if waiting == 5:
            together.set()
        await together.wait()
        query = (await request.post())["query"]
        kind = "matrix" if str(query).endswith("s]") else "vector"
        value = [{"metric": {}, "value": [1, "7"]}] if query in ("a", "b") else []
        return web.Response(body=success(kind, value))

    async with serving(meet) as address:
        evidence = await PrometheusSource(session, timedelta(seconds=5)).gather(question(address, one="a", two="b"))
    assert evidence.problem is None
    assert [reading.value for reading in evidence.checks.values()] == [7.0, 7.0]


async def test_a_check_that_fails_leaves_the_counters_usable(session: aiohttp.ClientSession) -> None:
    async def handler(request: web.Request) -> web.Response:
        query = str((await request.post())["query"])
        if query == "broken(":
            return web.Response(body=ERROR, status=400)
        return web.Response(body=success("matrix" if query.endswith("s]") else "vector", []))

    async with serving(handler) as address:
        evidence = await PrometheusSource(session, AMPLE).gather(question(address, mine="broken("))
    assert evidence.problem is None
    assert evidence.counters == {"green": ()}
    assert evidence.checks["mine"].problem == "Prometheus answered 400: parse error: unexpected end"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (success("vector", []), "has no data for the query"),
        (success("vector", [{"metric": {}, "value": [1, "NaN"]}]), "answered nan"),
        (success("vector", [{"metric": {}, "value": [1, "+Inf"]}]), "answered inf"),
        (success("vector", [{"metric": {"a": "1"}, "value": [1, "1"]}] * 2), "2 series instead of one"),
        (success("vector", [{"metric": {}, "histogram": [1, {}]}]), "a histogram instead of a number"),
        (success("matrix", []), "a matrix instead of one number"),
        (success("string", [1, "x"]), "a string instead of one number"),
        (success("scalar", [1, "NaN"]), "answered nan"),
        (success("vector", [], warnings=["partial"]), "may be incomplete: partial"),
    ],
)
def test_what_is_not_one_finite_number_is_told_apart(body: bytes, says: str) -> None:
    with pytest.raises(Unusable, match=says):
        read_number(body)


def test_a_scalar_is_a_number_and_remarks_do_not_matter() -> None:
    assert read_number(success("scalar", [1, "2.5"])) == 2.5
    assert read_number(success("vector", [{"metric": {}, "value": [1, "-3"]}], infos=["not a counter?"])) == -3.0


@pytest.mark.parametrize(
    ("metric", "value", "says"),
    [
        ({"code": "200"}, "1", "without the label pod or code"),
        ({"pod": "a"}, "1", "without the label pod or code"),
        ({"pod": "a", "code": "200"}, "NaN", "pod a that is not a number"),
        ({"pod": "a", "code": "200"}, "-1", "pod a that is not a number"),
        ({"pod": "a", "code": "200"}, "+Inf", "pod a that is not a number"),
        ({"pod": "a", "code": "200"}, "1e308", "pod a that is not a number of requests"),
    ],
)
def test_counters_that_are_none_are_told_apart(metric: dict[str, str], value: str, says: str) -> None:
    with pytest.raises(Unusable, match=says):
        read_counters(success("matrix", [{"metric": metric, "values": [[1, value]]}]), success("vector", []), 0.0)


def test_the_older_value_leads_a_series_unless_the_window_holds_it_already() -> None:
    labels = {"pod": "a", "code": "200"}
    basis = success("vector", [{"metric": labels, "value": [9, "5"]}])
    for at, expected in ((10.0, ((10.0, 5.0), (11.0, 6.0))), (11.0, ((11.0, 6.0),))):
        (series,) = read_counters(success("matrix", [{"metric": labels, "values": [[11, "6"]]}]), basis, at)
        assert series.samples == expected


async def test_a_difference_of_clocks_stays_the_same_from_question_to_question(session: aiohttp.ClientSession) -> None:
    """It goes into the status: what the answers take must not have it written at every look."""
    shown = iter([1000.0, 1000.7, 999.2, 1001.9, 2000.0, 5.0])

    async def answer(request: web.Request) -> web.Response:
        query = str((await request.post())["query"])
        if query == "time()":
            return web.Response(body=success("scalar", [0, str(next(shown))]))
        return web.Response(body=success("matrix" if query.endswith("s]") else "vector", []))

    async with serving(answer) as address:
        source = PrometheusSource(session, timedelta(seconds=5), clock=lambda: datetime.fromtimestamp(5, UTC))
        found = [(await source.gather(question(address))).ahead for _ in range(6)]
    assert found == [995.0, 995.0, 995.0, 995.0, 1995.0, 0.0]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["status", "data", "resultType", "result", "metric", "value", "values", "pod", "code"]),
            inner | st.sampled_from(["success", "matrix", "vector", "scalar"]),
            max_size=6,
        )
    ),
    max_leaves=25,
)


@given(st.binary(max_size=60) | _JSON.map(lambda value: json.dumps(value).encode()))
def test_no_body_whatever_raises_anything_but_unusable(body: bytes) -> None:
    with suppress(Unusable):
        assert math.isfinite(read_number(body))
    with suppress(Unusable):
        assert all(series.pod and series.code for series in read_counters(body, body, 0.0))


@pytest.mark.parametrize("number", ["1700000000000", "-1e30", "1e300"])
async def test_a_clock_that_tells_no_time_is_left_out(session: aiohttp.ClientSession, number: str) -> None:
    """Milliseconds, for example: the source never raises."""

    async def handler(request: web.Request) -> web.Response:
        query = str((await request.post())["query"])
        clock = success("scalar", [1, number])
        return web.Response(body=clock if query == "time()" else success("matrix", []))

    async with serving(handler) as address:
        assert (await gather(session, address)).ahead == 0
