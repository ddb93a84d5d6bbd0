"""The end within the grace, whatever is under way, and an answer to everyone who still waits for one."""

import json
import re
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dev.cluster.patience import stretched
from tests.serving.support import PATIENCE, ROW, ServerProcess, eventually, request_body, server, write_artifact
from tests.serving.wire import Answered, answers, head, infer, read_all

STOPPING = "the server is stopping and has no time left for this"


@contextmanager
def sent(running: ServerProcess, *streams: bytes) -> Iterator[list[socket.socket]]:
    """A connection a stream, over which it has been sent."""
    with ExitStack() as stack:
        connections = []
        for stream in streams:
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE))
            connection.sendall(stream)
            connections.append(connection)
        yield connections


def wait_until_seen(running: ServerProcess) -> None:
    """Until the server has seen the signal that it is to stop."""
    log = running.process.stderr
    assert log is not None
    assert re.search("stopping", log.readline())


def let_in(running: ServerProcess) -> float:
    """How many requests have been let in: those under way, and those that a fast machine has answered already."""
    text = running.get("/metrics")[2].decode()
    counts = re.findall(r"^(?:verdigris_requests_in_flight|verdigris_requests_total\{.*\}) (\S+)$", text, re.MULTILINE)
    return sum(map(float, counts))


def is_cut_off(answer: Answered) -> bool:
    return answer.status == 503 and STOPPING in json.loads(answer.body)["error"]


def test_whatever_is_under_way_at_the_end_of_the_grace_is_answered(tmp_path: Path) -> None:
    write_artifact(tmp_path / "model.vmodel")
    stuck = {"TEST_GATE": str(tmp_path / "gate"), "VERDIGRIS_GRACE": str(stretched(1.5)), "VERDIGRIS_CONCURRENCY": "2"}
    computed, waiting = infer(), infer()
    pipelined = infer() + infer() + head("/v2/health/live", "GET")
    behind = infer() + infer()[:-5]
    half_body, half_head = infer()[:-5], infer()[:30]
    with server(tmp_path, module="tests.serving.tuned_server", **stuck) as running:
        with sent(running, computed, computed, waiting, pipelined, behind, half_body, half_head) as connections:
            eventually(
                lambda: running.metric("verdigris_requests_in_flight") == 5, "five are in threads or wait for one"
            )
            running.process.send_signal(signal.SIGTERM)
            received = [answers(read_all(connection)) for connection in connections]

        assert [len(found) for found in received] == [1, 1, 1, 3, 2, 1, 1]
        assert all(is_cut_off(answer) for found in received for answer in found)
        assert all(found[-1].fields["connection"] == "close" for found in received)
        assert all(found[0].fields["retry-after"] == "1" for found in received)
        assert running.process.wait(timeout=PATIENCE) == 0


def test_huge_batches_do_not_outlast_the_grace_and_none_is_left_without_an_answer(tmp_path: Path) -> None:
    write_artifact(tmp_path / "model.vmodel")
    huge = infer(request_body([ROW] * 240_000))
    grace = stretched(2.0)
    with server(tmp_path, VERDIGRIS_GRACE=str(grace)) as running:
        with sent(running, *[huge] * 10) as connections, ThreadPoolExecutor(10) as clients:
            eventually(lambda: let_in(running) == 10, "all are let in")
            received = [clients.submit(read_all, connection) for connection in connections]
            sent_at = time.monotonic()
            running.process.send_signal(signal.SIGTERM)
            wait_until_seen(running)
            seen_at = time.monotonic()
            code = running.process.wait(timeout=PATIENCE)
            ended_at = time.monotonic()

        assert seen_at - sent_at < stretched(3.0)
        assert ended_at - seen_at < grace + stretched(0.5)
        assert code == 0
    for stream in received:
        (answer,) = answers(stream.result())
        assert answer.status == 200 or is_cut_off(answer)


def test_a_probe_is_answered_while_huge_batches_are_computed(tmp_path: Path) -> None:
    write_artifact(tmp_path / "model.vmodel")
    huge = infer(request_body([ROW] * 80_000))
    with server(tmp_path) as running, sent(running, *[huge] * 6) as connections:
        eventually(lambda: let_in(running) == 6, "all are let in")
        slowest = 0.0
        while running.metric("verdigris_requests_in_flight"):
            began = time.monotonic()
            assert running.get("/v2/health/ready")[0] == 200
            slowest = max(slowest, time.monotonic() - began)
        for connection in connections:
            connection.shutdown(socket.SHUT_WR)
            assert answers(read_all(connection))[0].status == 200

    assert slowest < stretched(2.0)  # what a readiness probe waits for


def test_a_thread_that_keeps_the_interpreter_to_itself_cannot_outlast_the_grace(tmp_path: Path) -> None:
    write_artifact(tmp_path / "model.vmodel")
    grace = stretched(2.0)
    held = {"TEST_HOLD": "yes", "VERDIGRIS_GRACE": str(grace), "VERDIGRIS_CONCURRENCY": "1"}
    with server(tmp_path, module="tests.serving.tuned_server", **held) as running:
        assert running.get("/v2/health/ready")[0] == 200  # so signals are listened to
        with sent(running, b"") as (connection,):
            began = time.monotonic()
            running.process.send_signal(signal.SIGTERM)
            wait_until_seen(running)  # nothing will be once the model computes
            connection.sendall(infer())
            assert running.process.wait(timeout=PATIENCE) == 1
        assert time.monotonic() - began < grace + stretched(1.0)
