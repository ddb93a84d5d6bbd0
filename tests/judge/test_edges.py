"""The ends of what the judge can be given."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.judge.scenes import BASELINE, FRESH, SCRAPE, START, clock
from verdigris.api.spec import AnalysisSpec, ErrorRateSpec
from verdigris.api.status import Baseline, Counts, EvidenceStatus
from verdigris.core.facts.evidence import Evidence, Series
from verdigris.core.judges import errors, power
from verdigris.core.judges.baseline import MOST_DISPERSED, better_known, dispersion
from verdigris.core.judges.counts import newest, once
from verdigris.core.judges.errors import to_millis
from verdigris.core.judges.fold import fold
from verdigris.core.judges.promql import Pods
from verdigris.core.judges.score import Terms
from verdigris.core.judges.visibility import measured


def test_of_ever_so_many_requests_the_probability_is_still_one() -> None:
    """Its fraction is cut off there: exact is a half, just where so many errors are needed as are expected."""
    terms, requests = Terms(limit=0.005, factor=2.0, planned_looks=300), 1e12
    expected = (power._errors_needed(requests, terms) + 1) / requests
    assert power.found_with(requests, expected, terms) == pytest.approx(0.5, abs=0.01)
    assert power.found_with(requests, 0.0071, terms) == 0
    assert power.found_with(requests, 0.0073, terms) == 1
    assert power.found_with(50, 1.0, terms) == 1.0, "whoever always fails is found, once that is possible at all"


def test_a_counter_without_samples_counts_nothing_and_contradicts_nothing() -> None:
    empty, full = Series("pod-a", "200", ()), Series("pod-a", "200", ((10.0, 3.0), (20.0, 5.0)))
    assert once([empty, full]) == ((full,), None)
    assert once([empty]) == ((), None)
    assert newest([empty]) is None


def test_what_a_pod_in_front_counts_is_picked_by_the_revision_that_it_is_about() -> None:
    pods = Pods("clinic", "diabetes", "blue", "aaa", uid="7")
    assert (
        pods.matchers() == 'namespace="clinic",model="diabetes",color="blue",revision="aaa",modeldeployment_uid=~"7|"'
    )
    assert 'revision=~"aaa|bbb",exported_revision=~"bbb|"' in pods.matchers(about="bbb")


def test_a_label_that_holds_quotes_stays_one_label() -> None:
    pods = Pods("clinic", "diabetes", "blue", "aaa", extra={"cluster": 'a"b\\c\nd'})
    assert pods.matchers().endswith(',cluster="a\\"b\\\\c\\nd"')


def test_dispersion_is_pearsons_statistic_by_its_degrees_of_freedom() -> None:
    """1 and 3 errors of 10 requests each, where chance would have 2 and 2: (1 + 1) / (10 x 0.2 x 0.8), one degree."""
    good = Series("pod-a", "200", ((0.0, 0.0), (5.0, 9.0), (10.0, 16.0)))
    bad = Series("pod-a", "500", ((0.0, 0.0), (5.0, 1.0), (10.0, 4.0)))
    assert dispersion([good, bad], 0.0, 10.0) == pytest.approx(1.25)
    assert dispersion([good, bad], 5.0, 10.0) == 1.0, "one slot tells nothing of how they scatter"


def test_dispersion_is_never_below_one_nor_above_its_limit() -> None:
    def counted(*failed: float) -> float:
        times = [5.0 * number for number in range(len(failed))]
        good = Series("pod-a", "200", tuple((at, 1000 * at) for at in times))
        return dispersion([good, Series("pod-a", "500", tuple(zip(times, failed, strict=True)))], 0.0, times[-1])

    assert counted(0, 5, 10, 15, 20) == 1.0
    assert counted(0, 0, 0, 900, 900) == MOST_DISPERSED


@pytest.mark.parametrize(("errors", "kept"), [(17, True), (18, False)])
def test_a_baseline_is_replaced_by_one_that_is_worse_for_certain(errors: int, kept: bool) -> None:
    """Lower 99 % limits of 17 and 18 of 1,000: 0.98 and 1.05 %."""
    last = Baseline(requests=5000, errors=40, rate=0.008, limit=0.01, at=clock(0))
    seen = Baseline(requests=1000, errors=errors, rate=errors / 1000, limit=0.03, at=clock(60))
    few = ErrorRateSpec(min_requests=2000)
    assert better_known(last, seen, few) == (last if kept else seen)


@pytest.mark.parametrize(("value", "fits"), [(35.0, True), (50.0, True), (51.0, False), (20.0, True), (19.0, False)])
def test_what_a_second_job_read_must_fit_between_two_samples_on_each_side(value: float, fits: bool) -> None:
    first = Series("pod-a", "200", tuple((10.0 * n, 10.0 * n + 10) for n in range(6)))
    assert (once([first, Series("pod-a", "200", ((25.0, value),))])[1] is None) is fits


@pytest.mark.parametrize(("value", "fits"), [(50.0, True), (51.0, False)])
def test_what_a_second_job_read_near_an_end_may_lie_as_far_off_as_its_neighbours_lie_apart(
    value: float, fits: bool
) -> None:
    first = Series("pod-a", "200", ((0.0, 10.0), (10.0, 20.0), (20.0, 30.0)))
    assert (once([first, Series("pod-a", "200", ((15.0, value),))])[1] is None) is fits


@pytest.mark.parametrize("microsecond", [0, 999, 1000, 123_456, 999_999])
def test_a_time_is_known_no_more_exactly_than_the_status_keeps_it(microsecond: int) -> None:
    at = clock(0).replace(microsecond=microsecond)
    kept = EvidenceStatus(at=to_millis(at))
    assert EvidenceStatus.parse(kept.dump()) == kept
    assert timedelta() <= at - to_millis(at) < timedelta(milliseconds=1)


def test_a_test_plans_with_one_look_at_least() -> None:
    state = fold(
        EvidenceStatus(baseline=BASELINE),
        Evidence(),
        candidate="green",
        policy=AnalysisSpec(),
        scrape=SCRAPE,
        planned_looks=0,
        now=clock(0),
    )
    assert state.planned_looks == 1


def test_before_there_are_clients_it_is_kept_since_when_prometheus_cannot_be_asked() -> None:
    def asked(state: EvidenceStatus, seconds: float) -> EvidenceStatus:
        return measured(
            state,
            Evidence(problem="Prometheus is away"),
            candidate="green",
            policy=AnalysisSpec(),
            scrape=SCRAPE,
            ready=("green-a",),
            baseline=BASELINE,
            now=clock(seconds),
        )

    first = asked(FRESH, 10)
    second = asked(first, 20)
    assert (first.reason, first.message) == ("PrometheusUnreachable", "Prometheus is away")
    assert (first.inconclusive_since, second.inconclusive_since) == (clock(10), clock(10))


def test_a_value_that_another_job_read_a_moment_before_the_last_one_is_no_restart() -> None:
    one = Series("pod-a", "200", ((10.0, 5.0), (20.0, 9.0)))
    other = Series("pod-a", "200", ((12.0, 6.0), (21.0, 8.0), (30.0, 12.0)))
    (joined,), contradicted = once([one, other])
    assert (joined.samples, contradicted) == (((10.0, 5.0), (20.0, 9.0), (30.0, 12.0)), None)


def test_a_seal_does_not_move_between_two_samples_of_a_coarse_answer() -> None:
    state = FRESH.model_copy(update={"sealed_at": clock(10)})
    coarse = Series("pod-a", "200", ((START, 0.0), (START + 140, 100.0)), step=300.0)
    found = errors.counted(state, (coarse,), SCRAPE)
    assert (found.sealed_at, found.candidate.requests) == (clock(10), 100)


def test_a_verdict_that_was_reached_and_not_kept_is_reached_again_without_a_new_sample() -> None:
    state = FRESH.model_copy(
        update={"sealed_at": clock(0), "score": 1000.0, "candidate": Counts(requests=100, errors=50)}
    )
    found = fold(
        state,
        Evidence(counters={"green": ()}),
        candidate="green",
        policy=AnalysisSpec(),
        scrape=SCRAPE,
        planned_looks=10,
        now=clock(5),
    )
    assert (found.verdict, found.reason) == ("Fail", "ErrorRateDoubled")
    assert "50 of 100 requests" in found.message
