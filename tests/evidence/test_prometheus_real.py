"""What only a real Prometheus can show: PromQL that runs, gaps, and a whole rollout judged through it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from tests.evidence.conftest import RealPrometheus
from verdigris.adapters.prometheus.fake import Pod
from verdigris.adapters.prometheus.source import MARGIN, PrometheusSource
from verdigris.api.spec import AnalysisSpec, LatencySpec
from verdigris.api.status import Baseline, Counts, EvidenceStatus
from verdigris.core.facts.evidence import Evidence, Question, Reading
from verdigris.core.judges.counts import increments
from verdigris.core.judges.fold import fold
from verdigris.core.judges.latency import LATENCY
from verdigris.core.judges.promql import Pods
from verdigris.core.judges.queries import check_queries

pytestmark = pytest.mark.cluster

SCRAPE = timedelta(milliseconds=200)


def asked(prometheus: RealPrometheus, namespace: str, since: datetime, **checks: str) -> Question:
    return Question(
        address=prometheus.address,
        namespace=namespace,
        model="diabetes",
        since={"green": since},
        revisions={"green": "v1-new"},
        checks=checks,
    )


async def show(prometheus: RealPrometheus, pod: Pod, counters: dict[str, float]) -> None:
    prometheus.exporter.show(pod, counters)
    for code, value in counters.items():
        query = f'verdigris_requests_total{{namespace="{pod.namespace}",pod="{pod.name}",code="{code}"}}'
        await prometheus.shows(query, value)


async def test_a_pod_that_was_out_of_sight_does_not_come_back_as_new(
    prometheus: RealPrometheus, session: aiohttp.ClientSession
) -> None:
    pod = Pod("gap", "diabetes", "green", "v1-new", "green-0")
    await show(prometheus, pod, {"200": 1000})
    prometheus.exporter.hide(pod)
    await prometheus.shows('verdigris_requests_total{namespace="gap"}', None)
    gap = datetime.now(UTC)
    await show(prometheus, pod, {"200": 1010})
    # `since` so that the window which is asked for begins in the gap: only the older value can tell.
    evidence = await PrometheusSource(session).gather(asked(prometheus, "gap", gap + MARGIN))
    assert evidence.problem is None
    assert increments(evidence.counters["green"], gap.timestamp()) == Counts(requests=10)


async def test_a_pod_that_two_jobs_scrape_is_counted_once(
    prometheus: RealPrometheus, session: aiohttp.ClientSession
) -> None:
    pod = Pod("twice", "diabetes", "green", "v1-new", "green-0")
    line = 'namespace="twice",model="diabetes",color="green",revision="v1-new",pod="green-0",code="500"'
    prometheus.exporter.lines[f'verdigris_requests_total{{{line},endpoint="a"}}'] = 1
    prometheus.exporter.lines[f'verdigris_requests_total{{{line},endpoint="b"}}'] = 1
    await prometheus.shows(f'count(verdigris_requests_total{{namespace="{pod.namespace}"}})', 2)
    since = datetime.now(UTC) - timedelta(minutes=1)
    evidence = await PrometheusSource(session).gather(asked(prometheus, "twice", since))
    state = judged(EvidenceStatus(sealed_at=since, at=since), evidence)
    assert state.candidate == Counts(requests=1, errors=1)


async def test_two_counters_under_one_name_are_told_of(
    prometheus: RealPrometheus, session: aiohttp.ClientSession
) -> None:
    line = 'namespace="both",model="diabetes",color="green",revision="v1-new",pod="green-0",code="500"'
    for turn in range(1, 4):
        for endpoint, value in (("a", 10 * turn), ("b", 1000 * turn)):
            prometheus.exporter.lines[f'verdigris_requests_total{{{line},endpoint="{endpoint}"}}'] = value
        await prometheus.shows('sum(verdigris_requests_total{namespace="both"})', 1010 * turn)
    since = datetime.now(UTC) - timedelta(minutes=1)
    evidence = await PrometheusSource(session).gather(asked(prometheus, "both", since))
    assert judged(EvidenceStatus(), evidence).reason == "ScrapedTwice"


async def test_a_prometheus_whose_clock_is_ahead_is_noticed(
    prometheus: RealPrometheus, session: aiohttp.ClientSession
) -> None:
    """The operator's clock is behind by so much."""
    for behind in (300, -300):
        source = PrometheusSource(session, clock=lambda behind=behind: datetime.now(UTC) - timedelta(seconds=behind))  # type: ignore[misc]
        evidence = await source.gather(asked(prometheus, "nobody", datetime.now(UTC)))
        assert evidence.ahead == pytest.approx(behind, abs=2)


def judged(state: EvidenceStatus, evidence: Evidence, policy: AnalysisSpec | None = None) -> EvidenceStatus:
    return fold(
        state,
        evidence,
        candidate="green",
        policy=policy or AnalysisSpec(),
        scrape=SCRAPE,
        planned_looks=300,
        now=datetime.now(UTC),
        version="1.2.0",
    )


async def test_a_candidate_that_begins_to_fail_is_found_at_the_next_scrape(
    prometheus: RealPrometheus, session: aiohttp.ClientSession
) -> None:
    pod = Pod("whole", "diabetes", "green", "v1-new", "green-0")
    await show(prometheus, pod, {"200": 0, "500": 0})
    switched = datetime.now(UTC)
    baseline = Baseline(requests=9812, errors=3, rate=0.0003, limit=0.005, source="Frozen")
    state, source = EvidenceStatus(baseline=baseline, sealed_at=switched), PrometheusSource(session)
    await show(prometheus, pod, {"200": 400, "500": 0})
    state = judged(state, await source.gather(asked(prometheus, "whole", state.sealed_at or switched)))
    assert (state.verdict, state.candidate) == ("Pass", Counts(requests=400))
    await show(prometheus, pod, {"200": 440, "500": 43})
    state = judged(state, await source.gather(asked(prometheus, "whole", state.sealed_at or switched)))
    assert (state.verdict, state.reason, state.candidate) == (
        "Fail",
        "ErrorRateDoubled",
        Counts(requests=483, errors=43),
    )
    assert "failed 43 of 83 requests" in state.message


def histogram(prometheus: RealPrometheus, namespace: str, fast: int, slow: int) -> None:
    """So many requests within 0.1 s, and so many between 0.25 and 0.5 s."""
    labels = f'namespace="{namespace}",model="diabetes",color="green",revision="v1-new",pod="green-0"'
    total = fast + slow
    for edge, value in (("0.05", 0), ("0.1", fast), ("0.25", fast), ("0.5", total), ("1", total), ("+Inf", total)):
        name = f'verdigris_request_duration_seconds_bucket{{{labels},le="{edge}"}}'
        prometheus.exporter.lines[name] = value
    prometheus.exporter.lines[f"verdigris_request_duration_seconds_count{{{labels}}}"] = total


@pytest.mark.parametrize(
    ("namespace", "requests", "holds"),
    [
        ("fast", (1000, 10), True),
        ("slow", (1000, 300), False),
        ("few-but-slow", (10, 20), False),
        ("by-chance", (28, 2), True),
    ],
)
async def test_the_latency_query_tells_slow_from_chance(
    prometheus: RealPrometheus, session: aiohttp.ClientSession, namespace: str, requests: tuple[int, int], holds: bool
) -> None:
    reading = await latency(prometheus, session, namespace, *requests)
    assert reading.value is not None
    assert (reading.value <= 0.1) is holds


async def test_the_latency_of_a_handful_of_requests_is_no_evidence(
    prometheus: RealPrometheus, session: aiohttp.ClientSession
) -> None:
    reading = await latency(prometheus, session, "handful", 1, 4)
    assert (reading.value, reading.problem) == (None, "Prometheus has no data for the query")


async def latency(
    prometheus: RealPrometheus, session: aiohttp.ClientSession, namespace: str, fast: int, slow: int
) -> Reading:
    """The latency check of a candidate that had these requests a moment ago."""
    histogram(prometheus, namespace, 0, 0)
    count = f'verdigris_request_duration_seconds_count{{namespace="{namespace}"}}'
    await prometheus.shows(count, 0.0)
    histogram(prometheus, namespace, fast, slow)
    await prometheus.shows(f"increase({count}[1m]) > bool 0", 1.0)
    policy = AnalysisSpec(latency=LatencySpec(p95="100ms"))
    queries = check_queries(policy, Pods(namespace, "diabetes", "green", "v1-new"), "1.2.0", SCRAPE)
    evidence = await PrometheusSource(session).gather(asked(prometheus, namespace, datetime.now(UTC), **queries))
    return evidence.checks[LATENCY]


async def test_asking_costs_little(prometheus: RealPrometheus, session: aiohttp.ClientSession) -> None:
    for number in range(10):
        pod = Pod("cost", "diabetes", "green", "v1-new", f"green-{number}")
        prometheus.exporter.show(pod, dict.fromkeys(("200", "500", "503"), 5))
    await prometheus.shows('count(verdigris_requests_total{namespace="cost"})', 30)
    source = PrometheusSource(session)
    question = asked(prometheus, "cost", datetime.now(UTC) - timedelta(minutes=2))
    times = []
    for _ in range(20):
        started = time.monotonic()
        assert (await source.gather(question)).problem is None
        times.append(time.monotonic() - started)
    assert sorted(times)[10] < 0.25
