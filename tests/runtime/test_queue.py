"""The work queue: the schedule by its properties, the waiting by awaiting it."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from verdigris.cluster.queue import Backoff, QueueClosed, QueueObserver, Schedule, WorkQueue

KEYS = st.sampled_from("abcd")


class ScheduleMachine(RuleBasedStateMachine):
    """Compares `Schedule` with a plain model: when is each key due, and who is at work."""

    def __init__(self) -> None:
        super().__init__()
        self.schedule: Schedule[str] = Schedule()
        self.now = 0.0
        self.due: dict[str, float] = {}
        self.ready: set[str] = set()
        self.working: set[str] = set()
        self.again: set[str] = set()

    def note_ready(self, key: str) -> None:
        (self.again if key in self.working else self.ready).add(key)

    @rule(seconds=st.floats(0, 5))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(key=KEYS)
    def added(self, key: str) -> None:
        assert self.schedule.add(key, self.now) is (key not in self.ready and key not in self.again)
        self.note_ready(key)

    @rule(key=KEYS, seconds=st.floats(0, 5))
    def delayed(self, key: str, seconds: float) -> None:
        self.schedule.add_at(key, self.now + seconds)
        self.due[key] = min(self.now + seconds, self.due.get(key, float("inf")))

    @rule()
    def taken(self) -> None:
        for key in [key for key, due in self.due.items() if due <= self.now]:
            del self.due[key]
            self.note_ready(key)
        found = self.schedule.take(self.now)
        if found is None:
            assert not self.ready
            return
        key, waited = found
        assert key in self.ready
        assert waited >= 0
        self.ready.discard(key)
        self.working.add(key)
        self.due.pop(key, None)

    @rule(key=KEYS)
    def finished(self, key: str) -> None:
        if key not in self.working:
            return
        self.schedule.done(key, self.now)
        self.working.discard(key)
        if key in self.again:
            self.again.discard(key)
            self.ready.add(key)

    @invariant()
    def the_next_due_time_is_the_earliest(self) -> None:
        assert self.schedule.next_due() == min(self.due.values(), default=None)

    @invariant()
    def the_depth_counts_what_waits_for_a_worker(self) -> None:
        assert self.schedule.depth == len(self.ready)


ScheduleMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestSchedule = ScheduleMachine.TestCase


def test_a_key_at_work_is_not_handed_out_again_until_it_is_done() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 0)
    assert schedule.take(0) == ("a", 0)
    schedule.add("a", 1)
    assert schedule.take(1) is None
    schedule.done("a", 2)
    assert schedule.take(5) == ("a", 3)


def test_work_that_is_due_now_voids_a_delay_set_before() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add_at("a", 10)
    schedule.add("a", 0)
    assert schedule.take(0) == ("a", 0)
    assert schedule.next_due() is None


@pytest.mark.parametrize(("failures", "delay"), [(1, 0.1), (2, 0.2), (5, 1.6), (9, 25.6), (10, 30), (10_000, 30)])
def test_backoff_doubles_up_to_its_cap(failures: int, delay: float) -> None:
    assert Backoff(0.1, 30, 0.2).delay(failures, chance=0) == pytest.approx(delay)
    assert Backoff(0.1, 30, 0.2).delay(failures, chance=0.999) >= 0.8 * delay


class Clock:
    """A clock that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def queue_with(clock: Clock) -> WorkQueue[str]:
    return WorkQueue(Backoff(1, 8, 0), clock=clock, chance=lambda: 0.0)


async def test_failures_in_a_row_wait_longer_and_a_success_starts_anew() -> None:
    queue = queue_with(Clock())
    assert [queue.retry("a") for _ in range(5)] == [1, 2, 4, 8, 8]
    queue.forget("a")
    assert queue.retry("a") == 1


async def test_the_server_may_ask_for_a_longer_wait_than_the_backoff() -> None:
    queue = queue_with(Clock())
    assert queue.retry("a", at_least=20) == 20


async def test_a_waiting_worker_wakes_up_when_something_is_added() -> None:
    queue: WorkQueue[str] = WorkQueue()
    worker = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    assert await asyncio.wait_for(worker, 5) == "a"


async def test_a_waiting_worker_wakes_up_when_a_delay_is_over() -> None:
    queue: WorkQueue[str] = WorkQueue()
    worker = asyncio.create_task(queue.get())
    queue.add_after("late", 0.5)
    queue.add_after("soon", 0.02)
    assert await asyncio.wait_for(worker, 5) == "soon"


async def test_two_workers_never_have_the_same_key() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for _ in range(3):
        queue.add("a")
        queue.add("b")
    assert {await queue.get(), await queue.get()} == {"a", "b"}
    third = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not third.done()
    third.cancel()


async def test_a_closed_queue_sends_waiting_workers_home() -> None:
    queue: WorkQueue[str] = WorkQueue()
    worker = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.close()
    with pytest.raises(QueueClosed):
        await asyncio.wait_for(worker, 5)
    queue.add("a")
    with pytest.raises(QueueClosed):
        await queue.get()


async def test_the_observer_is_told_of_adds_waits_work_and_retries() -> None:
    class Listener(QueueObserver):
        heard: list[object] = []

        def added(self) -> None:
            self.heard.append("added")

        def retried(self) -> None:
            self.heard.append("retried")

        def taken(self, waited: float) -> None:
            self.heard.append(("taken", waited))

        def worked(self, seconds: float) -> None:
            self.heard.append(("worked", seconds))

    clock = Clock()
    queue: WorkQueue[str] = WorkQueue(clock=clock, observer=Listener())
    queue.add("a")
    queue.add("a")
    clock.now += 2
    assert queue.stalled_for() == 2
    await queue.get()
    clock.now += 3
    queue.retry("a")
    queue.done("a")
    assert Listener.heard == ["added", ("taken", 2.0), "retried", ("worked", 3.0)]
