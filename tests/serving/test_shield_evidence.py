"""What is a fault of the version on trial, and what only looks like one."""

import socket
import threading
from pathlib import Path
from typing import Any

from tests.serving import candidates
from tests.serving.candidates import candidate
from tests.serving.shielding import INFER, counts, order, spared
from tests.serving.support import ROW, ServerProcess, eventually, request_body, server, write_artifact
from tests.serving.wire import infer
from verdigris_serving.http.shield.outcomes import Outcome


def test_what_both_turn_away_is_the_callers_fault_and_no_evidence(front: ServerProcess) -> None:
    broken = request_body([[120.0, "x", 40.0]])  # type: ignore[list-item]
    with candidate(candidates.say(400)) as refusing:
        order(front, refusing.port)

        status, _, body = front.infer(broken)

    assert status == 400, body
    assert counts(front) == {Outcome.INVALID: 1}
    assert spared(front) == spared(front, "failed") == 0


def test_who_has_left_is_no_witness_of_a_refusal(front: ServerProcess) -> None:
    """Nobody was asked whether the active version would have answered."""
    left = threading.Event()

    def refuse_late(handler: Any) -> None:
        left.wait()
        candidates.say(400)(handler)

    with candidate(refuse_late) as refusing:
        order(front, refusing.port)
        with socket.create_connection(("127.0.0.1", front.port)) as client:
            client.sendall(infer(b"{}"))
            eventually(lambda: bool(refusing.requests), "it is passed on")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        eventually(lambda: front.metric("verdigris_connections") == 1, "the front has noticed that the client has left")
        left.set()
        eventually(lambda: bool(counts(front)), "it is counted")

    assert counts(front) == {Outcome.INVALID: 1}


def test_what_one_refuses_and_the_other_cannot_answer_says_nothing_of_either(tmp_path: Path) -> None:
    """As where the active version has no room for it: that the other one turned it away rightly is not shown."""
    write_artifact(tmp_path / "model.vmodel", function="log")
    with server(tmp_path) as failing, candidate(candidates.say(400)) as refusing:
        order(failing, refusing.port)

        assert failing.infer(request_body([[120.0, 0.0, 40.0]]))[0] == 500
        assert counts(failing) == {Outcome.REFUSED: 1}
        assert (spared(failing), spared(failing, "failed")) == (0, 1)


def test_a_head_that_has_no_room_for_what_is_added_is_not_passed_on(
    front: ServerProcess, behind: ServerProcess
) -> None:
    """The other version would refuse it, and it would be its fault."""
    order(front, behind.port)

    def version(fields: dict[str, str]) -> tuple[int, str | None]:
        connection = front.connect()
        connection.request("POST", INFER, request_body(), fields)
        response = connection.getresponse()
        response.read()
        return response.status, response.getheader("verdigris-version")

    found = [version({"x-long": "y" * size}) for size in range(15_000, 16_400, 25)]
    found += [version({f"x-{number}": "y" for number in range(most)}) for most in range(90, 102)]

    assert set(found) == {(200, "2.0.0"), (200, "1.0.0"), (431, None)}
    assert counts(front) == {Outcome.ANSWERED: found.count((200, "2.0.0"))}


def test_what_takes_the_active_version_as_long_is_no_lateness(front: ServerProcess) -> None:
    stall = candidates.Stall()
    with candidate(stall) as late:
        order(front, late.port, within=0.01)
        try:
            assert front.infer(request_body([ROW] * 20_000))[0] == 200
            assert counts(front) == {Outcome.LONG: 1}
            assert spared(front) == spared(front, "failed") == 0

            order(front, late.port, within=0.5)
            assert front.infer()[0] == 200
            assert counts(front) == {Outcome.LONG: 1, Outcome.LATE: 1}
        finally:
            stall.over.set()
