"""What Prometheus sees. Only inference requests are counted: probes and scrapes say nothing about the model.

On the hot path are plain integers, which only the event loop touches; prometheus_client meets them at a scrape. Its
own Counter and Histogram take a lock and a dictionary for each of the dozen buckets below an observation.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from verdigris_serving.http.admission import Rejection
from verdigris_serving.http.observations import Observations
from verdigris_serving.model.loaded import LoadedModel

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
#: Every status an inference request can get. Each is there from the first scrape, at 0, so that ``increase()``
#: sees the very first error.
CODES = (200, 400, 404, 408, 413, 415, 422, 431, 500, 503)
#: Seconds; 0.1 is the users' own limit.
EDGES = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Metrics(Collector):
    """The server's counts. ``in_flight``, ``connections`` and ``shield`` are asked at a scrape; set them before.

    ``memory_limit`` is this container's, in bytes.
    """

    def __init__(
        self, model: LoadedModel, registry: CollectorRegistry | None = None, *, memory_limit: int | None = None
    ) -> None:
        self._model = model
        self._memory_limit = memory_limit
        self._by_code = dict.fromkeys(CODES, 0)
        self._compared = dict.fromkeys(CODES, 0)
        self._passed_on = dict.fromkeys(CODES, 0)
        self._by_duration = [0] * (len(EDGES) + 1)
        self._seconds = 0.0
        self._rejected = dict.fromkeys(Rejection, 0)
        self.observations = Observations(model)
        self.in_flight: Callable[[], int] = lambda: 0
        self.connections: Callable[[], int] = lambda: 0
        self.shield: Callable[[], Iterable[Metric]] = tuple
        self._registry = registry or CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def observe(self, code: int, seconds: float, *, passed_on: bool = False) -> None:
        """Count one answered inference request; ``code`` is one of CODES. ``passed_on``: by another version's pod."""
        self._by_code[code] += 1
        if passed_on:
            self._passed_on[code] += 1
        self._by_duration[bisect_left(EDGES, seconds)] += 1
        self._seconds += seconds

    def compared(self, code: int) -> None:
        """Count one answer that another version's is compared with, and that no client gets."""
        self._compared[code] += 1

    def reject(self, why: Rejection) -> None:
        """Count one request that was turned away unanswered; the 503 it gets is counted as an answer besides."""
        self._rejected[why] += 1

    def exposition(self) -> bytes:
        """The text that ``GET /metrics`` answers."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Everything, as prometheus_client wants it."""
        yield from self._of_requests()
        yield from self._of_the_model()
        yield from self._of_observations()
        yield from self.shield()

    def _of_requests(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "verdigris_requests", "Inference requests answered, by HTTP status code.", labels=["code"]
        )
        for code, count in self._by_code.items():
            requests.add_metric([str(code)], count)
        yield requests
        passed_on = CounterMetricFamily(
            "verdigris_passed_on_requests",
            "Of these, those that pods of another version have passed on: they answer what fails here.",
            labels=["code"],
        )
        for code, count in self._passed_on.items():
            passed_on.add_metric([str(code)], count)
        yield passed_on
        compared = CounterMetricFamily(
            "verdigris_shadow_requests",
            "Copies of requests that another version has answered, by HTTP status code; counted nowhere else.",
            labels=["code"],
        )
        for code, count in self._compared.items():
            compared.add_metric([str(code)], count)
        yield compared
        duration = HistogramMetricFamily(
            "verdigris_request_duration_seconds", "From the last byte of an inference request's body to its answer."
        )
        duration.add_metric([], buckets(EDGES, self._by_duration), self._seconds)
        yield duration
        rejected = CounterMetricFamily(
            "verdigris_rejected",
            "Inference requests turned away with 503 because there was too much to do, by what there was too much of.",
            labels=["reason"],
        )
        for reason, count in self._rejected.items():
            rejected.add_metric([reason.value], count)
        yield rejected
        yield GaugeMetricFamily(
            "verdigris_requests_in_flight", "Inferences in a thread or waiting for one.", self.in_flight()
        )
        yield GaugeMetricFamily("verdigris_connections", "Open connections.", self.connections())
        if self._memory_limit is not None:
            yield GaugeMetricFamily(
                "verdigris_memory_limit_bytes", "Memory at which this container is ended.", self._memory_limit
            )

    def _of_the_model(self) -> Iterator[Metric]:
        manifest = self._model.manifest
        info = GaugeMetricFamily(
            "verdigris_model_info",
            "The model that this process serves; always 1.",
            labels=["name", "version", "sha256", "format"],
        )
        info.add_metric([manifest.name, manifest.version, self._model.sha256, manifest.format], 1)
        yield info
        quality = GaugeMetricFamily(
            "verdigris_model_quality", "What the model reached on its holdout when it was packed.", labels=["metric"]
        )
        for name, value in self._model.quality.items():
            quality.add_metric([name], value)
        yield quality

    def _of_observations(self) -> Iterator[Metric]:
        seen = self.observations
        seen.count()
        if seen.counts_scores:
            score = HistogramMetricFamily(
                "verdigris_score",
                "Answers by score: the second class's probability of two classes, the largest of many, the value, or "
                "the decision.",
            )
            score.add_metric([], buckets(seen.score_edges, seen.scores), seen.score_sum)
            yield score
        labels = ["feature", "bin"]
        asked = CounterMetricFamily(
            "verdigris_feature", "Rows answered, by feature and bin of the training baseline.", labels=labels
        )
        trained = GaugeMetricFamily(
            "verdigris_feature_baseline", "Training rows, by feature and bin, to compare with.", labels=labels
        )
        for (_, bins), counts in zip(seen.features, seen.bins, strict=True):
            names = [*(f"{number:02}" for number in range(len(bins.counts))), "missing"]
            for name, count, before in zip(names, counts, (*bins.counts, bins.missing), strict=True):
                asked.add_metric([bins.name, name], count)
                trained.add_metric([bins.name, name], before)
        yield asked
        yield trained


def _spelt(edge: float) -> str:
    spelt: str = floatToGoString(edge)  # type: ignore[no-untyped-call]
    return spelt


def buckets(edges: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    """Cumulative counts by upper edge, the last edge being infinite."""
    names = [*(_spelt(edge) for edge in edges), "+Inf"]
    return list(zip(names, map(float, accumulate(counts)), strict=True))
