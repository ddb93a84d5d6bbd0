"""The picture: how far apart the servers are, on logarithmic scales, with the figures at the bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

# Okabe and Ito's palette, as in the demo's picture. The limit is hatched besides.
OUR_COLOR, PEER_COLOR, LIMIT_COLOR, INK = "#009E73", "#BBBBBB", "#E8E8E8", "#333333"


@dataclass(frozen=True)
class Panel:
    """One measure: its key in the report's rows, its title, how a figure is written, and the words for a distance."""

    key: str
    title: str
    text: str
    worse: str
    better: str
    more_is_better: bool = False


PANELS = (
    Panel("requests_per_s", "requests/s, 16 connections: more is better", "{:,.0f}", "fewer", "more", True),
    Panel("p50_ms", "median latency, 1 connection: less is better", "{:.3g} ms", "slower", "faster"),
    Panel("rss_mb", "memory after load (RSS): less is better", "{:.0f} MB", "more", "less"),
    Panel("start_to_ready_s", "process start to ready: less is better", "{:.2g} s", "longer", "shorter"),
)


def draw(report: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write `serving.png` and `serving.svg` into the folder. Returns their paths."""
    figure = Figure(figsize=(12, 6.4), layout="constrained")
    for axes, panel in zip(figure.subplots(2, 2).flat, PANELS, strict=True):
        _panel(axes, report["servers"], panel)
    figure.suptitle(
        f"One logistic regression served from one core, one row a request   ({report['machine']})", color=INK
    )
    figure.supxlabel(
        "logarithmic scales; the bar is the median, the line from the least to the greatest; "
        "hatched: nginx answering fixed bytes, the limit",
        fontsize=9,
        color=INK,
    )
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "serving.png", folder / "serving.svg"]
    for path in paths:
        figure.savefig(path, dpi=160)
    return paths


def labels(rows: Sequence[Mapping[str, Any]], panel: Panel) -> list[str]:
    """What stands at each bar: the figure and, at other servers' bars, how far it is from ours."""
    ours = next((row[panel.key] for row in rows if row["server"] == "verdigris"), None)
    return [panel.text.format(row[panel.key]) + _distance(row, ours, panel) for row in rows]


def _distance(row: Mapping[str, Any], ours: float | None, panel: Panel) -> str:
    if ours is None or row["server"] == "verdigris":
        return ""
    times = ours / row[panel.key] if panel.more_is_better else row[panel.key] / ours
    if times >= 1.1:
        return f"   {times:.3g}× {panel.worse}" if times >= 100 else f"   {times:.2g}× {panel.worse}"
    return f"   {1 / times:.2g}× {panel.better}" if times <= 0.9 else "   the same"


def _panel(axes: Any, rows: Sequence[Mapping[str, Any]], panel: Panel) -> None:
    names = [row["server"] for row in rows]
    values = [row[panel.key] for row in rows]
    spread = [row["spread"][panel.key] for row in rows]
    below = [value - low for value, (low, _) in zip(values, spread, strict=True)]
    above = [high - value for value, (_, high) in zip(values, spread, strict=True)]
    bars = axes.barh(names, values, color=[_color(name) for name in names], height=0.7)
    axes.errorbar(values, names, xerr=[below, above], fmt="none", ecolor=INK, elinewidth=1, capsize=2)
    for name, bar in zip(names, bars, strict=True):
        if name == "nginx":
            bar.set(hatch="////", edgecolor="#999999", linewidth=0)
    left, right = min(values) / 3, max(high for _, high in spread)
    for name, (_, high), text in zip(names, spread, labels(rows, panel), strict=True):
        weight = "bold" if name.startswith("verdigris") else "normal"
        axes.text(high * (right / left) ** 0.015, name, text, va="center", fontsize=9, color=INK, fontweight=weight)
    axes.set(xscale="log", xlim=(left, right * (right / left) ** 0.55))
    axes.set_title(panel.title, loc="left", fontweight="bold", fontsize=11)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)


def _color(name: str) -> str:
    if name.startswith("verdigris"):
        return OUR_COLOR
    return LIMIT_COLOR if name == "nginx" else PEER_COLOR
