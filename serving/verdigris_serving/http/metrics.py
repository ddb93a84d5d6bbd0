"""What Prometheus sees. Only inference requests are counted: probes and scrapes say nothing about the model."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.process_collector import ProcessCollector

from verdigris_serving.model.loaded import LoadedModel

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
#: Every status an inference request can get. Each is there from the first scrape, at 0, so that ``increase()``
#: sees the very first error.
CODES = (200, 400, 404, 408, 413, 422, 500, 503)
#: Seconds; 0.1 is the users' own limit.
EDGES = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Metrics:
    """The server's instruments, their label children bound once."""

    def __init__(self, model: LoadedModel, registry: CollectorRegistry | None = None) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry or CollectorRegistry()
        requests = Counter(
            "verdigris_requests", "Inference requests answered, by HTTP status code.", ["code"], registry=self._registry
        )
        self._by_code = {code: requests.labels(str(code)) for code in CODES}
        self._duration = Histogram(
            "verdigris_request_duration_seconds",
            "From the last byte of an inference request's body to its answer.",
            buckets=EDGES,
            registry=self._registry,
        )
        manifest = model.manifest
        Gauge(
            "verdigris_model_info",
            "The model that this process serves; always 1.",
            ["name", "version", "sha256", "format"],
            registry=self._registry,
        ).labels(manifest.name, manifest.version, model.sha256, manifest.format).set(1)
        ProcessCollector(registry=self._registry)

    def observe(self, code: int, seconds: float) -> None:
        """Count one answered inference request; ``code`` is one of CODES."""
        self._by_code[code].inc()
        self._duration.observe(seconds)

    def exposition(self) -> bytes:
        """The text that ``GET /metrics`` answers."""
        return generate_latest(self._registry)
