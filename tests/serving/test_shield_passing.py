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

    passed_on = rendered(request(connection=b"X-Hop", x_hop=b"1", x_more=b"yes"), b"h:1", PASSED_ON)
    assert b"x-more: yes\r\n" in passed_on
    assert b"x-hop" not in passed_on.lower()
