"""The faults of the operator itself. Each is felt by every model, so they are played one after the other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from benchmarks.alerts.faults import Fault, asked, good, try_out
from dev.demo.install import NAMESPACE, RELEASE, Cluster, install_operator
from tests.e2e.scene import Scene

CHART = {
    "serviceMonitor.enabled": "true",
    "serviceMonitor.interval": "2s",
    "monitoring.prometheusRule.enabled": "true",
    "monitoring.prometheusRule.heldSeconds": "60",
    "monitoring.prometheusRule.stuckFor": "10s",
    "monitoring.prometheusRule.evidenceStaleSeconds": "30",
}
"""Short waits, as in SOON, but longer than the 20 s of requests that a sound release waits for. What is told for a
while after it has happened is told for 15 minutes all the same."""
NOBODY = "http://prometheus-operated.monitoring.svc:9"
"""The host of the cluster's Prometheus, at a port at which nothing listens."""
_OPERATOR = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component=operator"


def install(cluster: Cluster, more: Mapping[str, str] | None = None) -> None:
    """The operator with its alerts, and with these values of the chart besides."""
    install_operator(cluster, *(f"{name}={value}" for name, value in {**CHART, **(more or {})}.items()))


@contextmanager
def _away(scene: Scene) -> Iterator[None]:
    _scale(scene, 0)
    yield
    _scale(scene, 2)


def _scale(scene: Scene, replicas: int) -> None:
    scene.cluster.kubectl("-n", NAMESPACE, "scale", "deployment", RELEASE, f"--replicas={replicas}")


@contextmanager
def _without_lease(scene: Scene) -> Iterator[None]:
    """Who leads gives up when it could not renew for 10 s, and nobody can take its place."""
    name = f"{RELEASE}-lease"
    rules = json.loads(scene.cluster.kubectl("-n", NAMESPACE, "get", "role", name, "-o", "json"))["rules"]
    reading = [{**rule, "verbs": [verb for verb in rule["verbs"] if verb != "update"]} for rule in rules]
    _patch(scene, name, reading)
    yield
    _patch(scene, name, rules)


def _patch(scene: Scene, role: str, rules: object) -> None:
    change = json.dumps({"rules": rules})
    scene.cluster.kubectl("-n", NAMESPACE, "patch", "role", role, "--type=merge", "-p", change)


def _alone(scene: Scene) -> None:
    good(scene)
    _serve_alone(scene)


def _serve_alone(scene: Scene) -> None:
    """Have the operator serve this namespace and no other, by a RoleBinding in it."""
    install(scene.cluster, {"watchNamespaces": f"{{{scene.namespace}}}"})


@contextmanager
def _unbound(scene: Scene) -> Iterator[None]:
    """A watch that is open stays so for 10 min whatever its rights; who starts is told at once."""
    scene.kube.delete("rolebinding", RELEASE)
    scene.cluster.kubectl("-n", NAMESPACE, "delete", "pods", "-l", _OPERATOR, "--wait=false")
    yield
    # As the page of the alert says: the chart brings it back.
    _serve_alone(scene)


def _on_trial(scene: Scene) -> None:
    asked(scene)
    try_out(scene)


@contextmanager
def _misled(scene: Scene) -> Iterator[None]:
    install(scene.cluster, {"prometheus.address": NOBODY})
    yield
    install(scene.cluster)


FAULTS: Mapping[str, Fault] = {
    "away": Fault(
        "no replica of the operator", [("VerdigrisOperatorDown", "critical")], good, _away, about_a_model=False
    ),
    "leaderless": Fault(
        "its right to write the Lease is gone",
        [("VerdigrisNoLeader", "critical")],
        good,
        _without_lease,
        about_a_model=False,
    ),
    "unbound": Fault(
        "its RoleBinding in a namespace is gone as it starts",
        [("VerdigrisNamespaceUnreadable", "warning")],
        _alone,
        _unbound,
        patience=600.0,
    ),
    "misled": Fault(
        "an address of Prometheus where nobody answers",
        [("VerdigrisPrometheusUnreachable", "warning")],
        _on_trial,
        _misled,
        # It counts over 5 min, and is told for 2 min more.
        patience=600.0,
        about_a_model=False,
    ),
}
