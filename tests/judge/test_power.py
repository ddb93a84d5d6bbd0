"""A pass says what it would have found, and enough is asked for that it means something."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.judge_simulation import Setting, simulate
from tests.judge.scenes import FRESH, Scraped, clock, look, watch
from verdigris.api.spec import AnalysisSpec, ErrorRateSpec
from verdigris.api.status import Baseline, EvidenceStatus
from verdigris.core.judges import power
from verdigris.core.judges.score import Terms

RUNS = 2000
FLOOR = Terms(limit=0.005, factor=2.0, planned_looks=300)


def requests(total: int, failed: int = 0) -> EvidenceStatus:
    """The verdict on so many requests, of which so many failed evenly, in looks of 5 s."""
    scraped = Scraped()
    for turn in range(61):
        share = turn / 60
        scraped.pod("pod-0", 5 * turn - 4, round(share * (total - failed)), round(share * failed))
    return watch(scraped, range(1, 300, 5))


@pytest.mark.parametrize(("errors", "size", "rate"), [(3, 10, 0.2), (12, 300, 0.05), (1, 5, 0.5), (60, 100, 0.5)])
def test_the_tail_of_the_binomial_is_exact(errors: int, size: int, rate: float) -> None:
    exact = sum(math.comb(size, k) * rate**k * (1 - rate) ** (size - k) for k in range(errors, size + 1))
    assert power._at_least(errors, size, rate) == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("limit", [0.005, 0.05, 0.2])
@pytest.mark.parametrize("detect", [2.0, 4.0, 10.0])
@pytest.mark.parametrize("looks", [30, 300])
def test_what_a_pass_claims_is_found_in_nine_of_ten_simulated_rollouts(limit: float, detect: float, looks: int) -> None:
    terms = Terms(limit, 2.0, 300)
    rate = power.gross(limit, 2.0, detect)
    needed = power.needed(rate, terms)
    setting = Setting(limit, rate, 1, known=limit, looks=looks, planned=300, bake=float(needed))
    assert simulate(setting, RUNS).found >= 0.9


@pytest.mark.parametrize("seen", [60, 350, 2000, 20_000])
def test_the_rate_that_a_pass_names_is_found_in_nine_of_ten(seen: int) -> None:
    rate = power.detectable(seen, FLOOR)
    assert rate is not None
    setting = Setting(0.005, rate, 1, known=0.005, looks=60, planned=300, bake=float(seen))
    found = simulate(setting, RUNS).found
    assert found >= 0.9
    # And it is no empty caution: a rate of two thirds of it is often missed.
    fewer = Setting(0.005, 0.66 * rate, 1, known=0.005, looks=60, planned=300, bake=float(seen))
    assert simulate(fewer, RUNS).found < 0.9


def test_five_percent_of_errors_passed_in_nine_of_ten_with_fifty_requests_and_hardly_ever_with_what_is_asked_now() -> (
    None
):
    def passed(seen: int) -> float:
        setting = Setting(0.005, 0.05, 1, known=0.005, looks=50, planned=300, bake=float(seen))
        return 1 - simulate(setting, RUNS).found

    assert passed(50) > 0.8
    assert passed(power.needed(0.05, FLOOR)) < 0.05


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.0005, 0.5),
    st.floats(1.1, 10),
    st.integers(1, 100_000),
    st.floats(1, 10),
    st.floats(1.1, 50),
)
def test_more_requests_never_see_less_and_what_is_needed_is_enough(
    limit: float, factor: float, planned: int, scatter: float, detect: float
) -> None:
    terms = Terms(limit, factor, planned, scatter)
    rate = power.gross(limit, factor, max(detect, factor))
    needed = power.needed(rate, terms)
    assert power.found_with(needed, rate, terms) >= power.POWER
    assert power.found_with(needed - 1, rate, terms) < power.POWER
    for more in (needed + 1, 2 * needed, 10 * needed):
        assert power.found_with(more, rate, terms) >= power.POWER
    found = power.detectable(2 * needed, terms)
    assert found is not None
    assert found <= rate * 1.001


def test_a_pass_asks_for_enough_requests_to_have_found_a_gross_fault() -> None:
    few, enough = requests(349), requests(350)
    assert (few.verdict, few.reason) == ("Inconclusive", "TooFewRequests")
    assert "has had 349 of the 350 requests that a pass needs: an error rate of 5 %" in few.message
    assert "so far only 5.01 % or more would have been" in few.message
    assert enough.verdict == "Pass"
    assert enough.message == (
        "1.2.0 failed 0 of 350 requests (0 %), limit 0.5 %; a rate of 5 % or more would have been found with 90 %."
    )


def test_where_nothing_at_all_could_have_been_found_it_says_so() -> None:
    assert "so far no error rate at all would have been" in requests(3).message


def test_who_asks_to_see_more_is_asked_for_more_requests() -> None:
    scraped = Scraped()
    scraped.steady(range(-5, 60, 5), ok=100, failed=0)
    strict = AnalysisSpec(error_rate=ErrorRateSpec(detect=2.0))
    state = watch(scraped, range(1, 60, 5), strict)
    assert (state.reason, state.candidate.requests) == ("TooFewRequests", 3300)
    assert "of the 10336 requests" in state.message


def test_min_requests_stays_the_least() -> None:
    policy = AnalysisSpec(error_rate=ErrorRateSpec(min_requests=5000))
    scraped = Scraped()
    scraped.steady(range(-5, 60, 5), ok=100, failed=0)
    assert watch(scraped, range(1, 60, 5), policy).message == (
        "1.2.0 has had 3300 of the 5000 requests that a pass needs (spec.analysis.errorRate.minRequests)."
    )


def test_eighteen_requests_an_hour_say_what_they_could_not_see() -> None:
    """Such a model never passes by itself: the deadline and the declared policy end it, with this sentence."""
    scraped = Scraped()
    for turn in range(721):
        scraped.pod("pod-0", 5 * turn - 4, turn // 40, 0)
    state = watch(scraped, range(1, 3600, 5))
    assert (state.verdict, state.reason) == ("Inconclusive", "TooFewRequests")
    assert "has had 18 of the 350 requests" in state.message
    assert state.inconclusive_since == clock(1)


def test_errors_that_come_in_clumps_need_more_requests() -> None:
    assert power.needed(0.05, Terms(0.005, 2.0, 300, 4.0)) == pytest.approx(4 * power.needed(0.05, FLOOR), rel=0.01)


def incident(rate: float, failed: int, total: int, policy: AnalysisSpec | None = None) -> EvidenceStatus:
    """The verdict on a candidate while the active version fails at `rate`."""
    baseline = Baseline(requests=30_000, errors=round(30_000 * rate), rate=rate, limit=rate + 0.01, source="Frozen")
    scraped, state = Scraped(), FRESH.model_copy(update={"baseline": baseline, "sealed_at": clock(0)})
    for turn in range(61):
        share = turn / 60
        scraped.pod("pod-0", 5 * turn - 4, round(share * (total - failed)), round(share * failed))
    for second in range(1, 300, 5):
        state = look(state, scraped, second, policy)
    return state


def test_a_candidate_above_the_ceiling_is_not_passed_however_bad_the_active_version_is() -> None:
    state = incident(0.4, failed=4000, total=10_000)
    assert (state.verdict, state.reason) == ("Inconclusive", "ErrorRateTooHigh")
    assert "failed 4000 of 10000 requests (40 %)" in state.message
    assert "above it no version is promoted by itself" in state.message
    assert "RolloutDecision with verb promote" in state.message


@pytest.mark.parametrize(
    ("failed", "verdict"), [(500, "Pass"), (1800, "Pass"), (1990, "Inconclusive"), (3000, "Inconclusive")]
)
def test_a_fix_that_is_shown_to_be_below_the_ceiling_passes(failed: int, verdict: str) -> None:
    assert incident(0.4, failed=failed, total=10_000).verdict == verdict


def test_a_candidate_worse_than_an_incident_still_fails() -> None:
    assert incident(0.3, failed=9000, total=10_000).verdict == "Fail"


def test_the_ceiling_is_the_users_to_set() -> None:
    policy = AnalysisSpec(error_rate=ErrorRateSpec(max=0.5))
    assert incident(0.4, failed=4000, total=10_000, policy=policy).verdict == "Pass"
