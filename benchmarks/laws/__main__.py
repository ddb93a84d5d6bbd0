"""`python -m benchmarks.laws` (`make bench-laws`): refused writes and a storm of new models, under load."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.laws import refusals, report, storm
from benchmarks.laws.report import Row
from dev.cluster import Cluster, ensure_up, fake_nodes
from dev.cluster.shell import ClusterError
from dev.demo.install import install_operator
from dev.demo.report import machine
from dev.faults.webhook import reachable
from tests.e2e.api import Api
from tests.e2e.scene import Scene
from tests.e2e.stock import clear_away, lay_in

PARTS = ("refusals", "storm")
NEEDS_LOCAL = (
    "The cluster's API server runs in a container and cannot ask a webhook of this process: "
    "run this with VERDIGRIS_PROVIDER=local."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report; 0 when every bar is met, 1 when one is not or the measuring failed."""
    given = _options().parse_args(argv)
    measured: dict[str, Any] = {}
    try:
        with _scenes() as (cluster, scene):
            for part in given.only or PARTS:
                # Each row is written as it comes: a run that breaks off has shown something, too.
                rows = measured.setdefault(part, [])
                for row in _part(part, cluster, scene, given):
                    rows.append(row)
                    _write(given.out, measured)
    except (AssertionError, ClusterError) as problem:
        print(f"\nThe benchmark failed: {problem}\n{''.join(getattr(problem, '__notes__', ()))}", file=sys.stderr)
        return 1
    return _tell(measured)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.laws", description=__doc__)
    parser.add_argument("--only", action="append", choices=PARTS, help="this part (default: both)")
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second (default 100)")
    parser.add_argument("--rounds", type=int, default=20, help="rounds with refusals by lot (default 20)")
    parser.add_argument("--share", type=float, default=0.4, help="share of side objects' writes refused (default 0.4)")
    parser.add_argument("--seed", type=int, default=9, help="of the lots (default 9)")
    parser.add_argument("--phase", default="", help="phases of refusals that have this in their name (default: all)")
    parser.add_argument("--models", type=int, default=50, help="new models of the storm (default 50)")
    parser.add_argument("--repeats", type=int, default=3, help="rollbacks with and without the storm (default 3 each)")
    parser.add_argument("--out", type=Path, default=Path("out/bench"), help="folder of the report")
    return parser


@contextmanager
def _scenes() -> Iterator[tuple[Cluster, Callable[[str], Scene]]]:
    """The cluster with the operator on it, and what makes a scene in a namespace of that name."""
    cluster = ensure_up()
    if not reachable(cluster):
        raise ClusterError(NEEDS_LOCAL)
    cluster.load_images()
    install_operator(cluster)
    with tempfile.TemporaryDirectory(prefix="verdigris-bench-") as folder:
        stock = lay_in(cluster, Path(folder))
    api = Api(cluster.kubeconfig)
    try:
        yield cluster, lambda name: Scene(cluster, api, stock, name)
    finally:
        clear_away(cluster)


def _part(part: str, cluster: Cluster, scene: Callable[[str], Scene], given: argparse.Namespace) -> Iterator[Row]:
    if part == "refusals":
        chosen = [phase for phase in refusals.phases(given.rounds, given.share) if given.phase in phase.name]
        with scene("bench-refusals") as room:
            yield from refusals.measure(room, chosen, rate=given.rate, seed=given.seed)
        return
    fake_nodes.scale(cluster, storm.NODES)
    try:
        with scene("bench-rollback") as room:
            yield from storm.measure(room, cluster, models=given.models, repeats=given.repeats, rate=given.rate)
    finally:
        fake_nodes.scale(cluster, 0)


def _write(folder: Path, measured: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "laws.json").write_text(json.dumps({"machine": machine(), **measured}, indent=2) + "\n")


def _tell(measured: dict[str, Any]) -> int:
    for part, rows in measured.items():
        print(f"\n{getattr(report, part)(rows)}")
    missed = report.missed(measured)
    print("\n" + ("\n".join(f"MISSED: {sentence}" for sentence in missed) or "Every bar is met."))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
