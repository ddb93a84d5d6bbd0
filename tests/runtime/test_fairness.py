"""Nobody waits for somebody else: storms, hanging Prometheuses, hanging webhooks, in virtual time."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.runtime import virtual
from verdigris.adapters.kube.reading.port import Key
from verdigris.app import evidence as desk_module
from verdigris.app.evidence import NOT_YET, EvidenceDesk
from verdigris.app.queue import WorkQueue
from verdigris.app.reconcile import Result
from verdigris.app.work import WorkerPool
from verdigris.core.facts.evidence import Evidence, Question, Usage, UsageQuestion
from verdigris.core.facts.urgency import Urgency

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
CPU = 0.016
"""Seconds of CPU that a look was measured to take."""
MODEL = Key("clinic", "diabetes")


def question(key: Key = MODEL, address: str = "http://prometheus", minute: int = 0, **rest: str) -> Question:
    return Question(
        address=address,
        namespace=key.namespace,
        model=key.name,
        since={"green": NOW + timedelta(minutes=minute)},
        revisions={"green": rest.get("revision", "v1-1")},
        every=timedelta(seconds=1),
    )


class Prometheus:
    """Answers after `delay` seconds (None: never, so that it is given up after two). Counts what it is asked."""

    def __init__(self) -> None:
        self.delay: dict[str, float | None] = {}
        self.asked: defaultdict[str, list[float]] = defaultdict(list)
        self.open: defaultdict[str, int] = defaultdict(int)
        self.most_open = 0

    async def gather(self, asked: Question) -> Evidence:
        self.asked[asked.model].append(virtual.now())
        self.open[asked.address] += 1
        self.most_open = max(self.most_open, self.open[asked.address])
        delay = self.delay.get(asked.address, 0.02)
        try:
            await asyncio.sleep(2.0 if delay is None else delay)
        finally:
            self.open[asked.address] -= 1
        if delay is None:
            return Evidence(problem=f"Prometheus at {asked.address} did not answer within 2 s")
        return Evidence(checks={}, counters={"green": ()})

    async def usage(self, _: UsageQuestion) -> Usage:
        await asyncio.sleep(5)
        return Usage(memory=1.0)


class Site:
    """The queue, the pool and the desk as the operator has them, and models whose looks cost CPU and need evidence."""

    def __init__(self, workers: int = 4) -> None:
        loop = asyncio.get_running_loop()
        self.prometheus = Prometheus()
        self.queue: WorkQueue[Key] = WorkQueue(
            clock=loop.time, chance=lambda: 0.0, namespace_of=lambda key: key.namespace, per_namespace=2 * workers
        )
        self.desk = EvidenceDesk(self.prometheus, self.prometheus, self.queue.add, loop.time)
        self.addresses: dict[Key, str] = {}
        self.urgency: dict[Key, Urgency] = {}
        self.does: dict[Key, Callable[[], Awaitable[None]]] = {}
        self.looks: defaultdict[Key, list[float]] = defaultdict(list)
        self.evidence: defaultdict[Key, list[Evidence]] = defaultdict(list)
        self.pool = asyncio.create_task(WorkerPool(self.queue, self, workers).run())

    async def reconcile(self, key: Key) -> Result:
        for _ in range(4):
            # What a look reads and writes: others run meanwhile.
            virtual.spend(CPU / 4)
            await asyncio.sleep(0.002)
        if (does := self.does.get(key)) is not None:
            await does()
        urgency = self.urgency.get(key, Urgency.STEADY)
        if key not in self.addresses:
            self.looks[key].append(virtual.now())
            return Result(urgency=urgency, requeue_after=1.0 if urgency is not Urgency.STEADY else None)
        found = await self.desk.gather(question(key, self.addresses[key]))
        if found is NOT_YET:
            return Result(requeue_after=2.0, urgency=None)
        self.looks[key].append(virtual.now())
        self.evidence[key].append(found)
        return Result(requeue_after=1.25, urgency=urgency)

    async def end(self) -> None:
        self.queue.close()
        await self.desk.close()
        self.pool.cancel()
        await asyncio.gather(self.pool, return_exceptions=True)


def longest_gap(looks: list[float], until: float) -> float:
    times = [0.0, *looks, until]
    return max(after - before for before, after in itertools.pairwise(times))


async def bake_beside(others: Callable[[Site], None], seconds: float = 30) -> tuple[float, Site]:
    """The longest time between two looks of a model that bakes, with `others` about."""
    site = Site()
    site.addresses[MODEL], site.urgency[MODEL] = "http://prometheus", Urgency.EXPOSED
    others(site)
    site.queue.add(MODEL)
    await asyncio.sleep(seconds)
    gap = longest_gap(site.looks[MODEL], virtual.now())
    await site.end()
    return gap, site


def alone(_: Site) -> None:
    """Nobody else."""


def hanging(site: Site) -> None:
    """Forty other models of as many tenants bake, each with a Prometheus of its own that never answers."""
    for number in range(40):
        key = Key(f"tenant{number}", f"m{number}")
        site.addresses[key], site.urgency[key] = f"http://hangs-{number}", Urgency.EXPOSED
        site.prometheus.delay[f"http://hangs-{number}"] = None
        site.queue.add(key)


def storm(site: Site) -> None:
    """Fifty new models come at once, over and over, in one other namespace; each look brings the next."""
    for number in range(50):
        key = Key("storm", f"m{number}")
        site.urgency[key] = Urgency.ROLLOUT
        site.does[key] = lambda key=key: _again(site, key)  # type: ignore[misc]
        site.queue.add(key, Urgency.ROLLOUT)


async def _again(site: Site, key: Key) -> None:
    site.queue.add(key)


def steady(site: Site) -> None:
    """A resync of a thousand steady models."""
    for number in range(1000):
        site.queue.add(Key(f"n{number % 20}", f"m{number}"))


def webhooks(site: Site) -> None:
    """Each look at each of sixty models of three tenants waits 15 s for a webhook, and they bake as well."""

    async def wait() -> None:
        await asyncio.sleep(15)

    for number in range(60):
        key = Key(f"tenant{number % 3}", f"m{number}")
        site.urgency[key], site.does[key] = Urgency.EXPOSED, wait
        site.queue.add(key, Urgency.EXPOSED)


@pytest.mark.parametrize("others", [hanging, storm, steady])
def test_a_baking_model_is_looked_at_as_often_as_if_it_were_alone(others: Callable[[Site], None]) -> None:
    by_itself, _ = virtual.run(bake_beside(alone))
    beside, _ = virtual.run(bake_beside(others))
    assert beside <= by_itself + 0.2, f"{beside:.2f} s between two looks, {by_itself:.2f} s alone"
    print(f"longest time between two looks: alone {by_itself:.2f} s, {others.__name__} {beside:.2f} s")


def test_models_whose_webhook_hangs_hold_nobody_else_up_for_longer_than_a_look_may_be_slow() -> None:
    by_itself, _ = virtual.run(bake_beside(alone))
    beside, _ = virtual.run(bake_beside(webhooks, 120))
    assert beside <= by_itself + 2, f"{beside:.2f} s between two looks, {by_itself:.2f} s alone"


def test_a_model_that_is_rolled_back_waits_for_no_webhook_of_others() -> None:
    async def scene() -> float:
        site = Site()
        webhooks(site)
        await asyncio.sleep(1)
        site.urgency[MODEL] = Urgency.ROLLBACK
        begin = virtual.now()
        site.queue.add(MODEL, Urgency.ROLLBACK)
        while not site.looks[MODEL]:
            await asyncio.sleep(0.01)
        await site.end()
        return site.looks[MODEL][0] - begin

    assert virtual.run(scene()) <= 1.2


def test_steady_models_are_looked_at_although_a_storm_never_ends() -> None:
    async def scene() -> int:
        site = Site()
        storm(site)
        for number in range(20):
            site.queue.add(Key("quiet", f"m{number}"))
        await asyncio.sleep(10)
        await site.end()
        return sum(key.namespace == "quiet" for key in site.looks)

    assert virtual.run(scene()) == 20


def test_an_answer_brings_the_next_look_and_is_asked_for_once_an_interval() -> None:
    _, site = virtual.run(bake_beside(alone))
    asked, looks = site.prometheus.asked[MODEL.name], site.looks[MODEL]
    assert 28 <= len(asked) <= 31, "once a second"
    assert len(looks) <= len(asked) + 1, "one look for each answer"
    assert all(found.problem is None for found in site.evidence[MODEL])


def test_without_an_answer_a_look_says_so_and_does_not_stop_looking() -> None:
    def hangs(site: Site) -> None:
        site.prometheus.delay["http://prometheus"] = None

    gap, site = virtual.run(bake_beside(hangs))
    assert gap <= 2.2, "as long as the first look always waited for an answer"
    assert {found.problem for found in site.evidence[MODEL]} == {
        "Prometheus at http://prometheus did not answer within 2 s"
    }


def test_an_answer_that_comes_late_every_time_is_still_the_newest_there_is() -> None:
    def slow(site: Site) -> None:
        site.prometheus.delay["http://prometheus"] = 1.8

    _, site = virtual.run(bake_beside(slow))
    assert all(found.problem is None for found in site.evidence[MODEL])


def test_questions_at_one_address_are_bounded_and_none_is_forgotten() -> None:
    def many(site: Site) -> None:
        site.prometheus.delay["http://shared"] = 0.5
        for number in range(70):
            key = Key(f"n{number % 5}", f"m{number}")
            site.addresses[key], site.urgency[key] = "http://shared", Urgency.EXPOSED
            site.queue.add(key, Urgency.EXPOSED)

    gap, site = virtual.run(bake_beside(many, 20))
    assert gap <= 2.5, "another address is not concerned"
    assert site.prometheus.most_open <= desk_module.PER_ADDRESS
    assert all(len(site.prometheus.asked[f"m{number}"]) >= 5 for number in range(70))


def test_one_namespace_leaves_room_at_a_shared_address_to_another() -> None:
    def greedy(site: Site) -> None:
        for number in range(100):
            key = Key("greedy", f"m{number}")
            site.addresses[key], site.urgency[key] = "http://prometheus", Urgency.EXPOSED
            site.queue.add(key)
        gather = site.prometheus.gather

        async def slow_for_some(asked: Question) -> Evidence:
            if asked.namespace == "greedy":
                await asyncio.sleep(1.9)
            return await gather(asked)

        site.prometheus.gather = slow_for_some  # type: ignore[method-assign]

    gap, site = virtual.run(bake_beside(greedy))
    assert gap <= 2.5
    assert all(found.problem is None for found in site.evidence[MODEL])


class TestDesk:
    """What the desk gives out, by itself."""

    @staticmethod
    async def answered(desk: EvidenceDesk, asked: Question) -> Evidence:
        """What it says to this, once it says anything."""
        while (found := await desk.gather(asked)) is NOT_YET:
            await asyncio.sleep(0.01)
        return found

    def scene(self, play: Callable[[EvidenceDesk, Prometheus, list[Key]], Awaitable[None]]) -> None:
        async def main() -> None:
            prometheus, woken = Prometheus(), list[Key]()
            desk = EvidenceDesk(prometheus, prometheus, woken.append, asyncio.get_running_loop().time)
            await play(desk, prometheus, woken)
            await desk.close()

        virtual.run(main())

    def test_an_answer_about_another_revision_is_none(self) -> None:
        async def play(desk: EvidenceDesk, _: Prometheus, __: list[Key]) -> None:
            await self.answered(desk, question())
            assert await desk.gather(question(revision="v1-2")) is NOT_YET

        self.scene(play)

    def test_an_answer_that_does_not_reach_back_far_enough_is_none(self) -> None:
        async def play(desk: EvidenceDesk, _: Prometheus, __: list[Key]) -> None:
            await self.answered(desk, question(minute=5))
            assert (await desk.gather(question(minute=6))).problem is None
            assert await desk.gather(question(minute=4)) is NOT_YET

        self.scene(play)

    def test_after_a_long_silence_the_old_answer_is_no_answer_and_no_problem(self) -> None:
        async def play(desk: EvidenceDesk, prometheus: Prometheus, _: list[Key]) -> None:
            await self.answered(desk, question())
            await asyncio.sleep(600)
            assert await desk.gather(question()) is NOT_YET
            assert (await self.answered(desk, question())).problem is None
            assert prometheus.asked[MODEL.name][-1] > 600

        self.scene(play)

    def test_nobody_is_asked_any_more_once_no_look_needs_it(self) -> None:
        async def play(desk: EvidenceDesk, prometheus: Prometheus, woken: list[Key]) -> None:
            await self.answered(desk, question())
            await desk.gather(question())
            await asyncio.sleep(600)
            assert len(prometheus.asked[MODEL.name]) == 2
            assert woken == [MODEL, MODEL]

        self.scene(play)

    def test_use_is_asked_for_outside_the_looks_and_given_once(self) -> None:
        asked = UsageQuestion("http://p", *MODEL, "blue", "v1-0", timedelta(hours=24), timedelta(minutes=1))

        async def play(desk: EvidenceDesk, _: Prometheus, woken: list[Key]) -> None:
            begin = virtual.now()
            assert await desk.usage(asked) is desk_module.USAGE_NOT_YET
            assert virtual.now() == begin
            await asyncio.sleep(6)
            assert woken == [MODEL]
            assert (await desk.usage(asked)).memory == 1.0
            assert await desk.usage(asked) is desk_module.USAGE_NOT_YET

        self.scene(play)
