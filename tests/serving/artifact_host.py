"""A real HTTP server that hands out artifacts the way bad networks and bad proxies do."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote

from tests.quiet_server import QuietServer

Behaviour = Callable[[BaseHTTPRequestHandler, int], None]


class ArtifactHost:
    """Each path has a behaviour, called with the request and the number of earlier requests for that path."""

    def __init__(self, port: int, scheme: str) -> None:
        self.url = f"{scheme}://127.0.0.1:{port}"
        self.behaviours: dict[str, Behaviour] = {}
        self.seen: list[str] = []
        #: Of each request in ``seen``.
        self.headers: list[Message] = []
        #: Set when the test is over: a behaviour that stalls waits for this.
        self.over = threading.Event()

    def count(self, path: str) -> int:
        """How often ``path`` was asked for."""
        return self.seen.count(path)

    def on(self, path: str, behaviour: Behaviour) -> str:
        """Serve ``path`` so; return its URL."""
        self.behaviours[path] = behaviour
        return self.url + path


@contextmanager
def artifact_host(tls: ssl.SSLContext | None = None) -> Iterator[ArtifactHost]:
    """A host on a free port of this machine; with ``tls`` it speaks https."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = unquote(self.path.split("?")[0])
            before = host.count(path)
            host.seen.append(path)
            host.headers.append(self.headers)
            host.behaviours[path](self, before)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with QuietServer(("127.0.0.1", 0), Handler) as httpd:
        if tls is not None:
            httpd.socket = tls.wrap_socket(httpd.socket, server_side=True)
        host = ArtifactHost(httpd.server_address[1], "http" if tls is None else "https")
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield host
        finally:
            host.over.set()
            httpd.shutdown()
            thread.join()


def sends(data: bytes, *, declared: int | None = None) -> Behaviour:
    """Answer 200 with ``data``, claiming ``declared`` bytes, and hang up."""

    def behave(request: BaseHTTPRequestHandler, _before: int) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(data) if declared is None else declared))
        request.send_header("Connection", "close")
        request.end_headers()
        request.wfile.write(data)
        request.close_connection = True

    return behave


def sends_chunks(chunks: list[bytes], *, finish: bool) -> Behaviour:
    """Answer 200 with chunked encoding; without ``finish`` the last chunk never comes."""

    def behave(request: BaseHTTPRequestHandler, _before: int) -> None:
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        for chunk in chunks:
            request.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        if finish:
            request.wfile.write(b"0\r\n\r\n")
        request.close_connection = True

    return behave


def answers(status: int, location: str = "", body: bytes = b"", challenge: str = "") -> Behaviour:
    """Answer with a status, and with the headers and the body that are given."""

    def behave(request: BaseHTTPRequestHandler, _before: int) -> None:
        request.send_response(status)
        if location:
            request.send_header("Location", location)
        if challenge:
            request.send_header("WWW-Authenticate", challenge)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return behave


def stalls(host: ArtifactHost, data: bytes, etag: str = "") -> Behaviour:
    """Send half of the declared bytes and then nothing more."""

    def behave(request: BaseHTTPRequestHandler, _before: int) -> None:
        request.send_response(200)
        if etag:
            request.send_header("ETag", etag)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data[: len(data) // 2])
        request.wfile.flush()
        host.over.wait(30)
        request.close_connection = True

    return behave


def trickles(host: ArtifactHost, data: bytes) -> Behaviour:
    """Send a byte at a time, slowly, never long enough silent to count as a stall."""

    def behave(request: BaseHTTPRequestHandler, _before: int) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        for position in range(len(data)):
            request.wfile.write(data[position : position + 1])
            request.wfile.flush()
            if host.over.wait(0.05):
                break
        request.close_connection = True

    return behave


def first_then(first: Behaviour, times: int, then: Behaviour) -> Behaviour:
    """Behave one way for the first requests and another way after."""

    def behave(request: BaseHTTPRequestHandler, before: int) -> None:
        (first if before < times else then)(request, before)

    return behave


def sends_ranges(data: bytes, *, etag: str = '"1"', most: int | None = None) -> Behaviour:
    """Answer like a file server that knows byte ranges, and break off after ``most`` bytes of each answer."""

    def behave(request: BaseHTTPRequestHandler, _before: int) -> None:
        wanted = request.headers.get("Range")
        asks = wanted is not None and request.headers.get("If-Range", etag) == etag
        if request.headers.get("If-Match", etag) != etag:
            answers(412)(request, _before)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and asks else 0
        if start >= len(data):
            answers(416)(request, _before)
            return
        request.send_response(206 if asks else 200)
        request.send_header("ETag", etag)
        request.send_header("Last-Modified", "Tue, 24 Nov 2026 08:00:00 GMT")
        if asks:
            request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        request.send_header("Content-Length", str(len(data) - start))
        request.end_headers()
        request.wfile.write(data[start:][:most])
        request.close_connection = True

    return behave


def sends_partial(data: bytes, content_range: str, etag: str = '"1"') -> Behaviour:
    """Answer 206 with ``data``, whatever was asked for."""

    def behave(request: BaseHTTPRequestHandler, _before: int) -> None:
        request.send_response(206)
        request.send_header("ETag", etag)
        request.send_header("Content-Range", content_range)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    return behave
