"""A request as it came off the wire, an answer as it goes onto it."""

from collections.abc import Callable
from http import HTTPStatus

JSON = b"application/json"
#: Marks a request that another pod's shield has sent on: its value is PASSED_ON, or COPY.
FORWARDED = b"verdigris-forwarded"
#: The client gets this answer.
PASSED_ON = b"1"
#: The client has its answer already: this one is compared with it, and counted nowhere as an answer.
COPY = b"copy"
#: Says in each inference answer which version gave it.
VERSION = b"verdigris-version"
#: What is sent to a client that waits for permission to send its body.
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Request:
    """One request, whole, or refused before it was.

    ``path`` has no query and no percent signs; ``headers`` has lower-case names, the values of a repeated one joined
    by a comma. ``arrived`` is when its last byte was read, in seconds of the monotonic clock. A request with a
    ``refusal`` (status and sentence) is not to be acted upon, and its connection cannot be used again.
    """

    __slots__ = (
        "abandoned",
        "arrived",
        "away",
        "body",
        "headers",
        "inference",
        "keep_alive",
        "method",
        "old",
        "path",
        "refusal",
    )

    def __init__(self, method: str, path: str, headers: dict[bytes, bytes], body: bytes, *, keep_alive: bool) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.keep_alive = keep_alive
        self.refusal: tuple[int, str] | None = None
        self.arrived = 0.0
        #: HTTP/1.0: a client that wants its connection kept has to be told that it is.
        self.old = False
        #: Whether it asks for an inference: only those are counted.
        self.inference = False
        #: The client has left, or has its answer: nobody waits for another.
        self.abandoned = False
        #: Another version is asked for it, or was: its place here is kept.
        self.away = False

    def again(self) -> "Request":
        """The same request without its body, for who answers it in place of a thread that has it."""
        request = Request(self.method, self.path, self.headers, b"", keep_alive=self.keep_alive)
        request.arrived, request.old = self.arrived, self.old
        return request


class Response:
    """Status, body and the header fields that depend on the answer (each ended by CRLF).

    ``count``, where there is one, counts the rows that it answers: to be called once the client has it.
    """

    __slots__ = ("body", "content_type", "count", "fields", "status")

    def __init__(
        self,
        status: int,
        body: bytes,
        content_type: bytes = JSON,
        fields: bytes = b"",
        count: Callable[[], None] | None = None,
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.fields = fields
        self.count = count


_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


def render(response: Response, date: bytes, connection: bytes, *, head_only: bool) -> bytes:
    """The answer's bytes. ``connection`` is empty or a whole header field; ``head_only`` for HEAD."""
    return b"%bdate: %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n%b%b\r\n%b" % (
        _STATUS_LINES[response.status],
        date,
        response.content_type,
        len(response.body),
        response.fields,
        connection,
        b"" if head_only else response.body,
    )
