"""What every EvidenceSource promises. The fake is held to it beside a real Prometheus."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import aiohttp
import pytest

from tests.evidence.conftest import RealPrometheus, counter_of
from verdigris.adapters.prometheus.fake import FakePrometheus, Pod
from verdigris.adapters.prometheus.port import EvidenceSource
from verdigris.adapters.prometheus.source import PrometheusSource
from verdigris.api.status import Counts
from verdigris.children.service_monitor import UID_LABEL
from verdigris.core.facts.evidence import ALIKE, BOTH, UNANSWERED, UNLIKE, Evidence, Question
from verdigris.core.judges.counts import increments

_NAMES = itertools.count()


class World(Protocol):
    """A source, and what stands before it."""

    address: str

    @property
    def source(self) -> EvidenceSource:
        """What the test asks."""
        ...

    async def scrape(self, pod: Pod, counters: dict[str, float]) -> None:
        """Let the source know these values of a pod."""
        ...

    async def scrape_front(self, pod: Pod, candidate: str, outcomes: dict[str, float]) -> None:
        """Let the source know these values of a pod that passes requests on."""
        ...

    async def hide(self, pod: Pod) -> None:
        """The pod is not scraped any more."""
        ...


@dataclass
class Faked:
    """The fake, scraped at the time of the call."""

    source: FakePrometheus = field(default_factory=FakePrometheus)
    address: str = "http://fake:9090"

    async def scrape(self, pod: Pod, counters: dict[str, float]) -> None:
        self.source.scrape(time.time(), pod, counters)

    async def scrape_front(self, pod: Pod, candidate: str, outcomes: dict[str, float]) -> None:
        self.source.scrape_front(time.time(), pod, candidate, outcomes)

    async def hide(self, pod: Pod) -> None:
        """Nothing to do: a pod is scraped when a test says so."""


@dataclass
class Real:
    """Prometheus, which has scraped the values when `scrape` returns."""

    source: PrometheusSource
    prometheus: RealPrometheus
    address: str

    async def scrape(self, pod: Pod, counters: dict[str, float]) -> None:
        self.prometheus.exporter.show(pod, counters)
        for code, value in counters.items():
            labels = f'namespace="{pod.namespace}",revision="{pod.revision}",pod="{pod.name}",code="{code}"'
            await self.prometheus.shows(f"verdigris_requests_total{{{labels}}}", value)

    async def scrape_front(self, pod: Pod, candidate: str, outcomes: dict[str, float]) -> None:
        self.prometheus.exporter.pass_on(pod, candidate, outcomes)
        for code, value in outcomes.items():
            counter, label = counter_of(code)
            await self.prometheus.shows(f'{counter}{{namespace="{pod.namespace}",pod="{pod.name}",{label}}}', value)

    async def hide(self, pod: Pod) -> None:
        self.prometheus.exporter.hide(pod)
        labels = f'namespace="{pod.namespace}",revision="{pod.revision}",pod="{pod.name}"'
        await self.prometheus.shows(f"verdigris_requests_total{{{labels}}}", None)


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.cluster)])
async def world(request: pytest.FixtureRequest, session: aiohttp.ClientSession) -> AsyncIterator[World]:
    """Each test runs once against either."""
    if request.param == "fake":
        fake = Faked()
        fake.source.answers.update({"vector(4.5)": [4.5], "vector(0) / 0": [float("nan")], "up == 2": []})
        fake.source.answers['label_replace(vector(1), "a", "b", "", "") or vector(1)'] = [1.0, 1.0]
        yield fake
        return
    prometheus: RealPrometheus = request.getfixturevalue("prometheus")
    yield Real(PrometheusSource(session), prometheus, prometheus.address)
    prometheus.exporter.clear()


@pytest.fixture
def pod() -> Pod:
    """A candidate's pod in a namespace of its own."""
    return Pod(f"clinic-{next(_NAMES)}", "diabetes", "green", "v1-new", "green-0")


def now() -> datetime:
    return datetime.now(UTC)


async def ask(
    world: World,
    pod: Pod,
    since: datetime,
    checks: Mapping[str, str] | None = None,
    step: timedelta | None = None,
    **more: Any,
) -> Evidence:
    evidence = await world.source.gather(
        Question(
            address=world.address,
            namespace=pod.namespace,
            model="diabetes",
            since={"green": since},
            revisions={"green": "v1-new", "blue": "v1-old"},
            checks=checks or {},
            steps={"green": step} if step else {},
            **more,
        )
    )
    assert evidence.problem is None
    return evidence


async def counted(world: World, pod: Pod, since: datetime) -> Counts:
    evidence = await ask(world, pod, since)
    return increments(evidence.counters["green"], since.timestamp())


async def test_what_was_counted_since_then_is_exact(world: World, pod: Pod) -> None:
    await world.scrape(pod, {"200": 1000, "500": 7})
    since = now()
    await world.scrape(pod, {"200": 1060, "500": 9})
    await world.scrape(pod, {"200": 1100, "500": 10})
    assert await counted(world, pod, since) == Counts(requests=103, errors=3)


async def test_a_pod_that_is_new_counts_from_zero(world: World, pod: Pod) -> None:
    await world.scrape(pod, {"200": 1000, "500": 0})
    since = now()
    await world.scrape(replace(pod, name="green-1"), {"200": 5, "500": 2})
    assert await counted(world, pod, since) == Counts(requests=7, errors=2)


async def test_a_counter_that_was_restarted_counts_what_it_shows(world: World, pod: Pod) -> None:
    await world.scrape(pod, {"200": 1000, "500": 0})
    since = now()
    await world.scrape(pod, {"200": 3, "500": 0})
    assert await counted(world, pod, since) == Counts(requests=3)


async def test_a_code_that_appears_for_the_first_time_counts_from_zero(world: World, pod: Pod) -> None:
    await world.scrape(pod, {"200": 10})
    since = now()
    await world.scrape(pod, {"200": 10, "502": 1})
    assert await counted(world, pod, since) == Counts(requests=1, errors=1)


async def test_the_callers_own_faults_are_left_out(world: World, pod: Pod) -> None:
    await world.scrape(pod, {"200": 1, "400": 50, "422": 50})
    evidence = await ask(world, pod, now() - timedelta(minutes=1))
    assert [series.code for series in evidence.counters["green"]] == ["200"]


async def test_how_it_went_with_what_pods_in_front_passed_on_is_the_candidates(world: World, pod: Pod) -> None:
    front = replace(pod, color="blue", revision="v1-old", name="blue-0")
    since = now()
    await world.scrape(pod, {"200": 40, "500": 3})
    passed = {"answered": 40, "error": 3, "late": 7, "unreachable": 0, "skipped": 5, "busy": 1, BOTH: 2}
    await world.scrape_front(front, "v1-new", passed)
    await world.scrape_front(replace(front, name="blue-1"), "v1-rejected", {"late": 99})
    assert await counted(world, pod, since) == Counts(requests=43, errors=3)
    evidence = await ask(world, pod, since, fronts="blue")
    in_front = [series for series in evidence.counters["green"] if series.in_front]
    assert {series.code for series in in_front} == {"answered", "error", "late", "unreachable", BOTH}
    assert {series.pod for series in in_front} == {"blue-0"}
    assert increments(in_front, since.timestamp()) == Counts(requests=48, errors=8), "what both failed tells nothing"


async def test_what_pods_in_front_made_of_copies_is_told_to_who_asks_for_it(world: World, pod: Pod) -> None:
    front = replace(pod, color="blue", revision="v1-old", name="blue-0")
    since = now()
    await world.scrape_front(front, "v1-new", {"answered": 5, ALIKE: 90, UNLIKE: 8, UNANSWERED: 2})
    seen = (await ask(world, pod, since, fronts="blue", shadowed=True)).counters["green"]
    assert {series.code for series in seen} == {ALIKE, UNLIKE, UNANSWERED}
    assert increments(seen, since.timestamp()) == Counts(requests=100, errors=10)
    assert {series.code for series in (await ask(world, pod, since, fronts="blue")).counters["green"]} == {"answered"}


async def test_only_the_revision_asked_about_is_counted(world: World, pod: Pod) -> None:
    others = [
        replace(pod, namespace=f"{pod.namespace}-other", name="a"),
        replace(pod, model="other", name="b"),
        replace(pod, color="blue", name="c"),
        replace(pod, revision="v1-old", name="d"),
    ]
    for one in (*others, pod):
        await world.scrape(one, {"200": 1})
    evidence = await ask(world, pod, now() - timedelta(minutes=1))
    assert [series.pod for series in evidence.counters["green"]] == ["green-0"]


async def test_a_revision_that_nobody_scrapes_has_no_series_and_that_is_no_problem(world: World, pod: Pod) -> None:
    assert (await ask(world, pod, now() - timedelta(minutes=1))).counters == {"green": ()}


async def test_a_check_that_yields_one_number_is_that_number(world: World, pod: Pod) -> None:
    evidence = await ask(world, pod, now(), {"mine": "vector(4.5)"})
    assert evidence.checks["mine"].value == 4.5
    assert evidence.checks["mine"].problem is None


@pytest.mark.parametrize(
    "query", ["up == 2", "vector(0) / 0", 'label_replace(vector(1), "a", "b", "", "") or vector(1)']
)
async def test_a_check_that_yields_none_or_nan_or_several_is_a_problem(world: World, pod: Pod, query: str) -> None:
    reading = (await ask(world, pod, now(), {"mine": query})).checks["mine"]
    assert reading.value is None
    assert reading.problem


async def test_a_counter_asked_in_steps_has_few_samples_and_the_same_values(world: World, pod: Pod) -> None:
    await world.scrape(pod, {"200": 100})
    since, more = now(), 0
    # Steps lie on whole seconds: the window has to have some in it.
    while more < 3 or now() < since + timedelta(seconds=2.5):
        await world.scrape(pod, {"200": 110 + more})
        more += 1
    whole = await ask(world, pod, since)
    fewer = await ask(world, pod, since, step=timedelta(seconds=1))
    (fine,), (coarse,) = whole.counters["green"], fewer.counters["green"]
    assert coarse.step == 1.0
    known = dict(fine.samples)
    assert {value for _, value in coarse.samples} <= set(known.values()) | {100.0}
    assert all(at % 1 == 0 for at, _ in coarse.samples[1:])


async def test_of_a_pod_that_ended_before_the_window_the_last_value_is_known(world: World, pod: Pod) -> None:
    await world.scrape(pod, {"200": 7})
    await world.hide(pod)
    (series,) = (await ask(world, pod, now() + timedelta(seconds=3))).counters["green"]
    assert [value for _, value in series.samples] == [7.0]
    assert increments([series], now().timestamp()) == Counts()


async def test_series_of_another_object_of_the_same_name_are_left_out(world: World, pod: Pod) -> None:
    """Another cluster's, in a Prometheus over both. What bears no UID is taken: it was scraped another way."""
    for name, uid in (("ours", "uid-1"), ("theirs", "uid-2")):
        await world.scrape(replace(pod, name=name, extra=((UID_LABEL, uid),)), {"200": 1})
    await world.scrape(replace(pod, name="unmarked"), {"200": 1})
    evidence = await ask(world, pod, now() - timedelta(minutes=1), uid="uid-1")
    assert {series.pod for series in evidence.counters["green"]} == {"ours", "unmarked"}


async def test_further_matchers_hold(world: World, pod: Pod) -> None:
    for cluster in ("eu", "us"):
        await world.scrape(replace(pod, name=cluster, extra=(("cluster", cluster),)), {"200": 1})
    evidence = await ask(world, pod, now() - timedelta(minutes=1), matchers={"cluster": "eu"})
    assert {series.pod for series in evidence.counters["green"]} == {"eu"}


async def test_a_check_that_is_refused_is_not_asked_and_says_why(world: World, pod: Pod) -> None:
    evidence = await ask(world, pod, now(), refused={"mine": "its range is too long"})
    assert evidence.checks["mine"].problem == "its range is too long"


async def test_clocks_that_agree_differ_by_nothing(world: World, pod: Pod) -> None:
    assert (await ask(world, pod, now())).ahead == 0.0
