"""`python -m benchmarks.stuck` (`make bench-stuck`): every fault of `dev/faults`, to Verdigris and beside it."""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.stuck import record, report
from benchmarks.stuck.plain import Plain
from benchmarks.stuck.report import Row
from dev.cluster import Cluster, ensure_up
from dev.cluster.shell import ClusterError, say
from dev.cluster.throttle import Throttle
from dev.demo.install import install_operator
from dev.demo.report import machine
from dev.faults import FAULTS, Fault, image
from tests.e2e.api import Api
from tests.e2e.matrix import play
from tests.e2e.scene import Scene
from tests.e2e.stock import Stock, clear_away, lay_in

LEAST = 30.0
"""Seconds that the plain Deployment has at least, however soon Verdigris was done."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report; 0 when at least 95 % ended right and no request was lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stuck", description=__doc__)
    parser.add_argument("--only", default="", help="faults whose name matches this regular expression (default all)")
    parser.add_argument("--at-once", type=int, help="most scenarios at the same time (default: four for each core)")
    parser.add_argument("--out", type=Path, default=Path("out/bench"), help="folder of the report")
    parser.add_argument(
        "--record", action="store_true", help=f"measure nothing: keep what the API server said, in {record.FOLDER}"
    )
    given = parser.parse_args(argv)
    chosen = [fault for fault in FAULTS if re.search(given.only, fault.name)]
    if not chosen:
        parser.error(f"no fault matches {given.only!r}; there are {', '.join(fault.name for fault in FAULTS)}")
    try:
        rows = _run(_recorded if given.record else _both, chosen, given.at_once)
    except ClusterError as error:
        print(f"\nThe benchmark failed: {error}", file=sys.stderr)
        return 1
    if given.record:
        return 0 if all(row["verdigris"]["right"] for row in rows) else 1
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "stuck.json").write_text(json.dumps({"machine": machine(), "scenarios": rows}, indent=2) + "\n")
    print(f"\n{report.table(rows)}\n\n{report.summary(rows)}")
    return 0 if report.passes(rows) else 1


@dataclass(frozen=True)
class Bench:
    """What every scenario needs."""

    cluster: Cluster
    api: Api
    stock: Stock

    def scene(self, fault: Fault) -> Scene:
        """A scene that is named for the fault."""
        name = re.sub(r"[^a-z0-9]+", "-", fault.name.lower())[:40].strip("-")
        return Scene(self.cluster, self.api, self.stock, f"bench-{name}")


Measure = Callable[[Bench, Fault], Row]


def _run(measure: Measure, faults: Sequence[Fault], at_once: int | None) -> list[Row]:
    cluster = ensure_up()
    cluster.load_images()
    image.load(cluster)
    install_operator(cluster)
    with tempfile.TemporaryDirectory(prefix="verdigris-bench-") as folder:
        stock = lay_in(cluster, Path(folder))
    try:
        return _all(partial(measure, Bench(cluster, Api(cluster.kubeconfig), stock)), faults, Throttle(at_once))
    finally:
        clear_away(cluster)


def _all(measure: Callable[[Fault], Row], faults: Sequence[Fault], throttle: Throttle) -> list[Row]:
    """A row for each fault, in their order; each is told of as it comes."""
    rows: dict[str, Row] = {}

    def measured(fault: Fault) -> Row:
        with throttle:
            return measure(fault)

    with ThreadPoolExecutor(throttle.most, thread_name_prefix="fault") as pool:
        for done in as_completed([pool.submit(measured, fault) for fault in faults]):
            row = done.result()
            rows[row["name"]] = row
            say(f"{len(rows)}/{len(faults)} {row['name']}: {row['verdigris']['reason']}")
    return [rows[fault.name] for fault in faults]


def _both(bench: Bench, fault: Fault) -> Row:
    scene = bench.scene(fault)
    ours = _verdigris(scene, fault)
    seconds = max(LEAST, ours["seconds"])
    with Plain(bench.cluster, bench.stock, f"{scene.namespace}-plain") as plain:
        stuck = plain.suffer(fault, seconds)
    return {"name": fault.name, "deployment": {"stuck": stuck, "seconds": round(seconds, 1)}, "verdigris": ours}


def _recorded(bench: Bench, fault: Fault) -> Row:
    watch = record.Watch(bench.scene(fault))
    with watch.watching():
        ours = _verdigris(watch.scene, fault)
    kept = record.recording(fault, watch.looks)
    if ours["right"] and kept:
        record.write(record.FOLDER, kept)
    return {"name": fault.name, "verdigris": ours}


def _verdigris(scene: Scene, fault: Fault) -> Row:
    try:
        with scene:
            verdict = play(scene, fault)
    except (AssertionError, ClusterError) as problem:
        _explain(fault, problem)
        return {"right": False, "seconds": 0.0, "reason": str(problem)[:300], "requests": 0, "failed_requests": 0}
    if verdict.wrong is not None:
        _explain(fault, verdict.wrong)
    return {
        "right": verdict.wrong is None,
        "seconds": round(verdict.seconds, 1),
        "reason": verdict.reason if verdict.wrong is None else verdict.message[:300],
        "requests": verdict.requests,
        "failed_requests": len(verdict.failed),
    }


def _explain(fault: Fault, problem: Exception) -> None:
    """All that could be seen goes to the reader, and the other faults go on."""
    print(f"\n{fault.name}: {problem}\n{''.join(getattr(problem, '__notes__', ()))}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
