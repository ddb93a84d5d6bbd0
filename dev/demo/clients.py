"""The clients of the demo: a program of its own, standard library only, that runs inside a pod of the cluster.

It sends requests at a fixed rate whatever comes back (open loop): half of them over a few keep-alive connections,
half over a new connection each. Every request becomes one record; records leave on standard output as JSON lines,
one line every 100 ms: `{"seq": 7, "flushed": <unix s>, "records": [[due, latency, kind, status, version, error]]}`
with `due` in unix seconds, `latency` in seconds, `kind` `new` or `keepalive`, and either `status` or `error` null.

Latency counts from the moment the request was due, so a slow answer is not hidden by sending less. A request that
finds its kept connection closed is a failure like any other: nothing is sent twice.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

TIMEOUT = 5.0
"""Seconds that a client waits for an answer before it counts the request as lost."""
FLUSH = 0.1
"""Seconds between two lines of records."""


class Record(NamedTuple):
    """What became of one request: an HTTP status, or the class of the error that there was instead."""

    due: float
    latency: float
    kind: str
    status: int | None
    version: str | None
    error: str | None


class Answer(NamedTuple):
    """An HTTP answer: its status, the model's version if it says so, and whether the connection ends with it."""

    status: int
    version: str | None
    closes: bool


class ClosedBeforeAnswerError(Exception):
    """The connection ended before the answer was complete."""


class GarbledAnswerError(Exception):
    """What came back is not HTTP."""


@dataclass
class Log:
    """Records that wait to be written, and the number of the next line."""

    waiting: list[Record] = field(default_factory=list)
    seq: int = 0

    def flush(self) -> None:
        """Write what waits as one line. A line is written even when nothing waits: it says that time has passed."""
        line = {"seq": self.seq, "flushed": round(time.time(), 4), "records": self.waiting}
        sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
        sys.stdout.flush()
        self.waiting = []
        self.seq += 1


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """Read one HTTP/1.1 answer with a Content-Length. Raises ClosedBeforeAnswerError or GarbledAnswerError."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        status = int(first.split(" ", 2)[1])
    except asyncio.IncompleteReadError as error:
        raise ClosedBeforeAnswerError from error
    except (ValueError, IndexError) as error:
        raise GarbledAnswerError from error
    return Answer(status, version_of(body), "close" in headers.get("connection", "").lower())


def version_of(body: bytes) -> str | None:
    """The `model_version` of an inference answer, or None."""
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    version = answer.get("model_version") if isinstance(answer, dict) else None
    return version if isinstance(version, str) else None


def error_class(error: BaseException) -> str:
    """One word for what went wrong with a connection."""
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "reset"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ClosedBeforeAnswerError):
        return "closed"
    if isinstance(error, GarbledAnswerError):
        return "garbled"
    return "unreachable"


@dataclass
class Connection:
    """One HTTP connection to the model; opened when it is needed."""

    address: tuple[str, int]
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None

    async def ask(self, request: bytes) -> Answer:
        """Send one request and read its answer. Raises OSError, ClosedBeforeAnswerError or GarbledAnswerError."""
        if self.reader is None or self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(*self.address)
        self.writer.write(request)
        answer = await read_answer(self.reader)
        if answer.closes:
            self.close()
        return answer

    def close(self) -> None:
        """Forget the connection; the next request opens a new one."""
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


async def attempt(connection: Connection, request: bytes, due: float, kind: str, log: Log) -> None:
    """Ask once and record what happened. A failed connection is closed, so that the next request opens a new one."""
    status, version, error = None, None, None
    try:
        async with asyncio.timeout(TIMEOUT):
            status, version, _ = await connection.ask(request)
    except (OSError, ClosedBeforeAnswerError, GarbledAnswerError) as problem:
        error = error_class(problem)
        connection.close()
    log.waiting.append(Record(round(due, 4), round(time.time() - due, 5), kind, status, version, error))


@dataclass(frozen=True)
class Load:
    """What to send, where, how often (requests a second) and over how many kept connections."""

    address: tuple[str, int]
    kept: Callable[[], bytes]
    fresh: Callable[[], bytes]
    rate: float
    connections: int


async def keepalive_client(load: Load, number: int, log: Log) -> None:
    """One client that keeps its connection: the clients share half the rate, each in its own turn."""
    period = load.connections / (load.rate / 2)
    due = time.time() + period * number / load.connections
    connection = Connection(load.address)
    while True:
        await asyncio.sleep(max(0.0, due - time.time()))
        await attempt(connection, load.kept(), due, "keepalive", log)
        due += period


async def ask_once(load: Load, due: float, log: Log) -> None:
    """A client that opens a connection for one request."""
    connection = Connection(load.address)
    await attempt(connection, load.fresh(), due, "new", log)
    connection.close()


async def new_connections(load: Load, log: Log) -> None:
    """Half the rate, a new connection for each request."""
    period, due = 2 / load.rate, time.time()
    asking: set[asyncio.Task[None]] = set()
    while True:
        await asyncio.sleep(max(0.0, due - time.time()))
        task = asyncio.create_task(ask_once(load, due, log))
        asking.add(task)
        task.add_done_callback(asking.discard)
        due += period


async def run(load: Load, seconds: float) -> None:
    """Send for so many seconds or until SIGTERM, writing records as they come."""
    log, stop = Log(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    sending = [asyncio.create_task(keepalive_client(load, n, log)) for n in range(load.connections)]
    sending.append(asyncio.create_task(new_connections(load, log)))
    end = time.time() + seconds
    while time.time() < end and not stop.is_set():
        await asyncio.sleep(FLUSH)
        log.flush()
        for task in sending:
            if task.done():
                task.result()
    for task in sending:
        task.cancel()
    log.flush()


def rendered(url: str, bodies: list[bytes], connection: str) -> Callable[[], bytes]:
    """Ready-made HTTP requests with these bodies in turn."""
    parts = urlsplit(url)
    head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
    requests: Iterator[bytes] = cycle(
        f"{head}Connection: {connection}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies
    )
    return lambda: next(requests)


def main() -> None:
    """Read the command line and send."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--url", required=True, help="where to POST, for example http://diabetes/v2/models/diabetes/infer"
    )
    parser.add_argument("--requests", type=Path, required=True, help="request bodies, one JSON object a line")
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second, both kinds together")
    parser.add_argument("--keepalive", type=int, default=8, help="number of kept connections")
    parser.add_argument("--seconds", type=float, default=900.0, help="stop after so long")
    given = parser.parse_args()
    parts = urlsplit(given.url)
    # Asked once: the clients' Service keeps its IP for ever, and that is part of what is shown.
    address = socket.gethostbyname(parts.hostname or ""), parts.port or 80
    bodies = given.requests.read_bytes().split(b"\n")[:-1]
    kept, fresh = rendered(given.url, bodies, "keep-alive"), rendered(given.url, bodies, "close")
    asyncio.run(run(Load(address, kept, fresh, given.rate, given.keepalive), given.seconds))


if __name__ == "__main__":
    main()
