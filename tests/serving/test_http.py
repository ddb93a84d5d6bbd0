"""HTTP/1.1 over real sockets: order, ends, limits and deadlines, and what a hostile client gets."""

import json
import socket
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serving.support import PATIENCE, ServerProcess, eventually, request_body, server, write_artifact
from tests.serving.wire import INFER, answers, chunked, connect, exchange, head, infer, read_all
from verdigris_serving.http.limits import Limits

LIMITS = {"head_deadline": 0.4, "body_deadline": 0.4, "linger": 0.4, "write_deadline": 30.0, "connections": 40}
LIVE = head("/v2/health/live", "GET")
#: More than may be computed on the event loop.
LARGE = request_body([[120.0, 80.0, 40.0]] * 5_000, id="large")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("http")
    write_artifact(folder / "model.vmodel")
    with server(folder, module="tests.serving.tuned_server", TEST_LIMITS=json.dumps(LIMITS)) as process:
        yield process


def test_pipelined_requests_are_answered_in_order_a_slow_one_in_their_midst_included(running: ServerProcess) -> None:
    stream = infer(request_body(id="first")) + infer(LARGE) + LIVE + infer(request_body(id="last"))

    first, large, live, last = answers(exchange(running.port, stream))

    assert [json.loads(answer.body)["id"] for answer in (first, large, last)] == ["first", "large", "last"]
    assert json.loads(live.body) == {"live": True}


def test_more_pipelined_requests_than_one_turn_allows_are_all_answered(running: ServerProcess) -> None:
    assert [answer.status for answer in answers(exchange(running.port, LIVE * 500))] == [200] * 500


def test_a_client_that_closes_its_half_gets_its_answers_and_then_the_end(running: ServerProcess) -> None:
    """`exchange` reads to the end. Whether the answer announces it depends on which came first, and is no promise."""
    (answer,) = answers(exchange(running.port, infer(LARGE)))

    assert (answer.status, answer.fields.get("connection", "close")) == (200, "close")


def test_a_client_that_asks_for_it_gets_no_further_answer(running: ServerProcess) -> None:
    stream = head("/v2", "GET", connection="close") + LIVE

    assert len(answers(exchange(running.port, stream, half_close=False))) == 1


@pytest.mark.parametrize(
    ("connection", "expected"), [("keep-alive", ["keep-alive", "keep-alive"]), ("close", ["close"])]
)
def test_http_1_0_closes_unless_asked_to_keep(running: ServerProcess, connection: str, expected: list[str]) -> None:
    stream = head("/v2", "GET", "1.0", connection=connection) * 2
    with socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE) as client:
        client.sendall(stream)
        received = client.recv(65536)
        while len(answers(received)) < len(expected):
            received += client.recv(65536)

    assert [answer.fields["connection"] for answer in answers(received)] == expected


def test_head_gets_the_fields_of_get_and_no_body(running: ServerProcess) -> None:
    got, asked = (
        answers(exchange(running.port, head("/v2/models/demo", method)), heads_only=method == "HEAD")[0]
        for method in ("GET", "HEAD")
    )

    assert (asked.status, asked.body) == (200, b"")
    assert asked.fields["content-length"] == got.fields["content-length"] == str(len(got.body))


def test_a_client_that_asks_before_it_sends_a_body_is_told_to_go_on(running: ServerProcess) -> None:
    body = request_body()
    with socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE) as client:
        client.sendall(head(content_length=str(len(body)), expect="100-continue"))
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        assert answers(client.recv(65536))[0].status == 200


def test_a_client_that_asks_before_it_sends_too_much_is_told_not_to(running: ServerProcess) -> None:
    stream = head(content_length=str(9 * 1024 * 1024), expect="100-continue")

    assert [answer.status for answer in answers(exchange(running.port, stream, half_close=False))] == [413]


def test_a_chunked_body_is_a_body_and_too_much_of_it_is_refused(running: ServerProcess) -> None:
    sound = head(transfer_encoding="chunked") + chunked(request_body(), [3, 20])
    endless = head(transfer_encoding="chunked") + chunked(b" " * (9 * 1024 * 1024), [1024 * 1024] * 9)

    assert [answer.status for answer in answers(exchange(running.port, sound + endless))] == [200, 413]


POST, END = f"POST {INFER} HTTP/1.1\r\nHost: model\r\n", "\r\n\r\n0\r\n\r\n"
HIDDEN = "GET /v2/health/live HTTP/1.1\r\nHost: model\r\n\r\n"
SMUGGLED = {
    "a length and a transfer coding": f"{POST}Content-Length: 5\r\nTransfer-Encoding: chunked{END}",
    "a transfer coding and a length": f"{POST}Transfer-Encoding: chunked\r\nContent-Length: 5{END}",
    "two lengths": f"{POST}Content-Length: 0\r\nContent-Length: {len(HIDDEN)}\r\n\r\n",
    "two equal lengths": f"{POST}Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "a list of lengths": f"{POST}Content-Length: 0, 0\r\n\r\n",
    "a signed length": f"{POST}Content-Length: +0\r\n\r\n",
    "a negative length": f"{POST}Content-Length: -1\r\n\r\n",
    "a space before the colon": f"{POST}Content-Length : 0\r\n\r\n",
    "a folded length": f"{POST}Content-Length:\r\n 0\r\n\r\n",
    "an unknown coding": f"{POST}Transfer-Encoding: xchunked{END}",
    "a coding before chunked": f"{POST}Transfer-Encoding: gzip, chunked{END}",
    "chunked before a coding": f"{POST}Transfer-Encoding: chunked, identity{END}",
    "chunked twice": f"{POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked{END}",
    "chunked in HTTP/1.0": f"POST {INFER} HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked{END}",
    "a vertical tab": f"{POST}Transfer-Encoding: \x0bchunked{END}",
    "a size in hexadecimal notation": f"{POST}Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
    "a size that overflows": f"{POST}Transfer-Encoding: chunked\r\n\r\n{'f' * 17}\r\n\r\n",
    "a chunk longer than its size": f"{POST}Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
    "a line feed alone": f"POST {INFER} HTTP/1.1\nHost: model\nContent-Length: 0\n\n",
    "a line feed alone after a size": f"{POST}Transfer-Encoding: chunked\r\n\r\n0\n\n",
    "a carriage return alone": f"{POST}X: a\rContent-Length: 0\r\n\r\n",
    "a zero byte": f"{POST}X: a\0\r\n\r\n",
    "no host": f"POST {INFER} HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "two hosts": f"{POST}Host: other\r\nContent-Length: 0\r\n\r\n",
    "another version": f"POST {INFER} HTTP/2.0\r\nHost: model\r\n\r\n",
    "no version": f"GET {INFER}\r\n\r\n",
    "a tunnel": "CONNECT model:80 HTTP/1.1\r\nHost: model\r\n\r\n",
}


@pytest.mark.parametrize("attack", SMUGGLED.values(), ids=SMUGGLED.keys())
def test_a_request_whose_end_is_in_doubt_is_refused_and_nothing_after_it_is_read(
    running: ServerProcess, attack: str
) -> None:
    stream = infer() + (attack + HIDDEN).encode("latin-1")

    sound, refused = answers(exchange(running.port, stream, half_close=False))

    assert (sound.status, refused.status, refused.fields["connection"]) == (200, 400, "close")
    assert "error" in json.loads(refused.body)


@pytest.mark.parametrize(
    "request_head",
    [
        head("/v2", "GET", x="a" * 20_000),
        head("/v2/" + "a" * 20_000, "GET"),
        head("/v2", "GET", **{f"x{number}": "" for number in range(101)}),
        head("/v2", "GET", x="a" * 1_000_000)[:-4],
        head(transfer_encoding="chunked") + b"0\r\n" + b"X: y\r\n" * 101 + b"\r\n",
    ],
    ids=["a long field", "a long path", "many fields", "a field without end", "many trailers"],
)
def test_a_head_beyond_the_limits_is_refused(running: ServerProcess, request_head: bytes) -> None:
    (answer,) = answers(exchange(running.port, request_head, half_close=False))

    assert (answer.status, answer.fields["connection"]) == (431, "close")


def test_slow_heads_and_bodies_are_timed_out_and_hold_up_nobody(running: ServerProcess) -> None:
    before = running.metric('verdigris_requests_total{code="408"}')
    slow = []
    for number in range(20):
        client = socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE)
        client.sendall(b"POST /v2/mod" if number % 2 else head(content_length="99") + b"{")
        slow.append(client)

    assert running.infer()[0] == 200
    for client in slow:
        (answer,) = answers(read_all(client))
        client.close()
        assert (answer.status, answer.fields["connection"]) == (408, "close")
    eventually(
        lambda: running.metric('verdigris_requests_total{code="408"}') == before + 10,
        "the ten that were inferences are counted",
    )


def test_a_client_that_sends_a_byte_at_a_time_for_ever_is_timed_out(running: ServerProcess) -> None:
    with socket.create_connection(("127.0.0.1", running.port), timeout=0.05) as client:
        received = b""
        client.sendall(b"GET /")
        while not received:
            client.sendall(b"a")
            try:
                received = client.recv(65536)
            except TimeoutError:
                continue

    assert answers(received)[0].status == 408


def test_a_client_that_takes_its_answers_late_gets_them_all_and_holds_up_nobody(running: ServerProcess) -> None:
    asked, found, scrape = 2_000, 0, head("/metrics", "GET")
    with socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE) as client:
        client.sendall(scrape * asked)
        assert running.infer()[0] == 200
        received, mark = b"", b"# HELP verdigris_requests_total"
        while (found := found + received.count(mark)) < asked:
            # What may be the beginning of a mark is looked at again with the next part.
            part = client.recv(1 << 20)
            assert part, f"the connection ended after {found} of {asked} answers"
            received = received[-len(mark) + 1 :] + part if received else part


async def test_no_further_request_is_answered_or_read_while_answers_are_not_taken_in() -> None:
    connection, paper = connect()
    connection.pause_writing()
    connection.data_received(LIVE * 3)
    assert (paper.written, paper.reading) == (b"", False)

    connection.resume_writing()

    assert len(answers(paper.written)) == 3
    assert paper.reading


def test_beyond_so_many_connections_each_is_answered_once(running: ServerProcess) -> None:
    idle = [socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE) for _ in range(45)]
    eventually(lambda: running.metric("verdigris_connections") >= 45, "all are there")
    status, fields, _ = running.infer()
    for client in idle:
        client.close()

    assert (status, fields["connection"]) == (200, "close")
    eventually(lambda: "connection" not in running.infer()[1], "connections are kept again")


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=1, max_size=300) | st.tuples(st.integers(0, 200), st.binary(max_size=6)))
def test_any_bytes_get_a_4xx_or_the_end_and_the_server_lives(
    running: ServerProcess, sent: bytes | tuple[int, bytes]
) -> None:
    if isinstance(sent, tuple):
        place, replacement = sent
        sound = infer()
        sent = sound[:place] + replacement + sound[place + len(replacement) :]

    codes = {answer.status for answer in answers(exchange(running.port, sent))}

    assert all(code == 200 or 400 <= code < 500 for code in codes)
    assert running.process.poll() is None


@pytest.mark.parametrize("expect100", [False, True])
async def test_a_client_that_no_one_here_wrote_is_served(running: ServerProcess, expect100: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        body = request_body(id="piecewise")
        for start in range(0, len(body), 7):
            yield body[start : start + 7]

    async with aiohttp.ClientSession(f"http://127.0.0.1:{running.port}") as session:
        for _ in range(10):
            async with session.post(INFER, data=pieces(), expect100=expect100) as response:
                assert (response.status, (await response.json())["id"]) == (200, "piecewise")
            async with session.head("/v2/health/ready") as response:
                assert response.status == 200


async def test_bodies_that_would_fill_the_memory_are_turned_away() -> None:
    connection, paper = connect(Limits(bodies=10_000))
    connection.data_received(head(content_length="50000") + b" " * 9_000)
    assert paper.written == b""

    connection.data_received(b" " * 2_000)

    (answer,) = answers(paper.written)
    assert (answer.status, answer.fields["retry-after"], answer.fields["connection"]) == (503, "1", "close")
    other, other_paper = connect(Limits(bodies=10_000))
    other.data_received(infer())
    assert answers(other_paper.written)[0].status == 200
