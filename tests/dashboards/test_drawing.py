"""The pictures of the dashboards: every panel is drawn, by the names, units and gaps that Grafana would show."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import get_args

import pytest
from PIL import Image

from dev.dashboards.__main__ import BOARDS
from dev.dashboards.drawing import draw
from dev.dashboards.kinds import Drawn, Series, Span, stretches, with_gaps, written
from dev.dashboards.panels import Board, Kind, Panel, Query, Row

SPAN = Span(1_000_000.0, 1_000_300.0, 5.0)
IMAGES = Path(__file__).parents[2] / "docs" / "images"
MOST = 150_000
"""Bytes of a picture in the repository."""


def series(value: float, **labels: str) -> Series:
    return Series(labels, [(SPAN.start + at, value + at % 50) for at in range(0, 300, 5)])


def test_a_panel_of_each_kind_is_drawn_of_what_its_query_yields(tmp_path: Path) -> None:
    kinds = get_args(Kind)
    panels = [Panel(kind, "One.", "short", (Query(f"asked_{kind}", "{{color}}"),), kind=kind) for kind in kinds]
    board = Board("some", "Some / board", "All kinds.", (Row("Kinds", panels),))
    asked: list[str] = []

    def fetch(query: str) -> list[Series]:
        asked.append(query)
        return [series(float(place), le=str(place), color="blue") for place in range(3)]

    draw(board, fetch, SPAN, "clinic / diabetes", tmp_path / "board.png")
    assert asked == [f"asked_{kind}" for kind in kinds]
    with Image.open(tmp_path / "board.png") as drawn:
        assert drawn.width == 1400
        assert len(drawn.getcolors() or ()) > 20, "there is more on it than empty panels"


def test_what_is_in_the_documents_is_small() -> None:
    found = sorted(IMAGES.glob("dashboard-*.png"))
    assert len(found) == len(BOARDS)
    assert [path.name for path in found if path.stat().st_size > MOST] == []


@pytest.mark.parametrize(
    ("value", "unit", "told"),
    [
        (0.256, "percentunit", "25.6 %"),
        (3 * 2**20, "bytes", "3 MiB"),
        (0, "bytes", "0 B"),
        (0.0123, "s", "12.3 ms"),
        (90, "s", "90 s"),
        (0, "s", "0 s"),
        (60, "reqps", "60 req/s"),
        (1234, "short", "1,234"),
    ],
)
def test_a_value_is_written_in_its_unit(value: float, unit: str, told: str) -> None:
    assert written(value, unit) == told


def test_a_series_is_called_as_its_pattern_says() -> None:
    found = [("{{what}} {{namespace}}", Series({"what": "none"}, [])), ("p95", Series({}, [])), ("", Series({}, []))]
    assert [name for name, _ in Drawn(found, SPAN, "s", None, ()).named()] == ["none", "p95", "Value"]


def test_where_points_are_missing_nothing_is_drawn() -> None:
    broken = Series({}, [(0, 1), (5, 1), (30, 1)])
    assert [isnan(value) for _, value in with_gaps(broken, 5)] == [False, False, True, False]
    assert stretches(broken, 5) == [(0, 10, 1), (30, 35, 1)]
    assert stretches(Series({}, [(0, 1), (5, 2)]), 5) == [(0, 5, 1), (5, 10, 2)]
