"""The hop: what it costs that a pod passes its requests on to another one, beside answering them itself.

One server, told by its file to pass everything on, or nothing, in turn: so both are measured in the same minute, in the
same process. The other server has the clients' core: one connection waits for one of the two at any time, and of many
the first server is the limit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.serving import load
from benchmarks.serving.load import Load
from benchmarks.serving.material import Material
from benchmarks.serving.measure import BUSY, SINGLE, Plan, put, url_of, write_rows
from benchmarks.serving.process import Running, running
from benchmarks.serving.servers import SHIELD_FILE, Verdigris
from dev.cluster.shell import say, wait_for
from dev.demo.report import Bar

P50_MS, P99_MS, SHARE_OF_ITS_OWN = 0.25, 1.0, 0.4
"""The bars: added to the median and to the p99 of one connection; requests/s passed on of those answered itself."""
WITHIN_S = 10
"""For the other server: nothing is to be late here, however busy the machine."""
_WHOLE = 10_000


@dataclass
class Way:
    """One of the ways to answer, a value a round."""

    single: list[Load] = field(default_factory=list)
    busy: list[Load] = field(default_factory=list)
    processor_us: list[float] = field(default_factory=list)
    """Of the first server, for each request over BUSY connections: what it needs, however busy the machine."""


WAYS: dict[str, dict[str, int]] = {"alone": {}, "passed_on": {"share": _WHOLE}, "compared": {"shadow": _WHOLE}}
"""The orders: none; everything is passed on; a copy of everything is compared."""


def measure(front: Verdigris, other: Verdigris, material: Material, plan: Plan) -> dict[str, Way]:
    """All rounds, the ways in turn. Raises BenchError or ClusterError when a server cannot be measured."""
    ways = {name: Way() for name in WAYS}
    with (
        running(other, plan.folder / other.name, plan.load_core) as behind,
        running(front, plan.folder / front.name, plan.server_core) as server,
    ):
        for number in range(1, plan.rounds + 1):
            for name, way in ways.items():
                with _told(server, plan.folder / front.name / SHIELD_FILE, behind.port, WAYS[name]):
                    _round(way, server, material, plan)
                say(f"round {number} of {plan.rounds}: {name:10} {_shown(way)}")
    return ways


def _round(way: Way, server: Running, material: Material, plan: Plan) -> None:
    bodies, url = write_rows(server.server, material, plan), url_of(server)
    load.put(url, bodies, BUSY, 1, plan.load_core)  # warm
    used = server.processor_s()
    way.busy.append(put(server.server, url, bodies, BUSY, plan))
    way.processor_us.append((server.processor_s() - used) / way.busy[-1].requests * 1e6)
    way.single.append(put(server.server, url, bodies, SINGLE, plan))


@contextmanager
def _told(server: Running, file: Path, port: int, shares: dict[str, int]) -> Iterator[None]:
    """While the server has that order; without any shares, none."""
    if not shares:
        yield
        return
    order = {"host": "127.0.0.1", "port": port, "revision": "hop", "share": 0, "within": WITHIN_S, **shares}
    file.write_text(json.dumps(order))
    try:
        _until(server, lambda text: all(f'{_GAUGES[kind]}{{revision="hop"}} 1.0' in text for kind in shares))
        yield
    finally:
        file.write_text("")
        _until(server, lambda text: all(f'{gauge}{{revision="hop"}} 0.0' in text for gauge in _GAUGES.values()))


_GAUGES = {"share": "verdigris_shield_share", "shadow": "verdigris_shadow_share"}


def _until(server: Running, shows: Callable[[str], bool]) -> None:
    wait_for("the order", lambda: shows(server.get("/metrics").decode()), timeout=10, interval=0.05)


def _shown(way: Way) -> str:
    busy, single = way.busy[-1], way.single[-1]
    return (
        f"{busy.requests_per_s:>7,.0f} requests/s, {way.processor_us[-1]:.0f} µs of processor each, "
        f"p50 {single.p50_ms:.3f} ms, p99 {single.p99_ms:.3f} ms"
    )


def report(ways: dict[str, Way]) -> dict[str, Any]:
    """The figures: medians over the rounds, and of each round's difference from the same round alone."""
    alone = ways["alone"]
    return {
        name: {
            "requests_per_s": _rounded(run.requests_per_s for run in way.busy),
            "processor_us": _rounded(way.processor_us),
            "p50_ms": _rounded(run.p50_ms for run in way.single),
            "p99_ms": _rounded(run.p99_ms for run in way.single),
            "added_p50_ms": _rounded(_added(way, alone, "p50_ms")),
            "added_p99_ms": _rounded(_added(way, alone, "p99_ms")),
            "of_alone": _rounded(
                one.requests_per_s / two.requests_per_s for one, two in zip(way.busy, alone.busy, strict=True)
            ),
        }
        for name, way in ways.items()
    }


def _added(way: Way, alone: Way, figure: str) -> Iterator[float]:
    for one, two in zip(way.single, alone.single, strict=True):
        yield getattr(one, figure) - getattr(two, figure)


def bars(hop: dict[str, Any]) -> Sequence[Bar]:
    """The bars of issue 12 for what is passed on."""
    found = hop["passed_on"]
    added, tail, share = found["added_p50_ms"], found["added_p99_ms"], found["of_alone"]
    what = "passed on, one connection: added to the"
    return [
        Bar(f"{what} p50", f"{added:+.3f} ms", f"<= +{P50_MS:g} ms", added <= P50_MS),
        Bar(f"{what} p99", f"{tail:+.3f} ms", f"<= +{P99_MS:g} ms", tail <= P99_MS),
        Bar(
            "passed on, 16 connections: requests/s of answering itself",
            f"{share:.2f}",
            f">= {SHARE_OF_ITS_OWN:g}",
            share >= SHARE_OF_ITS_OWN,
        ),
    ]


def _rounded(values: Iterator[float] | Sequence[float]) -> float:
    return float(f"{median(values):.4g}")
