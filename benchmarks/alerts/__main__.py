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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.alerts import operator_faults
from benchmarks.alerts.alertmanager import Receiver, alertmanager
from benchmarks.alerts.faults import FAULTS, RATE, SOON, Fault
from dev.cluster import Cluster, ensure_up
from dev.cluster.shell import ClusterError, say
from tests.e2e.alerting import Firing, Prometheus, of_cluster
from tests.e2e.api import Api
from tests.e2e.scene import Scene, merged, settled
from tests.e2e.stock import Stock, clear_away, lay_in

Row = dict[str, Any]
HEALTHY = "alerts-healthy"
AT_ONCE = 5
"""Faults under way at once: more of them would make the models slow on two cores, and that is what is looked for."""
LATE = 30.0
"""Seconds that Alertmanager may take with what Prometheus sends."""
TIMES = ("fired_s", "received_s", "resolved_s", "end_received_s")
"""Of each alert: since the fault began when it fired and that was received, since its end when it was over."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report; 0 when every alert fired, is over, was told of both times, and none was false."""
    given = _options().parse_args(argv)
    # What is frozen goes on, and Prometheus gets its settings back, also when this is asked to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    faults = given.only or [*FAULTS, *operator_faults.FAULTS]
    report = Report(given.out / "alerts.json")
    try:
        with _stage() as stage:
            rows, healthy = _at_once(stage, [name for name in faults if name in FAULTS], given.healthy)
            report.add(rows, healthy)
            for name in faults:
                if name in operator_faults.FAULTS:
                    report.add(_alone(stage, name))
    except ClusterError as problem:
        print(f"\nThe benchmark failed: {problem}", file=sys.stderr)
        return 1
    print(written(report.found))
    return 0 if all_well(report.found) else 1


@dataclass
class Report:
    """The file of what was found. What is added takes the place of what was found of the same faults before."""

    file: Path
    found: Row = field(default_factory=lambda: {"alerts": [], "healthy_minutes": 0, "false_alarms": []})

    def __post_init__(self) -> None:
        if self.file.is_file():
            self.found = json.loads(self.file.read_text())

    def add(self, rows: Sequence[Row], healthy: Row | None = None) -> None:
        """Add these rows, and what was seen of the model that is well."""
        self.found |= healthy or {}
        kept = [row for row in self.found["alerts"] if row["fault"] not in {new["fault"] for new in rows}]
        self.found["alerts"] = [*kept, *rows]
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(self.found, indent=1) + "\n")


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alerts", description=__doc__)
    names = (*FAULTS, *operator_faults.FAULTS)
    parser.add_argument("--only", action="append", choices=names, help="this fault (default: all; may be repeated)")
    parser.add_argument("--healthy", type=float, default=30.0, help="minutes of sound releases (default 30; 0: none)")
    parser.add_argument("--out", type=Path, default=Path("out/bench"), help="folder of the report, which is added to")
    return parser


@dataclass(frozen=True)
class Stage:
    """The cluster, its Prometheus, who is told by Alertmanager, and what makes a scene of a name."""

    cluster: Cluster
    prometheus: Prometheus
    receiver: Receiver
    scene: Callable[[str], Scene]


@contextmanager
def _stage() -> Iterator[Stage]:
    """With the operator and its alerts on the cluster."""
    cluster = ensure_up()
    cluster.load_images()
    operator_faults.install(cluster)
    with tempfile.TemporaryDirectory(prefix="verdigris-bench-") as folder:
        stock: Stock = lay_in(cluster, Path(folder))
        api = Api(cluster.kubeconfig)
        try:
            prometheus = of_cluster(cluster)
            with alertmanager(cluster, prometheus, Path(folder)) as receiver:
                # Rules look back: what a namespace of this name had in an earlier run would count for this one.
                run = int(time.time())
                yield Stage(cluster, prometheus, receiver, lambda name: Scene(cluster, api, stock, f"{name}-{run}"))
        finally:
            clear_away(cluster)


def _at_once(stage: Stage, faults: Sequence[str], minutes: float) -> tuple[list[Row], Row]:
    """These faults, and beside them a model that is well, each in its own namespace: an alert is about one model."""
    with ThreadPoolExecutor(1) as beside, ThreadPoolExecutor(AT_ONCE) as pool:
        healthy = beside.submit(_healthy, stage, minutes) if minutes else None
        tasks = [pool.submit(_one, stage, name, FAULTS[name]) for name in faults]
    return [row for task in tasks for row in task.result()], {} if healthy is None else healthy.result()


def _alone(stage: Stage, name: str) -> list[Row]:
    """A fault that every model feels; the operator is as it was installed before and after it."""
    try:
        return _one(stage, name, operator_faults.FAULTS[name])
    finally:
        operator_faults.install(stage.cluster)


def _one(stage: Stage, name: str, fault: Fault) -> list[Row]:
    """The rows of its alerts. A fault that cannot be brought about costs no more than its own rows."""
    scene = stage.scene(f"alerts-{name}")
    rows = [_row(alert, fault) for alert in fault.firing(scene.namespace)]
    try:
        with scene:
            _play(stage, scene, fault, rows)
    except Exception as problem:  # whatever it is: the other faults go on, and all_well says that these did not
        say(f"The fault {name} could not be played to its end: {type(problem).__name__}: {problem}")
    return rows


def _play(stage: Stage, scene: Scene, fault: Fault, rows: Sequence[Row]) -> None:
    """Fill in when each alert fired and was over, and when that was received, in seconds."""
    prometheus, receiver = stage.prometheus, stage.receiver
    fault.given(scene)
    prometheus.until_loaded(scene.namespace)
    alerts = fault.firing(scene.namespace)
    for alert in alerts:
        if prometheus.until(alert, False, fault.patience) is None:
            raise ClusterError(f"{_named(alert)} fires before the fault: wait until it is over, and begin again.")
    began = time.monotonic()
    with fault.broken(scene):
        for alert, row in zip(alerts, rows, strict=True):
            waited = prometheus.until(alert, True, fault.patience)
            row["fired_s"] = fired = None if waited is None else round(time.monotonic() - began, 1)
            row["received_s"] = told = receiver.told_of(alert, began, LATE) if fired else None
            say(f"{_named(alert)}: {fault.says}: fired after {fired} s, received after {told} s")
        ended = time.monotonic()
    for alert, row in zip(alerts, rows, strict=True):
        if not row["fired_s"]:
            continue
        waited = prometheus.until(alert, False, fault.patience)
        row["resolved_s"] = over = None if waited is None else round(time.monotonic() - ended, 1)
        row["end_received_s"] = told = receiver.told_the_end_of(alert, ended, LATE) if over else None
        say(f"{_named(alert)}: over after {over} s, which was received after {told} s")


def _row(alert: Firing, fault: Fault) -> Row:
    window = {"window": alert.window} if alert.window else {}
    never = dict.fromkeys(TIMES)
    return {"name": alert.name, "severity": alert.severity, **window, "fault": fault.says, **never}


def _named(alert: Firing) -> str:
    return f"{alert.name} ({', '.join(filter(None, (alert.severity, alert.window)))})"


def _healthy(stage: Stage, minutes: float) -> Row:
    """Sound releases, one after the other, under clients: every alert that is told about this namespace is false."""
    prometheus, scene = stage.prometheus, stage.scene(HEALTHY)
    releases = 0
    # Nothing stays warm: a version that is asked for again is rolled out again, and not put back.
    watched = merged(SOON, {"rollout": {"shield": True, "bake": "10s", "keepWarm": "0s"}})
    with scene:
        scene.given_active("1.0.0", **watched)
        prometheus.until_loaded(scene.namespace)
        with scene.clients(RATE, paced=False, seconds=60 * minutes + 600):
            end = time.monotonic() + 60 * minutes
            while time.monotonic() < end:
                version = ("1.1.0", "1.0.0")[releases % 2]
                scene.apply(version, **watched)
                while time.monotonic() < end and not _is_settled(scene, version):
                    time.sleep(2)
                releases += 1
        false = sorted({alert.name for alert in stage.receiver.told if alert.namespace == scene.namespace})
    say(f"{minutes:g} min of sound releases ({releases}): {false or 'no alert'}")
    return {"healthy_minutes": minutes, "healthy_releases": releases, "false_alarms": false}


def _is_settled(scene: Scene, version: str) -> bool:
    try:
        return settled(version)(scene.status())
    except Exception as problem:  # whatever it is: half an hour is not given up for one look
        say(f"The model that is well could not be looked at: {type(problem).__name__}: {problem}")
        return False


def all_well(found: Row) -> bool:
    """Whether every alert fired and is over, was told of both times, and none was false."""
    seen = all(row.get(time) is not None for row in found["alerts"] for time in TIMES)
    return seen and not found["false_alarms"]


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
