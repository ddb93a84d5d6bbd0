"""Every query is one that Prometheus understands: its own tool reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.dashboards.__main__ import BOARDS
from tests.alerts.promtool import Promtool, find
from verdigris.children.alerts.rule import Group, Record

pytestmark = pytest.mark.cluster


def filled(query: str) -> str:
    """A query as Grafana sends it."""
    values = {"$__rate_interval": "1m", "$namespace": "clinic", "$model": "diabetes"}
    for variable, value in values.items():
        query = query.replace(variable, value)
    return query


def test_promtool_understands_every_query(tmp_path: Path) -> None:
    queries = [query.expr for board in BOARDS for panel in board.panels for query in panel.queries]
    queries += [mark for board in BOARDS for _, _, mark in board.marks]
    records = tuple(Record(f"job:query{number}:sum", filled(query)) for number, query in enumerate(queries))
    assert "SUCCESS" in Promtool(find(), tmp_path).check((Group("queries", records),))
