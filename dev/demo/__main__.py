"""`python -m dev.demo`: a good version is promoted, a bad one taken back, with clients watching."""

from __future__ import annotations

import argparse
import fcntl
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.cluster import Cluster, ClusterError, ensure_up
from dev.cluster.shell import step
from dev.demo import figures
from dev.demo.acts import SPEC, Show, bad_version, clients_start, first_version, good_version
from dev.demo.figures import Act
from dev.demo.follow import Followers
from dev.demo.install import install_operator
from dev.demo.kube import Kube
from dev.demo.models import TrainingError, train
from dev.demo.observer import Observer, WaitedInVainError
from dev.demo.picture import draw
from dev.demo.records import RecordsMissingError
from dev.demo.report import bars, failures, machine, runs_table, shield_bars, table
from dev.demo.setting import NAME, NAMESPACE, Setting
from dev.demo.spared import Spared
from dev.demo.timeline import Timeline

FIRST, GOOD, BAD = "1.0.0", "1.1.0", "1.2.0"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; 0 when nothing was lost and the bad version was taken back."""
    parser = argparse.ArgumentParser(prog="python -m dev.demo", description=__doc__)
    parser.add_argument("--runs", type=int, default=1, help="how often the bad version is tried (default 1)")
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second (default 200)")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder of the report and the picture")
    given = parser.parse_args(argv)
    given.out.mkdir(parents=True, exist_ok=True)
    try:
        with _alone():
            return _run(given.out, given.rate, given.runs)
    except (ClusterError, TrainingError, WaitedInVainError, RecordsMissingError, BlockingIOError) as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1


@contextmanager
def _alone() -> Iterator[None]:
    """One demo at a time: two would share a namespace, and a processor. Raises BlockingIOError."""
    with (Path(tempfile.gettempdir()) / "verdigris-demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockingIOError("another demo is running on this machine: wait for its end, or stop it") from error
        yield


def _run(out: Path, rate: float, runs: int) -> int:
    cluster = ensure_up()
    cluster.load_images()
    with step("Installing the operator"):
        install_operator(cluster)
    with step("Training three versions of the model"):
        models = train(out / "models")
    setting = Setting(Kube(cluster, NAMESPACE), models, out, rate)
    setting.build()
    try:
        return _play(cluster, setting, runs)
    finally:
        setting.stop_clients()


def _play(cluster: Cluster, setting: Setting, runs: int) -> int:
    timeline = Timeline(time.time())
    with Followers() as followers:
        observer = Observer(followers, timeline)
        show = Show(setting.kube, setting, observer, timeline)
        setting.follow(followers)
        first_version(show, FIRST)
        clients_start(show, lambda: setting.start_clients(followers))
        promotion = good_version(show, GOOD)
        spared = Spared(setting.kube, NAME)
        title = f"kubectl apply: diabetes {BAD}, healthy to every probe, wrong for half of the requests"
        shielded = bad_version(show, BAD, title, lambda: show.apply(BAD, shield=True), spared)
        rollbacks = [_bad_run(show, run) for run in range(1, runs + 1)]
        end = time.time()
        observer.watch("the clients' last records", lambda: observer.clients_heard > end + 5, 60)
    return _conclude(cluster, setting, observer, Played(promotion, shielded, spared, rollbacks))


@dataclass(frozen=True)
class Played:
    """The acts, in order: a good version, a bad one behind the shield, and the same without it."""

    promotion: Act
    shielded: tuple[Act, bool]
    spared: Spared
    rollbacks: Sequence[tuple[Act, bool]]


def _bad_run(show: Show, run: int) -> tuple[Act, bool]:
    title = f"without the shield ({run}): spec.rollout.shield: false, and a RolloutDecision to retry {BAD}"

    def begin() -> None:
        show.apply(BAD)
        show.retry(run)

    return bad_version(show, BAD, title, begin)


def _conclude(cluster: Cluster, setting: Setting, observer: Observer, played: Played) -> int:
    promotion, rollbacks, (behind, taken) = played.promotion, played.rollbacks, played.shielded
    promoted = figures.promotion(observer.requests, promotion)
    shielded = figures.shield(observer.requests, behind, played.spared.total)
    taken_back = [figures.rollback(observer.requests, act) for act, _ in rollbacks]
    lines = [*shield_bars(shielded), *bars(promoted, taken_back)]
    wrong = failures(promoted, shielded, [taken, *(done for _, done in rollbacks)], observer.active, GOOD)
    report: dict[str, Any] = {
        "provider": cluster.provider,
        "machine": machine(),
        "promotion": promoted,
        "shield": shielded,
        "rollback": taken_back[0],
        "scrape_interval_s": _seconds(SPEC["monitoring"]["serviceMonitor"]["interval"]),
        "tick_s": _seconds(SPEC["analysis"]["interval"]),
        "runs": taken_back,
        "rate_per_s": setting.rate,
        "bars": {bar.what: {"measured": bar.figure, "bar": bar.bar, "met": bar.met} for bar in lines},
        "active_at_the_end": observer.active,
        "failures": wrong,
    }
    (setting.out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    acts = [
        (f"{GOOD} is good: promoted, without the shield", promotion),
        (f"{BAD} fails half of the requests, behind the shield: nobody notices", behind),
        (f"{BAD} without the shield: taken back", rollbacks[0][0]),
    ]
    pictures = draw(observer.requests, acts, setting.out, {behind: played.spared.samples})
    print(f"\n{runs_table(taken_back)}\n\n{table(lines)}\n")
    if not wrong and not all(bar.met for bar in lines):
        print("A time was missed, and no request was lost: a busy machine is slower. Run it again while it is idle.\n")
    print(f"Report: {setting.out / 'report.json'}   Picture: {', '.join(str(path) for path in pictures)}")
    print('Look around:  eval "$(.venv/bin/python -m dev.cluster env)"')
    print(f"  kubectl verdigris -n {NAMESPACE} get {NAME}; kubectl verdigris -n {NAMESPACE} why {NAME}")
    for sentence in wrong:
        print(f"The demo failed: {sentence}", file=sys.stderr)
    return 1 if wrong else 0


def _seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


if __name__ == "__main__":
    sys.exit(main())
