"""The rules of Grafana's dashboard-linter, and a few of our own, on the dashboards as Grafana reads them.

Its rules on the variables `job` and `instance` are for jobs that nobody knows beforehand: here a model is chosen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from dev.dashboards import of_model, of_operators
from dev.dashboards.__main__ import BOARDS
from dev.dashboards.panels import Board
from tests.alerts.exposition import asked, names

each_board = pytest.mark.parametrize("board", BOARDS, ids=lambda board: str(board.uid))
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
UNITS = {"short", "none", "s", "bytes", "reqps", "ops", "percentunit"}
"""Of Grafana's, those in use."""


def whole(board: Board) -> dict[str, Any]:
    return dict(json.loads(board.text()))


def panels(board: Board) -> Iterator[dict[str, Any]]:
    """What Grafana draws, without the headings."""
    yield from (panel for panel in whole(board)["panels"] if panel["type"] != "row")


def targets(board: Board) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every query with the title of its panel."""
    for panel in panels(board):
        yield from ((panel["title"], target) for target in panel["targets"])


@each_board
def test_the_data_source_is_chosen_at_the_top(board: Board) -> None:
    first = whole(board)["templating"]["list"][0]
    assert (first["type"], first["name"], first["label"], first["query"]) == (
        "datasource",
        "datasource",
        "Data source",
        "prometheus",
    )


@each_board
def test_variables_are_asked_anew_when_the_time_changes_and_are_sound(board: Board) -> None:
    asking = [variable for variable in whole(board)["templating"]["list"] if variable["type"] == "query"]
    assert len(asking) == len(board.variables)
    for variable in asking:
        assert (variable["refresh"], variable["datasource"]) == (2, SOURCE)
        metric = re.fullmatch(r"label_values\((\w+)(\{.*\})?, \w+\)", variable["query"])
        assert metric is not None
        assert metric[1] in names()


@each_board
def test_every_panel_says_what_it_shows_of_what_and_in_which_unit(board: Board) -> None:
    found = list(panels(board))
    assert len({panel["title"] for panel in found}) == len(found)
    for panel in found:
        assert panel["description"].endswith("."), panel["title"]
        assert panel["datasource"] == SOURCE, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert panel["targets"], panel["title"]


@each_board
def test_every_series_has_a_name(board: Board) -> None:
    for panel in panels(board):
        if panel["type"] in ("timeseries", "state-timeline"):
            assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]


@each_board
def test_a_dashboard_is_not_changed_where_it_is_shown(board: Board) -> None:
    assert whole(board)["editable"] is False


@each_board
def test_rates_go_by_the_interval_that_grafana_knows_to_be_long_enough(board: Board) -> None:
    for title, target in targets(board):
        assert all(span == "$__rate_interval" for span in re.findall(r"\brate\([^[]*\[([^]]*)\]", target["expr"])), (
            title
        )


@each_board
def test_a_counter_is_never_shown_as_it_is(board: Board) -> None:
    for title, target in targets(board):
        counters = [name for name in asked(target["expr"]) if name.endswith(("_total", "_bucket", "_sum", "_count"))]
        for name in counters:
            assert re.findall(rf"\b(?:rate|increase)\({name}\b", target["expr"]), (title, name)
            assert len(re.findall(rf"\b{name}\b", target["expr"])) == len(
                re.findall(rf"\b(?:rate|increase)\({name}\b", target["expr"])
            ), (title, name)


@each_board
def test_every_metric_that_is_asked_for_exists(board: Board) -> None:
    marks = [mark["expr"] for mark in whole(board)["annotations"].get("list", ())]
    queries = [target["expr"] for _, target in targets(board)]
    assert len(queries) >= 12
    for expr in (*queries, *marks):
        assert asked(expr)
        assert asked(expr) <= names(), expr


@each_board
def test_what_stands_beside_what_fits_the_width(board: Board) -> None:
    for panel in panels(board):
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
    ids = [panel["id"] for panel in whole(board)["panels"]]
    assert len(set(ids)) == len(ids)


def test_all_that_is_shown_of_a_model_is_of_the_model_that_was_chosen() -> None:
    for title, target in targets(of_model.BOARD):
        selectors = re.findall(
            r"\b(?:verdigris[\w:]*|process\w+|up)\b(\{[^}]*\})?", re.sub(r'"[^"]*"', "", target["expr"])
        )
        assert selectors, title
        assert all("namespace=,model=" in selector for selector in selectors), title


def test_what_has_happened_to_a_model_is_marked_at_its_time() -> None:
    marks = whole(of_model.BOARD)["annotations"]["list"]
    assert {mark["name"] for mark in marks} == {"Promoted", "Rolled back", "Rejected"}
    assert all(mark["useValueForTime"] == "on" and mark["expr"].endswith("* 1000") for mark in marks)


def test_a_row_of_the_table_of_models_leads_to_the_model() -> None:
    (table,) = (panel for panel in panels(of_operators.BOARD) if panel["type"] == "table")
    (link,) = table["fieldConfig"]["defaults"]["links"]
    assert link["url"].startswith(f"/d/{of_model.BOARD.uid}?")
    chosen = {name for name, _, _ in of_model.BOARD.variables}
    assert set(re.findall(r"var-(\w+)=", link["url"])) == chosen


def test_a_query_that_asks_for_what_does_not_exist_would_be_found() -> None:
    assert asked(
        'sum by (color) (rate(verdigris_nothing_total{code=~"5.."}[$__rate_interval])) or on () vector(0)'
    ) == {"verdigris_nothing_total"}
    assert "verdigris_nothing_total" not in names()
