"""A picture of a dashboard, where there is no Grafana: its own JSON in its own grid, with the data that it asks for.

What each kind of panel looks like is in `kinds`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

from dev.dashboards.kinds import INK, KINDS, MUTED, Drawn, Series, Span
from dev.dashboards.panels import Board

Fetch = Callable[[str], Sequence[Series]]
"""From a query, as a panel has it, to its series over the time that is drawn."""
COLUMNS, WIDTH = 24, 14.0
"""Of Grafana's grid; of the picture in inches."""
UNIT = 0.30
"""Inches of a unit of height."""
HEAD = 0.55
"""Inches above the grid, for the title."""
DPI = 100
COLORS = 200
"""Of the file: a third of the bytes of one with all of them."""
GROUND, PANEL, EDGE = "#f4f5f5", "#ffffff", "#d9dbdd"


def draw(board: Board, fetch: Fetch, span: Span, chosen: str, path: Path) -> None:
    """Write the PNG. `chosen` is what is chosen at the dashboard's top."""
    whole = json.loads(board.text())
    panels = whole["panels"]
    units = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    height = units * UNIT + HEAD
    figure = Figure(figsize=(WIDTH, height), facecolor=GROUND)
    figure.text(0.012, 1 - 0.2 / height, board.title, size=15, weight="bold", color=INK, va="center")
    figure.text(0.988, 1 - 0.2 / height, chosen, size=10, color=MUTED, va="center", ha="right")
    marks = _marks(whole, fetch, span)
    for panel in panels:
        left, bottom, wide, high = _place(panel["gridPos"], height)
        if panel["type"] == "row":
            figure.text(left + 0.006, bottom + high / 2, panel["title"], size=12, weight="bold", color=INK, va="center")
            continue
        _panel(figure, (left, bottom, wide, high), panel, _drawn(panel, fetch, span, marks))
    _save(figure, path)


def _place(grid: Mapping[str, int], height: float) -> tuple[float, float, float, float]:
    """Left, bottom, width and height as shares of the picture."""
    top = height - HEAD - grid["y"] * UNIT
    gap = 0.04
    return (
        grid["x"] / COLUMNS + gap / WIDTH,
        (top - grid["h"] * UNIT + gap) / height,
        grid["w"] / COLUMNS - 2 * gap / WIDTH,
        (grid["h"] * UNIT - 2 * gap) / height,
    )


def _drawn(panel: Mapping[str, Any], fetch: Fetch, span: Span, marks: Any) -> Drawn:
    found = [
        (target.get("legendFormat", ""), series) for target in panel["targets"] for series in fetch(target["expr"])
    ]
    defaults = panel["fieldConfig"]["defaults"]
    return Drawn(found, span, defaults["unit"], defaults.get("max"), marks)


def _panel(figure: Any, place: tuple[float, float, float, float], panel: Mapping[str, Any], drawn: Drawn) -> None:
    left, bottom, wide, high = place
    frame = figure.add_axes(place, facecolor=PANEL)
    frame.set(xticks=(), yticks=())
    for side in frame.spines.values():
        side.set(color=EDGE, linewidth=0.8)
    inches = figure.get_size_inches()
    title = 0.26 / inches[1]
    frame.text(0.1 / (wide * inches[0]), 1 - 0.13 / (high * inches[1]), panel["title"], size=9, weight="bold",
               color=INK, va="center", transform=frame.transAxes)  # fmt: skip
    margin = 0.1 / inches[0]
    inner = (left + margin, bottom + 0.08 / inches[1], wide - 2 * margin, high - title - 0.1 / inches[1])
    KINDS[panel["type"]](figure, inner, drawn)


def _marks(whole: Mapping[str, Any], fetch: Fetch, span: Span) -> list[tuple[float, str]]:
    """When what is marked over time happened, in Unix seconds, and its colour."""
    found = {
        (value / 1000, mark["iconColor"])
        for mark in whole["annotations"].get("list", ())
        for series in fetch(mark["expr"])
        for _, value in series.points
    }
    return sorted((at, color) for at, color in found if span.start <= at <= span.end)


def _save(figure: Figure, path: Path) -> None:
    """With few colours, as it is kept in the repository."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI, facecolor=GROUND)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.open(drawn).convert("RGB").quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)
