"""A request as it is passed on, and an answer as it is passed back. Pure."""

from collections.abc import Sequence

from verdigris_serving.http import codings
from verdigris_serving.http.limits import Limits
from verdigris_serving.http.messages import FORWARDED, JSON, VERSION, Request, Response
from verdigris_serving.http.shield.outcomes import Outcome
from verdigris_serving.protocol.binary import HEADER

#: What belongs to one connection, and what is said anew.
_OWN = frozenset(
    {b"connection", b"keep-alive", b"transfer-encoding", b"te", b"trailer", b"upgrade", b"expect"}
    | {b"proxy-connection", b"content-length", b"host", b"date", b"server", b"content-type"}
)
#: That, and what a client keeps beyond the answer: it would depend on a version that may be gone then.
_NOT_BACK = _OWN | {b"set-cookie", b"set-cookie2", b"alt-svc", b"strict-transport-security", b"clear-site-data"}
#: What being passed on adds to a head at most, in bytes and in fields, with a host of whatever length.
_ADDED, _MORE = 512, 4


def has_room(request: Request, limits: Limits) -> bool:
    """Whether the head may have what is added on the way: the version on trial has the same limits as this one."""
    fields = request.headers
    size = len(request.path) + sum(len(name) + len(value) + 4 for name, value in fields.items())
    return size + _ADDED <= limits.head and len(fields) + _MORE <= limits.fields


def rendered(request: Request, host: bytes, mark: bytes) -> bytes:
    """The request as it is passed on: marked, and otherwise as it came."""
    lines = [b"%b %b HTTP/1.1" % (request.method.encode(), request.path.encode()), b"host: " + host]
    lines += [b"%b: %b" % field for field in request.headers.items() if field[0] not in _OWN]
    lines.append(b"content-type: " + request.headers.get(b"content-type", JSON))
    lines.append(b"content-length: %d" % len(request.body))
    lines.append(FORWARDED + b": " + mark)
    return b"\r\n".join(lines) + b"\r\n\r\n" + request.body


def passed_back(request: Request, status: int, fields: Sequence[tuple[bytes, bytes]], body: bytes) -> Response | None:
    """The answer as it came (field names in lower case); None when no client could be given it.

    Without what belongs to the connection, or would last. An inference is answered by 200 and a body that the client
    can read. Of an error the status alone matters: the active version answers in its stead.
    """
    if not (400 <= status <= 599 or (status == 200 and body and _is_readable(request, fields))):
        return None
    left_out = _not_back(b",".join([value for name, value in fields if name == b"connection"]))
    kept = b"".join(b"%b: %b\r\n" % field for field in fields if field[0] not in left_out)
    content_type = next((value for name, value in fields if name == b"content-type"), JSON)
    return Response(status, body, content_type, kept)


def named(response: Response, version: str) -> None:
    """Have an answer say which version gave it, where it does not: an image of somebody else's may not know to."""
    if b"\r\n" + VERSION + b":" not in b"\r\n" + response.fields:
        response.fields += b"%b: %b\r\n" % (VERSION, version.encode())


def _not_back(connection: bytes) -> frozenset[bytes]:
    """With those that a ``Connection`` field says belong to the connection, too, and without what tells of the body.

    (RFC 9110, 7.6.1. Of a request nothing of the kind is left out: the active version looks at all of it as well.)
    """
    if not connection:
        return _NOT_BACK
    named = frozenset(name.strip().lower() for name in connection.split(b","))
    return _NOT_BACK | (named - {b"content-encoding", HEADER})


def _is_readable(request: Request, fields: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether the body is in codings that the client has asked for, and in no transfer coding any more."""
    accepted = request.headers.get(b"accept-encoding", b"")
    return all(
        value.lower() == b"chunked" if name == b"transfer-encoding" else codings.is_acceptable(value, accepted)
        for name, value in fields
        if name in {b"content-encoding", b"transfer-encoding"}
    )


def outcome_of(response: Response | None) -> Outcome:
    """What the version on trial has said, by its status alone."""
    if response is None:
        return Outcome.MALFORMED
    if response.status >= 500:
        return Outcome.ERROR
    return Outcome.REFUSED if response.status >= 400 else Outcome.ANSWERED
