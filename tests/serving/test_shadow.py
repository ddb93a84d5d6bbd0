"""The shadow: clients get the active version's answers, and it is seen what the version on trial would have said."""

import gzip
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import msgspec
import pytest

from tests.serving import candidates
from tests.serving.candidates import Act, candidate
from tests.serving.shielding import (
    INFER,
    REVISION,
    answered_by,
    compared,
    counts,
    likenesses,
    order,
    rows_compared,
    shadow,
)
from tests.serving.support import ROW, ServerProcess, ask, eventually, request_body, server, write_artifact
from verdigris_serving.http.shield.shadow.comparing import Likeness
from verdigris_serving.http.shield.shadow.copies import MOST_ANSWER, MOST_COPIES
from verdigris_serving.model.schema import Row

#: The second is another label to a version that weighs insulin otherwise.
ROWS: list[Row] = [[120.0, 80.0, 40.0], [None, 10.0, 30.0], [180.0, 300.0, 70.0]]
_TENSOR = {"name": "features", "shape": [3, 3], "datatype": "FP64", "data": [v for row in ROWS for v in row]}
_NAMES = ("glucose", "insulin", "age")
V1 = "/v1/models/demo:predict"
CSV = b"glucose,insulin,age\n120,80,40\n,10,30\n180,300,70\n"


@pytest.fixture
def other(tmp_path: Path) -> Iterator[ServerProcess]:
    """A version on trial that weighs insulin otherwise: sound, and of another opinion."""
    folder = tmp_path / "other"
    folder.mkdir()
    write_artifact(folder / "model.vmodel", version="2.0.0", function="identity")
    with server(folder) as process:
        yield process


def test_a_copy_is_compared_and_counted_apart(front: ServerProcess, behind: ServerProcess) -> None:
    shadow(front, behind.port)
    versions = set()

    found = compared(front, lambda: versions.add(answered_by(front.infer(request_body(ROWS)))))

    assert versions == {"1.0.0"}
    assert found == {Likeness.AGREED: sum(found.values())}
    agreed, differed = rows_compared(front)
    assert (agreed, differed) == (3 * likenesses(front)[Likeness.AGREED], 0)
    here, there = front.metrics(), behind.metrics()
    assert here[f'verdigris_shadow_difference_count{{revision="{REVISION}"}}'] == agreed
    assert here[f'verdigris_shadow_difference_sum{{revision="{REVISION}"}}'] == 0
    # What nobody was answered is counted as nobody's: no request, no row, no score.
    assert there['verdigris_shadow_requests_total{code="200"}'] >= agreed / 3
    assert (there['verdigris_requests_total{code="200"}'], there["verdigris_score_count"]) == (0, 0)
    assert here['verdigris_shadow_requests_total{code="200"}'] == 0
    assert here["verdigris_score_count"] == 3 * here['verdigris_requests_total{code="200"}']


def test_a_version_of_another_opinion_is_seen_to_differ(front: ServerProcess, other: ServerProcess) -> None:
    shadow(front, other.port)

    found = compared(front, lambda: front.infer(request_body([[60.0, 40.0, 40.0]])))

    assert found == {Likeness.DIFFERED: sum(found.values())}
    agreed, differed = rows_compared(front)
    assert (agreed, differed) == (0, sum(found.values()))
    # The active version says 0.26, the other one 0.93.
    seen = front.metrics()
    assert seen[f'verdigris_shadow_difference_bucket{{le="0.5",revision="{REVISION}"}}'] == 0
    assert seen[f'verdigris_shadow_difference_bucket{{le="0.7",revision="{REVISION}"}}'] == differed


def _oip(**fields: object) -> bytes:
    return msgspec.json.encode({"inputs": [_TENSOR], **fields})


FORMS: dict[str, tuple[str, bytes, dict[str, str]]] = {
    "JSON": (INFER, _oip(), {}),
    "binary": (INFER, _oip(parameters={"binary_data_output": True}), {}),
    "rows": (INFER, msgspec.json.encode({"rows": [dict(zip(_NAMES, row, strict=True)) for row in ROWS]}), {}),
    "V1": (V1, msgspec.json.encode({"instances": ROWS}), {}),
    "CSV": (INFER, CSV, {"content-type": "text/csv"}),
    "packed answer": (INFER, _oip(id="a" * 250), {"accept-encoding": "gzip"}),
    "packed request": (INFER, gzip.compress(_oip()), {"content-encoding": "gzip"}),
}


def test_answers_in_every_form_are_compared(front: ServerProcess, behind: ServerProcess, other: ServerProcess) -> None:
    def client(form: str) -> None:
        connection = front.connect()
        connection.request("POST", *FORMS[form])
        response = connection.getresponse()
        assert (response.status, bool(response.read())) == (200, True), form

    shadow(front, behind.port)
    alike = {form: compared(front, partial(client, form), copies=2) for form in FORMS}
    agreed = rows_compared(front)
    shadow(front, other.port)
    unlike = {form: compared(front, partial(client, form), copies=2) for form in FORMS}

    assert {form: set(found) for form, found in alike.items()} == {key: {Likeness.AGREED} for key in FORMS}
    assert agreed == (3 * sum(found[Likeness.AGREED] for found in alike.values()), 0)
    assert {form: set(found) for form, found in unlike.items()} == {key: {Likeness.DIFFERED} for key in FORMS}


def test_what_cannot_be_compared_is_counted_as_that(front: ServerProcess, other: ServerProcess) -> None:
    shadow(front, other.port)
    body = request_body(ROWS, outputs=[{"name": "probabilities"}])

    found = compared(front, lambda: front.infer(body))

    assert set(found) == {Likeness.INCOMPARABLE}
    assert rows_compared(front) == (0, 0)
    # How far apart they are can be said all the same.
    seen = front.metrics()[f'verdigris_shadow_difference_count{{revision="{REVISION}"}}']
    assert seen == 3 * sum(found.values())


FAULTS: dict[str, Act] = {
    "an error": candidates.say(500),
    "a refusal": candidates.say(400),
    "a reset": candidates.reset,
    "no HTTP": candidates.write(b"<html>please log in</html>"),
    "no JSON": candidates.say(200, b"no JSON"),
    "no row": candidates.say(200, b'{"outputs":[]}'),
    "no end": candidates.say(200, b"[" * 100_000),
    "more than anybody has asked for": candidates.say(200, bytes(10_000_000)),
    "less than it says": candidates.say(200, b"{}", inference_header_content_length="77"),
}


def test_a_fault_is_counted_and_reaches_no_client(front: ServerProcess) -> None:
    found = {}
    for name, act in FAULTS.items():
        with candidate(act) as faulty:
            shadow(front, faulty.port)
            found[name] = set(compared(front, lambda: answered_by(front.infer()), copies=3))

    assert found == {key: {Likeness.FAILED} for key in FAULTS}
    assert counts(front) == {}


def test_what_a_version_of_another_schema_turns_away_is_no_fault(front: ServerProcess) -> None:
    with candidate(candidates.say(400)) as declining:
        shadow(front, declining.port, schemaChange=True)

        assert set(compared(front, front.infer)) == {Likeness.INCOMPARABLE}


def test_nobody_waits_for_a_version_that_does_not_answer(front: ServerProcess) -> None:
    """However many ask: there are never more copies under way than may be, and the others are left out."""
    stall = candidates.Stall()
    with candidate(stall) as stalled, ThreadPoolExecutor(4) as clients:
        shadow(front, stalled.port)
        try:
            eventually(lambda: _full(front, clients), "there is no room for a further copy")
            assert len(stalled.requests) <= MOST_COPIES
        finally:
            stall.over.set()


def _full(front: ServerProcess, clients: ThreadPoolExecutor) -> bool:
    assert {answered_by(answer) for answer in clients.map(lambda _: front.infer(), range(40))} == {"1.0.0"}
    return likenesses(front).get(Likeness.DROPPED, 0) > 400


def test_a_late_answer_is_a_fault(front: ServerProcess) -> None:
    stall = candidates.Stall()
    with candidate(stall) as stalled:
        shadow(front, stalled.port, within=0.05)
        try:
            assert set(compared(front, front.infer)) == {Likeness.FAILED}
        finally:
            stall.over.set()


def test_what_is_large_is_left_out(front: ServerProcess, behind: ServerProcess) -> None:
    shadow(front, behind.port)
    body = request_body([ROW] * 2_500)
    _, _, answer = front.infer(body)
    assert len(answer) > MOST_ANSWER

    assert set(likenesses(front)) == {Likeness.DROPPED}
    assert behind.metric('verdigris_shadow_requests_total{code="200"}') == 0


def test_what_is_refused_here_is_not_asked_there(front: ServerProcess, behind: ServerProcess) -> None:
    shadow(front, behind.port)

    assert front.infer(b"{}")[0] == 400
    found = compared(front, front.infer, copies=1)

    assert set(found) == {Likeness.AGREED}
    assert behind.metric('verdigris_shadow_requests_total{code="400"}') == 0


def test_a_request_that_is_passed_on_is_not_compared_as_well(front: ServerProcess, behind: ServerProcess) -> None:
    order(front, behind.port, share=5_000, shadow=10_000)
    connection = front.connect()

    compared(front, partial(ask, connection, INFER, "POST", request_body()), copies=20)

    own = int(front.metric('verdigris_requests_total{code="200"}'))
    assert sum(likenesses(front).values()) == own
    assert behind.metric('verdigris_requests_total{code="200"}') == sum(counts(front).values()) > 0


def test_a_copy_is_never_passed_on_and_never_copied(front: ServerProcess, behind: ServerProcess) -> None:
    """Also where the version on trial has an order of its own."""
    order(behind, front.port, shadow=10_000)
    shadow(front, behind.port)

    compared(front, front.infer)

    assert (counts(behind), likenesses(behind)) == ({}, {})


def test_the_share_of_copies_is_as_ordered(front: ServerProcess, behind: ServerProcess) -> None:
    order(front, behind.port, share=0, shadow=2_500)
    connection, asked = front.connect(), 400
    for _ in range(asked):
        ask(connection, INFER, "POST", request_body())

    # Six standard deviations.
    eventually(lambda: abs(sum(likenesses(front).values()) - asked / 4) < 52, "a quarter is copied, or left out")


def test_copies_are_sent_while_clients_ask_all_the_time(front: ServerProcess, behind: ServerProcess) -> None:
    """And each client gets its answer, whatever else goes on."""
    shadow(front, behind.port)
    enough = threading.Event()

    def client(_: int) -> set[str]:
        connection, found = front.connect(), set()
        while not enough.is_set():
            found.add(answered_by(ask(connection, INFER, "POST", request_body())))
        return found

    with ThreadPoolExecutor(4) as clients:
        answers = clients.map(client, range(4))
        try:
            eventually(lambda: likenesses(front).get(Likeness.AGREED, 0) > 20, "some are compared")
        finally:
            enough.set()

        assert set().union(*answers) == {"1.0.0"}
    assert set(likenesses(front)) <= {Likeness.AGREED, Likeness.DROPPED}
