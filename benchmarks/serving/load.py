"""Load by wrk from one core: connections that each ask again as soon as they are answered."""

from __future__ import annotations

import json
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.errors import BenchError
from benchmarks.serving.install import program
from dev.cluster.shell import run

_SCRIPT = Path(__file__).parent / "load.lua"
ANSWER_TIMEOUT_S = 10
"""An answer that takes longer is an error."""


@dataclass(frozen=True)
class Load:
    """What the clients saw. Latencies as wrk has them: corrected for requests that a slow answer kept from being sent.

    `errors` counts what was not answered with a 2xx or 3xx: connections refused or broken, time-outs, other statuses.
    """

    connections: int
    requests: int
    errors: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float

    @property
    def ideal_ms(self) -> float | None:
        """The latency when every connection waits for exactly one turn of all the others; None without an answer."""
        return 1000 * self.connections / self.requests_per_s if self.requests_per_s else None


def put(url: str, bodies: Path, connections: int, seconds: int, core: int) -> Load:
    """Load the URL with the lines of a file for so long. Raises BenchError or ClusterError with what wrk said."""
    pinned = [program("taskset"), "-c", str(core), program("wrk")]
    options = f"--threads 1 --connections {connections} --duration {seconds}s --timeout {ANSWER_TIMEOUT_S}s".split()
    command = [*pinned, *options, "--script", str(_SCRIPT), url]
    said = run(command, env={"BODIES": str(bodies)}, timeout=seconds + 3 * ANSWER_TIMEOUT_S)
    return parse(said, connections)


def parse(said: str, connections: int) -> Load:
    """The figures that load.lua wrote. Raises BenchError when there are none."""
    line = next((line for line in said.splitlines() if line.startswith("figures ")), None)
    if line is None:
        raise BenchError(f"wrk has said no figures; this is all it said: {said.strip()[-500:] or 'nothing'}")
    figures = json.loads(line.removeprefix("figures "))
    good = figures["requests"] - figures["errors"]["status"]
    return Load(
        connections=connections,
        requests=figures["requests"],
        errors=sum(figures["errors"].values()),
        requests_per_s=good / figures["duration_us"] * 1e6,
        p50_ms=figures["p50_us"] / 1000,
        p99_ms=figures["p99_us"] / 1000,
    )


def write_bodies(path: Path, bodies: Sequence[bytes]) -> Path:
    """One body a line, as load.lua reads them. Returns the path."""
    path.write_bytes(b"".join(body + b"\n" for body in bodies))
    return path


def allow_connections(count: int) -> None:
    """Let this process and those it starts open so many connections. Raises BenchError when the machine forbids it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + 500
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise BenchError(f"{count} connections need {needed} open files and the limit is {hard}: raise `ulimit -Hn`.")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
