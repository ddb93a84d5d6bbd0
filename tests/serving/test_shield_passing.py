"""What of a request is passed on, and of an answer passed back: without a server."""

from verdigris_serving.http.messages import PASSED_ON, Request, Response
from verdigris_serving.http.shield.passing import passed_back, rendered


def request(**headers: bytes) -> Request:
    """An inference request with these header fields."""
    fields = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    return Request("POST", "/v2/models/demo/infer", fields, b"{}", keep_alive=True)


def back(*fields: tuple[bytes, bytes]) -> Response:
    """A sound answer with these fields, as it is passed back."""
    response = passed_back(request(), 200, fields, b"{}")
    assert response is not None
    return response


def test_nothing_that_a_client_would_keep_comes_from_a_version_that_may_be_gone() -> None:
    lasting = [
        (b"set-cookie", b"a=b; Max-Age=9999999"),
        (b"alt-svc", b'h2="elsewhere:443"; ma=9999999'),
        (b"strict-transport-security", b"max-age=9999999"),
        (b"clear-site-data", b'"*"'),
    ]
    assert back(*lasting, (b"x-more", b"yes")).fields == b"x-more: yes\r\n"


def test_what_belongs_to_a_connection_stays_there() -> None:
    named = (b"connection", b"keep-alive, X-Hop"), (b"connection", b"x-too")
    assert back(*named, (b"x-hop", b"1"), (b"x-too", b"2"), (b"x-more", b"yes")).fields == b"x-more: yes\r\n"


def test_what_tells_of_a_body_stays_beside_it() -> None:
    """Whoever says otherwise: the body would be read as what it is not, and that be the other's fault."""
    packed = b"content-encoding: gzip\r\n"
    named = (b"connection", b"content-encoding, inference-header-content-length")
    answer = passed_back(
        request(accept_encoding=b"gzip"),
        200,
        [named, (b"content-encoding", b"gzip"), (b"inference-header-content-length", b"2")],
        b"{}",
    )
    assert answer is not None
    assert answer.fields == packed + b"inference-header-content-length: 2\r\n"
    assert packed in rendered(request(connection=b"Content-Encoding", content_encoding=b"gzip"), b"h:1", PASSED_ON)
