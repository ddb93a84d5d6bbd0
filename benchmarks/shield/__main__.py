"""`python -m benchmarks.shield` (`make bench-shield`): what clients notice of a version on trial behind the shield."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.shield import faults, half, report, rollouts
from benchmarks.shield.common import Row
from dev.cluster import ensure_up
from dev.cluster.shell import ClusterError, say
from dev.demo.install import install_operator
from dev.demo.report import machine, table
from tests.e2e.api import Api
from tests.e2e.scene import Scene
from tests.e2e.stock import clear_away, lay_in

Part = Callable[[Scene, argparse.Namespace], Iterator[Row]]

PARTS: Mapping[str, Part] = {
    "half": lambda scene, given: half.measure(scene, runs=given.runs, rate=given.rate),
    "killed": lambda scene, given: faults.killed(scene, rate=given.rate),
    "frozen": lambda scene, given: faults.frozen(scene, rate=given.rate),
    "blind": lambda scene, given: faults.blind(scene, rate=given.rate),
    "front": lambda scene, given: faults.front(scene, rate=given.rate),
    "shares": lambda scene, given: rollouts.shares(scene, rate=given.rate),
    "rounds": lambda scene, given: rollouts.in_a_row(scene, rounds_wanted=given.rounds, rate=given.rate / 2),
    "first": lambda scene, given: rollouts.first(scene, runs=given.firsts, rate=given.rate / 2),
}
"""In their order. `rounds` and `first` send half as much: that is enough for a verdict, and the log keeps it whole."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report; 0 when every bar is met, 1 when one is not or the measuring failed."""
    given = _options().parse_args(argv)
    # What is frozen goes on and clients end, also when this is asked to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    measured: dict[str, list[Row]] = {}
    try:
        with _scenes() as scene:
            for part in given.only or PARTS:
                _measure(part, scene, given, measured)
    except ClusterError as problem:
        print(f"\nThe benchmark failed: {problem}", file=sys.stderr)
        return 1
    lines = report.bars(measured)
    print(f"\n{table(lines)}\n\n{report.weather(measured)}")
    return 0 if all(line.met for line in lines) else 1


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shield", description=__doc__)
    parser.add_argument("--only", action="append", choices=PARTS, help="this part (default: all; may be repeated)")
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second (default 200)")
    parser.add_argument("--runs", type=int, default=5, help="runs of `half`, with and without the shield (default 5)")
    parser.add_argument("--rounds", type=int, default=20, help="rollbacks and promotions of `rounds` (default 20)")
    parser.add_argument("--firsts", type=int, default=3, help="runs of `first`, with and without (default 3)")
    parser.add_argument("--out", type=Path, default=Path("out/bench"), help="folder of the report")
    return parser


@contextmanager
def _scenes() -> Iterator[Callable[[str], Scene]]:
    """With the operator on the cluster: what makes a scene in a namespace of that name."""
    cluster = ensure_up()
    cluster.load_images()
    install_operator(cluster)
    with tempfile.TemporaryDirectory(prefix="verdigris-bench-") as folder:
        stock = lay_in(cluster, Path(folder))
    api = Api(cluster.kubeconfig)
    try:
        yield lambda name: Scene(cluster, api, stock, name)
    finally:
        clear_away(cluster)


def _measure(
    part: str, scene: Callable[[str], Scene], given: argparse.Namespace, measured: dict[str, list[Row]]
) -> None:
    """Measure one part. Each row is written as it comes: a run that breaks off has shown something, too."""
    rows = measured.setdefault(part, [])
    try:
        with scene(f"bench-shield-{part}") as room:
            for row in PARTS[part](room, given):
                rows.append(row)
                _write(given.out, measured)
    except (AssertionError, ClusterError) as problem:
        say(f"{part} broke off: {problem}\n{''.join(getattr(problem, '__notes__', ()))}")
        rows.append({"failed": str(problem)})
        _write(given.out, measured)


def _write(folder: Path, measured: Mapping[str, Sequence[Row]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "shield.json").write_text(json.dumps({"machine": machine(), **measured}, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
