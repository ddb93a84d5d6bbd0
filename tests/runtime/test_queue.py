"""The work queue: the schedule by its properties, the waiting by awaiting it."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from verdigris.app.queue import Backoff, QueueClosed, QueueObserver, WorkQueue
from verdigris.app.schedule import ROUND, Schedule
from verdigris.core.facts.urgency import Urgency

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


def by_namespace(key: str) -> str:
    """Keys are written `namespace/name`."""
    return key.partition("/")[0]


def drained(schedule: Schedule[str]) -> list[str]:
    """Every due key in the order in which one worker gets them."""
    order = []
    while (taken := schedule.take(0)) is not None:
        order.append(taken[0])
        schedule.done(taken[0], 0)
    return order


def test_who_is_rolled_back_comes_before_who_is_rolled_out_before_who_is_steady() -> None:
    schedule: Schedule[str] = Schedule(by_namespace)
    for number in range(1000):
        schedule.add(f"a/steady-{number}", 0)
    schedule.rank("b/rollout", Urgency.ROLLOUT)
    schedule.rank("b/rollback", Urgency.ROLLBACK)
    schedule.add("b/rollout", 0)
    schedule.add("b/rollback", 0)
    assert drained(schedule)[:2] == ["b/rollback", "b/rollout"]


def test_a_delayed_key_is_as_urgent_as_it_was_ranked() -> None:
    schedule: Schedule[str] = Schedule(by_namespace)
    schedule.rank("b/x", Urgency.ROLLBACK)
    schedule.add_at("b/x", 0)
    for number in range(50):
        schedule.add(f"a/{number}", 0)
    assert drained(schedule)[0] == "b/x"


def test_a_key_that_waits_moves_up_when_it_becomes_urgent_and_keeps_its_age() -> None:
    schedule: Schedule[str] = Schedule(by_namespace)
    for number in range(50):
        schedule.add(f"a/{number}", 0)
    schedule.add("a/49", 3, Urgency.ROLLOUT)
    assert schedule.take(5) == ("a/49", 5)
    schedule.done("a/49", 5)
    schedule.add("a/49", 5)
    assert drained(schedule)[-1] == "a/49", "an event makes it urgent once, not for good"


def test_namespaces_take_turns() -> None:
    schedule: Schedule[str] = Schedule(by_namespace)
    for number in range(100):
        schedule.add(f"storm/{number}", 0)
    schedule.add("quiet/a", 0)
    schedule.add("quiet/b", 0)
    assert [schedule.take(0) for _ in range(4)] == [
        ("storm/0", 0),
        ("quiet/a", 0),
        ("storm/1", 0),
        ("quiet/b", 0),
    ]


def test_a_namespace_whose_work_does_not_end_leaves_workers_to_others() -> None:
    schedule: Schedule[str] = Schedule(by_namespace, per_namespace=2)
    for number in range(9):
        schedule.add(f"slow/{number}", 0)
    schedule.add("quiet/a", 0)
    taken = [schedule.take(0) for _ in range(4)]
    assert [key and key[0] for key in taken] == ["slow/0", "quiet/a", "slow/1", None]
    schedule.add("slow/back", 0, Urgency.ROLLBACK)
    assert schedule.take(0) == ("slow/back", 0), "what is taken back waits for no limit"
    for key in ("slow/0", "slow/back"):
        schedule.done(key, 1)
    assert schedule.take(1) == ("slow/2", 1)


@given(
    keys=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), min_size=1, max_size=20, unique=True),
    victim=st.tuples(st.sampled_from("abc"), st.just("victim"), st.sampled_from(Urgency)),
    urgent=st.lists(st.sampled_from(Urgency), min_size=20, max_size=20),
)
def test_nobody_starves_however_much_more_urgent_work_comes_back_at_once(
    keys: list[tuple[str, int]], victim: tuple[str, str, Urgency], urgent: list[Urgency]
) -> None:
    """All others are due again as soon as they are done. A turn of its class comes at least once in ROUND; in the class
    its namespace's turn comes once in three; and before it are only those of its namespace that wait now."""
    schedule: Schedule[str] = Schedule(by_namespace)
    for (namespace, number), urgency in zip(keys, urgent, strict=False):
        schedule.rank(f"{namespace}/{number}", urgency)
        schedule.add(f"{namespace}/{number}", 0)
    wanted = f"{victim[0]}/{victim[1]}"
    schedule.add(wanted, 0, victim[2])
    ahead = sum(namespace == victim[0] for namespace, _ in keys)
    for turn in range(ROUND * 3 * (ahead + 1) + 1):
        taken = schedule.take(turn)
        assert taken is not None
        if taken[0] == wanted:
            return
        schedule.done(taken[0], turn)
        schedule.add(taken[0], turn)
    raise AssertionError(f"{wanted} did not get its turn")


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


async def test_the_server_may_not_ask_for_more_than_a_rollout_can_wait() -> None:
    queue = queue_with(Clock())
    assert queue.retry("a", at_least=20, at_most=1.5) == 1.5


async def test_progress_is_measured_by_what_is_finished_not_by_what_waits() -> None:
    clock = Clock()
    queue = queue_with(clock)
    clock.now += 1000
    assert queue.stalled_for() == 0, "nothing to do"
    for number in range(100):
        queue.add(str(number))
    for _ in range(50):
        key = await queue.get()
        clock.now += 10
        queue.done(key)
    assert queue.stalled_for() == 0, "a backlog of ten minutes, but it is worked off"
    await queue.get()
    clock.now += 130
    assert queue.stalled_for() == 130, "a worker hangs and nobody else finishes anything"


async def test_work_that_nobody_takes_is_no_progress() -> None:
    clock = Clock()
    queue = queue_with(clock)
    clock.now += 1000
    queue.add("a")
    clock.now += 130
    assert queue.stalled_for() == 130


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


def test_a_rollback_that_is_looked_at_is_known_to_whoever_would_begin_other_looks() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("steady", 0.0)
    assert not schedule.rolls_back
    schedule.rank("back", Urgency.ROLLBACK)
    schedule.add("back", 0.0)
    assert schedule.rolls_back
    assert schedule.take(0.0) == ("back", 0.0)
    assert schedule.rolls_back
    schedule.done("back", 1.0)
    assert not schedule.rolls_back
