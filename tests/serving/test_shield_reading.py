"""What is read of an answer of the version on trial, and what is too much: without a server."""

import asyncio
from typing import cast

import pytest

from tests.serving.candidates import Stall, candidate, write
from tests.serving.support import PATIENCE, request_body
from tests.serving.wire import Paper
from verdigris_serving.http.messages import Request, Response
from verdigris_serving.http.shield import upstream
from verdigris_serving.http.shield.outcomes import Outcome
from verdigris_serving.http.shield.reading import MOST_AROUND, MOST_FIELDS, MOST_HEAD, AnswerParser
from verdigris_serving.http.shield.upstream import AT_A_TIME, Exchange, Line, Upstream

MOST = 200_000
SOUND = b"HTTP/1.1 200 OK\r\nx-a: b\r\ncontent-length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def read(data: bytes, piece: int = MOST) -> AnswerParser:
    """An answer that comes in pieces of so many bytes."""
    parser = AnswerParser(MOST)
    for start in range(0, len(data), piece):
        if not parser.malformed:
            parser.feed(data[start : start + piece])
    return parser


@pytest.mark.parametrize("piece", [1, 7, MOST])
@pytest.mark.parametrize(
    ("data", "fields"),
    [
        (SOUND, [b"x-a", b"content-length"]),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + SOUND, [b"x-a", b"content-length"]),
        (b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + SOUND, [b"x-a", b"content-length"]),
        (CHUNKED + b"1\r\n{\r\n1\r\n}\r\n0\r\ncontent-encoding: gzip\r\n\r\n", [b"transfer-encoding"]),
    ],
    ids=["plain", "100", "103", "trailer"],
)
def test_an_answer_is_its_last_head_and_its_body(data: bytes, fields: list[bytes], piece: int) -> None:
    parser = read(data, piece)

    assert (parser.whole, parser.malformed, parser.stays) == (True, False, True)
    assert (parser.status, parser.body) == (200, b"{}")
    assert [name for name, _ in parser.fields] == fields


@pytest.mark.parametrize("piece", [4_096, MOST])
@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * (MOST_FIELDS + 1) + b"content-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * MOST_HEAD + b"\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * MOST_HEAD,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000,
        b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (MOST, bytes(MOST)),
        CHUNKED + b"1\r\ny\r\n" * (MOST_AROUND // 4),
        CHUNKED + b"1;x=" + b"y" * MOST_AROUND,
        CHUNKED + b"0\r\nx: " + b"y" * MOST_AROUND,
        SOUND + SOUND,
        b"HTTP/1.1 104 Wait\r\ncontent-length: 5\r\n\r\nhello" + SOUND,
    ],
    ids=[
        "fields",
        "head",
        "long field",
        "interim",
        "body",
        "small chunks",
        "extension",
        "trailer",
        "two",
        "in between",
    ],
)
def test_what_is_too_much_is_malformed(data: bytes, piece: int) -> None:
    assert read(data, piece).malformed


def test_a_body_in_chunks_of_a_usual_size_may_be_as_large_as_any() -> None:
    parser = AnswerParser(10 * 2**20)
    parser.feed(CHUNKED)
    for _ in range(100_000):
        parser.feed(b"40\r\n" + bytes(64) + b"\r\n")
    parser.feed(b"0\r\n\r\n")

    assert (parser.whole, parser.malformed, len(parser.body)) == (True, False, 6_400_000)


async def test_a_large_answer_leaves_the_loop_to_others_in_between() -> None:
    """A loop reads on for as long as there is more."""
    ended: list[Outcome] = []
    asked, paper = Line(Upstream("", 1)), Paper()
    asked.connection_made(cast(asyncio.Transport, paper))
    for _ in range(2):
        request = Request("POST", "/", {}, request_body(), keep_alive=True)
        asked.send(Exchange(request, lambda outcome, _: ended.append(outcome)), b"")
        asked.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (3 * AT_A_TIME))
        assert paper.reading
        for _ in range(2):
            asked.data_received(bytes(AT_A_TIME))
            assert not paper.reading
            await asyncio.sleep(0)
            assert paper.reading
        asked.data_received(bytes(AT_A_TIME))
        assert paper.reading

    assert ended == [Outcome.ANSWERED] * 2


async def test_answers_that_have_begun_have_an_end_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may be as large as it is; for more of them than there is room for, the active version answers."""
    head, part = b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n", bytes(30_000)
    monkeypatch.setattr(upstream, "MOST_HELD", 70_000)
    stall, ended = Stall(), asyncio.Queue[Outcome]()

    def half(handler: object) -> None:
        handler.wfile.write(head + part)  # type: ignore[attr-defined]
        stall.over.wait()
        write(part)(handler)  # type: ignore[arg-type]

    def over(outcome: Outcome, _: Response | None) -> None:
        ended.put_nowait(outcome)

    with candidate(half) as large:
        asked = Upstream("127.0.0.1", large.port)
        for _ in range(3):
            asked.ask(Request("POST", "/", {}, request_body(), keep_alive=True), over)
        async with asyncio.timeout(PATIENCE):
            outcomes = [await ended.get()]
            stall.over.set()
            outcomes += [await ended.get(), await ended.get()]
        asked.close()

    assert outcomes == [Outcome.BUSY, Outcome.ANSWERED, Outcome.ANSWERED]
    assert asked.hold(0), "what has ended is given back"
    assert asked.hold(70_000), "to the last byte"
