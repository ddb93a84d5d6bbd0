"""The terminal: what is written to it, and what a terminal is taken to be able to show."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import time
from collections.abc import Mapping

import pytest

from tests.cli.scenes import on_trial
from tests.cli.stage import Stage
from verdigris.cli.documents import Documents
from verdigris.cli.screen import Screen, can_redraw, terminal
from verdigris.cli.views.paint import BAD, Terminal, line, render, table, width, wrapped

UTF8 = {"TERM": "xterm", "LANG": "C.UTF-8"}


class Tty(io.StringIO):
    """A terminal of text."""

    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


class Pipe(Tty):
    """What is none."""

    def isatty(self) -> bool:
        return False


@pytest.mark.parametrize(
    ("environment", "color", "unicode", "redraws"),
    [
        (UTF8, True, True, True),
        ({**UTF8, "NO_COLOR": "1"}, False, True, True),
        ({**UTF8, "TERM": "dumb"}, False, True, False),
        ({"LANG": "C.UTF-8"}, False, True, False),
        ({"TERM": "xterm", "LANG": "C"}, True, False, True),
        ({"TERM": "xterm"}, True, False, True),
        ({**UTF8, "LC_ALL": "C"}, True, False, True),
    ],
)
def test_what_a_terminal_can_show(environment: Mapping[str, str], color: bool, unicode: bool, redraws: bool) -> None:
    found = terminal(Tty(), environment)
    assert (found.color, found.unicode, can_redraw(Tty(), environment)) == (color, unicode, redraws)


def test_a_pipe_has_no_colours_and_no_end_of_lines() -> None:
    assert terminal(Pipe(), UTF8) == Terminal()
    assert terminal(Pipe(), {**UTF8, "COLUMNS": "60"}).columns == 60
    assert not can_redraw(Pipe(), UTF8)


def test_a_picture_is_drawn_over_the_last_one_in_one_write_and_only_if_it_differs() -> None:
    out = Tty()
    with Screen(out, UTF8) as screen:
        screen.draw([line("one"), line("two")])
        first = len(out.getvalue())
        screen.draw([line("one"), line("two")])
        assert len(out.getvalue()) == first
        screen.draw([line("three")])
    text = out.getvalue()
    assert text == ("\x1b[?25l\x1b[2J\x1b[Hone\x1b[K\ntwo\x1b[K\x1b[J\x1b[Hthree\x1b[K\x1b[J\n\x1b[?25h"), (
        "cursor home, each line to its end, then the rest: nothing is cleared that is written again"
    )


def test_colours_are_codes_and_a_dumb_terminal_gets_none() -> None:
    told = [line(("bad", BAD), " news")]
    assert render(told, Terminal(color=True)) == ["\x1b[31mbad\x1b[0m news"]
    assert render(told, Terminal()) == ["bad news"]


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("日本", 4), ("e\u0301", 1)])
def test_columns_are_counted_as_a_terminal_does(text: str, columns: int) -> None:
    assert width(text) == columns


def test_wide_characters_are_cropped_within_the_terminal() -> None:
    (cropped,) = render([line("日本語日本語")], Terminal(columns=6))
    assert (cropped, width(cropped)) == ("日本…", 5)


def test_columns_of_a_table_are_aligned_in_ascii_as_well() -> None:
    rows = render(table(["A", "B"], [["…", "x"], ["aa", "y"]], Terminal(unicode=False)), Terminal(unicode=False))
    assert rows == ["A    B", "...  x", "aa   y"]


def test_a_long_text_goes_on_below_its_beginning() -> None:
    assert render(wrapped("why", "one two three four five", 5, Terminal(25)), Terminal(25)) == [
        "why  one two three four",
        "     five",
    ]


def test_documents_come_one_by_one_however_they_are_indented() -> None:
    reader = Documents()
    text = '{\n    "a": {\n        "b": 1\n    }\n}\n{"c": 2}\n\n{\n}\n'
    found = [one for piece in text.splitlines(keepends=True) for one in reader.feed(piece)]
    assert found == [{"a": {"b": 1}}, {"c": 2}, {}]
    with pytest.raises(ValueError, match="no JSON document"):
        list(Documents().feed("hello\n"))


def _seen_on_a_terminal(stage: Stage, *arguments: str, until: str, **environment: str) -> str:
    """What a real pseudo-terminal gets until some text is in it."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "verdigris.cli", *arguments]
    with subprocess.Popen(
        command, stdout=theirs, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **environment}
    ) as running:
        os.close(theirs)
        text, deadline = "", time.monotonic() + 60
        while until not in text and time.monotonic() < deadline:
            text += os.read(ours, 65536).decode(errors="replace")
        running.terminate()
    os.close(ours)
    assert stage.calls()
    return text


def test_on_a_terminal_it_is_drawn_with_home_and_clear_to_the_end_of_the_line(stage: Stage) -> None:
    scene = on_trial()
    stage.given(scene.model, *scene.pods)
    text = _seen_on_a_terminal(stage, "get", "diabetes", "-w", until="2 pods well", TERM="xterm")
    assert text.startswith("\x1b[?25l\x1b[2J\x1b[H")
    assert "\x1b[K\r\n" in text


def test_on_a_dumb_terminal_each_change_is_a_line(stage: Stage) -> None:
    stage.given(on_trial().model)
    text = _seen_on_a_terminal(stage, "get", "diabetes", "-w", until="stage=OnTrial", TERM="dumb")
    assert "\x1b" not in text
