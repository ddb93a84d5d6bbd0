"""Versions on trial that go wrong: each what a real one, or what stands before it, may do to a request."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.quiet_server import QuietServer

#: What is done with a request whose body has been read.
Act = Callable[[BaseHTTPRequestHandler], None]
BODY = b'{"model_name":"demo","model_version":"2.0.0","outputs":[]}'


def say(status: int, body: bytes = BODY, **fields: str) -> Act:
    """A whole answer."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in fields.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return act


def write(data: bytes) -> Act:
    """These bytes, and then the connection's end."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(data)
        handler.close_connection = True

    return act


def reset(handler: BaseHTTPRequestHandler) -> None:
    """No answer: the connection is reset."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    handler.connection.close()
    handler.close_connection = True


def answer_and_close(handler: BaseHTTPRequestHandler) -> None:
    """A whole answer, and then the connection's end without having said so."""
    say(200)(handler)
    handler.close_connection = True


class Stall:
    """No answer until ``over`` is set."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        """Wait, then answer."""
        self.over.wait()
        say(200)(handler)


class Candidate(QuietServer):
    """Does ``act`` to each request; keeps what came, and counts connections."""

    def __init__(self, act: Act) -> None:
        self.act = act
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.opened = 0
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def get_request(self) -> tuple[Any, Any]:
        """Take in a connection."""
        self.opened += 1
        return super().get_request()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Candidate

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        self.server.act(self)

    def log_message(self, *_: Any) -> None:
        """Say nothing: a test's output is its own."""


@contextmanager
def candidate(act: Act) -> Iterator[Candidate]:
    """A version on trial on loopback, until the end."""
    with Candidate(act) as listening:
        threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True).start()
        yield listening
        listening.shutdown()
