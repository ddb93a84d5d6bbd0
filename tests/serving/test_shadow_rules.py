"""When two answers agree, what is read of an answer, and how many copies there is time for: without a server."""

import math
import sys
import time
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from verdigris_serving.http.codings import packed
from verdigris_serving.http.messages import JSON, Response
from verdigris_serving.http.shield.shadow.answers import NoAnswer, Told, told
from verdigris_serving.http.shield.shadow.comparing import Compared, Likeness, Tolerance, compare
from verdigris_serving.http.shield.shadow.spare import AT_LEAST_EVERY, BUSY, STEP, Claimed, Spare
from verdigris_serving.protocol.binary import detach
from verdigris_serving.protocol.messages import OutputTensor

LIMIT = 10_000
EXACT = Tolerance()
#: An integer of JSON that is the largest float.
MOST = int(sys.float_info.max)
LABEL = OutputTensor("label", "BYTES", [2], ["no", "yes"])
SHARES = OutputTensor("probabilities", "FP64", [2, 2], [0.75, 0.25, 0.25, 0.75])
VALUES = OutputTensor("value", "FP64", [2, 3], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
EXPLAINED = OutputTensor("explanation", "FP64", [2, 3], [0.0] * 6)
BOTH = Told(["no", "yes"], [[0.75, 0.25], [0.25, 0.75]], ("probabilities", "2"))


def oip(*outputs: OutputTensor) -> Response:
    return Response(200, msgspec.json.encode({"model_name": "m", "outputs": outputs}))


def in_binary(*outputs: OutputTensor) -> Response:
    left, data = detach(outputs, [True] * len(outputs))
    head = msgspec.json.encode({"outputs": left})
    fields = b"verdigris-version: 1.0.0\r\ninference-header-content-length: %d\r\n" % len(head)
    return Response(200, head + data, b"application/octet-stream", fields)


def v1(*predictions: Any) -> Response:
    return Response(200, msgspec.json.encode({"predictions": predictions}))


def csv(text: str) -> Response:
    return Response(200, text.encode(), b"text/csv; charset=utf-8")


@pytest.mark.parametrize(
    ("response", "first", "says"),
    [
        (oip(LABEL, SHARES), "label", BOTH),
        (in_binary(LABEL, SHARES), "label", BOTH),
        (oip(EXPLAINED, SHARES), "label", BOTH._replace(labels=None)),
        (oip(EXPLAINED), "label", Told(None, [], ())),
        (oip(LABEL), "label", Told(["no", "yes"], [], ())),
        (oip(VALUES), "value", Told(None, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], ("value", "3"))),
        (v1("no", "yes"), "label", Told(["no", "yes"], [], ())),
        (v1(1.5, 2.5), "value", Told(None, [[1.5], [2.5]], ("value", "1"))),
        (v1([1.5, 2.5]), "value", Told(None, [[1.5, 2.5]], ("value", "2"))),
        (
            csv("label,probability_no,probability_yes,clamped\nno,0.75,0.25,age\nyes,0.25,0.75,\n"),
            "label",
            BOTH._replace(kind=("probabilities", "probability_no", "probability_yes")),
        ),
        (csv("value\n1.5\n"), "value", Told(None, [[1.5]], ("value", "value"))),
        (csv("value_0,value_1\n1,2\n"), "value", Told(None, [[1.0, 2.0]], ("value", "value_0", "value_1"))),
        (csv("label,score\n-1,0.5\n"), "label", Told(["-1"], [[0.5]], ("score", "score"))),
    ],
)
def test_the_rows_of_an_answer_are_read_in_every_form(response: Response, first: str, says: Told) -> None:
    assert told(response, first, LIMIT) == says


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ('{"outputs":[{"name":"label","datatype":"INT64","shape":[1,3],"data":[1,%d,0]}]}', JSON),
        ('{"predictions":[[1,%d,0]]}', JSON),
        ("label_a,label_b\n1,%d\n", b"text/csv"),
    ],
)
def test_of_several_labels_each_is_compared(body: str, content_type: bytes) -> None:
    one, other = (told(Response(200, (body % label).encode(), content_type), "label", LIMIT) for label in (0, 1))
    assert compare(one, one, EXACT).likeness is Likeness.AGREED
    assert compare(one, other, EXACT).likeness is Likeness.DIFFERED


def test_a_row_has_one_dimension_or_none() -> None:
    """The product of ten thousand takes seconds, in which a pod answers nobody."""
    with pytest.raises(NoAnswer, match="has 1 values and the shape"):
        told(oip(OutputTensor("label", "INT64", [1, 1, 1], [1])), "label", LIMIT)


def test_an_answer_is_unpacked() -> None:
    plain = oip(LABEL, SHARES)
    coded = Response(200, packed(plain.body, b"gzip"), JSON, b"vary: accept-encoding\r\ncontent-encoding: gzip\r\n")

    assert told(coded, "label", LIMIT) == BOTH
    with pytest.raises(NoAnswer, match="unpacks to more than 20 bytes"):
        told(coded, "label", 20)


@given(st.binary(), st.sampled_from([JSON, b"text/csv", b"application/octet-stream"]), st.binary(max_size=8))
@example(b'{"outputs": [{"name": "label", "datatype": "BYTES", "shape": [], "data": []}]}', JSON, b"")
@example(b'{"outputs": [{"name": "label", "datatype": "BYTES", "shape": [-1, -2], "data": [1, 2]}]}', JSON, b"")
@example(b'{"outputs": [{"name": "label", "datatype": "INT64", "shape": [1]}]}', JSON, b"50")
@example(b"value\nx\n", b"text/csv", b"")
@example(b"label,value\n1\n", b"text/csv", b"")
@example(b"[" * 5_000, JSON, b"")
@example(b'{"predictions": ' + b"[" * 5_000, JSON, b"")
@example(b'{"predictions": [[1.5, null], [], "x", {}]}', JSON, b"")
def test_whatever_is_no_answer_is_refused_or_compared_but_nothing_else(
    body: bytes, content_type: bytes, length: bytes
) -> None:
    fields = b"inference-header-content-length: %b\r\n" % length if length else b""
    try:
        says = told(Response(200, body, content_type, fields), "value", LIMIT)
    except NoAnswer:
        return
    compare(says, says, EXACT)
    compare(BOTH, says, EXACT)


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        (BOTH, BOTH, Compared(Likeness.AGREED, 2, 0, (0.0, 0.0))),
        # Only the label decides, and the difference is told beside it.
        (
            BOTH,
            BOTH._replace(scores=[[0.5, 0.5], [0.0, 1.0]]),
            Compared(Likeness.AGREED, 2, 0, (0.25, 0.25)),
        ),
        (BOTH, BOTH._replace(labels=["yes", "yes"]), Compared(Likeness.DIFFERED, 1, 1, (0.0, 0.0))),
        # Other classes, another kind of scores: the labels can be compared still.
        (BOTH, Told(["no", "maybe"], [[0.2, 0.3, 0.5]] * 2, ("probabilities", "3")), Compared(Likeness.DIFFERED, 1, 1)),
        (BOTH, Told(["no", "yes"], [[1.0], [2.0]], ("decision", "1")), Compared(Likeness.AGREED, 2, 0)),
        (BOTH, Told(["no"], [[0.75, 0.25]], BOTH.kind), Compared(Likeness.FAILED)),
        (BOTH, Told(None, [[1.0], [2.0]], ("value", "1")), Compared(Likeness.INCOMPARABLE)),
        (
            BOTH._replace(labels=None),
            BOTH._replace(labels=None),
            Compared(Likeness.INCOMPARABLE, differences=(0.0, 0.0)),
        ),
        (Told(None, [], ()), Told(None, [], ()), Compared(Likeness.INCOMPARABLE)),
        # What is no number is no difference, and no agreement.
        (
            Told(None, [[1.0], [2.0]], ("value", "1")),
            Told(None, [[None], [2.0]], ("value", "1")),
            Compared(Likeness.DIFFERED, 1, 1, (0.0,)),
        ),
        # Nor is what no float can hold, of which JSON has no end.
        (
            Told(None, [[1.0], [-MOST], [MOST]], ("value", "1")),
            Told(None, [[10**400], [MOST], [-1.0]], ("value", "1")),
            Compared(Likeness.DIFFERED, 0, 3, (math.inf, sys.float_info.max)),
        ),
        (
            Told(None, [[1.0, 5.0], [2.0, 5.0]], ("value", "2")),
            Told(None, [[1.0, 5.0], [2.0, 9.0]], ("value", "2")),
            Compared(Likeness.DIFFERED, 1, 1, (0.0, 4.0)),
        ),
    ],
)
def test_two_answers_are_compared_row_by_row(one: Told, other: Told, found: Compared) -> None:
    assert compare(one, other, EXACT) == found


@pytest.mark.parametrize(
    ("quality", "one", "other", "alike"),
    [
        ({}, 200.0, 201.9, True),
        ({}, 200.0, 202.1, False),
        ({}, -200.0, -201.9, True),
        ({}, 0.0, 0.0, True),
        ({}, 0.0, 0.001, False),
        # An artifact that tells its mean error has a scale of its own, also around zero.
        ({"mae": 2.0}, 0.0, 0.2, True),
        ({"mae": 2.0}, 0.0, 0.21, False),
        ({"mae": 2.0}, 1e6, 1e6 + 1, False),
        ({"mae": 0.0, "r2": 1.0}, 200.0, 201.9, True),
    ],
)
def test_values_agree_within_a_tolerance(quality: dict[str, float], one: float, other: float, alike: bool) -> None:
    assert Tolerance.of(quality).allows(one, other) is alike


def test_copies_give_way_where_the_loop_is_busy_and_come_back_when_it_is_not() -> None:
    now = claimed = 0.0
    spare = Spare(now, claimed)

    def look(busy: float) -> float:
        nonlocal now, claimed
        now, claimed = now + 0.05, claimed + busy * 0.05
        spare.look(now, claimed)
        return spare.share

    assert [look(0.2) for _ in range(int(1 / STEP) + 1)][-1] == 1
    assert spare.allows(now, 0.99)
    assert look(BUSY - 0.01) == 1
    assert [look(BUSY + 0.01) for _ in range(6)][-1] < 0.02
    assert spare.allows(now, 0.99), "one now and then"
    assert not spare.allows(now + 0.9 * AT_LEAST_EVERY, 0.5)
    assert spare.allows(now + AT_LEAST_EVERY, 0.99)
    assert look(0.2) > STEP
    assert [look(0.2) for _ in range(int(1 / STEP) + 1)][-1] == 1


def test_what_a_thread_claims_is_at_least_what_it_has_run() -> None:
    claimed, ran = Claimed(), time.thread_time()
    before = claimed()
    while time.thread_time() < ran + 0.02:
        pass

    assert claimed() - before > 0.015
