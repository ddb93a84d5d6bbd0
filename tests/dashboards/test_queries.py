"""Every query is one that Prometheus understands: its own tool reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.dashboards.__main__ import BOARDS
from dev.dashboards.asking import filled, measured, questions
from tests.alerts.promtool import Promtool, find
from verdigris.children.alerts.rule import Group, Record


@pytest.mark.cluster
def test_promtool_understands_every_query(tmp_path: Path) -> None:
    asked = [query for board in BOARDS for query in questions(board)]
    sent = [filled(query, "clinic", "diabetes", "1m") for query in (*asked, *map(measured, asked))]
    records = tuple(Record(f"job:query{number}:sum", query) for number, query in enumerate(sent))
    assert "SUCCESS" in Promtool(find(), tmp_path).check((Group("queries", records),))


def test_what_stands_in_for_nothing_is_left_out_where_data_is_wanted() -> None:
    assert measured("max(verdigris_judge_score) or on () vector(0)") == "max(verdigris_judge_score)"
    inside = "(a - (b or on () vector(0))) / c"
    assert measured(inside) == inside
    assert not [query for board in BOARDS for query in questions(board) if measured(query).endswith("vector(0)")]


def test_no_variable_is_left_in_a_query() -> None:
    asked = [query for board in BOARDS for query in questions(board)]
    assert [query for query in asked if "$" in filled(query, "clinic", "diabetes", "1m")] == []
