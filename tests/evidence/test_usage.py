"""What every UsageSource promises. The fake is held to it beside a real Prometheus."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Protocol

import aiohttp
import pytest
from aiohttp import web

from tests.evidence.conftest import RealPrometheus, free_port
from tests.evidence.test_bad_answers import ERROR, TIMEOUT, answering, serving, success
from verdigris.adapters.prometheus.fake import FakePrometheus, Pod
from verdigris.adapters.prometheus.port import UsageSource
from verdigris.adapters.prometheus.source import PrometheusSource
from verdigris.adapters.prometheus.wire import Unusable, read_usage
from verdigris.core.facts.evidence import Usage, UsageQuestion

STEP = timedelta(seconds=1)
WINDOW = timedelta(seconds=60)
STEPS = 4
"""So many whole steps a world has seen of each pod when `work` returns."""

NEARLY = 0.4
"""By this share a rate may be off: scrapes of a busy machine are not evenly spaced."""

_NAMES = itertools.count()


class World(Protocol):
    """A source, and what stands before it."""

    address: str

    @property
    def source(self) -> UsageSource:
        """What the test asks."""
        ...

    async def work(self, cores: dict[Pod, float]) -> None:
        """Let the source see these pods at work for some steps."""

    async def holds(self, pod: Pod, memory: float) -> None:
        """Let the source see a pod with so much memory."""


@dataclass
class Faked:
    """The fake, scraped five times in each step."""

    source: FakePrometheus = field(default_factory=FakePrometheus)
    address: str = "http://fake:9090"
    now: float = 1_800_000_000.0

    async def work(self, cores: dict[Pod, float]) -> None:
        for number in range(5 * (STEPS + 1)):
            for pod, share in cores.items():
                self.source.scrape_process(self.now, pod, 10 + share * number / 5, 1)
            self.now += 0.2

    async def holds(self, pod: Pod, memory: float) -> None:
        self.source.scrape_process(self.now, pod, 10, memory)
        self.now += 0.2


@dataclass
class Real:
    """Prometheus, which has scraped it when a method returns."""

    source: PrometheusSource
    prometheus: RealPrometheus
    address: str

    async def work(self, cores: dict[Pod, float]) -> None:
        for pod, share in cores.items():
            self.prometheus.exporter.work(pod, share)
        for pod, share in cores.items():
            off = f"abs(rate(process_cpu_seconds_total{{{_selector(pod)}}}[1s]) - {share})"
            steps = f"({off} < bool {NEARLY * share})[{STEPS}s:1s]"
            await self.prometheus.shows(f"sum_over_time({steps})", STEPS)

    async def holds(self, pod: Pod, memory: float) -> None:
        self.prometheus.exporter.hold(pod, memory)
        await self.prometheus.shows(f"process_resident_memory_bytes{{{_selector(pod)}}}", memory)


def _selector(pod: Pod) -> str:
    return (
        f'namespace="{pod.namespace}",model="{pod.model}",color="{pod.color}",'
        f'revision="{pod.revision}",pod="{pod.name}"'
    )


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.cluster)])
async def world(request: pytest.FixtureRequest, session: aiohttp.ClientSession) -> AsyncIterator[World]:
    """Each test runs once against either."""
    if request.param == "fake":
        yield Faked()
        return
    prometheus: RealPrometheus = request.getfixturevalue("prometheus")
    yield Real(PrometheusSource(session), prometheus, prometheus.address)
    prometheus.exporter.clear()


@pytest.fixture
def pod() -> Pod:
    """An active pod in a namespace of its own."""
    return Pod(f"ward-{next(_NAMES)}", "diabetes", "blue", "v1-old", "blue-0")


def question(address: str, pod: Pod) -> UsageQuestion:
    return UsageQuestion(address, pod.namespace, "diabetes", "blue", "v1-old", WINDOW, STEP)


async def ask(world: World, pod: Pod) -> Usage:
    used = await world.source.usage(question(world.address, pod))
    assert used.problem is None
    return used


def strangers(pod: Pod) -> list[Pod]:
    """Pods that differ in one label each."""
    return [
        replace(pod, namespace=f"{pod.namespace}-other", name="a"),
        replace(pod, model="other", name="b"),
        replace(pod, color="green", name="c"),
        replace(pod, revision="v1-new", name="d"),
    ]


async def test_each_step_has_the_cores_of_the_busiest_pod(world: World, pod: Pod) -> None:
    busy = replace(pod, name="blue-1")
    await world.work({pod: 0.1, busy: 0.5, **dict.fromkeys(strangers(pod), 3.0)})
    used = await ask(world, pod)
    assert len(used.cpu) >= STEPS
    times = [at for at, _ in used.cpu]
    assert all(later - earlier == 1.0 for earlier, later in itertools.pairwise(times))
    whole = [cores for _, cores in used.cpu[1:-1]]
    assert whole == pytest.approx([0.5] * len(whole), rel=NEARLY)


async def test_memory_is_the_most_that_any_pod_was_seen_with(world: World, pod: Pod) -> None:
    for stranger in strangers(pod):
        await world.holds(stranger, 9e9)
    await world.holds(pod, 100e6)
    await world.holds(pod, 150e6)
    await world.holds(pod, 120e6)
    await world.holds(replace(pod, name="blue-1"), 80e6)
    assert (await ask(world, pod)).memory == 150e6


async def test_a_pod_that_is_gone_still_counts(world: World, pod: Pod) -> None:
    await world.holds(pod, 150e6)
    if isinstance(world, Real):
        world.prometheus.exporter.hide(pod)
    await world.holds(replace(pod, name="blue-1"), 80e6)
    assert (await ask(world, pod)).memory == 150e6


async def test_a_process_that_was_restarted_does_not_count_backwards(world: World, pod: Pod) -> None:
    await world.work({pod: 0.5})
    await world.work({pod: 0.2})
    used = await ask(world, pod)
    assert all(cores >= 0 for _, cores in used.cpu)
    assert used.cpu[-2][1] == pytest.approx(0.2, rel=NEARLY)


async def test_pods_that_nobody_scrapes_have_no_use_and_that_is_no_problem(world: World, pod: Pod) -> None:
    assert await ask(world, pod) == Usage()


# however it fails


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (ERROR, 400, "answered 400: parse error: unexpected end"),
        (b"<html>Please log in</html>", 200, "not Prometheus' JSON: is the address right?"),
        (success("vector", []), 200, "something else than samples"),
        (success("matrix", [], warnings=["store is down"]), 200, "may be incomplete: store is down"),
    ],
)
async def test_a_bad_answer_is_a_problem_in_one_sentence(
    session: aiohttp.ClientSession, pod: Pod, body: bytes, status: int, says: str
) -> None:
    async with serving(answering(body, status)) as address:
        used = await PrometheusSource(session, TIMEOUT).usage(question(address, pod))
    assert used == Usage(problem=used.problem)
    assert str(used.problem).startswith(f"Prometheus at {address} ")
    assert says in str(used.problem)


async def test_a_server_that_drips_costs_no_more_than_the_timeout(session: aiohttp.ClientSession, pod: Pod) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.05)

    async with serving(drip) as address:
        source = PrometheusSource(session, timedelta(minutes=1), TIMEOUT)
        used = await source.usage(question(address, pod))
    assert "did not answer within 0.4 s" in str(used.problem)


async def test_nobody_listening_is_a_problem(session: aiohttp.ClientSession, pod: Pod) -> None:
    used = await PrometheusSource(session).usage(question(f"http://127.0.0.1:{free_port()}", pod))
    assert "cannot be reached" in str(used.problem)


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1"])
def test_what_is_no_amount_is_no_usage(value: str) -> None:
    series = success("matrix", [{"metric": {}, "values": [[1, value]]}])
    number = success("vector", [{"metric": {}, "value": [1, value]}])
    with pytest.raises(Unusable, match="not a number"):
        read_usage(series, success("vector", []))
    with pytest.raises(Unusable, match="not a number"):
        read_usage(success("matrix", []), number)
