"""`make simulate`: each workload, each fault at each of its calls, random walks. Exit code 1: some run went wrong."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tests.simulation.choices import Choice, EveryFaultOnce
from tests.simulation.parts import Workload
from tests.simulation.runs import disturbed
from tests.simulation.walks import walk
from tests.simulation.workloads import BY_NAME, FAULTS, WORKLOADS

WALKS = 400


def main(arguments: Sequence[str]) -> int:
    """Runs, prints as it goes, writes the report, and says how it went."""
    asked = _parser().parse_args(arguments)
    began, workloads = time.monotonic(), [BY_NAME[name] for name in asked.only] or list(WORKLOADS)
    report: dict[str, Any] = {
        "runs": 0,
        "one_in": asked.every,
        "workloads": [],
        "faults": list(FAULTS),
        "steps_disturbed": 0,
        "walks": {"first_seed": asked.seed, "count": 0},
        "wrong": [],
    }
    for number, workload in enumerate(workloads):
        for key, value in _workload(workload, _choice(asked, workload, number), asked.jobs).items():
            report[key] += value
        _write(report, asked.out, began)
    for found in _walks(range(asked.seed, asked.seed + asked.walks), asked.jobs):
        report["runs"] += 1
        report["walks"]["count"] += 1
        report["wrong"] += found
    _write(report, asked.out, began)
    print(
        f"{report['runs']} runs, {report['steps_disturbed']} steps disturbed, {len(report['wrong'])} wrong: {asked.out}"
    )
    return 1 if report["wrong"] else 0


def _write(report: dict[str, Any], out: Path, began: float) -> None:
    """After each workload: a run that is stopped leaves what it has played."""
    report["seconds"] = round(time.monotonic() - began, 1)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--only", action="append", default=[], choices=list(BY_NAME), help="this workload (repeatable)")
    parser.add_argument("--every", type=int, default=1, help="one of so many runs; default: all")
    parser.add_argument("--step", type=int, help="disturb this call alone, and show what the operator says")
    parser.add_argument("--fault", action="append", default=[], choices=list(FAULTS), help="this one (repeatable)")
    parser.add_argument("--walks", type=int, default=WALKS, help=f"random walks; default: {WALKS}")
    parser.add_argument("--seed", type=int, default=1, help="of the first walk; the others count on from it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at once; default: one a core")
    parser.add_argument("--out", type=Path, default=Path("out/simulation/report.json"), help="where the report goes")
    return parser


def _choice(asked: argparse.Namespace, workload: Workload, number: int) -> Choice:
    if asked.step is None:
        chosen = [fault for fault in workload.faults if not asked.fault or fault.name in asked.fault]
        return EveryFaultOnce(chosen, asked.every, number, workload.where, workload.known)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return lambda call: [FAULTS[name] for name in asked.fault] if call.number == asked.step else ()


def _workload(workload: Workload, choose: Choice, jobs: int) -> dict[str, Any]:
    began, busy = time.monotonic(), _busy()
    played = disturbed(workload, choose, jobs)
    wrong = [_wrong(workload.name, -1, "none", what) for what in played.wrong]
    for branch in played.branches:
        about = f"{branch['fault']} at {branch['call']} in {branch['phase']}"
        wrong += [_wrong(workload.name, branch["step"], branch["fault"], f"{about}: {w}") for w in branch["wrong"]]
    steps = len({branch["step"] for branch in played.branches})
    print(
        f"{workload.name}: {len(played.calls)} calls, {steps} disturbed, {len(played.branches) + 1} runs, "
        f"{len(wrong)} wrong, {time.monotonic() - began:.0f} s, of a core {_busy() - busy:.0f} s",
        flush=True,
    )
    _show(wrong)
    return {
        "runs": len(played.branches) + 1,
        "workloads": [workload.name],
        "steps_disturbed": steps,
        "wrong": wrong,
    }


def _busy() -> float:
    """Seconds of a core that this process and its children have taken."""
    taken = os.times()
    return taken.user + taken.system + taken.children_user + taken.children_system


def _walks(seeds: range, jobs: int) -> Iterator[list[dict[str, Any]]]:
    if not seeds:
        return
    print(f"random walks, seeds {seeds.start} to {seeds.stop - 1}", flush=True)
    with ProcessPoolExecutor(jobs, mp_context=get_context("fork")) as pool:
        for found in pool.map(walk, seeds):
            about = "; ".join([f"seed {found['seed']}", *found["acts"], *found["met"]])
            wrong = [_wrong("random walk", found["seed"], "at random", f"{what} ({about})") for what in found["wrong"]]
            _show(wrong)
            yield wrong


def _wrong(workload: str, step: int, fault: str, what: str) -> dict[str, Any]:
    return {"workload": workload, "step": step, "fault": fault, "what": what}


def _show(wrong: list[dict[str, Any]]) -> None:
    for entry in wrong:
        print(f"  wrong: {entry['workload']}, step {entry['step']}: {entry['what']}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
