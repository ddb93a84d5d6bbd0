"""The terminal: what it can show, and how it is redrawn without flicker."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

from verdigris.cli.views.paint import Line, Terminal, render

_HIDE, _SHOW, _CLEAR, _HOME, _REST_OF_LINE, _REST = "\x1b[?25l", "\x1b[?25h", "\x1b[2J", "\x1b[H", "\x1b[K", "\x1b[J"


def terminal(out: TextIO, environment: Mapping[str, str], *, rows: bool = False) -> Terminal:
    """What `out` can show. A pipe or a file has no columns, unless COLUMNS says so; `rows`: cropped to the window."""
    tty = out.isatty()
    size = shutil.get_terminal_size((80, 24))
    given = environment.get("COLUMNS", "")
    columns = size.columns if tty else int(given) if given.isdigit() and int(given) else None
    dumb = environment.get("TERM", "") in ("", "dumb")
    return Terminal(
        columns=columns,
        rows=size.lines if tty and rows else None,
        color=tty and not dumb and not environment.get("NO_COLOR"),
        unicode=_speaks_unicode(out, environment),
    )


def _speaks_unicode(out: TextIO, environment: Mapping[str, str]) -> bool:
    """By the locale, as other programs do: Python itself would write UTF-8 also where LANG is C."""
    locale = environment.get("LC_ALL") or environment.get("LC_CTYPE") or environment.get("LANG") or ""
    if locale in ("C", "POSIX", ""):
        return False
    return "utf" in (out.encoding or "").lower()


def can_redraw(out: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether what was written can be written over."""
    return out.isatty() and environment.get("TERM", "") not in ("", "dumb")


def show(lines: Sequence[Line], out: TextIO | None = None) -> None:
    """Print them once, cropped to the columns of the terminal."""
    out = out or sys.stdout
    for text in render(lines, terminal(out, os.environ)):
        out.write(f"{text}\n")
    out.flush()


class Screen:
    """Context manager: draws picture over picture, each in one write; the last one stays when it ends."""

    def __init__(self, out: TextIO, environment: Mapping[str, str]) -> None:
        self._out = out
        self._environment = environment
        self._last: list[str] = []

    def __enter__(self) -> Screen:
        self._out.write(_HIDE + _CLEAR)
        return self

    def __exit__(self, *_: object) -> None:
        self._out.write(f"\n{_SHOW}")
        self._out.flush()

    @property
    def terminal(self) -> Terminal:
        """As it is now: windows change."""
        return terminal(self._out, self._environment, rows=True)

    def draw(self, lines: Sequence[Line]) -> None:
        """Show these lines instead of the last ones. Nothing is written where they are the same."""
        texts = render(lines, self.terminal)
        if texts == self._last:
            return
        self._last = texts
        # To the end of each line, and of the picture: nothing blinks, and nothing old is left.
        body = f"{_REST_OF_LINE}\n".join(texts)
        self._out.write(f"{_HOME}{body}{_REST_OF_LINE}{_REST}")
        self._out.flush()
