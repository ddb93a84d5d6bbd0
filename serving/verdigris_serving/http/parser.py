"""From bytes to whole requests: HTTP/1.1 and 1.0 by llhttp (httptools), with limits. Knows nothing of sockets.

llhttp is strict here: two lengths, a length beside a transfer coding, a line that ends without CR, a folded header,
an unknown version of the grammar are errors, so nothing in front of this server can understand a request's end
differently. What it lets pass and this server does not want is refused below.
"""

import enum
from urllib.parse import unquote

import httptools

from verdigris_serving.http.limits import SMALLER, Limits
from verdigris_serving.http.messages import Request


class Stage(enum.Enum):
    """Where in a request the bytes have ended."""

    BETWEEN = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()


_BETWEEN, _HEAD, _BODY = Stage


class RequestParser:
    """One connection's requests. ``stage`` says what is awaited, ``size`` how much of a body has arrived (bytes)."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._parser = httptools.HttpRequestParser(self)
        self._ready: list[Request] = []
        self._pieces: list[bytes] = []
        self._version = "1.1"
        self._keep_alive = True
        self._upgrade = False
        #: Set with the last request: whatever follows is dropped.
        self.ended = False
        self.stage = _BETWEEN
        self.on_message_begin()
        self.stage = _BETWEEN

    def feed(self, data: bytes) -> list[Request]:
        """The requests that ``data`` completes, in order; the last may be a refusal, and then nothing follows."""
        if self.ended:
            return []
        began_before = self.stage is _HEAD
        ready: list[Request] = []
        self._ready = ready
        rest: bytes | memoryview = data
        while rest and not self.ended:
            try:
                self._parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                rest = memoryview(rest)[upgrade.args[0] :]
                self._decline_upgrade()
            except httptools.HttpParserError:
                self.refuse(400, "this is no well-formed HTTP/1.1 request")
            else:
                break
        if self.stage is _HEAD:
            # A field that has no end yet is not in the size: count what arrives until it has.
            self._unfinished += len(data) if began_before and not ready else 0
            if max(self._unfinished, self._head_size) > self._limits.head:
                self._refuse_head()
        return ready

    def wants_continue(self) -> bool:
        """Whether the client waits for permission to send the body (``Expect: 100-continue``); true once a request."""
        if self.stage is not _BODY or self.ended or self._headers.get(b"expect", b"").lower() != b"100-continue":
            return False
        del self._headers[b"expect"]
        return self._version == "1.1" and self.size == 0

    def refuse(self, status: int, message: str) -> None:
        """End the connection's requests with a refusal of the one that is arriving."""
        if self.ended:
            return
        if self.stage is _BETWEEN:
            self.on_message_begin()
        request = Request(self._method, self._path(), self._headers, b"", keep_alive=False)
        request.refusal = (status, message)
        self._ready.append(request)
        self._end()

    def take_refusal(self, status: int, message: str) -> list[Request]:
        """The refusal alone, for a caller with a reason of its own (a deadline, no memory left)."""
        self._ready = []
        self.refuse(status, message)
        return self._ready

    def _end(self) -> None:
        self.ended = True
        self.stage = _BETWEEN
        self._pieces = []

    def _refuse_head(self) -> None:
        limits = self._limits
        self.refuse(431, f"the request's head is larger than {limits.head} bytes or {limits.fields} fields")

    def _refuse_body(self) -> None:
        self.refuse(413, f"the body is larger than {self._limits.body} bytes; {SMALLER}")

    # What llhttp calls, in the order of a request.

    def on_message_begin(self) -> None:
        """A request's first byte."""
        self.stage = _HEAD
        self.size = 0
        self._method = ""
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._pieces = []
        self._fields = 0
        self._head_size = 0
        self._unfinished = 0

    def on_url(self, url: bytes) -> None:
        """A part of the target: it comes in as many parts as chunks brought it."""
        self._url += url
        self._head_size += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One whole field, of the head or (after the body) a trailer."""
        self._fields += 1
        self._head_size += len(name) + len(value) + 4
        if self._fields > self._limits.fields or self._head_size > self._limits.head:
            self._refuse_head()
        elif self.stage is _HEAD:
            name = name.lower()
            if name in self._headers:
                value = self._headers[name] + b", " + value
            self._headers[name] = value

    def on_headers_complete(self) -> None:
        """The head is whole; here it is decided whether its body is wanted."""
        parser, headers = self._parser, self._headers
        self._method = parser.get_method().decode()
        self._version = parser.get_http_version()
        self._keep_alive = parser.should_keep_alive()
        self._upgrade = parser.should_upgrade()
        if self.ended:
            return
        self.stage = _BODY
        coding = headers.get(b"transfer-encoding")
        if self._version not in {"1.1", "1.0"} or self._method == "CONNECT":
            self.refuse(400, "only HTTP/1.1 and HTTP/1.0 are spoken here, and no CONNECT")
        elif coding is not None and (coding.lower() != b"chunked" or self._version == "1.0"):
            self.refuse(400, "the only transfer coding understood is chunked, in HTTP/1.1")
        elif self._version == "1.1" and (b"host" not in headers or b"," in headers[b"host"]):
            self.refuse(400, "exactly one Host field is needed")
        elif self._head_size > self._limits.head:
            self._refuse_head()
        elif int(headers.get(b"content-length") or 0) > self._limits.body:
            self._refuse_body()

    def on_body(self, data: bytes) -> None:
        """A part of the body."""
        self.size += len(data)
        if self.size > self._limits.body:
            self._refuse_body()
        elif not self.ended:
            self._pieces.append(data)

    def on_message_complete(self) -> None:
        """A request is whole."""
        if self.ended or self._upgrade:
            return
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self.stage = _BETWEEN
        request = Request(self._method, self._path(), self._headers, body, keep_alive=self._keep_alive)
        request.old = self._version == "1.0"
        self._ready.append(request)
        if not self._keep_alive:
            self._end()

    def _path(self) -> str:
        url = self._url
        if not url.startswith(b"/") and url:
            try:
                url = httptools.parse_url(url).path or b"/"
            except httptools.HttpParserInvalidURLError:
                url = b""
        path = url.partition(b"?")[0]
        return unquote(path.decode("latin-1")) if b"%" in path else path.decode("latin-1")

    def _decline_upgrade(self) -> None:
        """Read on in HTTP/1.1 after a head that offered another protocol, as Java's client does with its first.

        llhttp stops after such a head, body or not: a new parser gets the same head without the offer, and goes on.
        """
        if self.ended:
            return
        lines = [self._method.encode() + b" " + self._url + b" HTTP/" + self._version.encode()]
        lines += [name + b": " + value for name, value in self._headers.items() if name not in _OFFER]
        if not self._keep_alive:
            lines.append(b"connection: close")
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(b"\r\n".join(lines) + b"\r\n\r\n")


_OFFER = frozenset({b"connection", b"upgrade", b"http2-settings"})
