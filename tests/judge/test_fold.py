"""What the judge says, when, and what it keeps."""

from __future__ import annotations

import pytest

from tests.judge.scenes import BASELINE, FRESH, START, Scraped, clock, judged, look, watch
from verdigris.api.spec import AnalysisSpec, ErrorRateSpec, MetricCheck
from verdigris.api.status import Baseline, Counts, EvidenceStatus
from verdigris.core.facts.evidence import BOTH, Evidence, Reading, Series

BEGUN = FRESH.model_copy(update={"sealed_at": clock(0)})
TICKS = [float(second) for second in range(1, 301)]


def healthy(until: int = 300) -> Scraped:
    scraped = Scraped()
    scraped.steady(range(-10, until, 5), ok=300, failed=0)
    return scraped


def test_a_candidate_within_its_limit_passes_with_its_counts_in_words() -> None:
    state = watch(healthy(), TICKS)
    assert (state.verdict, state.reason) == ("Pass", "WithinLimits")
    assert state.message == (
        "1.2.0 failed 0 of 53100 requests (0 %), limit 0.5 %; "
        "a rate of 0.801 % or more would have been found with 90 %."
    )
    assert state.candidate == Counts(requests=53_100, errors=0)
    assert state.inconclusive_since is None


OWN = (Series("green-a", "200", ((START - 4, 0.0), (START + 1, 42.0))), Series("green-a", "500", ((START + 1, 9.0),)))


def in_front(**outcomes: float) -> Evidence:
    """What the pods in front and the candidate itself counted a second after it was first asked."""
    front = (Series("blue-b", outcome, ((START + 1, count),)) for outcome, count in outcomes.items())
    return Evidence(counters={"green": (*OWN, *front)})


def test_behind_the_shield_the_pods_in_front_count_whatever_the_candidate_says() -> None:
    seen = in_front(answered=42, late=30, unreachable=2, error=9)
    state = judged(BEGUN, seen, 1.2, behind=True)
    assert (state.verdict, state.candidate) == ("Fail", Counts(requests=83, errors=41))
    assert "as the active pods saw it: 9 error, 2 unreachable, 30 late; of these 41 they answered 41 themselves; " in (
        state.message
    )
    assert judged(BEGUN, seen, 1.2).candidate == Counts(requests=51, errors=9), "without it, its own counters alone do"


def test_requests_at_which_both_versions_fail_tell_nothing_of_the_candidate() -> None:
    state = judged(BEGUN, in_front(**{"answered": 42, "error": 41, BOTH: 40}), 1.2, behind=True)
    assert (state.verdict, state.candidate) == ("Inconclusive", Counts(requests=43, errors=1))


def test_a_candidate_behind_the_shield_is_watched_while_the_pods_in_front_are_scraped() -> None:
    front = Series("blue-b", "answered", tuple((START + at, 10.0 * at) for at in range(0, 60, 5)))
    state = judged(BEGUN, Evidence(counters={"green": (*OWN, front)}), 60.0, behind=True)
    assert state.seen == 55.0


def test_a_candidate_that_fails_half_its_calls_fails_at_the_first_scrape_that_shows_it() -> None:
    scraped = Scraped()
    for at, ok, failed in ((-4, 0, 0), (1, 42, 41)):
        scraped.pod("pod-0", at, ok, failed)
    state = look(BEGUN, scraped, 1.2)
    assert (state.verdict, state.reason) == ("Fail", "ErrorRateDoubled")
    assert state.message == (
        "1.2.0 failed 41 of 83 requests (49.4 %), more than chance explains; "
        "the baseline failed 3 of 9812 requests (0.0306 %), limit 0.5 %."
    )
    assert state.looks == 1


def test_the_message_on_a_late_fault_names_when_it_began() -> None:
    scraped = Scraped()
    scraped.steady(range(-10, 200, 5), ok=300, failed=0, pods=1)
    scraped.pod("pod-0", 200, 41 * 300 + 100, 200)
    state = watch(scraped, TICKS)
    assert state.verdict == "Fail"
    assert "failed 200 of 300 requests (66.7 %) since 08:03:17 UTC (in all 200 of 12000)" in state.message


def test_without_a_baseline_the_sentence_says_so_and_the_limit_is_a_tenth() -> None:
    scraped = Scraped()
    scraped.pod("pod-0", -4, 0, 0)
    scraped.pod("pod-0", 1, 50, 50)
    state = look(EvidenceStatus(sealed_at=clock(0)), scraped, 1)
    assert state.verdict == "Fail"
    assert "there is no baseline to compare with (limit 10 %)" in state.message


def test_a_fail_stays_a_fail_whatever_comes_after() -> None:
    failed = BEGUN.model_copy(update={"verdict": "Fail", "reason": "ErrorRateDoubled", "message": "Half."})
    assert look(failed, healthy(), 250) == failed
    assert judged(failed, Evidence(problem="gone"), 251) == failed


def test_a_prometheus_that_is_away_is_no_evidence_and_its_sentence_is_kept_word_for_word() -> None:
    state = watch(healthy(), TICKS[:100])
    away = judged(state, Evidence(problem="Prometheus at http://p:9090 did not answer within 2 s."), 101)
    assert (away.verdict, away.reason) == ("Inconclusive", "PrometheusUnreachable")
    assert away.message == "Prometheus at http://p:9090 did not answer within 2 s."
    assert away.inconclusive_since == clock(101)
    assert (away.candidate, away.score, away.looks) == (state.candidate, state.score, state.looks)


def test_inconclusive_keeps_the_time_at_which_it_began_and_a_pass_clears_it() -> None:
    away = Evidence(problem="Prometheus is away.")
    state = judged(judged(watch(healthy(), TICKS[:100]), away, 101), away, 130)
    assert state.inconclusive_since == clock(101)
    assert look(state, healthy(), 131).inconclusive_since is None


def test_nothing_is_lost_while_prometheus_was_away() -> None:
    state = watch(healthy(), TICKS[:100])
    for second in range(101, 200):
        state = judged(state, Evidence(problem="Prometheus is away."), second)
    assert look(state, healthy(), 290).candidate == watch(healthy(), TICKS[:290]).candidate


def test_three_scrapes_without_a_sample_are_no_evidence() -> None:
    scraped = healthy(until=100)
    fresh, stale = watch(scraped, [*TICKS[:110]]), watch(scraped, [*TICKS[:112]])
    assert fresh.verdict == "Pass"
    assert (stale.verdict, stale.reason) == ("Inconclusive", "NoSamples")
    assert "no sample of 1.2.0 since 08:01:35 UTC" in stale.message


def test_an_answer_without_any_series_is_no_evidence() -> None:
    assert judged(BEGUN, Evidence(), 10).reason == "TooFewRequests"
    assert judged(BEGUN, Evidence(), 16).reason == "NoSamples"


def test_a_pass_needs_the_minimum_of_requests_and_a_fail_does_not() -> None:
    scraped = Scraped()
    scraped.steady(range(-5, 10, 5), ok=7, failed=0, pods=1)
    state = watch(scraped, [1, 6])
    assert (state.verdict, state.reason) == ("Inconclusive", "TooFewRequests")
    assert state.message == (
        "1.2.0 has had 7 of the 350 requests that a pass needs: an error rate of 5 % is to be found with 90 %, "
        "so far only 75.7 % or more would have been (spec.analysis.errorRate.detect)."
    )
    scraped.pod("pod-0", 10, 14, 14)
    assert look(state, scraped, 10).verdict == "Fail"


def test_a_pod_with_two_counters_is_no_evidence_and_counts_nothing() -> None:
    twice = tuple(Series("pod-0", "500", ((START - 5, 0.0), (START + 2, value))) for value in (50.0, 900.0))
    state = judged(BEGUN, Evidence(counters={"green": twice}), 3)
    assert (state.verdict, state.reason) == ("Inconclusive", "ScrapedTwice")
    assert state.candidate == Counts()
    assert "pod-0" in state.message


def test_looking_again_without_a_new_sample_changes_nothing_at_all() -> None:
    state = watch(healthy(), TICKS[:151])
    for second in (151.1, 152, 153.9, 154.9):
        assert look(state, healthy(), second) == state


def test_a_sample_without_new_requests_is_no_look() -> None:
    scraped = Scraped()
    scraped.steady(range(-5, 100, 5), ok=0, failed=0)
    state = watch(scraped, TICKS[:90])
    assert (state.looks, state.scores, state.reason) == (0, (), "TooFewRequests")


@pytest.mark.parametrize("after", [30, 170, 290])
def test_a_prometheus_that_lost_its_data_does_not_make_old_requests_new(after: int) -> None:
    before = watch(healthy(), TICKS[:after])
    lost, seen = Scraped(), before.candidate.requests // 3
    lost.pod("pod-0", after + 5, seen, 0)
    state = look(before, lost, after + 6)
    assert state.candidate == before.candidate
    lost.pod("pod-0", after + 10, seen + 50, 0)
    assert look(state, lost, after + 11).candidate.requests == before.candidate.requests + 50


def test_scrapes_that_come_in_late_are_counted_though_others_were_sealed_meanwhile() -> None:
    scraped = Scraped()
    for at in range(-5, 400, 5):
        scraped.pod("quick", at, at + 5, 0)
        scraped.pod("slow", at, 2 * (at + 5), 0, arrives=at + 45)
    state = watch(scraped, range(1, 450, 7))
    assert state.candidate.requests == 395 + 2 * 395


def test_a_candidate_that_nobody_had_scraped_before_the_switch_counts_from_its_first_request() -> None:
    scraped = Scraped()
    scraped.pod("pod-0", 3, 30, 30)
    state = look(BEGUN.model_copy(update={"at": clock(0)}), scraped, 3.5)
    assert (state.verdict, state.candidate) == ("Fail", Counts(requests=60, errors=30))


def test_a_replica_that_lags_behind_takes_nothing_back() -> None:
    state = watch(healthy(), TICKS[:100])
    behind = look(state, healthy(until=90), 101)
    assert (behind.candidate, behind.at, behind.score) == (state.candidate, state.at, state.score)


def test_the_window_that_is_asked_for_stays_short() -> None:
    state = watch(healthy(3600), [float(second) for second in range(1, 3600, 7)])
    assert state.at is not None
    assert state.sealed_at is not None
    assert (state.at - state.sealed_at).total_seconds() <= 127
    assert state.candidate.requests == 3 * 300 * 719


def test_a_status_of_an_operator_that_knew_no_scores_is_gone_on_with() -> None:
    old = watch(healthy(), TICKS[:50]).dump()
    del old["scores"]
    assert look(EvidenceStatus.parse(old), healthy(), 60).verdict == "Pass"


def test_the_factor_asked_for_counts() -> None:
    scraped = Scraped()
    scraped.steady(range(-5, 60, 5), ok=97, failed=3, pods=3)
    lenient = AnalysisSpec(error_rate=ErrorRateSpec(factor=20.0))
    assert watch(scraped, TICKS[:60]).verdict == "Fail"
    assert watch(scraped, TICKS[:60], lenient).verdict == "Pass"


def test_a_baseline_with_scattered_errors_asks_for_more() -> None:
    scraped = Scraped()
    scraped.steady(range(-5, 40, 5), ok=296, failed=4, pods=1)
    noisy = Baseline(requests=90_000, errors=450, rate=0.005, limit=0.006, dispersion=8.0, source="Frozen")
    calm = noisy.model_copy(update={"dispersion": 1.0})
    scores = [watch_from(baseline, scraped).score for baseline in (calm, noisy)]
    assert scores[0] > scores[1]


def watch_from(baseline: Baseline, scraped: Scraped) -> EvidenceStatus:
    state = BEGUN.model_copy(update={"baseline": baseline})
    for second in TICKS[:40]:
        state = look(state, scraped, second)
    return state


CHECKED = AnalysisSpec(metrics=(MetricCheck(name="queue", query="q", max=10.0),))


def checked(values: list[Reading], ticks: list[float]) -> EvidenceStatus:
    state = BEGUN
    for value, second in zip(values, ticks, strict=True):
        state = look(state, healthy(), second, CHECKED, {"queue": value})
    return state


def test_a_check_fails_after_three_fresh_looks_in_a_row() -> None:
    state = checked([Reading(11.0)] * 3, [6, 11, 16])
    assert (state.verdict, state.reason) == ("Fail", "CheckFailed")
    assert state.message == "1.2.0: queue is 11, must be at most 10; out of bounds 3 times in a row."


def test_until_then_it_holds() -> None:
    state = checked([Reading(11.0)] * 2, [6, 11])
    assert (state.verdict, state.reason) == ("Inconclusive", "CheckOutOfBounds")


def test_asking_again_before_the_next_scrape_is_no_fresh_look() -> None:
    assert checked([Reading(11.0)] * 4, [6, 6.5, 7, 8]).verdict == "Inconclusive"


def test_a_look_in_bounds_begins_the_count_anew() -> None:
    assert (
        checked([Reading(11.0), Reading(11.0), Reading(9.0), Reading(11.0)], [6, 11, 16, 21]).verdict == "Inconclusive"
    )
    assert checked([Reading(11.0), Reading(11.0), Reading(10.0)], [6, 11, 16]).verdict == "Pass"


def test_a_look_without_a_value_holds_and_keeps_the_count() -> None:
    silent = Reading(problem="Prometheus has no data for the query")
    state = checked([Reading(11.0), Reading(11.0), silent], [6, 11, 16])
    assert (state.verdict, state.reason) == ("Inconclusive", "CheckWithoutValue")
    assert "queue has no value: Prometheus has no data for the query" in state.message
    assert checked([Reading(11.0), Reading(11.0), silent, Reading(11.0)], [6, 11, 16, 21]).verdict == "Fail"


def test_a_check_that_nobody_asked_never_passes() -> None:
    assert look(BEGUN, healthy(), 60, CHECKED).reason == "CheckWithoutValue"


def test_the_evidence_fits_into_the_status_and_comes_back_the_same() -> None:
    state = watch(healthy(), TICKS)
    assert EvidenceStatus.parse(state.dump()) == state
    assert state.baseline == BASELINE
