"""`python -m benchmarks.stuck` (`make bench-stuck`): every fault of `dev/faults`, to Verdigris and beside it."""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path

from benchmarks.stuck import report
from benchmarks.stuck.plain import Plain
from benchmarks.stuck.report import Row
from dev.cluster import Cluster, ensure_up
from dev.cluster.shell import ClusterError, say
from dev.demo.install import install_operator
from dev.demo.report import machine
from dev.faults import FAULTS, Fault, image
from tests.e2e.api import Api
from tests.e2e.matrix import play
from tests.e2e.scene import Scene
from tests.e2e.stock import Stock, clear_away, lay_in

AT_ONCE = 6
LEAST = 30.0
"""Seconds that the plain Deployment has at least, however soon Verdigris was done."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report; 0 when at least 95 % ended right and no request was lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stuck", description=__doc__)
    parser.add_argument("--only", default="", help="faults whose name matches this regular expression (default all)")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help=f"scenarios at the same time (default {AT_ONCE})")
    parser.add_argument("--out", type=Path, default=Path("out/bench"), help="folder of the report")
    given = parser.parse_args(argv)
    chosen = [fault for fault in FAULTS if re.search(given.only, fault.name)]
    if not chosen:
        parser.error(f"no fault matches {given.only!r}; there are {', '.join(fault.name for fault in FAULTS)}")
    try:
        rows = _run(chosen, given.at_once)
    except ClusterError as error:
        print(f"\nThe benchmark failed: {error}", file=sys.stderr)
        return 1
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "stuck.json").write_text(json.dumps({"machine": machine(), "scenarios": rows}, indent=2) + "\n")
    print(f"\n{report.table(rows)}\n\n{report.summary(rows)}")
    return 0 if report.passes(rows) else 1


def _run(faults: Sequence[Fault], at_once: int) -> list[Row]:
    cluster = ensure_up()
    cluster.load_images()
    image.load(cluster)
    install_operator(cluster)
    with tempfile.TemporaryDirectory(prefix="verdigris-bench-") as folder:
        stock = lay_in(cluster, Path(folder))
    try:
        return _all(partial(_both, cluster, Api(cluster.kubeconfig), stock), faults, at_once)
    finally:
        clear_away(cluster)


def _all(measure: Callable[[Fault], Row], faults: Sequence[Fault], at_once: int) -> list[Row]:
    """A row for each fault, in their order; each is told of as it comes."""
    rows: dict[str, Row] = {}
    with ThreadPoolExecutor(at_once, thread_name_prefix="fault") as pool:
        for done in as_completed([pool.submit(measure, fault) for fault in faults]):
            row = done.result()
            rows[row["name"]] = row
            say(f"{len(rows)}/{len(faults)} {row['name']}: {row['verdigris']['reason']}")
    return [rows[fault.name] for fault in faults]


def _both(cluster: Cluster, api: Api, stock: Stock, fault: Fault) -> Row:
    name = "bench-" + re.sub(r"[^a-z0-9]+", "-", fault.name.lower())[:40].strip("-")
    ours = _verdigris(Scene(cluster, api, stock, name), fault)
    seconds = max(LEAST, ours["seconds"])
    with Plain(cluster, stock, f"{name}-plain") as plain:
        stuck = plain.suffer(fault, seconds)
    return {"name": fault.name, "deployment": {"stuck": stuck, "seconds": round(seconds, 1)}, "verdigris": ours}


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
