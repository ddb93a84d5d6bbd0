"""Several pods of both versions, that come, go, are stopped and freeze while requests are passed on."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.serving import candidates
from tests.serving.candidates import candidate
from tests.serving.shielding import INFER, answered_by, counts, order
from tests.serving.spreader import Spreader, spreader
from tests.serving.support import ServerProcess, ask, eventually, request_body, server, write_artifact
from tests.serving.wire import infer
from verdigris_serving.http.shield.outcomes import Outcome

V2 = b"verdigris-version: 2.0.0"


@pytest.fixture
def pods(tmp_path: Path) -> Iterator[Callable[[str], ServerProcess]]:
    """Makes pods of a version, as many as are asked for."""
    with ExitStack() as running:

        def pod(version: str, **env: str) -> ServerProcess:
            folder = tmp_path / str(len(list(tmp_path.iterdir())))
            folder.mkdir()
            write_artifact(folder / "model.vmodel", version=version)
            return running.enter_context(server(folder, **env))

        yield pod


def answers_of(front: ServerProcess, number: int) -> bytes:
    """What the front answers to so many requests, which are sent one behind another."""
    received = b""
    with socket.create_connection(("127.0.0.1", front.port)) as connection:
        sending = threading.Thread(target=connection.sendall, args=(infer() * number,))
        sending.start()
        while received.count(b"HTTP/1.1 200 OK\r\n") < number or not received.endswith(b"}"):
            data = connection.recv(1_000_000)
            assert data, "the front has closed the connection"
            received += data
        sending.join()
    return received


def test_the_share_is_exact_in_every_pod(pods: Callable[[str], ServerProcess]) -> None:
    """1 % of 20,000, 10 % of 4,000, 50 % of 2,000: chi-square with one degree of freedom, 24 once in a million."""
    fronts = [pods("1.0.0"), pods("1.0.0")]
    with spreader(pods("2.0.0").port, pods("2.0.0").port) as service:
        for share, number in ((100, 10_000), (1_000, 2_000), (5_000, 1_000)):
            for front in fronts:
                order(front, service.port, share=share)
                passed_on = answers_of(front, number).count(V2)

                expected = number * share / 10_000
                chi_square = (passed_on - expected) ** 2 * (1 / expected + 1 / (number - expected))
                assert chi_square < 24, f"{passed_on} of {number} at {share / 100} %"


def _moved(front: ServerProcess, service: Spreader, to: list[int], *, seen: Callable[[], bool]) -> None:
    """Give the Service other pods, and ask until it is seen."""
    service.pods = to
    connection = front.connect()

    def asked() -> bool:
        for _ in range(20):
            answered_by(ask(connection, INFER, "POST", request_body()))
        return seen()

    eventually(asked, f"requests go to {to}")


def test_a_new_pod_has_its_share_soon_and_one_that_is_gone_none(
    front: ServerProcess, pods: Callable[[str], ServerProcess]
) -> None:
    one, two = pods("2.0.0"), pods("2.0.0")
    answered = 'verdigris_requests_total{code="200"}'
    with spreader(one.port) as service:
        order(front, service.port)
        _moved(front, service, [one.port], seen=lambda: one.metric(answered) >= 20)
        assert two.metric(answered) == 0

        _moved(front, service, [one.port, two.port], seen=lambda: two.metric(answered) >= 20)
        _moved(front, service, [two.port], seen=partial(_rests, one, answered, []))

    assert counts(front) == {Outcome.ANSWERED: one.metric(answered) + two.metric(answered)}


def _rests(pod: ServerProcess, line: str, before: list[float]) -> bool:
    before.append(pod.metric(line))
    return len(before) > 1 and before[-1] == before[-2]


def test_a_user_meets_the_same_version_in_every_pod_and_a_growing_share_only_adds_users(
    behind: ServerProcess, pods: Callable[[str], ServerProcess]
) -> None:
    fronts = [pods("1.0.0"), pods("1.0.0")]
    users = [f"user-{number}" for number in range(60)]

    def on_trial(front: ServerProcess, share: int) -> set[str]:
        order(front, behind.port, share=share, unit="X-User-Id", salt="demo")
        connection = front.connect()
        found = set()
        for user in users:
            connection.request("POST", INFER, request_body(), {"x-user-id": user})
            response = connection.getresponse()
            response.read()
            if response.getheader("verdigris-version") == "2.0.0":
                found.add(user)
        return found

    third, here = on_trial(fronts[0], 3_333), on_trial(fronts[1], 3_333)
    half = on_trial(fronts[0], 5_000)

    assert third == here
    assert set() < third < half < set(users)


def _ask_on(front: ServerProcess, stop: threading.Event, asked: threading.Semaphore) -> list[str]:
    """Ask over kept connections until told to stop, or sent away; fails when an answer does not come, or is none."""
    connection, found = front.connect(), []
    while not stop.is_set():
        answer = ask(connection, INFER, "POST", request_body())
        found.append(answered_by(answer))
        asked.release()
        if answer[1].get("connection") == "close":
            return found
    return found


def test_a_pod_on_trial_that_is_stopped_gently_loses_nothing_and_is_no_fault(
    front: ServerProcess, pods: Callable[[str], ServerProcess]
) -> None:
    leaving, staying = pods("2.0.0"), pods("2.0.0")
    stop, asked = threading.Event(), threading.Semaphore(0)
    with spreader(leaving.port, staying.port) as service, ThreadPoolExecutor(4) as clients:
        order(front, service.port)
        answers = [clients.submit(_ask_on, front, stop, asked) for _ in range(4)]
        try:
            _take(asked, 200)
            service.pods = [staying.port]
            leaving.process.terminate()
            leaving.process.wait(30)
            _take(asked, 200)
        finally:
            stop.set()
        found = [version for each in answers for version in each.result()]

    assert set(found) == {"2.0.0"}
    assert counts(front) == {Outcome.ANSWERED: len(found)}


def _take(asked: threading.Semaphore, number: int) -> None:
    for _ in range(number):
        assert asked.acquire(timeout=60)


def test_a_front_that_is_stopped_gently_answers_all_that_it_was_asked(
    front: ServerProcess, behind: ServerProcess
) -> None:
    stop, asked = threading.Event(), threading.Semaphore(0)
    order(front, behind.port)
    with ThreadPoolExecutor(4) as clients:
        answers = [clients.submit(_ask_on, front, stop, asked) for _ in range(4)]
        _take(asked, 100)
        front.process.terminate()
        found = [version for each in answers for version in each.result()]

    assert found.count("2.0.0") >= 100
    assert front.process.wait(30) == 0


def test_a_front_that_is_stopped_answers_itself_what_a_frozen_version_has(
    pods: Callable[..., ServerProcess],
) -> None:
    stall = candidates.Stall()
    front = pods("1.0.0", VERDIGRIS_GRACE="2")
    with candidate(stall) as frozen, ThreadPoolExecutor(1) as client:
        order(front, frozen.port, within=60.0)
        try:
            waiting = client.submit(front.infer)
            eventually(lambda: bool(frozen.requests), "it is passed on")
            front.process.terminate()

            assert answered_by(waiting.result()) == "1.0.0"
        finally:
            stall.over.set()
    assert front.process.wait(30) == 0


def test_a_front_whose_clients_are_sent_away_passes_on_as_before(front: ServerProcess, behind: ServerProcess) -> None:
    order(front, behind.port)
    front.traffic.write_text("off")
    eventually(lambda: front.infer()[1].get("connection") == "close", "its clients are sent away")

    assert [answered_by(front.infer()) for _ in range(5)] == ["2.0.0"] * 5
