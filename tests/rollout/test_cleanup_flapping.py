"""Pods that cease to be ready while their containers run: which times count, and when they are written."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.rollout.parts import START
from tests.rollout.stuck_cases import SECOND, pod, seen
from verdigris.api.status import Unsteady
from verdigris.core.facts.observed import ContainerView, PodView
from verdigris.core.pods.remedies.flapping import ceased_to_be_ready, remember_flapping

MINUTE = timedelta(minutes=1)
BEGAN = START - 30 * MINUTE
RUNS = (ContainerView("fetch", init=True), ContainerView("server", running_since=BEGAN))


def lost(at: Any = START - MINUTE, **rest: Any) -> PodView:
    """A running pod whose readiness turned then."""
    return pod(**({"ready_changed": at, "containers": RUNS} | rest))


@pytest.mark.parametrize(
    ("view", "at"),
    [
        pytest.param(lost(), START - MINUTE, id="it was ready and runs on"),
        pytest.param(lost(ready=True), None, id="it is ready"),
        pytest.param(lost(terminating=True), None, id="it is on its way out"),
        pytest.param(lost(None), None, id="nothing is known"),
        pytest.param(lost(BEGAN - MINUTE), None, id="it never was ready, or crashed"),
        pytest.param(lost(BEGAN + SECOND), None, id="within the second of its start"),
        pytest.param(lost(containers=(ContainerView("server"),)), None, id="its container does not run"),
        pytest.param(lost(containers=()), None, id="it has no container yet"),
    ],
)
def test_only_a_pod_that_runs_on_and_is_not_ready_has_ceased_to_be(view: PodView, at: Any) -> None:
    assert ceased_to_be_ready(view) == at


def test_each_time_is_remembered_once() -> None:
    first = remember_flapping(seen(lost()))
    assert first.status.unsteady == (Unsteady(uid="uid-p0", unready_at=(START - MINUTE,)),)
    again = seen(lost(), status=dict(first.status))
    assert remember_flapping(again) is again
    second = remember_flapping(seen(lost(START), status=dict(first.status)))
    assert second.status.unsteady == (Unsteady(uid="uid-p0", unready_at=(START - MINUTE, START)),)


def test_what_is_out_of_the_window_is_dropped_only_with_other_news() -> None:
    old = Unsteady(uid="uid-p1", unready_at=(START - 20 * MINUTE,))
    quiet = seen(pod("p1", ready=True), status={"unsteady": (old,)})
    assert remember_flapping(quiet) is quiet
    news = seen(pod("p1", ready=True), lost(), status={"unsteady": (old,)})
    assert [entry.uid for entry in remember_flapping(news).status.unsteady] == ["uid-p0"]


def test_a_pod_that_has_been_unready_for_longer_than_the_window_is_no_news_at_every_look() -> None:
    turn = seen(lost(START - 20 * MINUTE), status={"unsteady": (Unsteady(uid="uid-p0", unready_at=()),)})
    assert remember_flapping(turn) is turn


def test_a_pod_that_is_gone_is_forgotten() -> None:
    gone = seen(pod("p1"), status={"unsteady": (Unsteady(uid="uid-p0", unready_at=(START,)),)})
    assert remember_flapping(gone).status.unsteady == ()


def test_the_status_holds_the_latest_hundred() -> None:
    views = tuple(lost(START - n * SECOND, name=f"p{n:03}", uid=f"uid-{n:03}") for n in range(130))
    kept = remember_flapping(seen(*views)).status.unsteady
    assert [entry.uid for entry in kept] == [f"uid-{n:03}" for n in reversed(range(100))]
