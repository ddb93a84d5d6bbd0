"""The user's own metrics and the latency limit: what is asked, and what counts as out of bounds."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from tests.judge.scenes import FRESH, Scraped, clock, look
from verdigris.api.spec import AnalysisSpec, LatencySpec, MetricCheck
from verdigris.api.status import Breaches, CheckValue
from verdigris.core.facts.evidence import Reading
from verdigris.core.judges.latency import HISTOGRAM_END, LATENCY, shown
from verdigris.core.judges.promql import Pods, refusal
from verdigris.core.judges.queries import (
    Bound,
    active_queries,
    bounds,
    check_queries,
    count_breaches,
    refused,
    values_of_active,
)

SCRAPE = timedelta(seconds=5)


def queries(policy: AnalysisSpec, scrape: timedelta = SCRAPE) -> dict[str, str]:
    return check_queries(policy, Pods("clinic", "diabetes", "green", "v1-abc"), "1.2.0", scrape)


def metric(query: str, **limits: float) -> AnalysisSpec:
    return AnalysisSpec(metrics=(MetricCheck(name="mine", query=query, **limits),))


def healthy() -> Scraped:
    scraped = Scraped()
    scraped.steady(range(-10, 100, 5), ok=300, failed=0)
    return scraped


def test_every_placeholder_is_filled_in_with_or_without_spaces() -> None:
    query = 'sum(x{ns="{{namespace}}",m="{{model}}",c="{{ color }}",r="{{revision}}",v="{{version}}"})'
    expected = 'sum(x{ns="clinic",m="diabetes",c="green",r="v1-abc",v="1.2.0"})'
    assert queries(metric(query, max=1.0)) == {"mine": expected}


def test_an_unknown_placeholder_is_left_for_prometheus_to_complain_about() -> None:
    assert queries(metric("up{{{colour}}}", max=1.0)) == {"mine": "up{{{colour}}}"}


def test_without_a_latency_limit_latency_is_not_asked_for() -> None:
    assert queries(AnalysisSpec()) == {}


def test_the_latency_is_asked_for_the_candidates_revision_only() -> None:
    query = queries(AnalysisSpec(latency=LatencySpec(p95="100ms")))[LATENCY]
    labels = '{namespace="clinic",model="diabetes",color="green",revision="v1-abc"}[120s]'
    assert query.count(labels) == query.count("verdigris_request_duration_seconds") == 3


def test_the_latency_window_grows_with_a_slow_scrape() -> None:
    policy = AnalysisSpec(latency=LatencySpec(p95="100ms"))
    assert "[480s]" in queries(policy, scrape=timedelta(minutes=2))[LATENCY]


def test_a_latency_limit_is_a_bound_in_seconds_before_the_users_own() -> None:
    policy = AnalysisSpec(latency=LatencySpec(p95="100ms"), metrics=(MetricCheck(name="mine", query="q", min=0.5),))
    assert [(bound.name, bound.low, bound.high) for bound in bounds(policy, SCRAPE)] == [
        (LATENCY, None, 0.1),
        ("mine", 0.5, None),
    ]


@pytest.mark.parametrize(("limit", "high"), [("2x", 0.0038), ("1.5x", 0.00285), ("100x", 0.19), ("5ms", 0.005)])
def test_a_latency_limit_may_be_relative_to_what_the_active_version_takes(limit: str, high: float) -> None:
    policy = AnalysisSpec(latency=LatencySpec(p95=limit))
    (bound,) = bounds(policy, SCRAPE, (CheckValue(name=LATENCY, value=0.0019),))
    assert bound.high == pytest.approx(high)


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.0087, "8.7 ms"), (0.9994, "999 ms"), (0.9996, "1 s"), (1.25, "1.25 s")]
)
def test_a_latency_is_told_in_the_unit_that_people_say_it_in(seconds: float, told: str) -> None:
    assert shown(seconds) == told


def test_a_missed_latency_says_units_and_what_the_active_version_takes() -> None:
    policy = AnalysisSpec(latency=LatencySpec(p95="5ms"))
    (bound,) = bounds(policy, SCRAPE, (CheckValue(name=LATENCY, value=0.0019),))
    assert bound.said(0.0087) == "p95 is 8.7 ms, must be at most 5 ms; active: 1.9 ms"


def test_a_relative_limit_without_an_active_value_is_no_limit_and_never_passes() -> None:
    policy = AnalysisSpec(latency=LatencySpec(p95="2x"))
    (bound,) = bounds(policy, SCRAPE)
    assert not bound.known
    state = look(FRESH.model_copy(update={"sealed_at": clock(0)}), healthy(), 60, policy, {LATENCY: Reading(0.3)})
    assert (state.verdict, state.reason) == ("Inconclusive", "CheckWithoutLimit")
    assert "give p95 a duration" in state.message
    assert not state.breaches


def test_a_latency_beyond_the_histogram_is_a_breach_of_every_limit() -> None:
    for limit in ("1s", "100x"):
        policy = AnalysisSpec(latency=LatencySpec(p95=limit))
        (bound,) = bounds(policy, SCRAPE, (CheckValue(name=LATENCY, value=0.5),))
        assert not bound.holds(HISTOGRAM_END)
        assert bound.holds(0.99)


@pytest.mark.parametrize("text", ["0x", "1x", "1.05x", "101x", "x", "2 x", "-2x", "0ms", "2s", "2X"])
def test_a_latency_limit_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match=r"a factor from 1\.1x to 100x"):
        LatencySpec(p95=text)


def test_the_active_version_is_asked_the_same() -> None:
    policy = AnalysisSpec(
        latency=LatencySpec(p95="2x"), metrics=(MetricCheck(name="auc", query="a{c='{{color}}'}", min=0.8),)
    )
    asked = active_queries(policy, Pods("clinic", "diabetes", "blue", "v1-old"), "1.1.0", SCRAPE)
    assert asked["active/auc"] == "a{c='blue'}"
    assert 'revision="v1-old"' in asked["active/latency.p95"]


def test_what_was_said_of_the_active_version_is_kept_when_it_has_no_more_clients() -> None:
    policy = AnalysisSpec(latency=LatencySpec(p95="2x"))
    known = values_of_active((), policy, {"active/latency.p95": Reading(0.0019)})
    assert values_of_active(known, policy, {}) == known == (CheckValue(name=LATENCY, value=0.0019),)


@pytest.mark.parametrize(
    "query",
    [
        'sum(rate(x{namespace="{{namespace}}"}[5m]))',
        'up{job="a",namespace="{{ namespace }}"} offset 10m',
        "max_over_time(x[1h:30s])",
        "x[24h]",
        "1 + 2",
        'x{note="[99d]"} # [99d]',
    ],
)
def test_a_query_that_asks_little_is_asked(query: str) -> None:
    assert refusal(query) is None


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("rate(x[30d])", "looks back 30d, and 24h is the most"),
        ("rate(x[90000])", "looks back 90000, and 24h is the most"),
        ("x offset 2w", "looks back 2w"),
        ("max_over_time(rate(x[1m])[24h:1s])", "more than 1500 steps"),
        ("max_over_time(x[1d1s:1h])", "looks back 1d1s"),
        ("x[forever]", "is no duration"),
    ],
)
def test_a_query_that_asks_too_much_is_refused_with_a_sentence(query: str, says: str) -> None:
    assert says in str(refusal(query))
    policy = metric(query, max=1.0)
    assert says in refused(policy)["mine"]


OWN = 'namespace="{{namespace}}"'


@pytest.mark.parametrize(
    "query",
    [
        f"sum(rate(x{{{OWN}}}[5m]))",
        f'sum by (pod, color) (x{{a="b",{OWN}}}) / on (pod) group_left (zone) y{{{OWN},c=~"d"}}',
        f"histogram_quantile(0.95, sum by (le) (rate(h{{{OWN}}}[5m])))",
        f'label_replace({{__name__="x",{OWN}}}, "a", "$1", "b", "(.*)")',
        f"count(x{{{OWN}}} > bool 3) or vector(0)",
        "1e3 * 0x10 + Inf",
    ],
)
def test_where_namespaces_are_kept_apart_a_query_of_ones_own_is_asked(query: str) -> None:
    assert refusal(query, isolated=True) is None


@pytest.mark.parametrize(
    "query",
    [
        "up",
        "sum(up)",
        'up{namespace="other"}',
        f"x{{{OWN}}} + up",
        f'x{{{OWN}}} + up{{job="{{{{namespace}}}}"}}',
        'x{namespace=~"{{namespace}}|other"}',
        'x{namespace!="{{namespace}}"}',
        f"x{{a=',{OWN},'}}",
        f'x{{a="b" or {OWN}}}',
        f"# {OWN}\nup",
        f"sum(x{{{OWN}}}) by (pod) + sum(secret)",
        "sum",
        f'{{__name__=~".+",tenant="{{{{namespace}}}}"}} or x{{{OWN}}}',
        'x{namespace="{{namespace}}-other"}',
    ],
)
def test_where_namespaces_are_kept_apart_no_query_reads_another_one(query: str) -> None:
    assert "does not keep to its namespace" in str(refusal(query, isolated=True))


@pytest.mark.parametrize(
    ("bound", "value", "holds"),
    [
        (Bound("m", high=1.0), 1.0, True),
        (Bound("m", high=1.0), 1.001, False),
        (Bound("m", low=0.0), -0.001, False),
        (Bound("m", low=0.0, high=1.0), 0.5, True),
        (Bound("m", low=0.0, high=1.0), 2.0, False),
    ],
)
def test_limits_are_included(bound: Bound, value: float, holds: bool) -> None:
    assert bound.holds(value) is holds


def test_a_bound_says_itself_in_words() -> None:
    assert str(Bound("m", low=0.25, high=1.0)) == "at least 0.25 and at most 1"


def test_counts_of_checks_that_are_gone_from_the_policy_are_dropped() -> None:
    before = (Breaches(name="gone", count=2), Breaches(name="m", count=1))
    assert count_breaches(before, [Bound("m", high=1.0)], {"m": Reading(2.0)}) == (Breaches(name="m", count=2),)


def test_a_count_never_outgrows_what_a_failure_needs() -> None:
    before = (Breaches(name="m", count=3),)
    assert count_breaches(before, [Bound("m", high=1.0)], {"m": Reading(2.0)}) == before


def test_beyond_the_end_of_the_histogram_no_version_is_slower_than_another() -> None:
    policy = AnalysisSpec(latency=LatencySpec(p95="2x"))
    (bound,) = bounds(policy, SCRAPE, (CheckValue(name=LATENCY, value=HISTOGRAM_END),))

    assert not bound.known
    assert not count_breaches((), (bound,), {LATENCY: Reading(HISTOGRAM_END)})
    assert "beyond that no two can be told apart: leave spec.analysis.latency out" in bound.hint
