"""What comparing has found, as counts. Prometheus reads them, and the judge."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from verdigris_serving.http.metrics import buckets
from verdigris_serving.http.observations import DECADES
from verdigris_serving.http.shield.shadow.comparing import Compared, Likeness

#: Upper edges of differences in probability, and of those in whatever else is a score.
PROBABILITY_EDGES = (0.0001, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
VALUE_EDGES = (0.0, *DECADES)


class Counts:
    """For one revision; each is there from the beginning, at 0. ``edges`` are those of the differences."""

    def __init__(self, revision: str, edges: Sequence[float]) -> None:
        self._revision = revision
        self._edges = edges
        self._requests = dict.fromkeys(Likeness, 0)
        self._rows = {True: 0, False: 0}
        self._by_difference = [0] * (len(edges) + 1)
        self._difference_sum = 0.0

    def count(self, compared: Compared) -> None:
        """Count one copy."""
        self._requests[compared.likeness] += 1
        self._rows[True] += compared.agreed
        self._rows[False] += compared.differed
        for difference in compared.differences:
            self._by_difference[bisect_left(self._edges, difference)] += 1
        self._difference_sum += sum(compared.differences)

    def collect(self, share: float) -> Iterator[Metric]:
        """What a scrape sees; ``share`` is what is copied, 0 to 1."""
        requests = CounterMetricFamily(
            "verdigris_shadow",
            "Copies of answered requests for the version on trial, by how its answer compares.",
            labels=["revision", "outcome"],
        )
        for likeness, count in self._requests.items():
            requests.add_metric([self._revision, likeness.value], count)
        yield requests
        rows = CounterMetricFamily(
            "verdigris_shadow_rows",
            "Rows compared: both versions say the same label, or values within what is tolerated.",
            labels=["revision", "agreed"],
        )
        for agreed, count in self._rows.items():
            rows.add_metric([self._revision, "true" if agreed else "false"], count)
        yield rows
        difference = HistogramMetricFamily(
            "verdigris_shadow_difference",
            "Rows compared, by the largest difference in any probability, decision or value.",
            labels=["revision"],
        )
        difference.add_metric([self._revision], buckets(self._edges, self._by_difference), self._difference_sum)
        yield difference
        told = GaugeMetricFamily(
            "verdigris_shadow_share", "Share of what is not passed on that is copied.", labels=["revision"]
        )
        told.add_metric([self._revision], share)
        yield told
