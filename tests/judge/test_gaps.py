"""Time that was not seen is no bake time, and what happened in it is told by the counters themselves."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.judge.scenes import FRESH, SCRAPE, START, Scraped, clock, judged, look, watch
from verdigris.api.spec import AnalysisSpec
from verdigris.api.status import Counts, EvidenceStatus
from verdigris.core.facts.evidence import Evidence, Series
from verdigris.core.judges.errors import resumed
from verdigris.core.judges.fold import fold
from verdigris.core.judges.visibility import long_enough, watched, watched_anew

AWAY = Evidence(problem="Prometheus is away.")


def lost(pods: dict[str, list[tuple[float, float, float]]], now: float) -> Evidence:
    """A Prometheus that knows only these scrapes (seconds after START, ok, failed) up to `now`."""
    series = []
    for pod, scrapes in pods.items():
        known = [scrape for scrape in scrapes if scrape[0] <= now]
        if known:
            series.append(Series(pod, "200", tuple((START + at, ok) for at, ok, _ in known)))
            series.append(Series(pod, "500", tuple((START + at, failed) for at, _, failed in known)))
    return Evidence(counters={"green": tuple(series)})


def healthy_until(end: int, pods: int = 2) -> EvidenceStatus:
    scraped = Scraped()
    scraped.steady(range(-10, end + 1, 5), ok=100, failed=0, pods=pods)
    return watch(scraped, range(1, end + 2))


def test_a_candidate_that_failed_while_prometheus_was_away_fails_when_it_comes_back_empty() -> None:
    """Two pods had 600 requests each by second 20; in the 45 s after that half of 3,000 failed."""
    state = healthy_until(20)
    known = state.candidate.requests
    for second in range(22, 65):
        state = judged(state, AWAY, second)
    back = {"pod-0": [(66.0, 1350.0, 750.0)], "pod-1": [(67.0, 1350.0, 750.0)]}
    state = judged(state, lost(back, 67), 67.5)
    assert (state.verdict, state.reason) == ("Fail", "ErrorRateDoubled")
    assert known < state.candidate.requests <= 4200


def test_the_time_that_prometheus_does_not_know_is_not_seen() -> None:
    state = healthy_until(20)
    assert watched(state).total_seconds() == 20
    back = {"pod-0": [(at, 600.0, 0.0) for at in (66.0, 71.0, 76.0)]}
    for second in range(66, 77):
        state = judged(state, lost(back, second), second)
    assert watched(state).total_seconds() == pytest.approx(30, abs=0.1)


def test_the_time_is_seen_when_prometheus_kept_scraping_while_it_could_not_be_asked() -> None:
    scraped = Scraped()
    scraped.steady(range(-10, 121, 5), ok=100, failed=0, pods=1)
    state = watch(scraped, range(1, 22))
    for second in range(22, 100):
        state = judged(state, AWAY, second)
    assert watched(look(state, scraped, 121)).total_seconds() == 120


def test_the_time_is_not_seen_when_it_was_down_with_its_data_kept_but_the_requests_are_counted() -> None:
    scraped = Scraped()
    for at in (*range(-10, 21, 5), 65, 70):
        scraped.pod("pod-0", at, 20.0 * (at + 10), 0)
    state = watch(scraped, (*range(1, 22), 66, 71))
    assert watched(state).total_seconds() == 25
    assert state.candidate.requests == 20 * 70


def test_pods_that_come_back_into_sight_one_after_the_other_are_counted_once() -> None:
    state = healthy_until(60, pods=3)
    each = 1400.0
    back = {f"pod-{n}": [(100.0 + 3 * n + 5 * turn, each, 0.0) for turn in range(20)] for n in range(3)}
    for second in range(100, 195):
        state = judged(state, lost(back, second), second)
        assert state.candidate.requests <= 3 * each - 600, second
    assert state.candidate == Counts(requests=3 * 1400 - 600)  # Each had counted 200 before there were clients.


def test_what_warm_pods_had_counted_before_they_got_clients_is_not_new_after_a_loss() -> None:
    scraped = Scraped()
    for at in range(-10, 21, 5):
        scraped.pod("pod-0", at, 50_000 + 10 * max(at, 0), 700)
    state = watch(scraped, range(1, 22))
    assert (state.began, state.candidate.requests) == (Counts(requests=50_700, errors=700), 200)
    state = judged(state, lost({"pod-0": [(60.0, 50_600.0, 701.0)]}, 61), 61)
    assert state.candidate == Counts(requests=601, errors=1)


def test_pods_that_are_gone_after_a_loss_take_nothing_back() -> None:
    scraped = Scraped()
    for at in range(-10, 21, 5):
        scraped.pod("pod-0", at, 50_000 + 10 * max(at, 0), 0)
    known = watch(scraped, range(1, 22))
    state = judged(known, lost({"pod-9": [(60.0, 30.0, 0.0), (65.0, 90.0, 0.0)]}, 66), 66)
    assert state.candidate.requests == known.candidate.requests + 60


def other_counters(*seconds: int) -> dict[str, list[tuple[float, float, float]]]:
    """Of the same requests, in which what both versions failed at counts as well."""
    return {"pod-0": [(at, 1000.0 + 10 * at, 900.0) for at in seconds]}


def test_what_other_counters_had_left_out_is_not_new_after_a_loss() -> None:
    state = healthy_until(20, pods=1)
    before = state.candidate
    state = resumed(state, AWAY, clock(21))
    for second in (26, 31):
        state = judged(state, lost(other_counters(*range(20, second, 5)), second), second)
    assert state.candidate == Counts(requests=before.requests + 100)
    state = judged(state, lost(other_counters(60), 61), 61)
    assert state.candidate == Counts(requests=before.requests + 400)


def test_counters_that_were_never_seen_before_a_loss_count_from_then_on() -> None:
    state = healthy_until(20, pods=1)
    before = state.candidate
    state = judged(resumed(state, AWAY, clock(21)), lost(other_counters(60), 61), 61)
    assert state.candidate == before
    state = judged(state, lost(other_counters(60, 65), 66), 66)
    assert state.candidate == Counts(requests=before.requests + 50)


def test_what_happens_after_a_loss_is_counted_on_exactly() -> None:
    state = healthy_until(60, pods=1)
    back = {"pod-0": [(100.0 + 5 * turn, 2000.0 + 50 * turn, 0.0) for turn in range(60)]}
    for second in range(100, 396):
        state = judged(state, lost(back, second), second)
    assert state.candidate.requests == 2000 + 50 * 59 - 200
    assert state.sealed_at is not None
    assert state.sealed_at > clock(200)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 5)), min_size=20, max_size=60),
    st.integers(3, 15),
    st.integers(1, 30),
    st.integers(1, 3),
)
def test_a_loss_never_counts_more_than_there_was_and_never_less_than_it_shows(
    growth: list[tuple[int, int]], before: int, gap: int, pods: int
) -> None:
    """Pods that live on: whatever was seen before and whenever each comes back, the sum is the truth."""
    totals = [(0.0, 0.0)]
    for good, bad in growth:
        totals.append((totals[-1][0] + good, totals[-1][1] + bad))
    state = FRESH.model_copy(update={"sealed_at": clock(0)})
    rounds = len(growth)
    for turn in range(rounds + 1):
        first = 0 if turn <= before else before + gap
        scrapes = {f"pod-{n}": [(5.0 * i + n, *totals[i]) for i in range(first, turn + 1)] for n in range(pods)}
        down = before < turn < before + gap
        now = 5.0 * turn + pods
        state = judged(state, AWAY if down else lost(scrapes, now), now)
        if state.verdict == "Fail":
            return
        assert state.candidate.requests <= pods * sum(totals[turn])
    if rounds >= before + gap:
        assert state.candidate.requests == pods * sum(totals[-1])
        assert state.candidate.errors == pods * totals[-1][1]


def test_looks_are_planned_once_whatever_the_spec_says_later() -> None:
    scraped = Scraped()
    scraped.steady(range(-10, 100, 5), ok=100, failed=0)
    state = FRESH.model_copy(update={"sealed_at": clock(0)})
    found = []
    for second, planned in ((10, 300), (20, 60), (30, 5)):
        evidence = Evidence(counters={"green": scraped.answer(second, -30)})
        state = fold(
            state,
            evidence,
            candidate="green",
            policy=AnalysisSpec(),
            scrape=SCRAPE,
            planned_looks=planned,
            now=clock(second),
        )
        found.append((state.planned_looks, state.threshold))
    assert len(set(found)) == 1
    assert found[0][0] == 300


def passing(seen: float) -> EvidenceStatus:
    return FRESH.model_copy(update={"verdict": "Pass", "reason": "WithinLimits", "message": "Good.", "seen": seen})


@pytest.mark.parametrize(
    ("seen", "verdict"), [(300.0, "Pass"), (290.0, "Pass"), (289.0, "Inconclusive"), (0.0, "Inconclusive")]
)
def test_a_bake_that_was_not_seen_is_none(seen: float, verdict: str) -> None:
    state = long_enough(passing(seen), timedelta(minutes=5), clock(0), SCRAPE)
    assert state.verdict == verdict
    if verdict == "Inconclusive":
        assert state.message == (
            f"Only {seen:.0f} of the 300 s that it is to be watched were seen, as there are no samples of the rest, or "
            "of another share. Good."
        )
        assert (state.reason, state.inconclusive_since) == ("NotWatched", clock(300))


@pytest.mark.parametrize(("seen", "verdict"), [(5.0, "Pass"), (4.0, "Inconclusive")])
def test_of_a_bake_of_two_scrapes_half_is_seen(seen: float, verdict: str) -> None:
    assert long_enough(passing(seen), timedelta(seconds=10), clock(0), SCRAPE).verdict == verdict


def test_what_holds_for_another_reason_keeps_it() -> None:
    state = passing(0).model_copy(update={"verdict": "Inconclusive", "reason": "NoSamples"})
    assert long_enough(state, timedelta(minutes=5), clock(0), SCRAPE) == state


def test_each_step_is_watched_for_itself() -> None:
    assert watched(watched_anew(passing(100.0))) == timedelta()
