"""The demo's clients against real sockets: every way in which a request can fail is seen and named."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from dev.demo.clients import Load, run
from dev.demo.records import Reader, Request

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
REQUEST = b"POST /infer HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"


def http(status: str, body: bytes, extra: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body


OK = http("200 OK", json.dumps({"model_version": "1.1.0"}).encode())


class Server:
    """A server that gives the same answer to every request; counts its connections."""

    def __init__(self, answer: bytes, *, then_close: bool = False) -> None:
        self.answer, self.then_close, self.connections = answer, then_close, 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await reader.readuntil(b"\r\n\r\n{}"):
                writer.write(self.answer)
                if self.then_close:
                    break
        except (asyncio.IncompleteReadError, ConnectionResetError):
            pass
        writer.close()


async def send_to(
    server: Server | None, capsys: pytest.CaptureFixture[str], *, rate: float = 200, seconds: float = 0.5
) -> list[Request]:
    """What clients record that send to this server, or to a port on which nobody listens."""
    listening = await asyncio.start_server(server or Server(b""), "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    if server is None:
        listening.close()
    await run(Load(("127.0.0.1", port), lambda: REQUEST, lambda: REQUEST, rate, connections=4), seconds)
    listening.close()
    reader = Reader()
    return [request for line in capsys.readouterr().out.splitlines() for request in reader.read(line)]


async def test_half_of_the_requests_come_over_kept_connections_and_half_over_new_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = Server(OK)
    requests = await send_to(server, capsys)
    kept = [request for request in requests if request.kind == "keepalive"]
    new = [request for request in requests if request.kind == "new"]
    assert 30 <= len(kept) <= 60
    assert 30 <= len(new) <= 60
    assert {(request.result, request.version) for request in requests} == {("answered", "1.1.0")}
    assert server.connections - 4 in range(len(new), len(new) + 3)


async def test_a_kept_connection_is_opened_anew_when_the_answer_says_close(capsys: pytest.CaptureFixture[str]) -> None:
    server = Server(http("200 OK", b"{}", "Connection: close\r\n"), then_close=True)
    requests = await send_to(server, capsys)
    assert {request.result for request in requests} == {"answered"}
    assert server.connections >= len(requests)


@pytest.mark.parametrize(
    ("answer", "outcome", "result"),
    [
        (http("500 Internal Server Error", b'{"error": "x"}'), "500", "bad"),
        (http("503 Service Unavailable", b""), "503", "lost"),
        (b"", "closed", "lost"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "closed", "lost"),
        (b"nonsense\r\n\r\n", "garbled", "lost"),
    ],
)
async def test_a_failed_answer_is_recorded_as_what_it_is(
    answer: bytes, outcome: str, result: str, capsys: pytest.CaptureFixture[str]
) -> None:
    requests = await send_to(Server(answer, then_close=outcome == "closed"), capsys, seconds=0.2)
    assert {(request.outcome, request.result) for request in requests} == {(outcome, result)}


async def test_a_connection_that_closes_under_a_kept_client_is_a_lost_request(
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = Server(OK, then_close=True)
    requests = await send_to(server, capsys)
    kept = [request.result for request in requests if request.kind == "keepalive"]
    assert "lost" in kept
    assert all(request.result == "answered" for request in requests if request.kind == "new")


async def test_a_port_on_which_nobody_listens_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    requests = await send_to(None, capsys, seconds=0.2)
    assert {request.outcome for request in requests} == {"refused"}


async def test_the_rate_does_not_fall_when_every_request_fails(capsys: pytest.CaptureFixture[str]) -> None:
    requests = await send_to(None, capsys, rate=400, seconds=0.5)
    assert 150 <= len(requests) <= 230
