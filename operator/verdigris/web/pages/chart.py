"""Curves as inline SVG, and the same as a table for who cannot see them. PURE. Colours are the style sheet's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from verdigris.web.markup import Html, element
from verdigris.web.pages.layout import table
from verdigris.web.timeline import Curve, Panel, Sample, Span, Timeline

_WIDTH, _HEIGHT = 360, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 8, 10, 24
_NUMBER = 14
"""So much room a mark's number takes."""
_UNKNOWN = "–"
_ROWS = 12
"""Rows of the table: it is for reading, not for reckoning."""


def charts(line: Timeline) -> Html:
    """One figure a panel, the marks that all of them bear, and what they rest on."""
    marks = [
        element("li", element("span", str(place + 1), class_="number"), f" {_clock(one.at)} {one.label}")
        for place, one in enumerate(line.marks)
    ]
    return element(
        "div",
        element("p", line.told, class_="quiet"),
        element("div", [_figure(panel, line) for panel in line.panels], class_="charts"),
        element("ol", marks, class_="marks", aria_label="What happened") if marks else None,
        class_="timeline",
    )


def _figure(panel: Panel, line: Timeline) -> Html:
    title = f"{panel.title}{f' ({panel.unit})' if panel.unit else ''}"
    if not panel.curves:
        return element("figure", element("figcaption", title), element("p", panel.empty, class_="quiet"))
    top = _nice(max((value for curve in panel.curves for _, value in curve.points), default=0.0))
    described = f"{title}: {'; '.join(_said(curve, panel.unit) for curve in panel.curves)}"
    drawing = element(
        "svg",
        _grid(line.span, top),
        list(_marks(line)),
        [_curve(curve, line.span, top) for curve in panel.curves],
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=described,
    )
    key = [element("li", _swatch(curve), f" {_said(curve, panel.unit)}") for curve in panel.curves]
    numbers = element("details", element("summary", f"{panel.title} as numbers"), _numbers(title, panel, line.span))
    return element("figure", element("figcaption", title), drawing, element("ul", key, class_="key"), numbers)


def _said(curve: Curve, unit: str) -> str:
    return f"{curve.label} {_number(curve.points[-1][1])}{unit and f' {unit}'}"


def _swatch(curve: Curve) -> Html:
    line = element("line", x1=0, y1=5, x2=22, y2=5, class_=f"curve {curve.role}")
    return element("svg", line, viewBox="0 0 22 10", class_="swatch", aria_hidden="true")


def _grid(span: Span, top: float) -> Iterator[Html]:
    for part in (0.0, 0.5, 1.0):
        y = _y(part * top, top)
        yield element("line", x1=_LEFT, y1=y, x2=_WIDTH - _RIGHT, y2=y, class_="grid")
        yield element("text", _number(part * top), x=_LEFT - 4, y=round(y + 4, 1), class_="tick end")
    for part, anchor in ((0.0, "begin"), (0.5, "middle"), (1.0, "end")):
        at = span.begin + part * (span.end - span.begin)
        yield element("text", _clock(at), x=_x(at, span), y=_HEIGHT - 8, class_=f"tick {anchor}")


def _marks(line: Timeline) -> Iterator[Html]:
    """A line each, with its number where that would not stand on the one before."""
    free = 0.0
    for place, mark in enumerate(line.marks):
        x = _x(mark.at, line.span)
        yield element("line", x1=x, y1=_TOP, x2=x, y2=_HEIGHT - _BOTTOM, class_="mark")
        if x >= free:
            free = x + _NUMBER
            yield element("text", str(place + 1), x=round(x + 2, 1), y=_TOP + 8, class_="tick")


def _curve(curve: Curve, span: Span, top: float) -> Html:
    points = [(_x(at, span), _y(value, top)) for at, value in curve.points]
    if len(points) == 1:
        x, y = points[0]
        return element("circle", cx=x, cy=y, r=3, class_=f"dot {curve.role}")
    told = [f"M{points[0][0]} {points[0][1]}"]
    for x, y in points[1:]:
        told.append(f"H{x}V{y}" if curve.stepped else f"L{x} {y}")
    return element("path", d="".join(told), class_=f"curve {curve.role}")


def _x(at: float, span: Span) -> float:
    part = (at - span.begin) / (span.end - span.begin)
    return round(_LEFT + min(1.0, max(0.0, part)) * (_WIDTH - _LEFT - _RIGHT), 1)


def _y(value: float, top: float) -> float:
    part = value / top if top else 0.0
    return round(_HEIGHT - _BOTTOM - min(1.0, max(0.0, part)) * (_HEIGHT - _TOP - _BOTTOM), 1)


def _nice(value: float) -> float:
    """The next of 1, 2, 5, 10, 20 ... at or above it."""
    if value <= 0:
        return 1.0
    ten: float = 10.0 ** math.floor(math.log10(value))
    return next(step * ten for step in (1, 2, 5, 10) if step * ten >= value * 0.999)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")


def _numbers(title: str, panel: Panel, span: Span) -> Html:
    times = [span.begin + place * (span.end - span.begin) / _ROWS for place in range(1, _ROWS + 1)]
    rows = [[_clock(at), *(_value_at(curve.points, at) for curve in panel.curves)] for at in times]
    known = [row for row in rows if any(cell != _UNKNOWN for cell in row[1:])]
    return table(title, ["UTC", *(curve.label for curve in panel.curves)], known)


def _value_at(points: Sequence[Sample], at: float) -> str:
    known = [value for when, value in points if when <= at]
    return _number(known[-1]) if known else _UNKNOWN
