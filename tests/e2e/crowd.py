"""Scenarios that run at the same time, each in a namespace of its own, while pytest reports them one by one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import pytest

from tests.e2e.scene import Scene

AT_ONCE = 6
"""Scenarios that run at once: as many as two cores bear without making the deadlines a matter of luck."""

Play = Callable[..., None]


def scenario(play: Play) -> Play:
    """Make a test of `play(scene, **parameters)` that is run by the crowd; pytest's own call only awaits the result."""

    def await_result(crowd: Crowd, request: pytest.FixtureRequest, **_: Any) -> None:
        crowd.result(request.node.nodeid)

    own = [p for name, p in inspect.signature(play).parameters.items() if name != "scene"]
    asked = [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        for name in ("crowd", "request", *(p.name for p in own))
    ]
    await_result.__name__, await_result.__doc__ = play.__name__, play.__doc__
    await_result.__module__ = play.__module__
    await_result.__dict__.update(play.__dict__)
    await_result.__signature__ = inspect.Signature(asked)  # type: ignore[attr-defined]
    await_result.scenario = play  # type: ignore[attr-defined]
    return await_result


class Crowd:
    """Plays the scenarios among the collected tests, in their order, a few at once."""

    def __init__(self, items: Iterable[pytest.Item], scene: Callable[[str], Scene]) -> None:
        self._scene = scene
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="scenario")
        self._futures: dict[str, Future[None]] = {}
        for item in items:
            play = getattr(getattr(item, "function", None), "scenario", None)
            if play is not None:
                self._futures[item.nodeid] = self._pool.submit(self._play, item, play)

    def result(self, nodeid: str) -> None:
        """Wait until that scenario has been played; raises what it raised."""
        self._futures[nodeid].result()

    def finish(self) -> None:
        """Wait until every scenario has been played."""
        wait(self._futures.values())

    def close(self) -> None:
        """Begin no further scenario, and wait for those under way."""
        self._pool.shutdown(cancel_futures=True)

    def _play(self, item: Any, play: Play) -> None:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        with self._scene(item.name) as scene:
            play(scene, **parameters)
