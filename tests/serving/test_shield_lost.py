"""No request is lost in the shield, and nothing of it stays: answers that nobody can read, that come back together,
that break off, that nobody takes in, or that an earlier order has under way."""

import asyncio
import gc
import json
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.serving import candidates
from tests.serving.candidates import Act, Candidate, Stall, candidate
from tests.serving.shielding import INFER, answered_by, counts, likenesses, order, shadow, write
from tests.serving.support import PATIENCE, ROW, ServerProcess, eventually, request_body, server, write_artifact
from tests.serving.wire import infer
from verdigris_serving.http.admission import Admission
from verdigris_serving.http.limits import Limits
from verdigris_serving.http.messages import Request
from verdigris_serving.http.shield.outcomes import Outcome
from verdigris_serving.http.shield.reading import AnswerParser
from verdigris_serving.http.shield.shadow.comparing import Likeness
from verdigris_serving.http.shield.upstream import Upstream

#: JSON that no parser with a stack can read.
DEEP = b'{"more": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
LARGE = request_body([ROW] * 3_000)


@pytest.fixture
def deep() -> Iterator[Candidate]:
    """A version that fails in words nobody can read."""
    with candidate(candidates.say(500, DEEP, verdigris_version="2.0.0")) as faulty:
        yield faulty


def test_an_error_that_cannot_be_read_reaches_no_client(front: ServerProcess, deep: Candidate) -> None:
    order(front, deep.port)
    assert answered_by(front.infer()) == "1.0.0"
    assert counts(front) == {Outcome.ERROR: 1}


def test_a_copy_ends_with_an_error_that_cannot_be_read(front: ServerProcess, deep: Candidate) -> None:
    def is_sent() -> bool:
        front.infer()
        return bool(deep.requests)

    shadow(front, deep.port)
    eventually(is_sent, "there is time for a copy")
    eventually(lambda: likenesses(front).get(Likeness.FAILED) == len(deep.requests), "each has ended")


def test_what_a_frozen_version_has_finds_its_places_when_it_comes_back_together(tmp_path: Path) -> None:
    """Large requests need a thread, or a place in the line for one."""
    write_artifact(tmp_path / "model.vmodel")
    few = {"VERDIGRIS_CONCURRENCY": "1", "VERDIGRIS_QUEUE": "7"}
    with server(tmp_path, **few) as front, candidate(stall := Stall()) as frozen, ThreadPoolExecutor(6) as clients:
        order(front, frozen.port, within=1.0)
        asked = [clients.submit(front.infer, LARGE) for _ in range(6)]
        eventually(lambda: len(frozen.requests) == 4, "half of the places are away")
        found = Counter(one.result()[0] for one in asked)
        stall.over.set()
        assert found == {200: 6}
        assert counts(front)[Outcome.BUSY] == 2
        assert front.metric("verdigris_requests_in_flight") == 0


def test_who_comes_back_always_has_a_place_and_gives_it_back() -> None:
    admission = Admission(Limits(), concurrency=1, queue=3)
    assert [admission.send_away() for _ in range(3)] == [True, True, False]
    assert [admission.enter() for _ in range(5)] == [True] * 4 + [False]
    admission.reenter()
    assert (admission.in_flight, admission.away) == (5, 1)
    admission.come_back()
    for _ in range(5):
        admission.leave()
    assert (admission.in_flight, admission.away) == (0, 0)
    assert admission.send_away()


def test_what_an_order_before_has_under_way_is_answered_at_the_end(tmp_path: Path) -> None:
    write_artifact(tmp_path / "model.vmodel")
    stall = Stall()
    with server(tmp_path, VERDIGRIS_GRACE="4") as front, candidate(stall) as stalled, ThreadPoolExecutor(1) as clients:
        order(front, stalled.port, within=60)
        asked = clients.submit(front.infer)
        eventually(lambda: bool(stalled.requests), "it is passed on")
        told = {"host": "127.0.0.1", "port": stalled.port, "revision": "r3", "share": 0, "within": 60}
        write(front.shield, json.dumps(told))
        eventually(lambda: 'revision="r3"' in str(front.metrics()), "another order")
        front.process.send_signal(signal.SIGTERM)
        try:
            status, _, body = asked.result(PATIENCE)
        finally:
            stall.over.set()
    assert status == 200, body


@pytest.mark.parametrize("host", ["a..b", "a" * 100])
def test_a_host_that_is_no_name_is_unreachable_at_once(host: str, front: ServerProcess) -> None:
    order(front, 80, host=host, within=PATIENCE)
    assert answered_by(front.infer()) == "1.0.0"
    assert set(counts(front)) == {Outcome.UNREACHABLE}


def test_answers_that_nobody_takes_in_have_an_end_together(front: ServerProcess) -> None:
    before, clients = _memory(front), list[socket.socket]()
    with candidate(candidates.say(200, bytes(60 * 2**20))) as large:
        order(front, large.port)
        for number in range(8):
            clients.append(socket.create_connection(("127.0.0.1", front.port)))
            clients[-1].sendall(infer())
            eventually(lambda number=number: sum(counts(front).values()) > number, "it is answered")
        assert counts(front)[Outcome.BUSY] > 0
        assert _memory(front) < before + 300
        for client in clients:
            client.close()
        eventually(lambda: front.metric("verdigris_connections") == 1, "they have left")
        assert len(front.infer()[2]) == 60 * 2**20, "there is room again"


def test_all_answers_together_have_a_quarter_of_the_container() -> None:
    taken = 0
    upstream = Upstream("127.0.0.1", 1, memory=4_000, untaken=lambda: taken)
    assert (upstream.most_bytes, upstream.hold(1_000)) == (1_000, True)
    taken = 1
    assert not upstream.hold(0)
    assert upstream.hold(-1)


def test_of_answers_that_break_off_nothing_stays(front: ServerProcess) -> None:
    """The garbage collector counts objects, not bytes."""
    half = b"HTTP/1.1 200 OK\r\ncontent-length: 20000000\r\n\r\n" + bytes(10_000_000)
    with candidate(candidates.write(half)) as dying:
        order(front, dying.port)
        before = _memory(front)
        assert [answered_by(front.infer()) for _ in range(20)] == ["1.0.0"] * 20
        assert _memory(front) < before + 100
    assert counts(front) == {Outcome.RESET: 20}


def _memory(front: ServerProcess) -> int:
    """MiB."""
    status = Path(f"/proc/{front.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) // 1024


@pytest.mark.parametrize(
    "act", [candidates.say(200, connection="close"), candidates.reset, None], ids=["closed", "reset", "unreachable"]
)
async def test_a_connection_leaves_nothing_for_the_garbage_collector(act: Act | None) -> None:
    request = Request("POST", INFER, {}, request_body(), keep_alive=True)

    async def ask_once(upstream: Upstream) -> None:
        ended = asyncio.Event()
        upstream.ask(request, lambda *_: ended.set())
        async with asyncio.timeout(PATIENCE):
            await ended.wait()
            while upstream.connections:
                await asyncio.sleep(0.001)

    with candidate(act or candidates.say(200)) as other, socket.create_server(("127.0.0.1", 0)) as nobody:
        port = other.port if act else nobody.getsockname()[1]
        nobody.close()
        upstream = Upstream("127.0.0.1", port)
        await ask_once(upstream)
        gc.collect()
        gc.disable()
        try:
            for _ in range(5):
                await ask_once(upstream)
            left = [each for each in gc.get_objects() if isinstance(each, AnswerParser)]
        finally:
            gc.enable()
    assert left == []
