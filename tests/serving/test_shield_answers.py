"""What a client gets through the shield, byte by byte and row by row, and under the faults that the bars are about."""

import asyncio
import errno
import http.client
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from tests.serving import candidates
from tests.serving.candidates import candidate
from tests.serving.shielding import INFER, answered_by, counts, order
from tests.serving.support import PATIENCE, ServerProcess, ask, eventually, request_body
from tests.serving.wire import Paper, connect, head, infer
from verdigris_serving.http.connection import CONFIRMED_AFTER, Connection
from verdigris_serving.http.messages import Request
from verdigris_serving.http.shield.outcomes import FAULTS, Outcome
from verdigris_serving.http.shield.upstream import Exchange, Upstream


def test_binary_tensors_and_ids_pass_through_unchanged(front: ServerProcess, behind: ServerProcess) -> None:
    order(front, behind.port)
    body = request_body(id="row 7", parameters={"binary_data_output": True})

    def answer(pod: ServerProcess) -> tuple[bytes, dict[str, str]]:
        _, fields, data = pod.infer(body)
        return data, {name: value for name, value in fields.items() if name != "date"}

    assert answer(front) == answer(behind)
    assert b'"id":"row 7"' in answer(front)[0]
    assert counts(front)[Outcome.ANSWERED] == 2


def test_a_row_counts_once_at_the_pod_whose_answer_the_client_got(front: ServerProcess, behind: ServerProcess) -> None:
    """Also where the other pod answers after all, once nobody waits for it."""
    order(front, behind.port)
    assert answered_by(front.infer()) == "2.0.0"
    eventually(lambda: behind.metric("verdigris_score_count") == 1, "it counts what it has answered")

    order(front, behind.port, within=0.1)
    behind.process.send_signal(signal.SIGSTOP)
    assert answered_by(front.infer()) == "1.0.0"
    behind.process.send_signal(signal.SIGCONT)
    eventually(lambda: behind.metric('verdigris_requests_total{code="200"}') == 2, "it answers after all")
    eventually(lambda: behind.metric("verdigris_connections") == 1, "it has noticed that nobody waits")

    assert (front.metric("verdigris_score_count"), behind.metric("verdigris_score_count")) == (1, 1)


async def test_a_row_that_another_pod_asked_for_counts_unless_the_connection_is_reset() -> None:
    """For a real network, where the reset may come any time before the moment is over in which it would."""
    request = infer(verdigris_forwarded="1")
    ends: dict[str, tuple[Callable[[Connection], None], int]] = {
        "reset": (lambda connection: connection.connection_lost(ConnectionResetError()), 0),
        "closed": (lambda connection: connection.connection_lost(None), 1),
        "too early to say": (lambda connection: connection.look(time.monotonic()), 0),
        "nothing happened": (lambda connection: connection.look(time.monotonic() + 2 * CONFIRMED_AFTER), 1),
        "asked again": (lambda connection: connection.data_received(request), 1),
    }
    for what, (end, counted) in ends.items():
        connection, paper = connect()
        connection.data_received(request)
        assert paper.written.startswith(b"HTTP/1.1 200 OK"), what
        end(connection)

        scrape, shown = Connection(connection.shared), Paper()
        scrape.connection_made(cast(asyncio.Transport, shown))
        scrape.data_received(head("/metrics", "GET"))
        assert f"verdigris_score_count {counted}.0".encode() in shown.written, what


def test_half_of_the_calls_fail_at_200_a_second_and_no_client_sees_it(front: ServerProcess) -> None:
    turn = iter(range(10**9))

    def half(handler: http.client.HTTPResponse) -> None:
        (candidates.say(500) if next(turn) % 2 else candidates.say(200, verdigris_version="2.0.0"))(handler)

    def client(number: int) -> list[str]:
        """25 a second, over one connection or a new one each time."""
        pace, kept = threading.Event(), front.connect()
        found = []
        for _ in range(50):
            found.append(answered_by(ask(kept, INFER, "POST", request_body()) if number % 2 else front.infer()))
            pace.wait(1 / 25)
        return found

    with candidate(half) as failing, ThreadPoolExecutor(8) as clients:
        order(front, failing.port)
        found = [version for versions in clients.map(client, range(8)) for version in versions]

    assert found.count("1.0.0") == found.count("2.0.0") == 200
    assert counts(front) == {Outcome.ANSWERED: 200, Outcome.ERROR: 200}


def test_a_version_that_takes_seconds_for_each_answer_reaches_no_client(front: ServerProcess) -> None:
    slow = threading.Event()

    def five_seconds(handler: http.client.HTTPResponse) -> None:
        slow.wait(5.0)
        candidates.say(200)(handler)

    with candidate(five_seconds) as stalled, ThreadPoolExecutor(10) as clients:
        order(front, stalled.port, within=0.2)
        found = [answered_by(answer) for answer in clients.map(lambda _: front.infer(), range(200))]
        slow.set()

    assert found == ["1.0.0"] * 200
    so_far = counts(front)
    assert set(so_far) == {Outcome.LATE, Outcome.SKIPPED}
    assert sum(so_far[outcome] for outcome in FAULTS if outcome in so_far) < 100


def test_what_a_version_of_another_schema_turns_away_is_answered_here_and_no_fault(
    front: ServerProcess, behind: ServerProcess
) -> None:
    with candidate(candidates.say(400)) as declining:
        order(front, declining.port, schemaChange=True)

        assert [answered_by(front.infer()) for _ in range(3)] == ["1.0.0"] * 3
        assert front.infer(b"{}")[0] == 400
        assert counts(front) == {Outcome.DECLINED: 3, Outcome.INVALID: 1}
    order(front, behind.port, schemaChange=True)
    assert answered_by(front.infer()) == "2.0.0"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (infer(), 200),
        (infer(b"{}"), 400),
        (head(content_length=str(10**12)), 413),
        (head("/v1/models/demo:predict", content_length="30") + b'{"instances": [[120, 80, 40]]}', 200),
    ],
    ids=["sound", "refused", "too large", "V1"],
)
async def test_each_answer_to_an_inference_names_the_version_that_gave_it(request_bytes: bytes, status: int) -> None:
    connection, paper = connect()
    connection.data_received(request_bytes)

    assert paper.written.startswith(b"HTTP/1.1 %d " % status)
    assert paper.written.count(b"verdigris-version: 1.0.0\r\n") == 1


async def test_who_is_turned_away_for_want_of_time_learns_from_whom() -> None:
    connection, paper = connect()
    connection.data_received(head(content_length="5"))
    connection.cut_off()

    assert paper.written.startswith(b"HTTP/1.1 503 ")
    assert b"verdigris-version: 1.0.0\r\n" in paper.written


async def test_there_are_never_more_connections_than_may_be() -> None:
    stall = candidates.Stall()
    request = Request("POST", INFER, {}, request_body(), keep_alive=True)
    with candidate(stall) as stalled:
        upstream = Upstream("127.0.0.1", stalled.port, connections=2)
        ended: list[Outcome] = []
        asked = [upstream.ask(request, lambda outcome, _: ended.append(outcome)) for _ in range(5)]
        try:
            assert [exchange is not None for exchange in asked] == [True, True, False, False, False]
            assert upstream.connections == 2

            cast(Exchange, asked[0]).drop()
            await _until(lambda: upstream.connections < 2)

            assert upstream.ask(request, lambda outcome, _: ended.append(outcome)) is not None
        finally:
            stall.over.set()
        await _until(lambda: len(ended) == 2)

    assert ended == [Outcome.ANSWERED] * 2, "of the two that were not given up"


@pytest.mark.parametrize("moment", ["at once", "later"])
async def test_who_answers_unasked_is_asked_once_on_each_connection(moment: str) -> None:
    """What comes late would else be the answer to somebody else's request."""
    read = threading.Event()
    if moment == "at once":
        read.set()

    def twice(handler: http.client.HTTPResponse) -> None:
        if answering.opened > 1:
            return candidates.say(200)(handler)
        whole = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
        handler.wfile.write(whole * 2 if moment == "at once" else whole)
        read.wait()
        return candidates.write(whole)(handler)

    request = Request("POST", INFER, {}, request_body(), keep_alive=True)
    ended: list[Outcome] = []
    with candidate(twice) as answering:
        upstream = Upstream("127.0.0.1", answering.port)
        for number in range(1, 4):
            upstream.ask(request, lambda outcome, _: ended.append(outcome))
            await _until(lambda number=number: len(ended) == number)
            read.set()
            await _until(lambda: upstream.connections == 0)

    assert ended[1:] == [Outcome.ANSWERED] * 2
    assert answering.opened == 3


async def test_a_connection_that_ended_before_its_request_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told at once: whoever waited for it would be late."""
    ended: list[Outcome] = []
    loop = asyncio.get_running_loop()
    connect_to = loop.create_connection

    async def told_late(*whereto: Any) -> Any:
        made = await connect_to(*whereto)
        made[0].abort()
        await _until(lambda: upstream.connections == 1)
        return made

    with candidate(candidates.say(200)) as closing:
        upstream = Upstream("127.0.0.1", closing.port)
        monkeypatch.setattr(loop, "create_connection", told_late)
        request = Request("POST", INFER, {}, request_body(), keep_alive=True)
        upstream.ask(request, lambda outcome, _: ended.append(outcome))
        await _until(lambda: bool(ended))

    assert ended == [Outcome.RESET]


@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        (errno.ECONNREFUSED, Outcome.UNREACHABLE),
        (errno.EHOSTUNREACH, Outcome.UNREACHABLE),
        (errno.EMFILE, Outcome.BUSY),
        (errno.EADDRNOTAVAIL, Outcome.BUSY),
    ],
)
async def test_what_the_pod_in_front_lacks_is_no_fault_of_the_other(
    number: int, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> Any:
        raise OSError(number, "")

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", fail)
    ended: list[Outcome] = []
    request = Request("POST", INFER, {}, request_body(), keep_alive=True)
    Upstream("127.0.0.1", 1).ask(request, lambda outcome, _: ended.append(outcome))
    await _until(lambda: bool(ended))

    assert ended == [outcome]


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)
