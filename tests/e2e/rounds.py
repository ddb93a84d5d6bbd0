"""A round under the eyes of clients: a version that fails half its calls is taken back, then a good one takes over."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dev.demo.records import Request, within
from tests.e2e.scene import NAME, Scene, Status, active, merged, settled, stage

BAD = "1.2.0"
GOOD = ("1.0.0", "1.1.0")
LIMIT = 120.0
"""Seconds that a rollout may take before the round is given up."""
SIDE_OBJECTS = "horizontalpodautoscalers,poddisruptionbudgets,networkpolicies"
"""Those that a rollout can do without. A ServiceMonitor is not among them: without evidence nothing is promoted."""


@dataclass(frozen=True)
class Rollback:
    """What clients saw of a version that was taken back. Times in unix seconds."""

    version: str
    to_version: str
    decided: float
    restored: float
    first_bad: float
    last_answer: float
    """Its last answer, well or not: from then on nobody is on it."""
    failed: int
    """Requests that it answered with a 500."""

    @property
    def shown_for(self) -> float:
        """Seconds from its first answer that failed to its last answer."""
        return self.last_answer - self.first_bad


@dataclass(frozen=True)
class Round:
    """A round that has been played: when (unix seconds), and `status.lastRollback` of it."""

    began: float
    ended: float
    rollback: Mapping[str, Any]

    @property
    def decided(self) -> float:
        """When the version was given up."""
        return _unix(self.rollback["decidedAt"])

    def of(self, requests: Iterable[Request]) -> list[Request]:
        """Those of the requests that were due in this round."""
        return list(within(requests, self.began, self.ended))

    def seen_by(self, requests: Iterable[Request]) -> Rollback:
        """What clients saw of its rollback. Raises AssertionError when the fault never showed."""
        version = self.rollback["fromVersion"]
        # A 500 does not say whose it is, but only the bad version answers with any.
        its = [request for request in self.of(requests) if request.version == version or request.result == "bad"]
        failed = [request.ended for request in its if request.result == "bad"]
        assert failed, f"{version} was taken back without a single failed answer: there was nothing to measure"
        return Rollback(
            version=version,
            to_version=self.rollback["toVersion"],
            decided=self.decided,
            restored=_unix(self.rollback["trafficRestoredAt"]),
            first_bad=min(failed),
            last_answer=max(request.ended for request in its),
            failed=len(failed),
        )


def play(scene: Scene, number: int, spec: Mapping[str, Any]) -> Round:
    """Play a round in a scene that is settled and has clients. Raises AssertionError when it does not come to its end.

    `number` makes the revisions new ones: a rejected one stays rejected, and one that is still warm is no rollout.
    """
    taken_back = take_back(scene, number, spec)
    good = GOOD[1] if taken_back.rollback["toVersion"] == GOOD[0] else GOOD[0]
    scene.apply(good, **_new(spec, number))
    scene.until(f"{good} to be promoted", settled(good), LIMIT)
    return Round(taken_back.began, time.time(), taken_back.rollback)


def take_back(scene: Scene, number: int, spec: Mapping[str, Any], when_up: Callable[[], None] = lambda: None) -> Round:
    """The first half of a round. `when_up` is called once the bad version's pods are up: clients are about to come."""
    began, before = time.time(), scene.status()
    version, rollback = str(active(before)), before.get("lastRollback")

    def restored(status: Status) -> bool:
        last = status.get("lastRollback") or {}
        return last != rollback and "trafficRestoredAt" in last

    done = settled(version)
    scene.apply(BAD, **_new(spec, number))
    scene.until(f"{BAD} to be up", lambda status: _is_up(status) or restored(status), LIMIT)
    when_up()
    status = scene.until(f"{BAD} to be taken back", lambda status: restored(status) and done(status), LIMIT)
    return Round(began, time.time(), status["lastRollback"])


def unsettle(scene: Scene) -> None:
    """Somebody deletes the side objects, so that the operator has to write them again."""
    scene.kube.run("delete", SIDE_OBJECTS, "-l", f"verdigris.dev/model={NAME}", "--wait=false")


def lost_by(requests: Iterable[Request]) -> Counter[str]:
    """How many of the requests were lost, by what the clients met."""
    return Counter(request.outcome for request in requests if request.result == "lost")


def _new(spec: Mapping[str, Any], number: int) -> dict[str, Any]:
    serving = {"env": [{"name": "ROUND", "value": str(number)}]}
    monitoring = {"serviceMonitor": {"labels": {"round": str(number)}}}
    return merged(spec, {"serving": serving, "monitoring": monitoring})


def _is_up(status: Status) -> bool:
    return (status.get("rollout") or {}).get("version") == BAD and stage(status) != "Starting"


def _unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
