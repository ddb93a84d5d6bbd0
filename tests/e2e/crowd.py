"""Scenarios that run at the same time, each in a namespace of its own, while pytest reports them one by one."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pytest

from dev.cluster.throttle import Throttle
from tests.e2e.scene import Scene
from tests.order import PLAYED

Play = Callable[..., None]
Lock = Callable[[], AbstractContextManager[None]]


def scenario(play: Play) -> Play:
    """Make a test of `play(scene, **parameters)` that is run by the crowd; pytest's own call only awaits the result."""
    return _awaited(play, None)


def scenario_holding(lock: Lock) -> Callable[[Play], Play]:
    """The same for scenarios that are played one after the other: each holds what this opens while it is."""
    return lambda play: _awaited(play, lock)


def _awaited(play: Play, lock: Lock | None) -> Play:
    def await_result(crowd: Crowd, request: pytest.FixtureRequest, **_: Any) -> None:
        try:
            crowd.result(request.node.nodeid)
        finally:
            request.node.user_properties.append((PLAYED, crowd.seconds(request.node.nodeid)))

    own = [p for name, p in inspect.signature(play).parameters.items() if name != "scene"]
    asked = [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        for name in ("crowd", "request", *(p.name for p in own))
    ]
    await_result.__name__, await_result.__doc__ = play.__name__, play.__doc__
    await_result.__module__ = play.__module__
    await_result.__dict__.update(play.__dict__)
    await_result.__signature__ = inspect.Signature(asked)  # type: ignore[attr-defined]
    await_result.scenario = _Scenario(play, lock)  # type: ignore[attr-defined]
    return await_result


@dataclass(frozen=True)
class _Scenario:
    """What is played, and the lock that is held meanwhile, if any."""

    play: Play
    lock: Lock | None


class Crowd:
    """Plays the scenarios among the collected tests, in their order, as many at once as the machine bears."""

    def __init__(self, items: Iterable[pytest.Item], scene: Callable[[str], Scene]) -> None:
        self._scene = scene
        self._throttle = Throttle()
        found = [(item, asked) for item in items if (asked := _scenario_of(item)) is not None]
        # The row of those that wait for each other takes longest: it begins first, and takes nobody's place.
        found.sort(key=lambda one: one[1].lock is None)
        waiting = sum(asked.lock is not None for _, asked in found)
        self._pool = ThreadPoolExecutor(self._throttle.most + waiting, thread_name_prefix="scenario")
        self._scenarios = {item.nodeid: (item, asked) for item, asked in found}
        self._futures = {nodeid: self._pool.submit(self._play, *one) for nodeid, one in self._scenarios.items()}
        self._told: set[str] = set()
        self._seconds: dict[str, float] = {}

    def seconds(self, nodeid: str) -> float:
        """How long that scenario was played, its namespace included."""
        return self._seconds.get(nodeid, 0.0)

    def result(self, nodeid: str) -> None:
        """Wait until that scenario has been played; raises what it raised. Who asks once more has it played again."""
        if nodeid in self._told:
            self._futures[nodeid] = self._pool.submit(self._play, *self._scenarios[nodeid])
        self._told.add(nodeid)
        self._futures[nodeid].result()

    def finish(self) -> None:
        """Wait until every scenario has been played."""
        wait(self._futures.values())

    def close(self) -> None:
        """Begin no further scenario, and wait for those under way."""
        self._pool.shutdown(cancel_futures=True)

    def _play(self, item: Any, asked: _Scenario) -> None:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        room = self._throttle if asked.lock is None else asked.lock()
        with room:
            began = time.monotonic()
            try:
                with self._scene(item.name) as scene:
                    asked.play(scene, **parameters)
            finally:
                self._seconds[item.nodeid] = time.monotonic() - began


def _scenario_of(item: pytest.Item) -> _Scenario | None:
    return getattr(getattr(item, "function", None), "scenario", None)
