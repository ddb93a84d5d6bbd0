"""Waits follow the machine: what is measured makes them longer, and lets fewer scenarios run at once."""

from __future__ import annotations

import threading

import pytest

from dev.cluster import patience
from dev.cluster.patience import MOST, QUIET_LOAD, REMEMBERED, Pace, hold_out, patient, seconds_of
from dev.cluster.throttle import LEAST, Throttle


def machine(load: float = 0.0, *starts: float) -> Pace:
    """One with so much load on each core, and with pods that took so many times what is usual to start."""
    pace = Pace(lambda: load)
    for start in starts:
        pace.started(start, 1.0)
    return pace


@pytest.mark.parametrize(
    ("pace", "factor"),
    [
        (machine(), 1.0),
        (machine(0.0, 0.5), 1.0),
        (machine(QUIET_LOAD), 1.0),
        (machine(3 * QUIET_LOAD), 3.0),
        (machine(0.0, 2.0, 5.0, 3.0), 5.0),
        (machine(2 * QUIET_LOAD, 5.0), 5.0),
        (machine(0.0, 5.0, *[1.5] * REMEMBERED), 1.5),
        (machine(1000.0), MOST),
    ],
)
def test_a_wait_is_stretched_by_the_load_or_by_the_slowest_start_of_late(pace: Pace, factor: float) -> None:
    assert pace.factor == factor


def test_a_wait_that_has_begun_is_stretched_when_the_machine_gets_slower() -> None:
    pace, looks = machine(), iter(range(1000))

    def late() -> bool:
        look = next(looks)
        if look == 1:
            pace.started(8.0, 1.0)
        return look == 5

    assert not hold_out(lambda: False, 0.02, every=0.01, pace=pace)
    assert hold_out(late, 0.02, every=0.02, pace=pace)


def test_a_wait_ends_with_the_last_thing_seen() -> None:
    assert hold_out(list, 0.0, pace=machine()) == []
    assert hold_out(lambda: ["so"], 0.0, pace=machine()) == ["so"]


def test_the_time_that_kubectl_and_helm_are_given_is_stretched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PACE", machine(3 * QUIET_LOAD))
    assert patient(["wait", "--timeout=60s", "pod/x"]) == ["wait", "--timeout=180s", "pod/x"]
    assert patient(["install", "--wait", "--timeout", "2m", "x"]) == ["install", "--wait", "--timeout", "360s", "x"]


def test_a_duration_is_read_as_it_stands_in_a_spec() -> None:
    assert [seconds_of(text) for text in ("1h30m", "500ms", "20s")] == [5400.0, 0.5, 20.0]
    with pytest.raises(ValueError, match="'soon' is no duration"):
        seconds_of("soon")


def test_the_slower_the_machine_the_fewer_scenarios_run_at_once() -> None:
    usual = [1.0] * 20
    limits = [Throttle(8, machine(load, *usual)).limit for load in (0.0, 3 * QUIET_LOAD, 6 * QUIET_LOAD, 1000.0)]
    assert limits == [8, 8, 4, 3]
    assert Throttle(2, machine(1000.0, *usual)).limit == LEAST


def test_scenarios_begin_one_by_one_until_it_is_known_what_the_machine_bears() -> None:
    assert [Throttle(8, machine(0.0, *[1.0] * known)).limit for known in (0, 1, 3, 99)] == [2, 3, 5, 8]


def test_who_finds_no_room_waits_until_another_is_over() -> None:
    throttle, running, over = Throttle(2, machine()), threading.Semaphore(0), threading.Event()

    def play() -> None:
        with throttle:
            running.release()
            over.wait(10)

    threads = [threading.Thread(target=play) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert [running.acquire(timeout=5) for _ in range(2)] == [True, True]
    assert not running.acquire(timeout=0.2)
    over.set()
    assert running.acquire(timeout=5)
    for thread in threads:
        thread.join()
