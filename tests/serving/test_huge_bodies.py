"""Huge bodies: one thread with one at a time, and another while a slow format computes outside of Python."""

import threading
from collections.abc import Sequence

import pytest

from tests.serving.support import PATIENCE
from verdigris_serving.http.huge_bodies import HugeBodyLock, releasing
from verdigris_serving.model.linear import NonFiniteScore
from verdigris_serving.model.loaded import Predictor


class Slow:
    """Computes until it is let go; ``watched`` is looked at meanwhile."""

    blocking = True
    explanation = "its own"

    def __init__(self, lock: HugeBodyLock) -> None:
        self.lock = lock
        self.held_meanwhile: list[bool] = []
        self.fault: Exception | None = None

    def scores(self, row: Sequence[float | None]) -> list[float]:
        return [float(len(row))]

    def scores_many(self, rows: Sequence[Sequence[float | None]]) -> list[list[float]]:
        self.held_meanwhile.append(self.lock.held)
        if self.fault:
            raise self.fault
        return [self.scores(row) for row in rows]


def released() -> tuple[HugeBodyLock, Slow, Predictor]:
    lock = HugeBodyLock()
    slow = Slow(lock)
    return lock, slow, releasing(slow, lock)  # type: ignore[arg-type]


def test_who_has_the_floor_lends_it_while_it_computes_and_has_it_again() -> None:
    lock, slow, predictor = released()
    with lock:
        assert predictor.scores_many([[1.0, 2.0]]) == [[2.0]]
        assert lock.held

    assert slow.held_meanwhile == [False]
    assert not lock.held


def test_who_has_it_not_computes_without() -> None:
    lock, slow, predictor = released()

    assert predictor.scores_many([[1.0]]) == [[1.0]]
    assert predictor.scores([1.0]) == [1.0]
    assert slow.held_meanwhile == [False]
    assert not lock.held


def test_a_fault_leaves_nobody_without_the_floor() -> None:
    lock, slow, predictor = released()
    slow.fault = NonFiniteScore("no")
    with pytest.raises(NonFiniteScore), lock:
        predictor.scores_many([[1.0]])

    with lock:
        assert lock.held


def test_whatever_else_the_predictor_offers_is_still_there() -> None:
    _, _, predictor = released()

    assert getattr(predictor, "explanation", None) == "its own"
    assert getattr(predictor, "labels", None) is None


def test_another_thread_waits_for_the_floor() -> None:
    lock = HugeBodyLock()
    order: list[str] = []
    asked = threading.Event()

    def other() -> None:
        asked.set()
        with lock:
            order.append("other")

    thread = threading.Thread(target=other)
    with lock:
        thread.start()
        assert asked.wait(PATIENCE)
        order.append("first")
    thread.join(PATIENCE)

    assert order == ["first", "other"]
