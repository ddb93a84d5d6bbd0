"""Lines of styled text, cropped to a terminal: columns and rows, with colours or without, Unicode or ASCII. PURE."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from unicodedata import combining, east_asian_width

GOOD, BAD, WAIT, DIM, BOLD, PLAIN = "good", "bad", "wait", "dim", "bold", ""
_CODES = {GOOD: "32", BAD: "31", WAIT: "33", DIM: "2", BOLD: "1"}

_ASCII = {
    "✔": "+", "✖": "x", "●": "*", "○": "o", "├─": "|-", "└─": "`-", "│": "|", "…": "...", "→": "->", "—": "-", "·": "-",
    "⚠": "!", "’": "'", "“": '"', "”": '"',
}  # fmt: skip


@dataclass(frozen=True)
class Terminal:
    """Where lines go. `columns` and `rows` None: as many as it takes."""

    columns: int | None = None
    rows: int | None = None
    color: bool = False
    unicode: bool = True


Span = tuple[str, str]
"""A text and its style."""


@dataclass(frozen=True)
class Line:
    """A line. What has a higher `rank` is left out first where there are too few rows."""

    spans: tuple[Span, ...]
    rank: int = 0


def line(*parts: str | Span, rank: int = 0) -> Line:
    """A line of these parts; a bare text has no style."""
    return Line(tuple((part, PLAIN) if isinstance(part, str) else part for part in parts), rank)


def wrapped(
    label: str, text: str, indent: int, terminal: Terminal, *, most: int = 0, style: str = PLAIN, rank: int = 0
) -> list[Line]:
    """A text beside its label, on as many lines as it takes, or on `most`, the last of which is then cropped."""
    room = max(20, (terminal.columns or 10_000) - indent)
    pieces = textwrap.wrap(text, room, break_on_hyphens=False) or [""]
    if most and len(pieces) > most:
        pieces = [*pieces[: most - 1], " ".join(pieces[most - 1 :])]
    first = Line(((label.ljust(indent), DIM), (pieces[0], style)), rank)
    return [first, *(Line(((" " * indent, PLAIN), (piece, style)), rank) for piece in pieces[1:])]


def width(text: str) -> int:
    """How many columns it takes."""
    return sum(0 if combining(one) else 2 if east_asian_width(one) in "WF" else 1 for one in text)


def render(lines: Iterable[Line], terminal: Terminal) -> list[str]:
    """The lines as text for this terminal: no longer and no more than it has room for."""
    chosen = _fitting(list(lines), terminal.rows)
    return [_rendered(one, terminal) for one in chosen]


def _fitting(lines: list[Line], rows: int | None) -> list[Line]:
    """Those of the highest ranks are left out first, from the end; then the end is cut, and how much is said."""
    if rows is None or len(lines) <= rows:
        return lines
    room = max(1, rows - 1)
    keep = set(range(len(lines)))
    for rank in sorted({one.rank for one in lines}, reverse=True):
        droppable = [place for place in sorted(keep, reverse=True) if lines[place].rank == rank]
        for place in droppable:
            if len(keep) <= room:
                break
            keep.discard(place)
    left_out = len(lines) - len(keep)
    more = Line(((f"… {left_out} more line{'s' if left_out > 1 else ''}: a taller window, or without -w", DIM),))
    return [*(lines[place] for place in sorted(keep)), more]


def _rendered(one: Line, terminal: Terminal) -> str:
    spans = [(_spelled(text, terminal), style) for text, style in one.spans]
    cropped = list(_cropped(spans, terminal))
    if cropped:
        cropped[-1] = (cropped[-1][0].rstrip(), cropped[-1][1])
    if not terminal.color:
        return "".join(text for text, _ in cropped).rstrip()
    return "".join(f"\x1b[{_CODES[style]}m{text}\x1b[0m" if style and text else text for text, style in cropped)


def _spelled(text: str, terminal: Terminal) -> str:
    if terminal.unicode or text.isascii():
        return text
    for sign, instead in _ASCII.items():
        text = text.replace(sign, instead)
    return text.encode("ascii", "replace").decode("ascii")


def _cropped(spans: Sequence[Span], terminal: Terminal) -> Iterator[Span]:
    columns = terminal.columns
    if columns is None or sum(width(text) for text, _ in spans) <= columns:
        yield from spans
        return
    ellipsis = "…" if terminal.unicode else "..."
    room = max(0, columns - width(ellipsis))
    for text, style in spans:
        taken = ""
        for one in text:
            if room < width(one):
                yield taken.rstrip() + ellipsis, style
                return
            taken += one
            room -= width(one)
        yield taken, style


def table(head: Sequence[str], rows: Sequence[Sequence[str | Span]], terminal: Terminal, *, gap: int = 2) -> list[Line]:
    """Columns as wide as their content. The last one is not padded. Cells are texts, or spans."""
    cells = [[cell if isinstance(cell, tuple) else (cell, PLAIN) for cell in row] for row in rows]
    titles: list[list[Span]] = [[(title, BOLD) for title in head]]
    widths = [max(width(_spelled(row[at][0], terminal)) for row in (*titles, *cells)) for at in range(len(head))]
    return [Line(tuple(_padded(row, widths, gap, terminal))) for row in (*titles, *cells)]


def _padded(row: Sequence[Span], widths: Sequence[int], gap: int, terminal: Terminal) -> Iterator[Span]:
    for at, (text, style) in enumerate(row):
        last = at == len(row) - 1
        yield text, style
        if not last:
            yield " " * (widths[at] - width(_spelled(text, terminal)) + gap), PLAIN
