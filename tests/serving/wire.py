"""Requests and answers as bytes, and a connection driven without any socket."""

import asyncio
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tests.serving.support import PATIENCE, contents, request_body
from verdigris_serving.artifact.archive import write_archive
from verdigris_serving.artifact.verify import Expectation, verify_bytes
from verdigris_serving.http.connection import Connection
from verdigris_serving.http.limits import Limits
from verdigris_serving.serve import build
from verdigris_serving.settings import ServerSettings

INFER = "/v2/models/demo/infer"


def head(target: str = INFER, method: str = "POST", version: str = "1.1", **fields: str) -> bytes:
    """A request's head; ``content_length`` becomes ``content-length``."""
    lines = [f"{method} {target} HTTP/{version}", "Host: model"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def infer(body: bytes | None = None, **fields: str) -> bytes:
    """A whole inference request."""
    body = request_body() if body is None else body
    return head(content_length=str(len(body)), **fields) + body


def chunked(body: bytes, sizes: Iterable[int]) -> bytes:
    """``body`` in the chunked coding, cut at ``sizes``."""
    out = b""
    for size in sizes:
        piece, body = body[:size], body[size:]
        if piece:
            out += f"{len(piece):x}".encode() + b"\r\n" + piece + b"\r\n"
    if body:
        out += f"{len(body):X};last=yes".encode() + b"\r\n" + body + b"\r\n"
    return out + b"0\r\nX-Trailer: read over\r\n\r\n"


@dataclass
class Answered:
    """One answer off the wire; field names in lower case."""

    status: int
    fields: dict[str, str]
    body: bytes


def answers(stream: bytes, heads_only: bool = False) -> list[Answered]:
    """Every answer in ``stream``; fails when it does not end with one."""
    found = []
    while stream:
        raw, end, stream = stream.partition(b"\r\n\r\n")
        assert end, "the stream ends within a head"
        status, *lines = raw.decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = 0 if heads_only else int(fields.get("content-length", 0))
        assert len(stream) >= length, "the stream ends within a body"
        found.append(Answered(int(status.split()[1]), fields, stream[:length]))
        stream = stream[length:]
    return found


def exchange(port: int, data: bytes, *, half_close: bool = True) -> bytes:
    """Send ``data`` over one connection, say (unless told otherwise) that it is all, read until the server ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(data)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    """Everything until the server closes its half."""
    received = b""
    while part := connection.recv(65536):
        received += part
    return received


class Paper:
    """A transport that writes down what it is told."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False
        self.reading = True

    def write(self, data: bytes) -> None:
        self.written += data

    def write_eof(self) -> None:
        self.closed = True

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


def connect(limits: Limits = Limits()) -> tuple[Connection, Paper]:  # noqa: B008 - frozen
    """A connection to the test model over a Paper, on the running loop. No thread is started for small requests."""
    model = verify_bytes(write_archive(contents()), Expectation(), where="test")
    settings = ServerSettings.from_environment({"VERDIGRIS_TRAFFIC_FILE": str(Path("/nowhere/traffic"))})
    connection, paper = Connection(build(model, settings, limits).shared), Paper()
    connection.connection_made(cast(asyncio.Transport, paper))
    return connection, paper
