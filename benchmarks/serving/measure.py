"""The measurement: in each round every server in turn, alone on its core, with the same loads."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.serving import load
from benchmarks.serving.errors import BenchError
from benchmarks.serving.load import Load
from benchmarks.serving.material import TOLERANCE, Material, Probabilities
from benchmarks.serving.process import Running, core_busy_s, running
from benchmarks.serving.servers import MLServer, Server
from dev.cluster.shell import run, say, tail

SINGLE, BUSY, CROWD = 1, 16, 1_000
"""Connections at once."""
STARTS = 5
"""Starts of each server, of which the median counts."""
CHECKED_ROWS = 50
NICENESS = -10
"""Of servers and clients alike: a moment's work of somebody else should not become somebody's p99."""


@dataclass(frozen=True)
class Plan:
    """How long to measure: `seconds` for each load; each server is loaded in `rounds` rounds."""

    rounds: int
    seconds: int
    server_core: int
    load_core: int
    folder: Path


@dataclass
class Measured:
    """What one server has shown, a value a round (`starts` has more); `difference` is the largest of all answers."""

    server: Server
    starts: list[float] = field(default_factory=list)
    single: list[Load] = field(default_factory=list)
    busy: list[Load] = field(default_factory=list)
    batch: list[Load] = field(default_factory=list)
    crowd: list[Load] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    core_share: list[float] = field(default_factory=list)
    """Of its core, while BUSY connections asked: near 1 when the server was the limit and not the clients."""
    foreign_share: list[float] = field(default_factory=list)
    """Of its core, at the same time, by anything else on the machine."""
    difference: float = 0.0


@contextmanager
def clients_core(plan: Plan) -> Iterator[None]:
    """Keep this process, and so what it starts, off the servers' core, and where root allows it before other work."""
    before, niceness = os.sched_getaffinity(0), os.getpriority(os.PRIO_PROCESS, 0)
    os.sched_setaffinity(0, {plan.load_core})
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, niceness)
        os.sched_setaffinity(0, before)


def measure(servers: Sequence[Server], material: Material, plan: Plan) -> tuple[list[Measured], float]:
    """All rounds, the servers interleaved; beside the results the median of `predict_floor_us`, asked once a round.

    Raises BenchError or ClusterError when a server cannot be measured.
    """
    load.allow_connections(CROWD)
    results = [Measured(server) for server in servers]
    floors = []
    for number in range(1, plan.rounds + 1):
        floors.append(predict_floor_us(material, plan))
        for result in results:
            _round(result, material, plan)
            say(f"round {number} of {plan.rounds}: {result.server.name:18} {_told(result)}")
    for _ in range(STARTS - plan.rounds):
        for result in results:
            with running(result.server, plan.folder / result.server.name, plan.server_core) as server:
                result.starts.append(server.start_to_ready_s)
    return results, median(floors)


def one_answer(server: Server, material: Material, plan: Plan) -> bytes:
    """What the server answers to one row."""
    with running(server, plan.folder / server.name, plan.server_core) as started:
        return started.ask(server.body(material.rows[:1]))


def faster(material: Material, plan: Plan, variants: Sequence[MLServer]) -> tuple[MLServer, dict[str, float]]:
    """The variant with the most requests a second, and what each managed, by `parallel_workers`."""
    tried: dict[str, float] = {}
    for variant in variants:
        with running(variant, plan.folder / variant.name, plan.server_core) as server:
            bodies = write_rows(variant, material, plan)
            load.put(url_of(server), bodies, BUSY, 1, plan.load_core)
            shown = load.put(url_of(server), bodies, BUSY, 3, plan.load_core)
            tried[str(variant.parallel_workers)] = round(shown.requests_per_s, 1)
    best = max(variants, key=lambda variant: tried[str(variant.parallel_workers)])
    return best, tried


def predict_floor_us(material: Material, plan: Plan) -> float:
    """Microseconds that the pipeline's own predict_proba of one row takes on the servers' core."""
    rows = plan.folder / "rows.json"
    rows.write_text(json.dumps(material.rows))
    script = Path(__file__).with_name("floor.py")
    return float(run(["taskset", "-c", str(plan.server_core), sys.executable, script, material.joblib, rows]))


def largest_difference(answered: Probabilities, expected: Probabilities) -> float:
    """The greatest distance of any probability from the right one; infinite when there are too many or too few."""
    if [len(row) for row in answered] != [len(row) for row in expected]:
        return float("inf")
    pairs = zip(answered, expected, strict=True)
    return max(abs(a - b) for left, right in pairs for a, b in zip(left, right, strict=True))


def _round(result: Measured, material: Material, plan: Plan) -> None:
    server = result.server
    with running(server, plan.folder / server.name, plan.server_core) as started:
        result.starts.append(started.start_to_ready_s)
        if server.computes:
            result.difference = max(result.difference, _check(started, material))
        bodies, url = write_rows(server, material, plan), url_of(started)
        load.put(url, bodies, BUSY, 1, plan.load_core)  # warm
        used, busy = started.processor_s(), core_busy_s(plan.server_core)
        result.busy.append(put(server, url, bodies, BUSY, plan))
        used, busy = started.processor_s() - used, core_busy_s(plan.server_core) - busy
        result.core_share.append(used / plan.seconds)
        result.foreign_share.append(max(0.0, busy - used) / plan.seconds)
        result.single.append(put(server, url, bodies, SINGLE, plan))
        if server.computes:
            whole = load.write_bodies(plan.folder / server.name / "batch", [server.body(material.rows)])
            result.batch.append(put(server, url, whole, SINGLE, plan))
        before = started.memory_mb()
        result.crowd.append(load.put(url, bodies, CROWD, plan.seconds, plan.load_core))
        result.memory_mb.append(max(before, started.memory_mb()))


def put(server: Server, url: str, bodies: Path, connections: int, plan: Plan) -> Load:
    """A load that every server has to bear. Raises BenchError when one request failed."""
    shown = load.put(url, bodies, connections, plan.seconds, plan.load_core)
    if shown.errors or not shown.requests:
        what = f"failed {shown.errors} of {shown.requests} requests" if shown.errors else "answered no request"
        raise BenchError(
            f"{server.name} {what} over {connections} connections in {plan.seconds} s. The end of its log:\n"
            f"{tail(plan.folder / server.name / 'server.log') or '(it is empty)'}"
        )
    return shown


def _check(started: Running, material: Material) -> float:
    """How far its answers are from the pipeline's own, single and in a batch. Raises BenchError beyond TOLERANCE."""
    server, rows, expected = started.server, material.rows, material.expected
    try:
        one_by_one = [server.probabilities(started.ask(server.body([row])))[0] for row in rows[:CHECKED_ROWS]]
        together = server.probabilities(started.ask(server.body(rows)))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise BenchError(
            f"{server.name} answered something else than probabilities ({type(error).__name__})."
        ) from error
    found = max(largest_difference(one_by_one, expected[:CHECKED_ROWS]), largest_difference(together, expected))
    if not found <= TOLERANCE:
        raise BenchError(
            f"{server.name} is off by {found:.3g} from the pipeline's own probabilities; {TOLERANCE:g} is allowed. "
            "It does not serve the same model, so its figures would say nothing."
        )
    return found


def write_rows(server: Server, material: Material, plan: Plan) -> Path:
    """A file of requests with one row each, in the server's folder."""
    rows = material.rows if server.computes else material.rows[:1]
    return load.write_bodies(plan.folder / server.name / "bodies", [server.body([row]) for row in rows])


def url_of(started: Running) -> str:
    """Where it is asked for inferences."""
    return f"http://127.0.0.1:{started.port}{started.server.infer_path}"


def _told(result: Measured) -> str:
    busy, single = result.busy[-1], result.single[-1]
    return (
        f"{busy.requests_per_s:>9,.0f} requests/s, p50 {single.p50_ms:.3f} ms, "
        f"{result.memory_mb[-1]:.0f} MB, ready in {result.starts[-1]:.2f} s"
    )
