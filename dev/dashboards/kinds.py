"""What each of Grafana's kinds of panel looks like, drawn by matplotlib."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

INK, MUTED, LINES = "#24292e", "#6b7280", "#e5e7eb"
COLORS = ("#009E73", "#0072B2", "#D55E00", "#E69F00", "#CC79A7", "#56B4E9", "#8C6D31", "#7F7F7F")
"""Okabe and Ito's palette, as in the other pictures."""
UNNAMED = "Value"
"""How Grafana calls a series that has no name."""
MOST_ROWS = 4
"""Of a legend: what does not fit stands in Grafana below, by scrolling."""
_HIDDEN = {"Time", "Value", "__name__"}
Place = tuple[float, float, float, float]


class Series(NamedTuple):
    """One series that a query has yielded: its labels, and its points (Unix seconds, value)."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]


class Span(NamedTuple):
    """From when to when, in Unix seconds, and how many seconds are between two points."""

    start: float
    end: float
    step: float


class Drawn(NamedTuple):
    """What a panel shows: series with the pattern of their names, the span, the unit, and what is marked when."""

    found: Sequence[tuple[str, Series]]
    span: Span
    unit: str
    most: float | None
    marks: Sequence[tuple[float, str]]

    def named(self) -> list[tuple[str, Series]]:
        """The series by their names, as the legend has them."""
        return [(_name(pattern, series), series) for pattern, series in self.found]

    def now(self) -> list[Series]:
        """The series that are there at the end, as a question about this moment finds them."""
        last = max((series.points[-1][0] for _, series in self.found if series.points), default=0.0)
        return [series for _, series in self.found if series.points and series.points[-1][0] == last]


def _name(pattern: str, series: Series) -> str:
    told = re.sub(r"\{\{(\w+)\}\}", lambda found: series.labels.get(found[1], ""), pattern)
    return " ".join(told.split()) or UNNAMED


def written(value: float, unit: str) -> str:
    """A value in one of Grafana's units."""
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    if unit == "bytes":
        size = next(size for size in (30, 20, 10, 0) if value >= 2**size or size == 0)
        return f"{value / 2**size:.3g} " + {30: "GiB", 20: "MiB", 10: "KiB", 0: "B"}[size]
    if unit == "s":
        if value == 0 or value >= 1:
            return f"{value:.3g} s"
        return f"{1000 * value:.3g} ms" if value >= 0.001 else f"{1e6 * value:.3g} µs"
    return f"{value:,.4g}" + {"reqps": " req/s", "ops": " ops/s"}.get(unit, "")


def _clock(at: float, _: object = None) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M}"


def _axes(figure: Any, place: Place, below: float, left: float) -> Any:
    """Axes within the panel, with so many inches below and at the left for what is written there."""
    wide, high = figure.get_size_inches()
    x, y, w, h = place
    axes = figure.add_axes((x + left / wide, y + below / high, w - left / wide, h - below / high), facecolor="none")
    axes.tick_params(labelsize=7, colors=MUTED, length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    return axes


def _timed(axes: Any, drawn: Drawn) -> None:
    axes.set_xlim(drawn.span.start, drawn.span.end)
    first = int(drawn.span.start // 60 + 1) * 60
    axes.set_xticks(range(first, int(drawn.span.end) + 1, 60))
    axes.xaxis.set_major_formatter(FuncFormatter(_clock))


def lines(figure: Any, place: Place, drawn: Drawn) -> None:
    """A panel `timeseries`: lines over time with a legend below."""
    named = drawn.named()
    columns = _columns([name for name, _ in named], place[2] * figure.get_size_inches()[0])
    rows = min(MOST_ROWS, -(-len(named) // columns))
    axes = _axes(figure, place, 0.2 + 0.15 * rows, 0.55)
    axes.grid(color=LINES, linewidth=0.6)
    for number, (name, series) in enumerate(named):
        color = COLORS[number % len(COLORS)]
        style = "-" if number < len(COLORS) else "--"
        x, y = zip(*with_gaps(series, drawn.span.step), strict=True)
        axes.plot(x, y, color=color, linewidth=1.3, label=name, linestyle=style, marker="." if len(x) == 1 else None)
        axes.fill_between(x, y, color=color, alpha=0.08, linewidth=0)
    for at, color in drawn.marks:
        axes.axvline(at, color=color, linewidth=1, linestyle=(0, (3, 2)))
    _timed(axes, drawn)
    _valued(axes, drawn)
    _legend(figure, place, axes, columns)


def _valued(axes: Any, drawn: Drawn) -> None:
    """From 0, with few round values at the left."""
    values = [value for _, series in drawn.found for _, value in series.points if math.isfinite(value)]
    top = drawn.most or max(values, default=0.0) or 1.0
    axes.set_ylim(0, 1.06 * top)
    if drawn.unit == "bytes":
        axes.yaxis.set_major_locator(MultipleLocator(2 ** math.ceil(math.log2(top / 4))))
    else:
        whole = drawn.unit == "short" and all(value.is_integer() for value in values)
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10], integer=whole))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: written(value, drawn.unit)))


def _columns(names: Sequence[str], inches: float) -> int:
    """How many names of a legend stand beside each other."""
    room = 0.35 + 0.052 * max(map(len, names), default=1)
    return max(1, min(len(names), int(inches / room)))


def with_gaps(series: Series, step: float) -> list[tuple[float, float]]:
    """Its points, with one of no value where some are missing: nothing is drawn there."""
    found: list[tuple[float, float]] = []
    for at, value in series.points:
        if found and at - found[-1][0] > 1.5 * step:
            found.append((found[-1][0] + step, math.nan))
        found.append((at, value))
    return found


def _legend(figure: Any, place: Place, axes: Any, columns: int) -> None:
    handles, names = axes.get_legend_handles_labels()
    most = columns * MOST_ROWS
    if len(names) > most:
        names[most - 1] = f"and {len(names) - most + 1} more"
    axes.legend(
        handles[:most],
        names[:most],
        loc="lower left",
        bbox_to_anchor=(place[0], place[1]),
        bbox_transform=figure.transFigure,
        ncols=columns,
        fontsize=7,
        frameon=False,
        labelcolor=INK,
        borderpad=0,
        borderaxespad=0,
        labelspacing=0.25,
        handlelength=1.2,
        handletextpad=0.4,
        columnspacing=1.0,
    )


def number(figure: Any, place: Place, drawn: Drawn) -> None:
    """A panel `stat`: the value at the end, large, over its course."""
    axes = _axes(figure, place, 0, 0)
    axes.set(xticks=(), yticks=(), ylim=(0, 1))
    found = drawn.now()
    told = written(found[0].points[-1][1], drawn.unit) if found else "No data"
    axes.text(0.5, 0.5, told, size=22, weight="bold", color=COLORS[0], ha="center", va="center")


def states(figure: Any, place: Place, drawn: Drawn) -> None:
    """A panel `state-timeline`: a row a series, coloured while it has a value."""
    named = drawn.named()
    axes = _axes(figure, place, 0.2, 1.15)
    for row, (_, series) in enumerate(named):
        for at, until, value in stretches(series, drawn.span.step):
            color = COLORS[row % len(COLORS)] if value else LINES
            axes.barh(row, until - at, left=at, height=0.8, color=color, alpha=0.85)
    _timed(axes, drawn)
    axes.set_yticks(range(len(named)), [name for name, _ in named])
    axes.set_ylim(len(named) - 0.4, -0.6)


def stretches(series: Series, step: float) -> list[tuple[float, float, float]]:
    """Where it had points without a gap, and the same value: from, until, value."""
    found: list[tuple[float, float, float]] = []
    for at, value in series.points:
        if found and at - found[-1][1] < step / 2 and found[-1][2] == value:
            found[-1] = (found[-1][0], at + step, value)
        else:
            found.append((at, at + step, value))
    return found


def table(figure: Any, place: Place, drawn: Drawn) -> None:
    """A panel `table`: a row a series, a column a label."""
    rows = sorted(drawn.now(), key=lambda series: sorted(series.labels.items()))[:11]
    names = sorted({name for series in rows for name in series.labels} - _HIDDEN)
    axes = _axes(figure, place, 0, 0)
    axes.set(xticks=(), yticks=(), xlim=(0, 1), ylim=(0, 1))
    high = 0.19 / (place[3] * figure.get_size_inches()[1])
    room = 1 / max(1, len(names))
    for column, name in enumerate(names):
        axes.text(column * room + 0.01, 1 - high / 2, name, size=8, weight="bold", color=MUTED, va="center")
        for row, series in enumerate(rows, start=1):
            told = series.labels.get(name, "")
            axes.text(column * room + 0.01, 1 - (row + 0.5) * high, told, size=8, color=INK, va="center")
    for row in range(1, len(rows) + 1):
        axes.axhline(1 - row * high, color=LINES, linewidth=0.6)


def heat(figure: Any, place: Place, drawn: Drawn) -> None:
    """A panel `heatmap`: of cumulative buckets, how much came into each, the darker the more."""
    ordered = sorted(drawn.found, key=lambda one: float(one[1].labels["le"]))
    axes = _axes(figure, place, 0.2, 0.55)
    times = sorted({at for _, series in ordered for at, _ in series.points})
    below = dict.fromkeys(times, 0.0)
    cells = []
    for _, series in ordered:
        upto = {**below, **dict(series.points)}
        cells.append([max(0.0, upto[at] - below[at]) for at in times])
        below = upto
    axes.pcolormesh([*times, times[-1] + times[-1] - times[-2]], range(len(ordered) + 1), cells, cmap="GnBu")
    _timed(axes, drawn)
    every = max(1, len(ordered) // 5)
    axes.set_yticks(
        range(every, len(ordered) + 1, every), [series.labels["le"] for _, series in ordered][every - 1 :: every]
    )


KINDS: Mapping[str, Callable[[Any, Place, Drawn], None]] = {
    "timeseries": lines,
    "stat": number,
    "state-timeline": states,
    "table": table,
    "heatmap": heat,
}
