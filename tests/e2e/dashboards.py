"""Which queries of the dashboards have had data, looked at while a story is played on the cluster."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dev.dashboards.asking import filled, measured
from tests.e2e.alerting import EVERY, Prometheus


@dataclass
class Looks:
    """Asks until each query has yielded something once. Numbers that stand in for nothing do not count."""

    prometheus: Prometheus
    unseen: dict[str, str]
    """What has not had data yet: the query as it is written -> as it is asked."""
    refused: list[OSError] = field(default_factory=list)
    """What Prometheus said in place of an answer: it is asked again."""

    def without_data(self) -> list[str]:
        """The queries that have never yielded anything, as they are written."""
        return sorted(self.unseen)

    def look(self) -> None:
        """Ask once for all that has not been seen."""
        for query, asked in list(self.unseen.items()):
            try:
                if self.prometheus.values(asked):
                    del self.unseen[query]
            except OSError as problem:
                self.refused.append(problem)


@contextmanager
def looking(
    prometheus: Prometheus, queries: Iterable[str], namespace: str, model: str, interval: str
) -> Iterator[Looks]:
    """Look all the time while the block runs: what is there for some seconds only is seen as well."""
    looks = Looks(prometheus, {query: filled(measured(query), namespace, model, interval) for query in queries})
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(EVERY):
            looks.look()

    thread = threading.Thread(target=go_on, name="dashboards", daemon=True)
    thread.start()
    try:
        yield looks
    finally:
        over.set()
        thread.join()
