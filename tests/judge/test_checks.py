"""The user's own metrics and the latency limit: what is asked, and what counts as out of bounds."""

from __future__ import annotations

from datetime import timedelta

import pytest

from verdigris.api.spec import AnalysisSpec, LatencySpec, MetricCheck
from verdigris.api.status import Breaches
from verdigris.rollout.checks import LATENCY, Bound, bounds, check_queries, count_breaches
from verdigris.rollout.evidence import Reading

SCRAPE = timedelta(seconds=5)


def queries(policy: AnalysisSpec, scrape: timedelta = SCRAPE) -> dict[str, str]:
    return check_queries(
        policy,
        namespace="clinic",
        model="diabetes",
        color="green",
        revision="v1-abc",
        version="1.2.0",
        scrape=scrape,
    )


def metric(query: str, **limits: float) -> AnalysisSpec:
    return AnalysisSpec(metrics=(MetricCheck(name="mine", query=query, **limits),))


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
