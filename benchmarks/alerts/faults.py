"""The faults of models: each in a namespace of its own, so that several are under way at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dev.faults import processes
from dev.faults.refusals import configuration
from dev.faults.webhook import OPERATOR
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
UNWATCHED: Spec = {
    "rollout": {"shield": False, "onInconclusive": "Promote", "inconclusiveDeadline": "1s", "keepWarm": "0s"}
}
"""For what is promoted without clients, and leaves nothing behind."""
WATCHED: Spec = {"rollout": {"shield": True, "bake": "1h"}}
"""For what is not promoted at all."""
RATE = 20.0
"""Requests a second."""
STARVED: Spec = merged(SOON, {"monitoring": {"prometheusRule": {"latency": {"p95": "30ms"}}}})
"""Well below the 100 ms for which a CPU limit is given out: who has used it up waits for the rest of them."""
BUDGETED: Spec = merged(SOON, {"monitoring": {"slo": 98}})
"""One answer of 50 may fail. The windows, 1 h to 30 d, are those of every objective; of a new model they hold minutes.
The smaller objective only lets the budget come back within minutes of sound answers.
"""
TOLD_FOR = 900.0
"""Seconds for which it is told that something has happened."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong in a scene, and what is to be told of it: names, severities, and windows of burn rates.

    `given` makes a scene in which all is well; within `broken` it is not. Each alert is to fire, and to be over after
    that, within `patience` seconds.
    """

    says: str
    alerts: Sequence[tuple[str, str] | tuple[str, str, str]]
    given: Callable[[Scene], None]
    broken: Callable[[Scene], Any]
    patience: float = 420.0
    about_a_model: bool = True
    """Whether the alerts name the namespace of the scene; those about the operator as a whole name none."""

    def firing(self, namespace: str) -> list[Firing]:
        """The alerts as they fire in that namespace's scene."""
        about = namespace if self.about_a_model else ""
        return [Firing(name, severity, about, *window) for name, severity, *window in self.alerts]


def good(scene: Scene) -> None:
    """A model that is well."""
    scene.given_active("1.0.0", **SOON)


def asked(scene: Scene) -> None:
    """A model that is well, with clients that stay until the namespace goes."""
    good(scene)
    _send(scene)


def try_out(scene: Scene) -> None:
    """A version is on trial, and Prometheus is asked about it every second."""
    scene.apply("1.1.0", **merged(SOON, WATCHED))
    scene.until("it to be judged", lambda status: bool((status.get("rollout") or {}).get("evidence", {}).get("at")))


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
    _replace(scene, version, merged(merged(SOON, limits), {"autoscaling": None}))


def _replace(scene: Scene, version: str, spec: Spec) -> None:
    """Promote a version that nobody asks meanwhile."""
    scene.apply(version, **merged(spec, UNWATCHED))
    scene.until(f"{version} to be active", settled(version), 240)


@contextmanager
def _starved(scene: Scene) -> Iterator[None]:
    few = {"serving": {"resources": {"limits": {"cpu": "25m", "memory": "128Mi"}}}}
    _replace(scene, "1.1.0", merged(STARVED, few))
    with scene.clients(5 * RATE, paced=False, seconds=1800):
        yield
    _replace(scene, "1.0.0", STARVED)
    _send(scene)


@contextmanager
def _overspent(scene: Scene) -> Iterator[None]:
    with scene.clients(RATE, paced=False) as sending:
        wait_for("some errors", lambda: len(sending.so_far()) >= 3 * LEAST, within=90, every=0.5)
    yield
    _replace(scene, "1.0.0", BUDGETED)
    scene.clients(2 * RATE, paced=False, seconds=1800).__enter__()


@contextmanager
def _unscraped(scene: Scene) -> Iterator[None]:
    try_out(scene)
    _scrape(scene, False)
    yield
    _scrape(scene, True)


def _scrape(scene: Scene, enabled: bool) -> None:
    scene.patch({"spec": {"monitoring": {"serviceMonitor": {"enabled": enabled}}}})


@contextmanager
def _refused_by_a_webhook(scene: Scene) -> Iterator[None]:
    """The discard port: nobody answers there, and without an answer the webhook's writes are refused."""
    name = f"nobody-{scene.namespace}"
    webhook = configuration(name, namespace=scene.namespace, user=OPERATOR, url="https://127.0.0.1:9/", authority="")
    try:
        scene.cluster.kubectl("apply", "-f", "-", input=json.dumps(webhook))
        scene.apply("1.1.0", **merged(SOON, {"rollout": {"progressDeadline": "30m"}}))
        yield
    finally:
        scene.cluster.kubectl("delete", "validatingwebhookconfiguration", name, "--ignore-not-found")


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
    "refused": Fault(
        "a webhook that does not answer",
        [("VerdigrisReconcileFailing", "warning")],
        good,
        _refused_by_a_webhook,
        # Failures that go on for 5 min; over 8 min after the last. Those of an earlier run may have to pass first.
        patience=900.0,
        about_a_model=False,
    ),
    "overspent": Fault(
        "errors for 10 s, of half of the answers",
        [
            ("VerdigrisModelErrorBudgetBurn", "critical", "1h"),
            ("VerdigrisModelErrorBudgetBurn", "critical", "6h"),
            ("VerdigrisModelErrorBudgetBurn", "warning", "1d"),
            ("VerdigrisModelErrorBudgetBurn", "warning", "3d"),
            ("VerdigrisModelErrorBudgetSpent", "warning"),
        ],
        lambda scene: scene.given_active(BAD, **BUDGETED),
        _overspent,
        # What is left of the budget is worked out every 5 min.
        patience=1200.0,
    ),
    "rollback": Fault(
        "a bad version on trial", [("VerdigrisRolledBack", "warning")], asked, _taken_back, TOLD_FOR + 120
    ),
    "gate": Fault(
        "a version that learnt the wrong thing", [("VerdigrisGateFailed", "warning")], good, _refused, TOLD_FOR + 120
    ),
    "errors": Fault(
        "a version that fails half of its calls",
        [
            ("VerdigrisModelErrorRate", "warning"),
            ("VerdigrisModelErrorRate", "critical"),
        ],
        lambda scene: scene.given_active(BAD, **SOON),
        _errors,
    ),
    "frozen": Fault("its only pod is frozen", [("VerdigrisModelDown", "critical")], good, _frozen),
    "quiet": Fault("its clients stop", [("VerdigrisModelNoTraffic", "warning")], asked, _quiet),
    "tight": Fault("a memory limit that hardly holds it", [("VerdigrisModelMemory", "warning")], good, _tight),
    "starved": Fault(
        "a CPU limit that it uses up",
        [("VerdigrisModelSlow", "warning")],
        lambda scene: scene.given_active("1.0.0", **STARVED),
        _starved,
    ),
    "unscraped": Fault(
        "its ServiceMonitor is switched off in a rollout", [("VerdigrisEvidenceStale", "warning")], asked, _unscraped
    ),
    "held": Fault("an approval that nobody gives", [("VerdigrisRolloutHeld", "warning")], good, _held),
    "stuck": Fault("a node that nobody has", [("VerdigrisPodsStuck", "warning")], good, _stuck),
}
"""Those that take long stand first: so many at once as AT_ONCE says, they are over together."""
