"""Leaving without losing a request: the traffic file, and SIGTERM under load."""

import http.client
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dev.cluster.patience import stretched
from tests.serving.support import PATIENCE, ServerProcess, ask, eventually, request_body, server, write_artifact
from verdigris_serving.http.drain import TRIAL_AGE, Drain

INFER = "/v2/models/demo/infer"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[ServerProcess]:
    write_artifact(tmp_path / "model.vmodel")
    with server(tmp_path, VERDIGRIS_GRACE="4") as process:
        yield process


def closes(connection: http.client.HTTPConnection) -> bool:
    """One request: it must be answered; does the answer close the connection?"""
    status, headers, _ = ask(connection, INFER, "POST", request_body())
    assert status == 200
    return headers.get("connection") == "close"


def set_traffic(file: Path, content: str) -> None:
    """Change the file the way the kubelet does: all at once."""
    new = file.with_name("new")
    new.write_text(content)
    os.replace(new, file)


@pytest.mark.parametrize(
    ("content", "closing"),
    [
        (b"off", True),
        (b"off\n", True),
        (b"on", False),
        (b"", False),
        (b"trial", False),
        (None, False),
        (b"OFF?", False),
    ],
)
def test_only_off_in_the_traffic_file_drains(content: bytes | None, closing: bool, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "traffic").write_bytes(content)

    assert Drain(tmp_path / "traffic").closes(age=0.0) is closing


def test_a_stopping_server_keeps_closing_whatever_the_file_says(tmp_path: Path) -> None:
    drain = Drain(tmp_path / "traffic")
    drain.stop()
    drain.look()

    assert drain.closes(age=0.0)


@pytest.mark.parametrize(("content", "closing"), [(b"trial", True), (b"", True), (b"on", False), (None, False)])
def test_a_version_on_trial_keeps_no_connection_for_long(content: bytes | None, closing: bool, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "traffic").write_bytes(content)

    assert Drain(tmp_path / "traffic").closes(age=TRIAL_AGE) is closing


def test_a_server_on_trial_closes_a_connection_that_has_become_old(running: ServerProcess) -> None:
    set_traffic(running.traffic, "trial")
    kept = running.connect()
    began = time.monotonic()
    eventually(lambda: closes(kept), "the connection is closed by an answer", patience=5.0)

    assert time.monotonic() - began >= TRIAL_AGE * 0.9


def test_a_drained_server_answers_everything_and_closes_each_connection(running: ServerProcess) -> None:
    kept = running.connect()
    assert not closes(kept)

    set_traffic(running.traffic, "off")
    eventually(lambda: closes(running.connect()), "new connections are told to close", patience=1.0)

    assert closes(kept), "the keep-alive client learns it with its next answer"
    assert running.get("/v2/health/ready")[0] == 200, "a drained pod stays ready"

    set_traffic(running.traffic, "on")
    eventually(lambda: not closes(running.connect()), "connections are kept again", patience=1.0)


def test_an_idle_connection_of_a_drained_server_is_left_open(running: ServerProcess) -> None:
    idle = running.connect()
    assert not closes(idle)
    set_traffic(running.traffic, "off")
    eventually(lambda: closes(running.connect()), "the server drains")

    readable, _, _ = select.select([idle.sock], [], [], 0.3)
    assert not readable, "nothing, and no end of the stream, came over the idle connection"
    assert closes(idle)


def test_sigterm_waits_for_a_request_that_is_under_way(running: ServerProcess) -> None:
    body = request_body()
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE) as connection:
        connection.sendall(head + body[:10])
        eventually(lambda: running.get("/v2/health/live")[0] == 200, "the server has read so far")

        running.process.send_signal(signal.SIGTERM)
        eventually(lambda: closes(running.connect()), "it stops, and still takes new connections")
        connection.sendall(body[10:])
        answer = connection.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in answer
    assert running.process.wait(timeout=PATIENCE) == 0


def test_sigterm_ends_idle_connections_within_the_grace(running: ServerProcess) -> None:
    idle = running.connect()
    assert not closes(idle)
    began = time.monotonic()

    running.process.send_signal(signal.SIGTERM)

    assert running.process.wait(timeout=PATIENCE) == 0
    assert time.monotonic() - began < stretched(4.5)


class Client(threading.Thread):
    """A keep-alive client behind a Service: each new connection goes to whatever the endpoints say just then."""

    def __init__(self, endpoints: list[ServerProcess]) -> None:
        super().__init__()
        self.endpoints = endpoints
        self.ending = threading.Event()
        self.answers: list[ServerProcess] = []
        self.failures: list[str] = []

    def run(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self.ending.is_set():
            if connection is None:
                target = self.endpoints[0]
                connection = target.connect()
            try:
                closing = closes(connection)
            except (OSError, http.client.HTTPException, AssertionError) as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                connection = None
                continue
            self.answers.append(target)
            if closing:
                connection.close()
                connection = None


def test_a_rolling_restart_under_load_loses_no_request(tmp_path: Path) -> None:
    with ExitStack() as stack:
        pods = []
        for name in ("old", "new"):
            (tmp_path / name).mkdir()
            write_artifact(tmp_path / name / "model.vmodel")
            pods.append(stack.enter_context(server(tmp_path / name)))
        old, new = pods
        endpoints = [old]
        clients = [Client(endpoints) for _ in range(8)]
        for client in clients:
            client.start()
        eventually(lambda: all(len(client.answers) > 20 for client in clients), "every client is served by the old pod")

        endpoints[0] = new  # the preStop delay has let the endpoints go first
        old.process.send_signal(signal.SIGTERM)
        code = old.process.wait(timeout=PATIENCE)
        eventually(
            lambda: all(client.answers[-1] is new for client in clients), "every client is served by the new pod"
        )

        for client in clients:
            client.ending.set()
        for client in clients:
            client.join()

    assert code == 0
    assert [client.failures for client in clients] == [[]] * 8
