"""Who meets the version on trial, and when it is asked no more: decisions without a server."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verdigris_serving.http.messages import JSON, Response
from verdigris_serving.http.shield.assignment import assigned, place
from verdigris_serving.http.shield.breaker import BETWEEN_PROBES, LATE_IN_A_ROW, Breaker
from verdigris_serving.http.shield.faults import MOST_WORDS, Faults, words
from verdigris_serving.http.shield.order import WHOLE, Order
from verdigris_serving.http.shield.outcomes import Outcome


def order(share: int, **more: Any) -> Order:
    """An order to pass that share on, in hundredths of a percent."""
    return msgspec.convert(
        {"host": "h", "port": 1, "revision": "r", "share": share, "within": 1.0, **more}, type=Order, strict=True
    )


def never() -> float:
    raise AssertionError("chance decides nothing here")


@given(st.binary(min_size=1), st.integers(0, WHOLE), st.integers(0, WHOLE), st.text())
def test_a_larger_share_only_adds_units(unit: bytes, one: int, other: int, salt: str) -> None:
    less, more = sorted((one, other))
    headers = {b"x-user": unit}

    if assigned(order(less, unit="X-User", salt=salt), headers, never):
        assert assigned(order(more, unit="X-User", salt=salt), headers, never)
    assert assigned(order(WHOLE, unit="X-User", salt=salt), headers, never)
    assert not assigned(order(0, unit="X-User", salt=salt), headers, never)


def test_units_are_spread_evenly_and_anew_for_each_salt() -> None:
    """Chi-square over 100 bins of 100,000 users, 99 degrees of freedom: above 149 once in 1,000 fair draws."""
    for salt in ("a", "b"):
        bins = [0] * 100
        for user in range(100_000):
            bins[int(place(salt, str(user).encode()) * 100)] += 1
        assert sum((count - 1_000) ** 2 / 1_000 for count in bins) < 149
    both = sum(place("a", str(user).encode()) < 0.1 and place("b", str(user).encode()) < 0.1 for user in range(100_000))
    # 1 % when they know nothing of each other; five standard deviations are 157.
    assert abs(both - 1_000) < 157


def test_a_unit_stands_where_it_stood_in_every_release() -> None:
    """Otherwise users would change versions when the image of the pods in front does."""
    found = {unit: round(place("demo", unit), 6) for unit in (b"user-1", b"user-2", "Zoë".encode())}

    assert found == {b"user-1": 0.055831, b"user-2": 0.115627, "Zoë".encode(): 0.913059}


@given(st.sampled_from([1, 100, 5_000, 9_999]), st.integers(0, 2**32))
def test_chance_decides_where_no_unit_is_named(share: int, seed: int) -> None:
    numbers = random.Random(seed)
    chosen = sum(assigned(order(share, unit="x-user"), {}, numbers.random) for _ in range(20_000))

    expected = 20_000 * share / WHOLE
    # Six standard deviations, and some for the smallest.
    assert abs(chosen - expected) < 6 * (expected * (1 - share / WHOLE)) ** 0.5 + 10


def test_testers_are_known_by_their_value_and_whatever_the_share() -> None:
    told = order(0, testers={"header": "X-Tester", "value": "yes"})

    assert assigned(told, {b"x-tester": b"yes"}, never)
    assert not assigned(told, {b"x-tester": b"no"}, never)
    assert not assigned(told, {}, never)


def test_the_breaker_opens_after_late_answers_in_a_row_and_probes() -> None:
    breaker = Breaker()
    for _ in range(LATE_IN_A_ROW - 1):
        breaker.late(0.0)
    breaker.in_time()
    for _ in range(LATE_IN_A_ROW - 1):
        breaker.late(0.0)
        assert breaker.allows(0.0)
    breaker.late(0.0)

    assert not breaker.allows(BETWEEN_PROBES / 2)
    assert breaker.allows(BETWEEN_PROBES)
    assert not breaker.allows(BETWEEN_PROBES)
    breaker.late(BETWEEN_PROBES + 0.3)
    assert not breaker.allows(BETWEEN_PROBES * 1.9)
    assert breaker.allows(BETWEEN_PROBES * 2)
    breaker.in_time()
    assert breaker.allows(BETWEEN_PROBES * 2)


OURS = b"verdigris-version: 2.0.0\r\n"


@pytest.mark.parametrize(
    ("body", "fields", "said"),
    [
        (b'{"error": "row 1: \\"age\\" is missing"}', OURS, 'row 1: "age" is missing'),
        (b'{"error": "%b"}' % (b"x" * 1_000), OURS, "x" * MOST_WORDS),
        (b'{"error": "input \\"a\\": b\\": shape [1, 8] does not fit"}', OURS, "an input: shape [1, 8] does not fit"),
        # Another's server may repeat what it was sent.
        (b'{"error": "glucose 148 is too high"}', b"", ""),
        (b'{"error": 148}', OURS, ""),
        (b"\x1f\x8b no JSON", OURS, ""),
        (b'{"outputs": []}', OURS, ""),
    ],
)
def test_only_this_servers_own_sentences_are_repeated(body: bytes, fields: bytes, said: str) -> None:
    assert words(Response(400, body, JSON, fields)) == said


def test_many_faults_are_one_line_a_second(caplog: pytest.LogCaptureFixture) -> None:
    faults = Faults("r2")
    with caplog.at_level("WARNING", "verdigris.shield"):
        for _ in range(1_000):
            faults.note(Outcome.LATE, None)

    # As many as there were seconds.
    assert 1 <= len(caplog.records) < 10
    assert caplog.records[0].__dict__["fields"] == {"revision": "r2", "outcome": "late", "not_logged_before": 0}
