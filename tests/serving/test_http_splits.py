"""However the network cuts a stream of requests, the answers are the same; whatever bytes come, nothing breaks."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serving.support import request_body
from tests.serving.wire import Answered, answers, chunked, connect, head, infer
from verdigris_serving.http.limits import Limits
from verdigris_serving.http.parser import RequestParser

BODY = request_body(id="mine")
REQUESTS = [
    infer(BODY),
    infer(BODY, Accept="*/*", X_Empty="", Expect="200-nonsense"),
    head(transfer_encoding="chunked") + chunked(BODY, [1, 30, 7]),
    head(transfer_encoding="Chunked", connection="Upgrade, HTTP2-Settings", upgrade="h2c") + chunked(BODY, [5]),
    infer(BODY, Connection="Upgrade", Upgrade="h2c", HTTP2_Settings="AAMAAABk"),
    head("/v2/health/ready", "GET"),
    head("http://model/v2/health/live?really=yes", "GET"),
    head("/v2/models/dem%6F", "GET", connection="upgrade", upgrade="websocket"),
    head("/v2/models/demo", "DELETE", content_length="2") + b"{}",
    infer(b'{"inputs": 1}'),
    head("/v2/health/live", "OPTIONS", "1.0", connection="keep-alive"),
    b"\r\n\r\n",
]
LAST = [
    b"",
    head("/v2/health/ready", "GET", connection="close") + b"dropped",
    head("/v2/health/ready", "GET", "1.0") + b"GET /dropped HTTP/1.1\r\n\r\n",
    b"this is no request\r\n\r\n",
    head(content_length="99999999999"),
    head("/v2", "GET", "2.0"),
    head("/v2", "GET").replace(b"Host: model\r\n", b"") + infer(),
]


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Some requests one after the other, and how the last one ends the connection."""
    return b"".join(draw(st.lists(st.sampled_from(REQUESTS), max_size=5))) + draw(st.sampled_from(LAST))


def answer(pieces: list[bytes]) -> list[Answered]:
    """What a connection answers to ``pieces`` read one by one."""

    async def converse() -> bytes:
        connection, paper = connect()
        for piece in pieces:
            connection.data_received(piece)
            await asyncio.sleep(0)
        return paper.written

    return answers(asyncio.run(converse()))


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    """``stream`` cut at ``places`` (taken modulo its length)."""
    edges = sorted({0, len(stream), *(place % (len(stream) + 1) for place in places)})
    return [stream[start:end] for start, end in pairwise(edges)]


@settings(max_examples=150, deadline=None)
@given(streams(), st.lists(st.integers(0, 10_000), max_size=40))
def test_any_split_of_a_stream_gets_the_same_answers(stream: bytes, places: list[int]) -> None:
    assert answer(cut(stream, places)) == answer([stream])


@pytest.mark.parametrize("number", range(len(REQUESTS)))
def test_a_request_that_comes_byte_by_byte_gets_the_same_answer(number: int) -> None:
    stream = REQUESTS[number] + REQUESTS[0]

    assert answer(cut(stream, list(range(len(stream))))) == answer([stream])
    assert answer([stream])[-1].status == 200


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_bytes_get_whole_requests_or_one_refusal_and_no_exception(data: st.DataObject) -> None:
    stream = bytearray(data.draw(streams() | st.binary(max_size=200)))
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 255)), max_size=4)):
        if stream:
            stream[place % len(stream)] = value
    parser = RequestParser(Limits(head=400, fields=6, body=300))
    places = data.draw(st.lists(st.integers(0, 10_000), max_size=10))

    requests = [request for piece in cut(bytes(stream), places) for request in parser.feed(piece)]

    refused = [request for request in requests if request.refusal is not None]
    assert refused == (requests[-1:] if parser.ended and requests and requests[-1].refusal else [])
    assert {request.refusal[0] for request in refused if request.refusal} <= {400, 413, 431}
