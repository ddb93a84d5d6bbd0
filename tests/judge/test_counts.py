"""Raw samples become exact counts."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.judge.scenes import START, Scraped, clock, watch
from verdigris.api.spec import ErrorRateSpec
from verdigris.api.status import Baseline, Counts
from verdigris.core.facts.evidence import BOTH, Series
from verdigris.core.judges.baseline import KEPT_FOR, better_known, dispersion, freeze_baseline, upper_limit
from verdigris.core.judges.counts import increments, once, seen_pods
from verdigris.core.judges.onset import worst_stretch

POLICY = ErrorRateSpec()


def ok(pod: str, *samples: tuple[float, float]) -> Series:
    return Series(pod, "200", samples)


def bad(pod: str, *samples: tuple[float, float]) -> Series:
    return Series(pod, "500", samples)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Scraped, Counts]:
    """Pods that come, go, are missed by scrapes, restart and are told of late; and what they truly counted."""
    scraped, requests, errors = Scraped(), 0, 0
    for number in range(draw(st.integers(1, 3))):
        at = draw(st.integers(-20_000, 200_000)) / 1000
        good = failed = 0
        arrived = 0.0
        for gap, more, wrong, restart, late in draw(st.lists(_scrapes(), min_size=1, max_size=25)):
            at = round(at + gap, 3)
            if restart and good > more and failed > wrong:
                good = failed = 0
            good, failed = good + more, failed + wrong
            # Prometheus takes the samples of one series in their order only.
            arrived = max(arrived, at + late)
            scraped.pod(f"pod-{number}", at, good, failed, arrives=arrived)
            if at > 0:
                requests, errors = requests + more + wrong, errors + wrong
    return scraped, Counts(requests=requests, errors=errors)


def _scrapes() -> st.SearchStrategy[tuple[float, int, int, bool, float]]:
    gaps = st.sampled_from([5.0, 5.0, 5.0, 4.75, 10.001, 60.0, 200.0])
    return st.tuples(
        gaps, st.integers(0, 400), st.integers(0, 30), st.booleans(), st.sampled_from([0.0, 0.0, 2.5, 40.0])
    )


@settings(max_examples=150, deadline=None)
@given(histories(), st.lists(st.floats(0, 2500), max_size=60), st.booleans())
def test_the_counts_are_the_truth_whenever_anyone_looked_and_however_often_the_operator_restarted(
    history: tuple[Scraped, Counts], ticks: list[float], restarts: bool
) -> None:
    scraped, truth = history
    end = max(sample.arrives for samples in scraped.counters.values() for sample in samples)
    state = watch(scraped, [*sorted(tick for tick in ticks if tick < end), end], restarts=restarts)
    if state.verdict == "Fail":
        assert state.candidate.requests <= truth.requests
        return
    assert state.candidate == truth


@given(histories(), st.lists(st.floats(-100, 6000), max_size=12))
def test_adjoining_intervals_add_up_however_they_are_cut(history: tuple[Scraped, Counts], cuts: list[float]) -> None:
    series = history[0].answer(1e9, -1e9)
    bounds = [START - 1e6, *sorted(START + cut for cut in cuts), START + 1e6]
    parts = [increments(series, a, b) for a, b in pairwise(bounds)]
    whole = increments(series, bounds[0], bounds[-1])
    assert sum(part.requests for part in parts) == whole.requests
    assert sum(part.errors for part in parts) == whole.errors


@given(histories(), st.randoms())
def test_the_order_of_the_series_does_not_matter(history: tuple[Scraped, Counts], chance: random.Random) -> None:
    series = list(history[0].answer(1e9, -1e9))
    before = increments(series, START)
    chance.shuffle(series)
    assert increments(series, START) == before


def test_a_restarted_counter_counts_what_it_shows() -> None:
    assert increments([bad("a", (1, 10), (2, 12), (3, 4), (4, 5))], after=1) == Counts(requests=7, errors=7)


def test_a_series_that_is_new_counts_from_zero_and_an_older_one_from_its_last_sample() -> None:
    series = [ok("old", (5, 1000), (15, 1007)), ok("new", (15, 3)), bad("new", (15, 2))]
    assert increments(series, after=10) == Counts(requests=12, errors=2)


def test_the_end_of_the_interval_is_included_and_its_beginning_is_not() -> None:
    series = [ok("a", (1, 1), (2, 3), (3, 7))]
    assert increments(series, after=1, until=2) == Counts(requests=2)


def test_only_5xx_are_errors() -> None:
    codes = ("200", "304", "500", "503")
    series = [Series("a", code, ((1, 0), (2, 1))) for code in codes]
    assert increments(series, after=0) == Counts(requests=4, errors=2)


def test_a_pod_is_seen_once_its_error_counter_has_a_fresh_sample() -> None:
    series = [bad("seen", (9, 0), (11, 0)), bad("stale", (9, 0)), ok("no-error-counter", (11, 5)), bad("empty")]
    assert seen_pods(series, newer_than=10) == {"seen"}


def test_a_pod_that_two_jobs_scrape_counts_once() -> None:
    series, contradicted = once([ok("a", (1, 1), (6, 5)), ok("b", (2, 1)), ok("a", (3, 2), (8, 6))])
    assert contradicted is None
    assert increments(series, after=0) == Counts(requests=7)


def test_two_counters_under_one_name_are_told_of() -> None:
    assert once([ok("a", (1, 100), (6, 200), (11, 300), (16, 400)), ok("b", (2, 1)), ok("a", (3, 1), (8, 2))]) == (
        (),
        "a",
    )


@given(
    st.lists(st.integers(0, 40), min_size=2, max_size=40),
    st.lists(st.floats(0, 4.9), min_size=3, max_size=3),
    st.data(),
)
def test_a_counter_is_counted_once_however_many_jobs_read_it_and_whenever(
    growth: list[int], offsets: list[float], data: st.DataObject
) -> None:
    """Each job scrapes every 5 s at its own offset, from its first to its last round; the counter grows evenly."""
    total = [0]
    for more in growth:
        total.append(total[-1] + more)

    def value(at: float) -> int:
        return int(total[int(at // 5)] + growth[min(int(at // 5), len(growth) - 1)] * (at % 5) / 5)

    jobs = []
    for number, offset in enumerate(offsets):
        # The first job sees everything; the others come and go.
        first = data.draw(st.integers(0, len(growth) - 1)) if number else 0
        last = data.draw(st.integers(first, len(growth) - 1)) if number else len(growth) - 1
        times = [5 * turn + offset for turn in range(first, last + 1)]
        jobs.append(Series("a", "500", tuple((at, float(value(at))) for at in times)))
    series, contradicted = once(jobs)
    assert contradicted is None
    last_read = max(one.samples[-1][1] for one in jobs)
    assert increments(series, after=-1).errors == last_read


def test_a_counter_that_goes_on_under_other_labels_is_no_new_one() -> None:
    series, _ = once([bad("a", (1, 10), (6, 12)), bad("a", (11, 13), (16, 15))])
    assert increments(series, after=6) == Counts(requests=3, errors=3)


def test_the_last_value_of_labels_that_ended_minutes_ago_contradicts_nothing() -> None:
    """It is all that is known of them at the beginning of the window, where the new labels have a value too."""
    ended = replace(bad("a", (10, 40)), ended=True)
    series, contradicted = once([ended, bad("a", (10, 900), (15, 905), (20, 910))])
    assert contradicted is None
    assert increments(series, after=10) == Counts(requests=10, errors=10)


def test_the_last_value_of_labels_that_ended_leads_those_that_follow() -> None:
    series, _ = once([bad("a", (13, 910), (18, 915)), replace(bad("a", (10, 900)), ended=True)])
    assert increments(series, after=10) == Counts(requests=15, errors=15)


def test_a_restart_seen_by_two_jobs_is_one_restart() -> None:
    series, contradicted = once([bad("a", (1, 10), (6, 2), (11, 4)), bad("a", (3, 11), (8, 3), (13, 5))])
    assert contradicted is None
    assert increments(series, after=1) == Counts(requests=5, errors=5)


def test_a_pod_that_came_back_under_another_address_is_not_doubled() -> None:
    series = [ok("a", (1, 1), (6, 2)), ok("a", (11, 1), (16, 2))]
    joined, contradicted = once(series)
    assert contradicted is None
    assert increments(joined, after=0) == Counts(requests=4)


@pytest.mark.parametrize(
    ("errors", "requests", "expected"),
    [(0, 0, 1.0), (0, 50, 0.0513), (0, 10_000, 0.00027), (10, 1000, 0.01657), (500, 10_000, 0.0537), (50, 50, 1.0)],
)
def test_the_upper_limit_is_wilsons(errors: int, requests: int, expected: float) -> None:
    assert upper_limit(Counts(requests=requests, errors=errors)) == pytest.approx(expected, rel=0.01)


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.floats(1, 10))
def test_the_upper_limit_is_a_rate_and_not_below_what_was_seen(one: int, two: int, scatter: float) -> None:
    counts = Counts(requests=max(one, two), errors=min(one, two))
    limit = upper_limit(counts, scatter)
    assert 0 < limit <= 1
    assert limit >= counts.errors / max(counts.requests, 1) - 1e-12


def _regular(total: int, failing: dict[int, int]) -> list[Series]:
    """30 slots of 10 s with `total` requests each, of which `failing[slot]` fail."""
    good, wrong, ok_samples, bad_samples = 0, 0, [(START, 0.0)], [(START, 0.0)]
    for slot in range(30):
        wrong += failing.get(slot, 0)
        good += total - failing.get(slot, 0)
        ok_samples.append((START + 10 * slot + 5, float(good)))
        bad_samples.append((START + 10 * slot + 5, float(wrong)))
    return [Series("a", "200", tuple(ok_samples)), Series("a", "500", tuple(bad_samples))]


def test_the_baseline_is_frozen_with_its_limit() -> None:
    series = _regular(1000, dict.fromkeys(range(30), 10))
    baseline = freeze_baseline(series, clock(0), clock(300), POLICY)
    assert (baseline.requests, baseline.errors, baseline.rate) == (30_000, 300, 0.01)
    assert baseline.limit == pytest.approx(0.01099, rel=0.01)
    assert (baseline.source, baseline.at, baseline.dispersion) == ("Frozen", clock(300), 1.0)


def test_what_the_active_version_answered_in_the_candidates_stead_is_no_part_of_its_own_rate() -> None:
    """It passes nine of ten requests on. One of a hundred can nobody answer, three the candidate alone cannot."""
    times = range(0, 301, 5)

    def grows(code: str, by: int) -> Series:
        return Series("front-0", code, tuple((START + at, float(by * at)) for at in times))

    own = [grows("200", 99 + 27), grows("500", 1 + 9)]
    in_front = [grows("answered", 900 - 36), grows("error", 36), grows(BOTH, 9)]
    baseline = freeze_baseline(own, clock(0), clock(300), POLICY, in_front)
    assert (baseline.requests, baseline.errors) == (30_000, 300)


def test_a_spotless_baseline_gets_the_floor() -> None:
    assert freeze_baseline(_regular(1000, {}), clock(0), clock(300), POLICY).limit == POLICY.floor


def test_a_baseline_that_was_hardly_seen_excuses_no_more_than_a_tenth() -> None:
    assert freeze_baseline([], clock(0), clock(300), POLICY).limit == 0.10
    assert freeze_baseline(_regular(1, dict.fromkeys(range(30), 1)), clock(0), clock(300), POLICY).limit == 0.10


def test_a_baseline_that_truly_fails_keeps_its_own_limit() -> None:
    baseline = freeze_baseline(_regular(100, dict.fromkeys(range(30), 40)), clock(0), clock(300), POLICY)
    assert 0.40 < baseline.limit < 0.43


def test_errors_that_come_in_clumps_are_seen_to_scatter_and_widen_the_limit() -> None:
    even, clumped = _regular(1000, dict.fromkeys(range(30), 10)), _regular(1000, {3: 150, 20: 150})
    assert dispersion(even, START, START + 300) == 1.0
    assert dispersion(clumped, START, START + 300) == 10.0
    limits = [freeze_baseline(series, clock(0), clock(300), POLICY).limit for series in (even, clumped)]
    assert limits[1] > limits[0] > 0.01


def test_one_error_says_nothing_about_scatter() -> None:
    assert dispersion(_regular(1000, {7: 1}), START, START + 300) == 1.0


def test_the_worst_stretch_is_where_the_fault_began() -> None:
    series = _regular(1000, dict.fromkeys(range(27, 30), 500))
    found = worst_stretch(series, [START + 10 * slot for slot in range(30)], limit=0.005)
    assert found == (START + 270, Counts(requests=3000, errors=1500))


@pytest.mark.parametrize(
    ("before", "last", "since", "counts"),
    [
        (400, 600, 200, Counts(requests=10_000, errors=4200)),
        (250, 1000, 290, Counts(requests=1000, errors=1000)),
    ],
)
def test_a_fault_is_told_from_where_chance_explains_it_least(
    before: int, last: int, since: int, counts: Counts
) -> None:
    """Of a limit of 20 %: 42 % of 10,000 requests are less like it than 60 % of 1,000; all of 1,000 than 33 %."""
    series = _regular(1000, {**dict.fromkeys(range(20, 29), before), 29: last})
    found = worst_stretch(series, [START + 10 * slot for slot in range(30)], limit=0.2)
    assert found == (START + since, counts)


def test_a_candidate_within_its_limit_has_no_worst_stretch() -> None:
    assert worst_stretch(_regular(1000, {5: 2}), [START, START + 100], limit=0.005) is None


def test_a_baseline_of_enough_requests_stays_until_it_is_old_or_the_version_has_become_worse() -> None:
    known = Baseline(requests=1000, limit=0.005, source="Frozen", at=clock(0))
    few = Baseline(requests=5, limit=0.10, source="Frozen", at=clock(60))

    assert better_known(known, few, POLICY) is known
    assert better_known(Baseline(), few, POLICY) is few
    enough = few.model_copy(update={"requests": 50})
    assert better_known(known, enough, POLICY) is enough
    worse = few.model_copy(update={"requests": 20, "errors": 10})
    assert better_known(known, worse, POLICY) is worse
    late = few.model_copy(update={"at": clock(0) + KEPT_FOR * 1.01})
    assert better_known(known, late, POLICY) is late
