"""What the dashboards ask, as Grafana sends it, and without what stands in where nothing is found."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dev.dashboards.panels import Board

_STANDS_IN = re.compile(r" or on \(\) (vector\([\d.]+\)|label_replace\(vector\(0\), [^)]*\))$")
_VALUES = re.compile(r"label_values\((?P<series>.+), (?P<label>\w+)\)")


def questions(board: Board) -> Iterator[str]:
    """Every query of a dashboard: of its panels, of its marks over time, and of what is chosen at its top."""
    for panel in board.panels:
        yield from (query.expr for query in panel.queries)
    yield from (mark for _, _, mark in board.marks)
    for _, _, chosen in board.variables:
        found = _VALUES.fullmatch(chosen)
        assert found, f"{board.title}: {chosen} is none of Grafana's label_values(series, label)"
        yield f"count by ({found['label']}) ({found['series']})"


def filled(query: str, namespace: str, model: str, interval: str) -> str:
    """A query with the variables filled in; `interval` is Grafana's $__rate_interval, four scrapes or more."""
    values = {"$__rate_interval": interval, "$namespace": namespace, "$model": model}
    for variable, value in values.items():
        query = query.replace(variable, value)
    return query


def measured(query: str) -> str:
    """A query without the number that it shows where nothing is found: it yields nothing unless there is data."""
    return _STANDS_IN.sub("", query)
