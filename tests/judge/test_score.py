"""The sequential test's arithmetic."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verdigris.api.status import Counts
from verdigris.core.judges.score import (
    ALPHA,
    WEIGHTS,
    Terms,
    advance,
    combined,
    ladder,
    start_weight,
    threshold,
)

TERMS = Terms(limit=0.01, factor=2.0, planned_looks=300)


def batch(errors: int, requests: int) -> Counts:
    return Counts(requests=requests, errors=errors)


def test_it_is_the_shiryaev_roberts_sum_over_the_ladder() -> None:
    scores: tuple[float, ...] = ()
    sums = [0.0] * len(WEIGHTS)
    for look, (errors, requests) in enumerate([(0, 40), (3, 70), (1, 5), (0, 200), (2, 90)], 1):
        scores = advance(scores, batch(errors, requests), look, TERMS)
        for number, rate in enumerate(ladder(0.01, 2.0)):
            ratio = (rate / 0.01) ** errors * ((1 - rate) / 0.99) ** (requests - errors)
            sums[number] = (1 + sums[number]) * ratio
    assert scores == pytest.approx([math.log1p(one) for one in sums])
    assert combined(scores) == pytest.approx(math.log1p(sum(w * one for w, one in zip(WEIGHTS, sums, strict=True))))


def test_the_ladder_goes_from_the_factor_asked_for_to_a_half() -> None:
    assert ladder(0.01, 2.0) == pytest.approx((0.02, 0.0585, 0.171, 0.5), rel=0.01)


@given(st.floats(0.0001, 0.99), st.floats(1.1, 100))
def test_the_ladder_rises_above_the_limit_and_stays_below_one(limit: float, factor: float) -> None:
    rates = ladder(limit, factor)
    assert limit < rates[0]
    assert rates[-1] < 1
    assert all(later >= earlier * (1 - 1e-12) for earlier, later in itertools.pairwise(rates))


@given(
    st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**12)), max_size=40),
    st.floats(0.0001, 0.99),
    st.floats(1.1, 100),
    st.floats(1, 10),
)
def test_no_traffic_however_huge_or_strange_overflows_it(
    batches: list[tuple[int, int]], limit: float, factor: float, scatter: float
) -> None:
    scores: tuple[float, ...] = ()
    terms = Terms(limit, factor, 300, scatter)
    for look, (one, two) in enumerate(batches, 1):
        scores = advance(scores, batch(min(one, two), max(one, two)), look, terms)
    assert all(math.isfinite(score) and score >= 0 for score in scores)
    assert math.isfinite(combined(scores))


def test_the_starts_never_add_up_to_more_than_the_threshold_allows_for() -> None:
    total = sum(start_weight(look, 50) for look in range(1, 200_000))
    assert math.exp(threshold(50)) - 1 >= total / ALPHA


def test_within_the_plan_every_look_starts_afresh_with_full_weight() -> None:
    assert {start_weight(look, 50) for look in range(1, 51)} == {1.0}
    assert start_weight(51, 50) < 1


def test_beyond_the_plan_a_look_starts_with_its_own_weight() -> None:
    scores = advance((), batch(1, 1), 301, TERMS)
    expected = [math.log1p(start_weight(301, 300) * rate / 0.01) for rate in ladder(0.01, 2.0)]
    assert scores == pytest.approx(expected)


@given(st.integers(1, 500), st.floats(1, 10))
def test_errors_that_clump_weigh_less(errors: int, scatter: float) -> None:
    plain = advance((), batch(errors, 500), 1, TERMS)
    clumped = advance((), batch(errors, 500), 1, Terms(0.01, 2.0, 300, scatter))
    assert combined(clumped) <= max(combined(plain), math.log(2)) + 1e-9


def test_success_brings_the_score_down_but_never_below_zero() -> None:
    risen = advance((), batch(8, 20), 1, TERMS)
    fallen = advance(risen, batch(0, 10_000), 2, TERMS)
    assert combined(risen) > 10
    assert all(0 <= score < 0.01 for score in fallen)


def test_scores_of_another_ladder_are_begun_anew() -> None:
    assert advance((5.0, 5.0), batch(1, 10), 4, TERMS) == advance((), batch(1, 10), 4, TERMS)


def test_the_starts_of_all_looks_ever_add_up_to_what_the_threshold_is_made_of() -> None:
    planned, epochs = 3, 20_000
    starts = sum(planned * start_weight(1 + planned * epoch, planned) for epoch in range(epochs))
    assert starts / ALPHA == pytest.approx(math.expm1(threshold(planned)), rel=1e-4)
