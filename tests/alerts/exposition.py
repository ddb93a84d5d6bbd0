"""The metrics that there really are: read from what the operator and the serving image answer to a scrape."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.rollout.parts import START
from tests.serving.test_metrics import with_baseline
from verdigris.app.metrics import Metrics, QueueMetrics
from verdigris.children.alerts.burning import ERRORS, LEFT, REQUESTS
from verdigris_serving.http import metrics as serving
from verdigris_serving.http.shield.outcomes import Outcomes
from verdigris_serving.http.shield.shadow.counts import PROBABILITY_EDGES, Counts

OF_PROMETHEUS = frozenset({"up"})
RECORDED = frozenset({REQUESTS, ERRORS, LEFT})


@cache
def names() -> frozenset[str]:
    """The name of every series that an alert or a panel may ask for."""
    found = {*OF_PROMETHEUS, *RECORDED}
    for text in (_of_operator(), _of_pods()):
        for family in text_string_to_metric_families(text):
            # A family may have no series as long as there is no model.
            found |= {family.name} if family.type == "gauge" else {sample.name for sample in family.samples}
            found |= {f"{family.name}_total"} if family.type == "counter" else set()
    return frozenset(found)


def asked(expr: str) -> frozenset[str]:
    """The names of the metrics in a query: what is neither a label, nor a function, nor a word of PromQL."""
    bare = _LABELS.sub(" ", _ASIDE.sub(" ", expr))
    words = (found["word"] for found in _WORD.finditer(bare) if not found["call"])
    return frozenset(words) - _WORDS


_ASIDE = re.compile(r"\"[^\"]*\"|\[[^\]]*\]|\b[0-9][0-9a-z.]*")
"""Texts, ranges, numbers and durations."""
_LABELS = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)|\{[^}]*\}")
_WORD = re.compile(r"(?P<word>[a-zA-Z_:][a-zA-Z0-9_:]*)(?P<call>\s*\()?")
_WORDS = frozenset({"and", "or", "unless", "bool", "offset"} | {"sum", "max", "min", "count", "avg", "topk"})
"""An aggregation may have its labels between its name and its parentheses."""


def _of_operator() -> str:
    metrics = Metrics(lambda: START)
    QueueMetrics(metrics.registry, lambda: 0)
    metrics.watch_namespaces(lambda: ("clinic",))
    metrics.wrote("Service")
    return metrics.text().decode()


class _Shield:
    """What a pod shows of a version on trial in front of which it stands."""

    def collect(self) -> Iterable[Metric]:
        yield from Outcomes("v1-b").collect(0.1)
        yield from Counts("v1-b", PROBABILITY_EDGES).collect(0.1)


def _of_pods() -> str:
    registry = CollectorRegistry()
    registry.register(_Shield())  # type: ignore[arg-type]
    metrics = serving.Metrics(with_baseline(quality={"auc": 0.9}), memory_limit=1)
    return metrics.exposition().decode() + generate_latest(registry).decode()
