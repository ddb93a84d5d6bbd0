"""`python -m benchmarks.alerts` (`make bench-alerts`): each alert fired by a real fault, and none while all is well."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.alerts.alertmanager import Receiver, alertmanager
from benchmarks.alerts.faults import FAULTS, RATE, SOON, Fault
from dev.cluster import ensure_up
from dev.cluster.shell import ClusterError, say
from dev.dashboards.__main__ import BOARDS
from dev.demo.install import install_operator
from tests.e2e.alerting import Prometheus, of_cluster
from tests.e2e.api import Api
from tests.e2e.scene import NAME, Scene, merged, settled
from tests.e2e.stock import Stock, clear_away, lay_in

Row = dict[str, Any]
HEALTHY = "alerts-healthy"
CHART = {
    "serviceMonitor.enabled": "true",
    "serviceMonitor.interval": "2s",
    "monitoring.prometheusRule.enabled": "true",
    "monitoring.prometheusRule.heldSeconds": "10",
    "monitoring.prometheusRule.stuckFor": "10s",
}
"""Short waits, as in SOON. What is told for a while after it has happened is told for 15 minutes all the same."""
LATE = 30.0
"""Seconds that Alertmanager may take with what Prometheus sends."""
TOLD_FOR_A_WHILE = ("VerdigrisRolledBack", "VerdigrisGateFailed")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report; 0 when every alert fired, all that can be over are, and none was false."""
    given = _options().parse_args(argv)
    # What is frozen goes on, and Prometheus gets its settings back, also when this is asked to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    file = given.out / "alerts.json"
    found: Row = {"alerts": [], "healthy_minutes": 0, "false_alarms": []}
    if file.is_file():
        found = json.loads(file.read_text())
    try:
        with _stage() as stage:
            rows, healthy = _at_once(stage, given)
    except ClusterError as problem:
        print(f"\nThe benchmark failed: {problem}", file=sys.stderr)
        return 1
    found |= healthy
    kept = [row for row in found["alerts"] if row["fault"] not in {new["fault"] for new in rows}]
    found["alerts"] = [*kept, *rows]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, indent=1) + "\n")
    print(written(found))
    return 0 if all_well(found) else 1


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alerts", description=__doc__)
    parser.add_argument("--only", action="append", choices=FAULTS, help="this fault (default: all; may be repeated)")
    parser.add_argument("--healthy", type=float, default=30.0, help="minutes of sound releases (default 30; 0: none)")
    parser.add_argument("--patience", type=float, default=420.0, help="seconds to wait for an alert, and for its end")
    parser.add_argument("--out", type=Path, default=Path("out/bench"), help="folder of the report, which is added to")
    return parser


@dataclass(frozen=True)
class Stage:
    """The cluster's Prometheus, who is told by Alertmanager, and what makes a scene of a name."""

    prometheus: Prometheus
    receiver: Receiver
    scene: Callable[[str], Scene]


@contextmanager
def _stage() -> Iterator[Stage]:
    """With the operator and its alerts on the cluster."""
    cluster = ensure_up()
    cluster.load_images()
    install_operator(cluster, *(f"{name}={value}" for name, value in CHART.items()))
    with tempfile.TemporaryDirectory(prefix="verdigris-bench-") as folder:
        stock: Stock = lay_in(cluster, Path(folder))
        api = Api(cluster.kubeconfig)
        try:
            prometheus = of_cluster(cluster)
            with alertmanager(cluster, prometheus, Path(folder)) as receiver:
                yield Stage(prometheus, receiver, lambda name: Scene(cluster, api, stock, name))
        finally:
            clear_away(cluster)


def _at_once(stage: Stage, given: argparse.Namespace) -> tuple[list[Row], Row]:
    """All faults, and beside them a model that is well, each in its own namespace: an alert is about one model.

    Raises the first error of any of them, when all have ended.
    """
    faults = given.only or list(FAULTS)
    with ThreadPoolExecutor(len(faults) + 1) as pool:
        healthy = pool.submit(_healthy, stage, given.healthy) if given.healthy else None
        tasks = [
            pool.submit(_one, stage, stage.scene(f"alerts-{name}"), FAULTS[name], given.patience) for name in faults
        ]
    return [row for task in tasks for row in task.result()], {} if healthy is None else healthy.result()


def _one(stage: Stage, scene: Scene, fault: Fault, patience: float) -> list[Row]:
    prometheus, receiver = stage.prometheus, stage.receiver
    with scene:
        fault.given(scene)
        prometheus.until_loaded(scene.namespace)
        rows = []
        alerts = fault.firing(scene.namespace)
        began = time.monotonic()
        with fault.broken(scene):
            for alert in alerts:
                waited = prometheus.until(alert, True, patience)
                fired = None if waited is None else round(time.monotonic() - began, 1)
                rows.append({"name": alert.name, "severity": alert.severity, "fault": fault.says, "fired_s": fired})
                say(f"{alert.name} ({alert.severity}): {fault.says}: fired after {fired} s")
            ended = time.monotonic()
        for alert, row in zip(alerts, rows, strict=True):
            lasting = alert.name in TOLD_FOR_A_WHILE
            over = None if lasting else prometheus.until(alert, False, patience)
            row["resolved_s"] = None if over is None else round(time.monotonic() - ended, 1)
            told = receiver.when(alert, LATE)
            row["received_s"] = None if told is None else round(told - began, 1)
            say(f"{alert.name} ({alert.severity}): received after {row['received_s']} s")
            say(f"{alert.name} ({alert.severity}): over after {row['resolved_s']} s")
        return rows


def _healthy(stage: Stage, minutes: float) -> Row:
    """Sound releases, one after the other, under clients: every alert about this namespace is a false one."""
    prometheus, scene = stage.prometheus, stage.scene(HEALTHY)
    false: set[str] = set()
    unseen = {query.expr for board in BOARDS for panel in board.panels for query in panel.queries}
    asked = len(unseen)
    end = time.monotonic() + 60 * minutes
    watched = merged(SOON, {"rollout": {"shield": True, "bake": "10s"}})
    with scene:
        scene.given_active("1.0.0", **watched)
        prometheus.until_loaded(scene.namespace)
        with scene.clients(RATE, paced=False, seconds=60 * minutes + 600):
            releases = 0
            while time.monotonic() < end:
                version = ("1.1.0", "1.0.0")[releases % 2]
                scene.apply(version, **watched)
                while time.monotonic() < end and not settled(version)(scene.status()):
                    false |= {alert.name for alert in prometheus.firing() if alert.namespace == scene.namespace}
                    unseen = {query for query in unseen if not prometheus.values(filled(query, scene.namespace))}
                    time.sleep(2)
                releases += 1
    say(f"{minutes:g} min of sound releases ({releases}): {sorted(false) or 'no alert'}")
    say(f"{asked - len(unseen)} of {asked} queries of the dashboards had data: without are {sorted(unseen) or 'none'}")
    panels = {"queries": asked, "without_data": sorted(unseen)}
    return {
        "healthy_minutes": minutes,
        "healthy_releases": releases,
        "false_alarms": sorted(false),
        "dashboards": panels,
    }


def filled(query: str, namespace: str) -> str:
    """A query of a dashboard as Grafana sends it."""
    values = {"$__rate_interval": "20s", "$namespace": namespace, "$model": NAME}
    for variable, value in values.items():
        query = query.replace(variable, value)
    return query


def all_well(found: Row) -> bool:
    """Whether every alert fired, was received and is over (if it can be by now), and none was false."""
    rows = found["alerts"]
    over = all(row["resolved_s"] is not None or row["name"] in TOLD_FOR_A_WHILE for row in rows)
    fired = all(row["fired_s"] is not None and row["received_s"] is not None for row in rows)
    return over and fired and not found["false_alarms"]


def written(found: Row) -> str:
    """The report as a table."""
    lines = [
        f"{row['name']:32} {row['severity']:9} {row['fired_s']!s:>7} {row['resolved_s']!s:>7}  {row['fault']}"
        for row in found["alerts"]
    ]
    told = f"{found['healthy_minutes']:g} min of sound releases: {found['false_alarms'] or 'no alert'}"
    return "\n".join(["", f"{'alert':32} {'severity':9} {'fired s':>7} {'over s':>7}  fault", *lines, told])


if __name__ == "__main__":
    sys.exit(main())
