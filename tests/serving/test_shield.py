"""While a version is on trial, no client's answer depends on it: whatever it does, the active version stands behind."""

import gzip
import json
import signal
import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.serving import candidates
from tests.serving.candidates import Act, Candidate, candidate
from tests.serving.shielding import INFER, REVISION, answered_by, counts, order, spared, write
from tests.serving.support import ServerProcess, ask, eventually, request_body, rest_of_the_log
from verdigris_serving.http.shield.breaker import LATE_IN_A_ROW
from verdigris_serving.http.shield.outcomes import FAULTS, Outcome

#: An answer in a transfer coding that nobody takes off.
PACKED_ON_THE_WAY = b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"


def test_without_an_order_every_answer_is_its_own_and_names_its_version(front: ServerProcess) -> None:
    assert answered_by(front.infer()) == "1.0.0"
    assert "verdigris_forwarded_total" not in front.get("/metrics")[2].decode()


def test_the_ordered_share_is_answered_by_the_version_on_trial(front: ServerProcess, behind: ServerProcess) -> None:
    order(front, behind.port, share=5_000)

    connection = front.connect()
    found = Counter(answered_by(ask(connection, INFER, "POST", request_body())) for _ in range(400))

    # Five standard deviations of a fair coin: 50.
    assert abs(found["2.0.0"] - 200) < 50
    assert counts(front) == {Outcome.ANSWERED: found["2.0.0"]}
    assert front.metric('verdigris_requests_total{code="200"}') == found["1.0.0"]
    assert behind.metric('verdigris_requests_total{code="200"}') == found["2.0.0"]


@pytest.mark.parametrize(
    ("act", "outcome"),
    [
        (candidates.say(500), Outcome.ERROR),
        (candidates.say(503), Outcome.ERROR),
        (candidates.say(400), Outcome.REFUSED),
        (candidates.say(404), Outcome.REFUSED),
        (candidates.say(302, location="http://elsewhere/"), Outcome.MALFORMED),
        (candidates.say(700), Outcome.MALFORMED),
        (candidates.say(299), Outcome.MALFORMED),
        (candidates.say(206), Outcome.MALFORMED),
        (candidates.write(b"HTTP/1.1 204 No Content\r\n\r\n"), Outcome.MALFORMED),
        (candidates.say(200, b""), Outcome.MALFORMED),
        (candidates.say(200, gzip.compress(candidates.BODY), content_encoding="gzip"), Outcome.MALFORMED),
        (candidates.write(PACKED_ON_THE_WAY), Outcome.MALFORMED),
        (candidates.reset, Outcome.RESET),
        (candidates.write(b""), Outcome.RESET),
        (candidates.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"), Outcome.RESET),
        (candidates.say(200, **{f"x-{number}": "y" for number in range(101)}), Outcome.MALFORMED),
        (candidates.say(200, x="y" * 70_000), Outcome.MALFORMED),
        (candidates.write(b"<html>please log in</html>"), Outcome.MALFORMED),
        (candidates.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n"), Outcome.MALFORMED),
        (candidates.write(b"HTTP/1.1 101 Switching\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n"), Outcome.MALFORMED),
    ],
)
def test_a_fault_of_the_version_on_trial_reaches_no_client(act: Act, outcome: Outcome, front: ServerProcess) -> None:
    with candidate(act) as faulty:
        order(front, faulty.port)
        connection = front.connect()

        found = [answered_by(ask(connection, INFER, "POST", request_body())) for _ in range(10)]

    assert found == ["1.0.0"] * 10
    assert counts(front) == {outcome: 10}
    assert spared(front) == 10
    assert front.metric('verdigris_requests_total{code="200"}') == 10


def test_the_log_of_the_version_in_front_says_in_the_others_words_what_went_wrong(front: ServerProcess) -> None:
    error = b'{"error": "the feature \\"age\\" is missing"}'
    with candidate(candidates.say(400, error, verdigris_version="2.0.0")) as faulty:
        order(front, faulty.port)
        assert [answered_by(front.infer()) for _ in range(3)] == ["1.0.0"] * 3

    lines = [json.loads(line) for line in rest_of_the_log(front).splitlines()]
    told = [line for line in lines if line["message"] == "the version on trial failed a request"]
    assert told[0] | {"time": ""} == {
        "time": "",
        "level": "warning",
        "message": "the version on trial failed a request",
        "revision": REVISION,
        "outcome": "refused",
        "status": 400,
        "said": 'the feature "age" is missing',
        "not_logged_before": 0,
    }


def test_nobody_listens(front: ServerProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    order(front, port)

    assert [answered_by(front.infer()) for _ in range(5)] == ["1.0.0"] * 5
    assert counts(front) == {Outcome.UNREACHABLE: 5}


def test_an_answer_too_large_for_anybody_is_not_waited_for(front: ServerProcess) -> None:
    endless = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n"

    def flood(handler: Any) -> None:
        handler.wfile.write(endless)
        while True:
            handler.wfile.write(bytes(1_000_000))

    with candidate(flood) as faulty:
        order(front, faulty.port)

        assert answered_by(front.infer()) == "1.0.0"

    assert counts(front) == {Outcome.MALFORMED: 1}


def test_a_stalled_version_costs_a_handful_of_late_answers_and_is_asked_again(front: ServerProcess) -> None:
    stall = candidates.Stall()
    with candidate(stall) as stalled, ThreadPoolExecutor(30) as clients:
        order(front, stalled.port, within=0.3)

        found = [answered_by(answer) for answer in clients.map(lambda _: front.infer(), range(60))]

        assert found == ["1.0.0"] * 60
        so_far = counts(front)
        # One by one in a row, and then a probe a second.
        assert LATE_IN_A_ROW <= so_far[Outcome.LATE] <= LATE_IN_A_ROW + 10
        assert sum(so_far.values()) == 60
        assert set(so_far) == {Outcome.LATE, Outcome.SKIPPED}

        stall.over.set()
        eventually(lambda: _answered_after(front), "it is asked again, and answers")


def _answered_after(front: ServerProcess) -> bool:
    front.infer()
    return counts(front).get(Outcome.ANSWERED, 0) > 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_version_that_is_killed_or_frozen_under_load_reaches_no_client(
    number: signal.Signals, front: ServerProcess, behind: ServerProcess
) -> None:
    order(front, behind.port, within=0.5)
    struck = threading.Event()

    def client(_: int) -> list[str]:
        connection, found = front.connect(), []
        while not struck.is_set() or len(found) < 200:
            found.append(answered_by(ask(connection, INFER, "POST", request_body())))
            if len(found) == 100:
                behind.process.send_signal(number)
                struck.set()
        return found

    with ThreadPoolExecutor(4) as clients:
        found = [version for versions in clients.map(client, range(4)) for version in versions]

    assert set(found) == {"1.0.0", "2.0.0"}
    so_far = counts(front)
    assert so_far[Outcome.ANSWERED] == found.count("2.0.0")
    assert spared(front) == sum(count for outcome, count in so_far.items() if outcome in FAULTS)


def test_a_request_is_passed_on_as_it_came_and_its_answer_too(front: ServerProcess) -> None:
    body = gzip.compress(request_body(id="row 1"))
    fields = {"content-encoding": "gzip", "x-request-id": "7", "accept-encoding": "gzip", "content-type": "text/odd"}
    with candidate(candidates.say(200, b"\0\1", verdigris_version="2.0.0", x_more="yes", content_type="x/y")) as sound:
        order(front, sound.port)
        connection = front.connect()
        connection.request("POST", INFER, body, fields)
        response = connection.getresponse()

        assert (response.status, response.read()) == (200, b"\0\1")
        assert response.getheader("x-more") == "yes"
        assert response.getheader("content-type") == "x/y"
        ((path, seen, received),) = sound.requests
    assert (path, received) == (INFER, body)
    assert {name: seen[name] for name in fields} == fields
    assert seen["verdigris-forwarded"] == "1"


def test_an_answer_that_does_not_say_who_gave_it_is_given_the_name(front: ServerProcess, behind: ServerProcess) -> None:
    with candidate(candidates.say(200)) as silent:
        order(front, silent.port, version="2.0.0-rc.1")
        assert answered_by(front.infer()) == "2.0.0-rc.1"

    order(front, behind.port, version="2.0.0-rc.1")
    assert answered_by(front.infer()) == "2.0.0"


def test_a_front_that_is_told_to_ask_itself_answers_once(front: ServerProcess) -> None:
    order(front, front.port)

    assert [answered_by(front.infer()) for _ in range(5)] == ["1.0.0"] * 5
    assert counts(front) == {Outcome.ANSWERED: 5}


def test_who_asks_for_a_version_by_its_number_gets_that_one(front: ServerProcess, behind: ServerProcess) -> None:
    order(front, behind.port)
    path = "/v2/models/demo/versions/1.0.0/infer"

    assert answered_by(front.get(path, "POST", request_body())) == "1.0.0"
    assert counts(front) == {}


def test_testers_meet_the_version_on_trial_and_units_always_the_same(
    front: ServerProcess, behind: ServerProcess
) -> None:
    more = {"unit": "X-User", "salt": "demo", "testers": {"header": "X-Tester", "value": "yes"}}
    order(front, behind.port, share=3_000, **more)

    def version(**fields: str) -> str:
        connection = front.connect()
        connection.request("POST", INFER, request_body(), {name.replace("_", "-"): v for name, v in fields.items()})
        response = connection.getresponse()
        response.read()
        return str(response.getheader("verdigris-version"))

    assert {version(x_tester="yes") for _ in range(10)} == {"2.0.0"}
    for user in map(str, range(20)):
        assert len({version(x_user=user) for _ in range(3)}) == 1


def test_connections_grow_no_older_than_a_moment_so_that_new_pods_get_their_share(front: ServerProcess) -> None:
    with candidate(candidates.say(200, verdigris_version="2.0.0")) as sound:
        order(front, sound.port)

        eventually(lambda: _asked_again(front, sound), "a third connection is made")

        assert len(sound.requests) > 3 * sound.opened
    assert set(counts(front)) == {Outcome.ANSWERED}


def _asked_again(front: ServerProcess, sound: Candidate) -> bool:
    connection = front.connect()
    for _ in range(20):
        answered_by(ask(connection, INFER, "POST", request_body()))
    return sound.opened >= 3


def test_a_kept_connection_that_was_just_closed_is_nobodys_fault(front: ServerProcess) -> None:
    with candidate(candidates.answer_and_close) as closing:
        order(front, closing.port)
        connection = front.connect()

        assert {ask(connection, INFER, "POST", request_body())[0] for _ in range(50)} == {200}

    assert counts(front) == {Outcome.ANSWERED: 50}


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        "{}",
        '{"host": "127.0.0.1", "port": 1, "revision": "r2", "share": 20000, "within": 1}',
        '{"host": "127.0.0.1", "port": 1, "revision": "r2", "share": 100, "within": 0}',
        '{"host": "127.0.0.1", "port": 1, "revision": "r2", "share": 100, "within": 1, "unit": "a b"}',
        pytest.param('{"later": ' + "[" * 5_000 + "]" * 5_000 + "}", id="too deep"),
    ],
)
def test_an_order_that_cannot_be_read_is_none(text: str, front: ServerProcess, behind: ServerProcess) -> None:
    order(front, behind.port)
    write(front.shield, text)
    shown = f'verdigris_shield_share{{revision="{REVISION}"}}'

    eventually(lambda: front.metric(shown) == 0, "nothing is passed on any more")

    assert answered_by(front.infer()) == "1.0.0"


def test_the_end_of_an_order_leaves_its_counts(front: ServerProcess, behind: ServerProcess) -> None:
    order(front, behind.port)
    front.infer()
    front.shield.unlink()

    eventually(lambda: answered_by(front.infer()) == "1.0.0", "nothing is passed on any more")

    assert counts(front)[Outcome.ANSWERED] >= 1
