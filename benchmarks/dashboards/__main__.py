"""`make bench-dashboards`: every query of both dashboards asked during rollouts, and both drawn."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dev.cluster import ensure_up
from dev.cluster.shell import ClusterError, say
from dev.dashboards import of_model
from dev.dashboards.__main__ import BOARDS
from dev.dashboards.asking import filled, questions
from dev.dashboards.drawing import draw
from dev.dashboards.kinds import Series, Span
from dev.demo.install import install_operator
from tests.e2e.alerting import Prometheus, of_cluster
from tests.e2e.api import Api
from tests.e2e.dashboards import Looks, looking
from tests.e2e.rounds import BAD
from tests.e2e.scene import NAME, Scene, merged, settled, stage, wait_for
from tests.e2e.stock import clear_away, lay_in

NAMESPACE = "clinic-dashboards"
CHART = ("serviceMonitor.enabled=true", "serviceMonitor.interval=2s")
INTERVAL = "10s"
STEP = 2.0
"""Seconds between two points of a picture."""
BEFORE = 10.0
"""Seconds of a picture before the first release."""
RATE = 60.0
BUDGET = 330.0
"""Seconds: the error budget is evaluated every five minutes."""
WATCHED = {
    "rollout": {"shield": True, "bake": "20s", "keepWarm": "40s"},
    "autoscaling": {"minReplicas": 2, "maxReplicas": 3},
    "monitoring": {"slo": 99.9, "prometheusRule": {"enabled": True}},
}
NOWHERE = {"serving": {"nodeSelector": {"example.com/rack": "none"}}, "cleanup": {"stuckAfter": "5s"}}


def main(argv: Sequence[str] | None = None) -> int:
    """Play, ask and draw; 0 when every query has had data."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboards", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/bench"), help="folder of the report and the pictures")
    given = parser.parse_args(argv)
    try:
        with _scene() as scene:
            looks, began = _played(scene)
            shown = Span(began - BEFORE, time.time(), STEP)
            for board in BOARDS:
                chosen = f"{NAMESPACE} / {NAME}" if board is of_model.BOARD else ""
                fetch = _fetching(looks.prometheus, shown)
                draw(board, fetch, shown, chosen, given.out / f"dashboard-{board.uid.removeprefix('verdigris-')}.png")
    except ClusterError as problem:
        print(f"\nThe benchmark failed: {problem}", file=sys.stderr)
        return 1
    asked = sum(1 for board in BOARDS for _ in questions(board))
    without = looks.without_data()
    (given.out / "dashboards.json").write_text(json.dumps({"queries": asked, "without_data": without}, indent=1) + "\n")
    print(f"{asked - len(without)} of {asked} queries had data. Without: {without or 'none'}")
    return 1 if without else 0


@contextmanager
def _scene() -> Iterator[Scene]:
    """With the operator on the cluster, and scraped."""
    cluster = ensure_up()
    cluster.load_images()
    install_operator(cluster, *CHART)
    with tempfile.TemporaryDirectory(prefix="verdigris-bench-") as folder:
        stock = lay_in(cluster, Path(folder))
        try:
            with Scene(cluster, Api(cluster.kubeconfig), stock, NAMESPACE) as scene:
                yield scene
        finally:
            clear_away(cluster)


def _played(scene: Scene) -> tuple[Looks, float]:
    """A good version goes through its gate, an approval and its weights; a bad one is taken back; one is stuck.

    Returns what has been seen, and since when (Unix seconds).
    """
    prometheus = of_cluster(scene.cluster)
    gate = {"quality": {"data": scene.stock.holdout(), "auc": {"min": 0.85}}}
    ladder = [gate, {"approval": {}}, {"weight": 20, "hold": "15s"}, {"weight": 60, "hold": "15s"}]
    scene.given_active("1.0.0", **WATCHED)
    prometheus.until_loaded(NAMESPACE)
    queries = {query for board in BOARDS for query in questions(board)}
    with (
        scene.clients(RATE, paced=False),
        looking(prometheus, queries, NAMESPACE, NAME, INTERVAL) as looks,
    ):
        began = time.time()
        scene.apply("1.1.0", **merged(WATCHED, {"rollout": {"steps": ladder}}))
        waits = scene.until("an approval to be asked for", lambda status: stage(status) == "AwaitingApproval")
        _until_gone(looks, "its wait", lambda query: "held_since" in query)
        scene.decide("approve", waits["rollout"]["revision"])
        scene.until("1.1.0 to be promoted", settled("1.1.0"), 180)
        scene.apply(BAD, **WATCHED)
        scene.until(f"{BAD} to be taken back", lambda status: bool(status.get("rejected")), 180)
        scene.apply("1.3.0", **merged(WATCHED, NOWHERE))
        _until_gone(looks, "everything", lambda _: True, BUDGET)
    return looks, began


def _until_gone(looks: Looks, what: str, among: Callable[[str], bool], within: float = 60.0) -> None:
    """Wait until every query of these has had data. Tells what has none, and goes on: the report has it."""
    try:
        wait_for(f"data of {what}", lambda: not any(map(among, looks.without_data())), within, every=1)
    except AssertionError as late:
        say(f"{late}: {[query for query in looks.without_data() if among(query)]}")


def _fetching(prometheus: Prometheus, span: Span) -> Callable[[str], list[Series]]:
    def fetch(query: str) -> list[Series]:
        found = prometheus.over(filled(query, NAMESPACE, NAME, INTERVAL), *span)
        return [Series(one["metric"], [(at, float(value)) for at, value in one["values"]]) for one in found]

    return fetch


if __name__ == "__main__":
    sys.exit(main())
