"""PURE: the report's figures from what was measured, the bars beside them, and the tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.serving.load import Load
from benchmarks.serving.measure import Measured
from dev.demo.report import Bar

Row = Mapping[str, Any]

OURS, LIMIT = "verdigris", "nginx"
PEERS = ("mlserver", "kserve", "bentoml")

TIMES_THE_BEST_PEER = 10.0
TIMES_THE_BEST_PEER_FOREST = 3.0
"""With a forest, of which every server computes the same trees."""
SHARE_OF_THE_LIMIT = 0.15
SHARE_OF_THE_PEERS_LATENCY = 0.2
P99_MS = 1.0
TIMES_THE_IDEAL = 3.0
MEMORY_MB = 50.0
READY_S = 0.5
IMAGES_MB = {"default": 40.0, "onnx": 160.0, "sklearn": 300.0}
"""Unpacked, above the base."""
WHOLE_IMAGE_MB = 170.0

FOREIGN_SHARE, BUSY_SHARE = 0.1, 0.9
"""Of the servers' core: more by others spoils a measurement; less in all means that the clients were too slow."""


def servers(measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """One row a server: medians over the rounds, and under `spread` the least and the greatest of each."""
    return [_server(each) for each in measured]


def _server(each: Measured) -> dict[str, Any]:
    values = {
        "requests_per_s": [run.requests_per_s for run in each.busy],
        "p50_ms": [run.p50_ms for run in each.single],
        "p99_ms": [run.p99_ms for run in each.single],
        "rss_mb": each.memory_mb,
        "start_to_ready_s": each.starts,
    }
    return {
        "server": each.server.name,
        **{name: _rounded(median(found)) for name, found in values.items()},
        "spread": {name: [_rounded(min(found)), _rounded(max(found))] for name, found in values.items()},
        "core_share": _rounded(median(each.core_share)),
        "foreign_share": _rounded(median(each.foreign_share)),
        "largest_difference": each.difference,
        "versions": each.server.versions(),
    }


def batches(measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """One request of 1,000 rows at a time, over one connection: medians over the rounds."""
    return [
        {
            "server": each.server.name,
            "requests_per_s": _rounded(median(run.requests_per_s for run in each.batch)),
            "p50_ms": _rounded(median(run.p50_ms for run in each.batch)),
        }
        for each in measured
        if each.batch
    ]


def crowds(measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """1,000 connections at once: errors of all rounds together, medians of the rest."""
    return [
        {
            "server": each.server.name,
            "errors": sum(run.errors for run in each.crowd),
            "requests": sum(run.requests for run in each.crowd),
            "requests_per_s": _rounded(median(run.requests_per_s for run in each.crowd)),
            "p99_ms": _rounded(median(run.p99_ms for run in each.crowd)),
            "ideal_ms": _ideal(each.crowd),
            "p99_ms_of_each_round": [_rounded(run.p99_ms) for run in each.crowd],
        }
        for each in measured
    ]


def bars(report: Mapping[str, Any]) -> list[Bar]:
    """The bars of issue 4 that the report has figures for."""
    rows = {row["server"]: row for row in report["servers"]}
    batch = {row["server"]: row for row in report["batch_1000"]}
    crowd = {row["server"]: row for row in report["connections_1000"]}
    lines: list[Bar] = []
    if ours := rows.get(OURS):
        best = _best(rows, "requests_per_s", max)
        lines += _times(ours, best, TIMES_THE_BEST_PEER) + _of_the_limit(ours, rows.get(LIMIT))
        quickest = _best(rows, "p50_ms", min)
        if quickest is not None:
            share = ours["p50_ms"] / quickest["p50_ms"]
            what = f"p50, one connection, of {quickest['server']}'s (best peer)"
            met = share <= SHARE_OF_THE_PEERS_LATENCY
            lines.append(Bar(what, f"{share:.2f}", f"<= {SHARE_OF_THE_PEERS_LATENCY:g}", met))
        lines.append(_at_most("p99, one connection", ours["p99_ms"], P99_MS, "ms"))
        lines += _crowd(crowd[OURS])
        lines += _batch(batch[OURS], _best(batch, "requests_per_s", max))
        lines.append(_at_most("memory after load (RSS)", ours["rss_mb"], MEMORY_MB, "MB"))
        lines.append(_at_most("process start -> ready", ours["start_to_ready_s"], READY_S, "s"))
    return lines + _images(report["images"])


def forest_bars(report: Mapping[str, Any]) -> list[Bar]:
    """The bar of issue 10 for forests; none when they were not measured."""
    rows = {row["server"]: row for row in report.get("forest", {}).get("servers", ())}
    if OURS not in rows:
        return []
    return _times(rows[OURS], _best(rows, "requests_per_s", max), TIMES_THE_BEST_PEER_FOREST, "a forest, ")


def _times(ours: Row, best: Row | None, least: float, of: str = "") -> list[Bar]:
    if best is None:
        return []
    times = ours["requests_per_s"] / best["requests_per_s"]
    what = f"{of}requests/s, 16 connections, times {best['server']}'s (best peer)"
    return [Bar(what, f"{times:.1f}", f">= {least:g}", times >= least)]


def _of_the_limit(ours: Row, limit: Row | None) -> list[Bar]:
    if limit is None:
        return []
    share = ours["requests_per_s"] / limit["requests_per_s"]
    what = "requests/s, 16 connections, of nginx's fixed body"
    return [Bar(what, f"{share:.3f}", f">= {SHARE_OF_THE_LIMIT:g}", share >= SHARE_OF_THE_LIMIT)]


def _crowd(ours: Row) -> list[Bar]:
    times = ours["p99_ms"] / ours["ideal_ms"] if ours["ideal_ms"] else float("inf")
    return [
        Bar("errors at 1,000 connections", str(ours["errors"]), "0", ours["errors"] == 0),
        Bar(
            "p99 at 1,000 connections, times the ideal",
            f"{times:.2f}",
            f"<= {TIMES_THE_IDEAL:g}",
            times <= TIMES_THE_IDEAL,
        ),
    ]


def _batch(ours: Row, best: Row | None) -> list[Bar]:
    if best is None:
        return []
    times = ours["requests_per_s"] / best["requests_per_s"]
    return [Bar(f"requests/s of 1,000 rows, times {best['server']}'s (best peer)", f"{times:.2f}", ">= 1", times >= 1)]


def _images(images: Mapping[str, Row | None]) -> list[Bar]:
    lines = []
    for variant, limit in IMAGES_MB.items():
        found = images.get(variant)
        if found is None:
            lines.append(Bar(f"image above its base, {variant}", "not built", f"<= {limit:g} MB", met=False))
            continue
        lines.append(_at_most(f"image above its base, {variant}", found["above_base_mb"], limit, "MB"))
        if variant == "default":
            lines.append(_at_most("image, default, whole", found["whole_mb"], WHOLE_IMAGE_MB, "MB"))
    return lines


def table(report: Mapping[str, Any]) -> str:
    """One line a server, for a terminal."""
    batch = {row["server"]: row for row in report["batch_1000"]}
    crowd = {row["server"]: row for row in report["connections_1000"]}
    lines = [["", "requests/s", "p50", "p99", "RSS", "ready", "1,000 rows", "1,000 connections"]]
    for row in report["servers"]:
        name = row["server"]
        lines.append(
            [
                name,
                f"{row['requests_per_s']:,.0f}",
                f"{row['p50_ms']:.3g} ms",
                f"{row['p99_ms']:.3g} ms",
                f"{row['rss_mb']:.0f} MB",
                f"{row['start_to_ready_s']:.2f} s",
                f"{batch[name]['requests_per_s']:.3g} /s" if name in batch else "-",
                _told(crowd[name]),
            ]
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  " + "  ".join(f"{cell:{'<' if n == 0 else '>'}{widths[n]}}" for n, cell in enumerate(line)) for line in lines
    )


def _told(crowd: Row) -> str:
    if crowd["ideal_ms"] is None:
        return f"{crowd['errors']} errors, no answer"
    return f"{crowd['errors']} errors, p99 {crowd['p99_ms']:,.0f} ms (ideal {crowd['ideal_ms']:,.0f})"


def notes(report: Mapping[str, Any]) -> list[str]:
    """What a reader should know beside the figures, one sentence each."""
    rows = {row["server"]: row for row in report["servers"]}
    floor = report["predict_floor_us"]
    found = [
        f"The pipeline's own predict_proba of one row takes {floor:.0f} µs on this core: whoever calls it answers at "
        f"most {1e6 / floor:,.0f} requests/s."
    ]
    if sklearn := rows.get(f"{OURS}-sklearn"):
        share = sklearn["requests_per_s"] * floor / 1e6
        found.append(
            f"Verdigris with format sklearn reaches {share:.0%} of that, and its p50 is "
            f"{sklearn['p50_ms'] * 1000 / floor:.2f} times the floor."
        )
    if (limit := rows.get(LIMIT)) and limit["p99_ms"] > P99_MS:
        found.append(
            f"nginx itself has a p99 of {limit['p99_ms']:.2g} ms at one connection: so much of everybody's is the "
            "machine's, not the server's."
        )
    found += [sentence for row in report["servers"] for sentence in _disturbances(row)]
    return found + list(report["sentences"])


def _disturbances(row: Row) -> Iterator[str]:
    name, own, foreign = row["server"], row["core_share"], row["foreign_share"]
    if foreign > FOREIGN_SHARE:
        yield f"Other work took {foreign:.0%} of the core while {name} was measured: do it again on a quiet machine."
    elif own + foreign < BUSY_SHARE:
        yield f"{name} used {own:.0%} of its core: its clients were the limit, and it could do more."


def _best(rows: Mapping[str, Row], key: str, choose: Any) -> Row | None:
    peers = [rows[name] for name in PEERS if name in rows]
    return choose(peers, key=lambda row: row[key]) if peers else None


def _at_most(what: str, value: float, limit: float, unit: str) -> Bar:
    return Bar(what, f"{value:.3g} {unit}", f"<= {limit:g} {unit}", value <= limit)


def _ideal(runs: Sequence[Load]) -> float | None:
    known = [run.ideal_ms for run in runs if run.ideal_ms is not None]
    return _rounded(median(known)) if known else None


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
