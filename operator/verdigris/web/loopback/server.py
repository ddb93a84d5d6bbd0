"""The site behind the standard library's HTTP server, on 127.0.0.1 alone: a thread for each request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Callable
from urllib.parse import parse_qsl, urlsplit

from verdigris.cli.exits import CliError
from verdigris.web.site.messages import MOST_BODY, STREAM_HEADERS, Answer, Request
from verdigris.web.site.site import Site

ADDRESS = "127.0.0.1"
_PATIENCE = 30.0
"""Seconds that a browser may take for its request."""


class Server(ThreadingHTTPServer):
    """Listens from the beginning, on `port` (0: a free one); `begin` is given the site later, which has to know it.

    Raises CliError where the port is taken.
    """

    daemon_threads = True
    site: Site

    def __init__(self, port: int) -> None:
        try:
            super().__init__((ADDRESS, port), _Handler)
        except (OSError, OverflowError) as error:
            raise CliError(f"The page cannot listen on {ADDRESS}:{port} ({error}): give another --port.") from error

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def begin(self, site: Site) -> None:
        """Answer until somebody calls `shutdown`."""
        self.site = site
        self.serve_forever(poll_interval=0.2)

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that has gone away is no error; whatever else is wrong was answered by the site."""


async def wait(seconds: float) -> None:
    """Blocks the request's own thread."""
    time.sleep(seconds)


class _Handler(BaseHTTPRequestHandler):
    """One request. HTTP/1.0: each has a connection of its own."""

    timeout = _PATIENCE
    server: Server
    server_version, sys_version = "verdigris", ""

    def do_GET(self) -> None:
        request = self._request("GET", {})
        if urlsplit(self.path).path == "/events":
            asyncio.run(self._stream(request))
        else:
            self._send(asyncio.run(self.server.site.answer(request)))

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length") or ""
        if not length.isdigit() or int(length) > MOST_BODY:
            self._send(Answer(413, b"That form is too long.", {"Content-Type": "text/plain; charset=utf-8"}))
            return
        text = self.rfile.read(int(length)).decode(errors="replace")
        self._send(asyncio.run(self.server.site.answer(self._request("POST", dict(parse_qsl(text))))))

    def _request(self, method: str, form: dict[str, str]) -> Request:
        url = urlsplit(self.path)
        return Request(
            method=method,
            path=url.path,
            query=dict(parse_qsl(url.query)),
            headers={name.lower(): value for name, value in self.headers.items()},
            cookies=_cookies(self.headers.get("Cookie") or ""),
            form=form,
        )

    async def _stream(self, request: Request) -> None:
        found = await self.server.site.stream(request)
        if isinstance(found, Answer):
            self._send(found)
            return
        self._head(200, STREAM_HEADERS)
        await _each(found, self._write)

    def _write(self, one: bytes) -> None:
        self.wfile.write(one)
        self.wfile.flush()

    def _send(self, answer: Answer) -> None:
        self._head(answer.status, {**answer.all_headers(), "Content-Length": str(len(answer.body))})
        self._write(answer.body)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What is no request of a browser, in the library's words but with the headers of every answer."""
        told = message or explain or "This is no request that the page understands."
        self._send(Answer(code, told.encode(), {"Content-Type": "text/plain; charset=utf-8"}))

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the token would stand in it."""


async def _each(stream: AsyncIterator[bytes], write: Callable[[bytes], None]) -> None:
    try:
        async for one in stream:
            write(one)
    except OSError:
        # The browser has gone.
        return


def _cookies(header: str) -> dict[str, str]:
    try:
        return {name: one.value for name, one in SimpleCookie(header).items()}
    except CookieError:
        return {}
