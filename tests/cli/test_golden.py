"""What people see, as files to read: of any width and height, and in ASCII. UPDATE_GOLDEN=1 writes them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from tests.cli.scenes import SCENES, Scene, recorded
from verdigris.cli.model.findings import findings
from verdigris.cli.views.lists import history, models, why
from verdigris.cli.views.paint import Line, Terminal, render
from verdigris.cli.views.tree import summary, tree

GOLDEN = Path(__file__).parent / "golden"
WIDTHS = (60, 80, 120)


@cache
def at(name: str) -> Scene:
    """A scene as recorded (`python -m tests.cli.scenes` does it anew): nothing changes it."""
    return recorded(name)


def text(lines: Iterable[Line], terminal: Terminal) -> str:
    return "".join(f"{one}\n" for one in render(lines, terminal))


def shown(name: str, view: str, terminal: Terminal) -> str:
    scene = at(name)
    picture, now = scene.picture, scene.now
    if view == "get":
        return text(tree(picture, now, terminal), terminal)
    if view == "why":
        return text(why(picture.model, findings(picture.model, now, picture.pods), terminal), terminal)
    if view == "history":
        return text(history(picture.model, picture.model.decisions, terminal), terminal)
    return text(models([at(one).picture.model for one in SCENES], now, terminal, namespaces=True), terminal)


CASES: dict[str, tuple[str, str, Terminal]] = {
    **{f"get-{name}-{width}": (name, "get", Terminal(width)) for name in SCENES for width in WIDTHS},
    **{
        f"get-{name}-80x{rows}": (name, "get", Terminal(80, rows))
        for name in ("crowd", "on_trial")
        for rows in (12, 24)
    },
    **{f"get-{name}-ascii": (name, "get", Terminal(80, unicode=False)) for name in ("on_trial", "rejected")},
    **{f"get-{name}-pipe": (name, "get", Terminal()) for name in ("on_trial", "rejected")},
    **{f"why-{name}-80": (name, "why", Terminal(80)) for name in SCENES},
    **{f"why-rejected-{width}": ("rejected", "why", Terminal(width)) for width in (60, 120)},
    **{f"list-{width}": ("healthy", "list", Terminal(width)) for width in WIDTHS},
    **{f"history-rejected-{width}": ("rejected", "history", Terminal(width)) for width in WIDTHS},
}


@pytest.mark.parametrize("case", CASES)
def test_it_looks_as_the_golden_file_says(case: str) -> None:
    made, file = shown(*CASES[case]), GOLDEN / f"{case}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(made, encoding="utf-8")
        pytest.fail(f"{case}.txt was written: read the diff, then run without UPDATE_GOLDEN")
    assert made == file.read_text(encoding="utf-8"), "if this change is meant, run once with UPDATE_GOLDEN=1"


def test_no_golden_file_is_left_behind() -> None:
    assert {file.stem for file in GOLDEN.glob("*.txt")} == set(CASES)


@pytest.mark.parametrize("case", [case for case, (_, _, terminal) in CASES.items() if terminal.columns])
def test_nothing_is_wider_than_the_terminal(case: str) -> None:
    terminal = CASES[case][2]
    assert terminal.columns is not None
    lines = shown(*CASES[case]).splitlines()
    assert [one for one in lines if len(one) > terminal.columns] == []
    assert terminal.rows is None or len(lines) <= terminal.rows


def test_where_rows_are_few_the_cause_and_the_pods_that_are_not_well_stay() -> None:
    few = shown("crowd", "get", Terminal(80, 12))
    assert "ImagePullBackOff" in few
    assert "why" in few
    assert "more lines" in few


def test_500_pods_are_a_number_and_those_that_are_not_well_are_named() -> None:
    whole = shown("crowd", "get", Terminal(120))
    assert "497 pods well" in whole
    assert whole.count("ImagePullBackOff") == 3
    assert len(whole.splitlines()) < 30


def test_ascii_is_ascii() -> None:
    assert shown("on_trial", "get", Terminal(80, unicode=False)).isascii()


@pytest.mark.parametrize("name", SCENES)
def test_a_summary_is_one_line(name: str) -> None:
    scene = at(name)
    told = summary(scene.picture.model, scene.now)
    assert "\n" not in told
    assert told.startswith("clinic/diabetes ")
