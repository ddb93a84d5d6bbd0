"""More to do than can be done: a bounded queue, refusals at once, and probes that never wait."""

import asyncio
import json
import signal
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from dev.cluster.patience import stretched
from tests.serving.support import PATIENCE, ROW, ServerProcess, eventually, request_body, server, write_artifact
from tests.serving.wire import Paper, answers, connect, head, infer
from verdigris_serving.http.connection import Connection
from verdigris_serving.http.limits import Limits

CONCURRENCY, QUEUE = 2, 3


@dataclass
class Slow:
    """A server whose inferences take until the gate is opened."""

    server: ServerProcess
    gate: Path

    def in_flight(self) -> float:
        return self.server.metric("verdigris_requests_in_flight")


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Slow]:
    write_artifact(tmp_path / "model.vmodel")
    gate = tmp_path / "gate"
    with server(
        tmp_path,
        module="tests.serving.tuned_server",
        TEST_GATE=str(gate),
        VERDIGRIS_CONCURRENCY=str(CONCURRENCY),
        VERDIGRIS_QUEUE=str(QUEUE),
    ) as process:
        try:
            yield Slow(process, gate)
        finally:
            gate.touch()


Answer = tuple[int, dict[str, str], bytes]


def ask(clients: ThreadPoolExecutor, slow: Slow, number: int) -> list[Future[Answer]]:
    """``number`` requests, none of which waits for another's answer."""
    return [clients.submit(slow.server.infer) for _ in range(number)]


def test_what_finds_no_room_is_turned_away_at_once_while_probes_are_answered(slow: Slow) -> None:
    with ThreadPoolExecutor(40) as clients:
        asked = ask(clients, slow, 40)
        turned_away = 40 - CONCURRENCY - QUEUE
        eventually(lambda: sum(answer.done() for answer in asked) == turned_away, "the surplus has its answers")

        for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/demo/ready"):
            assert slow.server.get(path)[0] == 200
        assert slow.in_flight() == CONCURRENCY + QUEUE
        assert slow.server.metric('verdigris_rejected_total{reason="queue"}') == turned_away
        slow.gate.touch()
        results = [answer.result() for answer in asked]

    assert Counter(status for status, _, _ in results) == {200: CONCURRENCY + QUEUE, 503: turned_away}
    for status, fields, body in results:
        if status == 503:
            assert fields["retry-after"] == "1"
            assert "connection" not in fields, "the connection can be used again in a second"
            assert "ask again" in json.loads(body)["error"]
    assert slow.in_flight() == 0
    assert slow.server.metric('verdigris_requests_total{code="503"}') == turned_away


def test_room_that_has_become_free_is_used(slow: Slow) -> None:
    slow.gate.touch()

    assert {slow.server.infer()[0] for _ in range(5 * (CONCURRENCY + QUEUE))} == {200}


def test_a_client_that_has_left_while_it_waited_costs_no_time(slow: Slow) -> None:
    with ThreadPoolExecutor(CONCURRENCY) as clients:
        computed = ask(clients, slow, CONCURRENCY)
        eventually(lambda: slow.in_flight() == CONCURRENCY, "the threads are busy")
        connection = slow.server.connect()
        connection.request("POST", "/v2/models/demo/infer", request_body())
        eventually(lambda: slow.in_flight() == CONCURRENCY + 1, "one waits")
        # A reset: the end of the stream alone could be a client that has closed its half and waits.
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        eventually(lambda: slow.server.metric("verdigris_connections") == CONCURRENCY + 1, "it has left")
        slow.gate.touch()
        assert {answer.result()[0] for answer in computed} == {200}

    eventually(lambda: slow.in_flight() == 0, "its place is free")
    assert slow.server.metric("verdigris_score_count") == CONCURRENCY, "it was not computed"


def test_sigterm_waits_for_what_is_computed_and_for_what_waits(slow: Slow) -> None:
    with ThreadPoolExecutor(CONCURRENCY + QUEUE) as clients:
        asked = ask(clients, slow, CONCURRENCY + QUEUE)
        eventually(lambda: slow.in_flight() == CONCURRENCY + QUEUE, "all are let in")
        slow.server.process.send_signal(signal.SIGTERM)
        eventually(lambda: slow.server.get("/v2/health/live")[1].get("connection") == "close", "it stops")
        slow.gate.touch()

        assert {answer.result()[0] for answer in asked} == {200}
    assert slow.server.process.wait(timeout=PATIENCE) == 0


def test_a_model_that_never_answers_cannot_outlast_the_grace(tmp_path: Path) -> None:
    write_artifact(tmp_path / "model.vmodel")
    stuck = {"TEST_GATE": str(tmp_path / "gate"), "VERDIGRIS_GRACE": str(stretched(0.5))}
    with server(tmp_path, module="tests.serving.tuned_server", **stuck) as process:
        connection = process.connect()
        connection.request("POST", "/v2/models/demo/infer", request_body())
        eventually(lambda: process.metric("verdigris_requests_in_flight") == 1, "it is being computed")
        process.process.send_signal(signal.SIGTERM)

        assert process.process.wait(timeout=PATIENCE) == 0
        connection.close()


def test_many_large_batches_at_once_are_computed_a_few_at_a_time(tmp_path: Path) -> None:
    write_artifact(tmp_path / "model.vmodel")
    rows = [[120.0, 80.0, 40.0]] * 2_000
    with server(tmp_path, VERDIGRIS_CONCURRENCY="2", VERDIGRIS_QUEUE="100") as process:
        statuses: list[int] = []
        clients = [
            threading.Thread(target=lambda: statuses.append(process.infer(request_body(rows))[0])) for _ in range(30)
        ]
        for client in clients:
            client.start()
        assert process.get("/v2/health/ready")[0] == 200
        for client in clients:
            client.join()

    assert statuses == [200] * 30


@pytest.mark.parametrize(("limits", "reason"), [(Limits(turn=-1, line=2), "queue"), (Limits(turn=-1, wait=-1), "late")])
async def test_small_requests_stand_in_line_when_a_round_is_over_and_the_line_has_an_end(
    limits: Limits, reason: str
) -> None:
    shared, clients = connect(limits)[0].shared, []
    for _ in range(3):
        connection, paper = Connection(shared), Paper()
        connection.connection_made(cast(asyncio.Transport, paper))
        connection.data_received(infer())
        clients.append(paper)
    probe, probe_paper = Connection(shared), Paper()
    probe.connection_made(cast(asyncio.Transport, probe_paper))
    probe.data_received(head("/v2/health/ready", "GET"))
    assert answers(probe_paper.written)[0].status == 200, "a probe does not stand in line"

    for _ in clients:
        await asyncio.sleep(0)

    results = [answers(paper.written)[0] for paper in clients]
    assert [answer.status for answer in results] == ([200, 200, 503] if reason == "queue" else [503] * 3)
    assert results[2].fields["retry-after"] == "1"


async def test_pipelined_requests_stand_in_line_one_after_the_other_and_are_all_answered() -> None:
    connection, paper = connect(Limits(turn=-1))
    faults: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: faults.append(context))
    connection.data_received(infer() * 40)

    for _ in range(100):
        await asyncio.sleep(0)

    assert [answer.status for answer in answers(paper.written)] == [200] * 40
    assert faults == []


@pytest.mark.parametrize("large", [False, True], ids=["in line", "in a thread"])
async def test_a_body_is_accounted_for_until_it_is_let_go_also_when_its_client_has_left(*, large: bool) -> None:
    """Clients that come and leave would fill the memory."""
    limits = Limits(turn=-1, bodies=100_000)
    connection, _ = connect(limits)
    admission, request = connection.shared.admission, infer(request_body([ROW] * (3_000 if large else 1)))
    connection.data_received(request[:-1])
    connection.data_received(request[-1:])
    connection.connection_lost(ConnectionResetError())
    assert not admission.hold(limits.bodies), "some of it is there still"
    admission.hold(-limits.bodies)

    async with asyncio.timeout(PATIENCE):
        while not admission.hold(limits.bodies):
            admission.hold(-limits.bodies)
            await asyncio.sleep(0.001)
