"""Evidence that is not what it seems: pods scraped twice, another cluster's, clocks that differ, drifting limits."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.judge.scenes import BASELINE, FRESH, SCRAPE, START, clock
from verdigris.api.spec import AnalysisSpec, ErrorRateSpec, LatencySpec, MetricCheck, PrometheusSpec
from verdigris.api.status import Baseline, CheckValue, Color, Counts, EvidenceStatus, RevisionRef
from verdigris.children.names import Owner
from verdigris.core.facts.evidence import Evidence, Question, Reading, Series
from verdigris.core.judges.ask import MOST_SAMPLES, ask
from verdigris.core.judges.baseline import BASELINE_WINDOW, concurrent_baseline, freeze_baseline
from verdigris.core.judges.errors import begun
from verdigris.core.judges.fold import fold
from verdigris.core.judges.visibility import measured, seen_baseline, unseen

PODS = ("m-green-7f9-aaaaa", "m-green-7f9-bbbbb")


def series(pod: str, until: float, ok: float = 20.0, bad: float = 0.0, offset: float = 0.0) -> tuple[Series, ...]:
    """A pod scraped every 5 s from START - 10 on, up to `until`, growing by so much each time."""
    times = [START - 10 + offset + 5 * turn for turn in range(int((until + 10 - offset) // 5) + 1)]
    return tuple(
        Series(pod, code, tuple((at, turn * by) for turn, at in enumerate(times)))
        for code, by in (("200", ok), ("500", bad))
    )


def seen(
    state: EvidenceStatus, evidence: Evidence, now: datetime, pods: tuple[str, ...] | None = PODS
) -> EvidenceStatus:
    return fold(
        state,
        evidence,
        candidate="green",
        policy=AnalysisSpec(),
        scrape=SCRAPE,
        planned_looks=300,
        now=now,
        version="1.2.0",
        pods=pods,
    )


def before_traffic(evidence: Evidence, now: datetime, policy: AnalysisSpec | None = None) -> EvidenceStatus:
    return measured(
        EvidenceStatus(),
        evidence,
        candidate="green",
        policy=policy or AnalysisSpec(),
        scrape=SCRAPE,
        ready=PODS,
        baseline=BASELINE,
        now=now,
    )


BEGUN = FRESH.model_copy(update={"sealed_at": clock(0), "at": clock(0)})


# scraped twice


def test_pods_that_two_monitors_scrape_get_traffic_and_are_counted_once() -> None:
    both = tuple(one for pod in PODS for offset in (0.0, 2.0) for one in series(pod, 100, offset=offset))
    assert before_traffic(Evidence(counters={"green": both}), clock(100)).verdict == "Pass"
    state = seen(BEGUN, Evidence(counters={"green": both}), clock(100))
    once = seen(BEGUN, Evidence(counters={"green": tuple(s for p in PODS for s in series(p, 100))}), clock(100))
    assert abs(state.candidate.requests - once.candidate.requests) <= 2 * 20
    assert state.verdict == "Pass"


def test_what_cannot_be_counted_once_is_found_before_traffic_moves() -> None:
    other = (*series(PODS[0], 100), *series(PODS[0], 100, ok=900.0), *series(PODS[1], 100))
    held = before_traffic(Evidence(counters={"green": other}), clock(100))
    assert (held.verdict, held.reason) == ("Inconclusive", "ScrapedTwice")
    assert PODS[0] in held.message


# another cluster's pods


def test_pods_that_are_not_in_this_cluster_are_not_counted_and_that_is_said() -> None:
    ours = tuple(one for pod in PODS for one in series(pod, 100))
    theirs = series("m-green-7f9-zzzzz", 100, ok=0.0, bad=50.0)
    state = seen(BEGUN, Evidence(counters={"green": (*ours, *theirs)}), clock(100))
    assert (state.verdict, state.candidate.errors) == ("Pass", 0)
    assert (
        "Not counted: 1 pods that are another cluster's, or have just ended in this one (m-green-7f9-zzzzz)"
        in state.message
    )


def test_a_pod_that_had_ended_before_there_were_clients_is_nobody_elses() -> None:
    gone = series("m-green-7f9-ccccc", -5)
    now = tuple(one for pod in PODS for one in series(pod, 100))
    assert "Not counted" not in seen(BEGUN, Evidence(counters={"green": (*now, *gone)}), clock(100)).message


def test_a_pod_of_ours_that_is_gone_stays_counted() -> None:
    ours = tuple(one for pod in PODS for one in series(pod, 50))
    state = seen(BEGUN, Evidence(counters={"green": ours}), clock(50))
    left = (*series(PODS[0], 100), *series(PODS[1], 50))
    after = seen(state, Evidence(counters={"green": left}), clock(100), pods=PODS[:1])
    assert after.candidate == Counts(requests=20 * 20 + 10 * 20)
    assert "Not counted" not in after.message


def asked(
    policy: AnalysisSpec | None = None,
    stage: str = "Baking",
    scrape: timedelta = SCRAPE,
    now: datetime = clock(60),  # noqa: B008
    state: EvidenceStatus = BEGUN,
) -> Question:
    green = RevisionRef(version="1.2.0", revision="v1-new", color="green")
    blue = RevisionRef(version="1.1.0", revision="v1-old", color="blue")
    return ask(
        "http://p:9090",
        Owner("clinic", "m", "uid-1"),
        policy or AnalysisSpec(),
        {"green": now - 3 * SCRAPE} if stage == "Baking" else {"green": now, "blue": now - BASELINE_WINDOW},
        candidate=green,
        active=blue,
        evidence=state,
        scrape=scrape,
        now=now,
    )


def test_the_question_names_the_object_and_the_cluster() -> None:
    policy = AnalysisSpec(prometheus=PrometheusSpec(matchers={"cluster": 'eu"1'}))
    question = asked(policy)
    assert (question.uid, question.matchers) == ("uid-1", {"cluster": 'eu"1'})


def test_a_candidate_with_a_pod_that_nobody_scrapes_does_not_pass() -> None:
    def folded(until_second: float) -> EvidenceStatus:
        found = (*series(PODS[0], 100), *series(PODS[1], until_second))
        return fold(
            BEGUN,
            Evidence(counters={"green": found}),
            candidate="green",
            policy=AnalysisSpec(),
            scrape=SCRAPE,
            planned_looks=300,
            now=clock(100),
            pods=PODS,
            visible=PODS,
        )

    half, whole = folded(60), folded(100)
    assert (half.verdict, half.reason) == ("Inconclusive", "CandidateNotScraped")
    assert PODS[1] in half.message
    assert whole.verdict == "Pass"


def test_before_traffic_pods_of_another_cluster_are_named() -> None:
    theirs = series("m-green-7f9-zzzzz", 0)
    counters: dict[Color, tuple[Series, ...]] = {"green": (*(s for pod in PODS for s in series(pod, 0)), *theirs)}
    state = measured(
        EvidenceStatus(),
        Evidence(counters=counters),
        candidate="green",
        policy=AnalysisSpec(),
        scrape=SCRAPE,
        ready=PODS,
        baseline=BASELINE,
        now=clock(1),
        pods=PODS,
    )
    assert state.verdict == "Pass"
    assert "m-green-7f9-zzzzz" in state.message


def test_what_is_asked_goes_by_the_clock_of_prometheus() -> None:
    apart = BEGUN.model_copy(update={"clock_ahead": 180.0})
    question = asked(stage="Measuring", state=apart)
    assert question.since == {"green": clock(60 + 180), "blue": clock(60 + 180) - BASELINE_WINDOW}


def test_how_far_back_is_asked_goes_by_that_clock_too() -> None:
    """The evidence was sealed by Prometheus' clock: what is that old there is asked in steps."""
    ahead = BEGUN.model_copy(update={"sealed_at": clock(45), "clock_ahead": 1000.0})
    assert asked(state=ahead).steps == {"green": timedelta(seconds=6)}
    assert asked(state=BEGUN.model_copy(update={"sealed_at": clock(45)})).steps == {}


# clocks


@pytest.mark.parametrize("ahead", [-600.0, -180.0, 0.0, 180.0, 600.0])
def test_clocks_that_differ_by_minutes_are_told_and_counted_right(ahead: float) -> None:
    """The operator's clock shows START at the switch, Prometheus' so much more; all samples bear its times."""

    def at(seconds: float) -> Evidence:
        read = [one for pod in PODS for one in series(pod, seconds, bad=10.0)]
        moved = [Series(one.pod, one.code, tuple((t + ahead, value) for t, value in one.samples)) for one in read]
        return Evidence(counters={"green": tuple(moved)}, ahead=ahead)

    ready = before_traffic(at(0), clock(1))
    assert ready.verdict == "Pass"
    state = begun(ready, at(0), clock(1), 300)
    state = seen(state, at(6), clock(6))
    assert (state.verdict, state.candidate) == ("Fail", Counts(requests=60, errors=20))
    if ahead:
        side = "ahead of" if ahead > 0 else "behind"
        assert f"Prometheus' clock is {abs(ahead):.0f} s {side} the operator's" in state.message
    still = seen(begun(ready, at(0), clock(1), 300), at(0), clock(17))
    assert still.reason == "NoSamples"


def test_samples_from_the_future_of_a_prometheus_whose_own_clock_is_right_hold_the_switch() -> None:
    ruling = unseen(Evidence(counters={"green": series(PODS[0], 300)}), "green", PODS[:1], SCRAPE, clock(1))
    assert ruling is not None
    assert ruling[1] == "ClocksDiffer"


def test_samples_that_are_minutes_old_are_not_seen_and_the_sentence_thinks_of_clocks() -> None:
    ruling = unseen(Evidence(counters={"green": series(PODS[0], 0)}), "green", PODS[:1], SCRAPE, clock(200))
    assert ruling is not None
    assert ruling[1] == "CandidateNotScraped"
    assert "newest sample is 200 s old" in ruling[2]
    assert "clocks" in ruling[2]


# size of what is asked


@pytest.mark.parametrize("scrape", [1, 5, 30, 60])
@pytest.mark.parametrize("behind", [0, 60, 600, 86_400])
def test_the_samples_asked_for_are_bounded_whatever_the_scrapes_and_however_long_nobody_looked(
    scrape: int, behind: int
) -> None:
    question = asked(scrape=timedelta(seconds=scrape), now=clock(behind), stage="Measuring")
    for color, since in question.since.items():
        step = question.steps.get(color, timedelta(seconds=scrape))
        assert (clock(behind) - since) / step <= MOST_SAMPLES + 1


def test_the_window_of_a_quick_scrape_is_short() -> None:
    """At one scrape a second no more than half a minute is asked for again."""
    state = BEGUN
    for second in range(1, 200, 3):
        times = [START + t for t in range(-2, second + 1)]
        found = tuple(Series(PODS[0], "200", tuple((at, at - START + 2) for at in times)) for _ in range(1))
        state = fold(
            state,
            Evidence(counters={"green": found}),
            candidate="green",
            policy=AnalysisSpec(),
            scrape=timedelta(seconds=1),
            planned_looks=300,
            now=clock(second),
        )
        assert state.sealed_at is not None
        assert clock(second) - state.sealed_at <= timedelta(seconds=33)
    assert state.candidate.requests == 199


def test_after_a_long_absence_the_counts_are_exact_though_asked_in_steps() -> None:
    """The value at each whole step of 20 s, then every scrape again."""
    total = [(START + 5 * n - 10, 7.0 * n) for n in range(800)]

    def value(at: float) -> float:
        return [v for t, v in total if t <= at][-1]

    now, step = 3603.0, 20.0
    coarse = [(START, value(START))] + [
        (at, value(at)) for at in (step * n for n in range(int(START // step) + 1, int((START + now) // step) + 1))
    ]
    state = seen(BEGUN, Evidence(counters={"green": (Series(PODS[0], "200", tuple(coarse), step),)}), clock(now))
    assert state.sealed_at is not None
    sealed = state.sealed_at.timestamp()
    fine = [(sealed, value(sealed)), *(sample for sample in total if sealed < sample[0] <= START + now + 5)]
    state = seen(state, Evidence(counters={"green": (Series(PODS[0], "200", tuple(fine)),)}), clock(now + 5))
    assert state.candidate.requests == value(START + now + 5) - value(START)


# limits that drift


FROZEN = Baseline(requests=30_000, errors=30, rate=0.001, limit=0.005, source="Frozen")


def active_now(requests: int, errors: int, limit: float) -> Baseline:
    rate = errors / requests if requests else 0.0
    return Baseline(requests=requests, errors=errors, rate=rate, limit=limit, source="Frozen")


def test_the_limit_does_not_drift_while_the_active_version_gives_its_clients_away() -> None:
    state = FROZEN
    for requests, errors in ((3000, 3), (300, 1), (30, 0), (30, 1), (0, 0)):
        state = concurrent_baseline(state, active_now(requests, errors, 0.08), ErrorRateSpec())
        assert (state.source, state.requests, state.limit) == ("Concurrent", requests, 0.005)


def test_the_limit_follows_the_world_when_the_active_version_has_become_worse_too_and_comes_back() -> None:
    worse = concurrent_baseline(FROZEN, active_now(3000, 90, 0.036), ErrorRateSpec())
    assert worse.limit == 0.036
    assert concurrent_baseline(worse, active_now(3000, 3, 0.005), ErrorRateSpec()).limit == 0.005


def test_a_limit_of_a_baseline_that_was_hardly_seen_is_fixed_by_the_first_that_is() -> None:
    state = active_now(3, 0, 0.1)
    found = []
    for requests, limit in ((20, 0.1), (400, 0.007), (30, 0.1)):
        state = concurrent_baseline(state, active_now(requests, 0, limit), ErrorRateSpec())
        found.append(state.limit)
    assert found == [0.1, 0.007, 0.007]


def test_a_prometheus_that_has_just_begun_to_watch_the_active_version_knows_nothing_of_its_past() -> None:
    found = (
        Series("a", "200", ((START, 1e6), (START + 5, 1e6 + 500))),
        Series("a", "500", ((START, 9e5), (START + 5, 9e5))),
    )
    baseline = freeze_baseline(found, clock(-300), clock(10), ErrorRateSpec())
    assert (baseline.requests, baseline.errors) == (500, 0)


# checks before traffic


AUC = AnalysisSpec(metrics=(MetricCheck(name="auc", query="q", min=0.8),))


def visible(value: float | None, active: float | None = None, policy: AnalysisSpec = AUC) -> EvidenceStatus:
    checks = {"auc": Reading(value=value, problem=None if value is not None else "no data")}
    if active is not None:
        checks["active/auc"] = Reading(value=active)
    counters: dict[Color, tuple[Series, ...]] = {"green": tuple(one for pod in PODS for one in series(pod, 0))}
    return before_traffic(Evidence(counters=counters, checks=checks), clock(1), policy)


def test_a_check_that_is_out_of_bounds_before_traffic_holds_the_switch() -> None:
    state = visible(0.11, active=0.84)
    assert (state.verdict, state.reason) == ("Inconclusive", "CheckOutOfBounds")
    assert state.message == (
        "auc is 0.11, must be at least 0.8; active: 0.84. It has no client yet, and gets none while that is so."
    )
    assert state.active_values == (CheckValue(name="auc", value=0.84),)


@pytest.mark.parametrize("value", [0.9, None])
def test_a_check_that_holds_or_cannot_be_known_yet_does_not(value: float | None) -> None:
    assert visible(value).verdict == "Pass"


REPORTED = [
    'verdigris_model_quality{metric="auc",color="{{color}}",revision="{{revision}}"}',
    'min by (pod) (model_auc{revision="{{revision}}"}) # worst pod',
    "1 - model_error offset 1m",
]
COUNTED = [
    'sum(rate(answers{revision="{{revision}}"}[1m]))',
    "max_over_time(model_auc[5m])",
    'answers_total{revision="{{revision}}"}',
    'answers_count{code="200"}',
    'model:answers:rate5m{revision="{{revision}}"}',
    '{__name__="answers_sum"}',
    "good_total / all_total",
]


@pytest.mark.parametrize(
    ("query", "holds"), [*((query, True) for query in REPORTED), *((query, False) for query in COUNTED)]
)
def test_k24_a_0_that_pods_report_of_themselves_is_a_value_and_one_that_counts_requests_is_silence(
    query: str, holds: bool
) -> None:
    least = AnalysisSpec(metrics=(MetricCheck(name="auc", query=query, min=0.8),))
    assert (visible(0.0, policy=least).reason == "CheckOutOfBounds") is holds
    most = AnalysisSpec(metrics=(MetricCheck(name="auc", query=query, max=-0.1),))
    assert visible(0.0, policy=most).reason == "CheckOutOfBounds"


def test_a_relative_limit_that_will_never_be_known_holds_the_switch() -> None:
    relative = AnalysisSpec(latency=LatencySpec(p95="2x"))
    held = visible(None, policy=relative)
    assert (held.verdict, held.reason) == ("Inconclusive", "CheckWithoutLimit")
    assert "too few requests before the switch" in held.message


def test_what_pods_of_the_active_version_answered_before_they_ended_counts_in_its_baseline() -> None:
    old = series("m-blue-1-aaaaa", until=200, ok=100)
    new = series("m-blue-1-bbbbb", until=300, ok=1)

    def requests(*found: Series) -> int:
        pods = ["m-blue-1-bbbbb"]
        policy, now = AnalysisSpec(), clock(300)
        return seen_baseline(
            Evidence(counters={"blue": found}), "blue", pods, policy=policy, scrape=SCRAPE, now=now
        ).requests

    assert requests(*old, *new) > 4000
    stranger = series("other-blue-1-ccccc", until=300, ok=100)
    assert requests(*old, *new, *stranger) < 100, "of whom it is then is not known"


def test_what_other_clusters_pods_in_front_answered_is_not_taken_off_the_baseline() -> None:
    """What the active pods answered in the candidate's stead is none of their baseline; strangers answered theirs."""
    ours, theirs = "m-blue-1-aaaaa", "other-blue-1-ccccc"

    def requests(*in_front: str) -> int:
        lost = tuple(
            Series(pod, "error", ((clock(0).timestamp(), 0), (clock(295).timestamp(), 40))) for pod in in_front
        )
        counters: dict[Color, tuple[Series, ...]] = {
            "blue": (*series(ours, until=300), *series(theirs, until=300)),
            "green": lost,
        }
        return seen_baseline(
            Evidence(counters=counters), "blue", [ours], policy=AnalysisSpec(), scrape=SCRAPE, now=clock(300)
        ).requests

    assert requests(ours) == requests(ours, theirs) == requests(theirs) - 40


def test_an_active_version_whose_counters_contradict_each_other_holds_the_switch() -> None:
    good = series(PODS[0], until=60)
    active = series("m-blue-1-aaaaa", until=60, ok=1000)
    begin = active[0].samples[0][0]
    doubled = Series("m-blue-1-aaaaa", "200", tuple((begin + 5 * n, 70_000 + 900.0 * n) for n in range(14)))

    def state(*others: Series) -> EvidenceStatus:
        return measured(
            EvidenceStatus(),
            Evidence(counters={"green": good, "blue": others}),
            candidate="green",
            policy=AnalysisSpec(),
            scrape=SCRAPE,
            ready=PODS[:1],
            baseline=BASELINE,
            now=clock(60),
            pods=PODS[:1],
        )

    assert state(*active).verdict == "Pass"
    assert (state(*active, doubled).verdict, state(*active, doubled).reason) == ("Inconclusive", "ScrapedTwice")
