"""The faults: each in a namespace of its own, so that all are under way at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dev.faults import processes
from tests.e2e.alerting import Firing
from tests.e2e.rounds import BAD
from tests.e2e.scene import NAME, Scene, merged, settled, stage, wait_for

Spec = Mapping[str, Any]

LEAST = 50
"""Requests, with fewer of which nobody is alerted."""
SOON: Spec = {
    "monitoring": {
        "serviceMonitor": {"interval": "2s"},
        "slo": 99.9,
        "prometheusRule": {
            "enabled": True,
            "errorRate": {"window": "1m", "minRequests": LEAST},
            "downtime": {"after": "5s", "noTraffic": "1m"},
            "memory": {"share": 0.5},
        },
    },
}
"""Short windows: a fault is to be told within the minutes that a benchmark has."""
UNWATCHED: Spec = {"rollout": {"shield": False, "onInconclusive": "Promote", "inconclusiveDeadline": "1s"}}
"""For what is promoted without clients."""
WATCHED: Spec = {"rollout": {"shield": True, "bake": "1h"}}
"""For what is not promoted at all."""
RATE = 20.0
"""Requests a second."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong in a scene, and what is to be told of it: names and severities.

    `given` makes a scene in which all is well; within `broken` it is not.
    """

    says: str
    alerts: Sequence[tuple[str, str]]
    given: Callable[[Scene], None]
    broken: Callable[[Scene], Any]

    def firing(self, namespace: str) -> list[Firing]:
        """The alerts as they fire about that namespace."""
        return [Firing(name, severity, namespace) for name, severity in self.alerts]


def _good(scene: Scene) -> None:
    scene.given_active("1.0.0", **SOON)


def _bad(scene: Scene) -> None:
    scene.given_active(BAD, **SOON)


def _asked(scene: Scene) -> None:
    """With clients that stay until the namespace goes."""
    _good(scene)
    _send(scene)


def _send(scene: Scene) -> None:
    """Start clients, and wait until there was traffic; their pod goes with the namespace."""
    clients = scene.clients(RATE, paced=False, seconds=3600).__enter__()
    wait_for("some traffic", lambda: len(clients.so_far()) >= 4 * LEAST, within=90, every=1)


@contextmanager
def _errors(scene: Scene) -> Iterator[None]:
    with scene.clients(RATE, paced=False):
        yield


@contextmanager
def _frozen(scene: Scene) -> Iterator[None]:
    pods = scene.kube.list("pods", f"verdigris.dev/model={NAME}")
    with processes.frozen(pid for pod in pods for pid in processes.of_pod(pod)):
        yield


@contextmanager
def _quiet(scene: Scene) -> Iterator[None]:
    scene.kube.delete("pod", "clients")
    yield
    _send(scene)


@contextmanager
def _tight(scene: Scene) -> Iterator[None]:
    _limit(scene, "1.1.0", "64Mi")
    yield
    _limit(scene, "1.0.0", "512Mi")


def _limit(scene: Scene, version: str, memory: str) -> None:
    limits = {"serving": {"resources": {"limits": {"memory": memory}}}}
    scene.apply(version, **merged(merged(SOON, limits), {**UNWATCHED, "autoscaling": None}))
    scene.until(f"{version} to be active", settled(version))


@contextmanager
def _taken_back(scene: Scene) -> Iterator[None]:
    scene.apply(BAD, **merged(SOON, WATCHED))
    scene.until("it to be rejected", lambda status: bool(status.get("rejected")), 180)
    yield


@contextmanager
def _refused(scene: Scene) -> Iterator[None]:
    quality = {"quality": {"data": scene.stock.holdout(), "auc": {"min": 0.85}}}
    scene.apply(scene.stock.swapped(), **merged(SOON, {"rollout": {"steps": [quality]}}))
    scene.until("it to be rejected", lambda status: bool(status.get("rejected")), 180)
    yield


@contextmanager
def _held(scene: Scene) -> Iterator[None]:
    scene.apply("1.1.0", **merged(SOON, {"rollout": {"approval": "Required"}}))
    status = scene.until("an approval to be asked for", lambda status: stage(status) == "AwaitingApproval")
    yield
    scene.decide("abort", str(status["rollout"]["revision"]))


@contextmanager
def _stuck(scene: Scene) -> Iterator[None]:
    nowhere = {"serving": {"nodeSelector": {"example.com/rack": "none"}}, "cleanup": {"stuckAfter": "5s"}}
    scene.apply("1.1.0", **merged(merged(SOON, nowhere), {"rollout": {"progressDeadline": "30m"}}))
    yield
    scene.apply("1.0.0", **SOON)


FAULTS: Mapping[str, Fault] = {
    "errors": Fault(
        "a version that fails half of its calls",
        [
            ("VerdigrisModelErrorRate", "warning"),
            ("VerdigrisModelErrorRate", "critical"),
        ],
        _bad,
        _errors,
    ),
    "frozen": Fault("its only pod is frozen", [("VerdigrisModelDown", "critical")], _good, _frozen),
    "quiet": Fault("its clients stop", [("VerdigrisModelNoTraffic", "warning")], _asked, _quiet),
    "tight": Fault("a memory limit that hardly holds it", [("VerdigrisModelMemory", "warning")], _good, _tight),
    "rollback": Fault("a bad version on trial", [("VerdigrisRolledBack", "warning")], _asked, _taken_back),
    "gate": Fault("a version that learnt the wrong thing", [("VerdigrisGateFailed", "warning")], _good, _refused),
    "held": Fault("an approval that nobody gives", [("VerdigrisRolloutHeld", "warning")], _good, _held),
    "stuck": Fault("a node that nobody has", [("VerdigrisPodsStuck", "warning")], _good, _stuck),
}
