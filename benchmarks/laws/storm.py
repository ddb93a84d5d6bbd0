"""How soon a bad version is taken back while the operator has many new models to roll out, and without them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from benchmarks.laws.report import Row
from benchmarks.operator_cost import active, apply_models
from dev.cluster import Cluster
from dev.cluster.shell import say
from tests.e2e import rounds
from tests.e2e.scene import Scene, wait_for

NAMESPACE = "bench-storm"
NODES = 4
"""Fake nodes for the new models' pods."""
SPEC: Mapping[str, Any] = {"rollout": {"bake": "60s"}, "autoscaling": {"minReplicas": 2, "maxReplicas": 3}}
LONGEST = 300.0
"""Seconds in which every new model must be served."""


class Storm:
    """Context manager: a namespace for new models that come all at once. Waits until it is gone again afterwards."""

    def __init__(self, cluster: Cluster, models: int) -> None:
        self._cluster, self._models = cluster, models
        self.began = 0.0
        """When it began, unix seconds."""

    def __enter__(self) -> Storm:
        self._clear()
        self._cluster.kubectl("create", "namespace", NAMESPACE)
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()

    def begin(self) -> None:
        """Apply the models; returns when the API server has all of them."""
        self.began = time.time()
        apply_models(self._cluster, self._models, NAMESPACE)

    def passes(self) -> float:
        """Wait until every model is served; returns the seconds from the beginning. Raises AssertionError."""

        def all_active() -> bool:
            return active(self._cluster, NAMESPACE) == self._models

        wait_for(f"{self._models} new models to be served", all_active, within=LONGEST, every=1)
        return time.time() - self.began

    def _clear(self) -> None:
        self._cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")


def measure(scene: Scene, cluster: Cluster, *, models: int, repeats: int, rate: float) -> Iterator[Row]:
    """A row for each rollback, without and with the storm in turn. Raises AssertionError when one does not end."""
    scene.given_active("1.0.0", **SPEC)
    for number in range(repeats):
        yield _row("calm", _taken_back(scene, 2 * number, rate, lambda: None))
        with Storm(cluster, models) as storm:
            back = _taken_back(scene, 2 * number + 1, rate, storm.begin)
            before, served = back.decided - storm.began, storm.passes()
        yield _row("storm", back) | {"storm_before_decision_s": round(before, 2), "all_served_s": round(served, 1)}


def _taken_back(scene: Scene, number: int, rate: float, when_up: Callable[[], None]) -> rounds.Rollback:
    with scene.clients(rate) as clients:
        played = rounds.take_back(scene, number, SPEC, when_up)
    # The next one needs the pod's name.
    scene.kube.delete("pod", "clients")
    return played.seen_by(clients.requests)


def _row(weather: str, back: rounds.Rollback) -> Row:
    said = f"restored {back.restored - back.decided:.2f} s after the decision, bad answers for {back.shown_for:.1f} s"
    say(f"{weather}: {said}")
    return {
        "weather": weather,
        "decided_to_restored_s": round(back.restored - back.decided, 3),
        "shown_s": round(back.shown_for, 2),
        "failed": back.failed,
    }
