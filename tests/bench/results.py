"""Results made by hand, as the benchmark would have measured them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.serving import report
from benchmarks.serving.load import Load
from benchmarks.serving.measure import Measured
from benchmarks.serving.servers import Launch, Server


class Named(Server):
    """A server of that name, which is never started."""

    def __init__(self, name: str) -> None:
        self.name = name

    def launch(self, folder: Path, port: int, spare: Sequence[int]) -> Launch:
        raise NotImplementedError

    def versions(self) -> dict[str, str]:
        return {"python": "3.11.7"}


def load(
    requests_per_s: float, p50_ms: float = 0.1, p99_ms: float = 0.5, errors: int = 0, connections: int = 1
) -> Load:
    return Load(connections, 1000, errors, requests_per_s, p50_ms, p99_ms)


def measured(name: str, requests_per_s: float, p50_ms: float, **changes: Any) -> Measured:
    """Three rounds, of which the middle one is what the arguments say."""
    good: dict[str, Any] = {
        "starts": [0.3, 0.2, 0.4],
        "single": [load(1, p50_ms * k, p99_ms=5 * p50_ms * k) for k in (0.9, 1, 1.1)],
        "busy": [load(requests_per_s * k) for k in (1.2, 1, 0.8)],
        "batch": [load(requests_per_s / 100)],
        "crowd": [load(requests_per_s, p99_ms=2 * 1e6 / requests_per_s, connections=1000)],
        "memory_mb": [40.0, 39.0, 41.0],
        "core_share": [0.95],
        "foreign_share": [0.01],
    }
    return Measured(Named(name), **{**good, **changes})


def document(**changes: Any) -> dict[str, Any]:
    """A report in which every bar is met; `changes` replace the results of a server by its name, or `images`.

    With `forest` it has that report as its part about a forest.
    """
    forest = changes.pop("forest", None)
    results = {
        "verdigris": measured("verdigris", 20_000, 0.05),
        "mlserver": measured("mlserver", 1_000, 0.7),
        "kserve": measured("kserve", 1_200, 0.8),
        "bentoml": measured("bentoml", 500, 1.2),
        "nginx": measured("nginx", 100_000, 0.02, batch=[]),
    }
    images = changes.pop("images", {name: {"above_base_mb": 20.0, "whole_mb": 110.0} for name in report.IMAGES_MB})
    rows = list({**results, **changes}.values())
    return {
        "machine": "2 cores",
        "servers": report.servers(rows),
        "batch_1000": report.batches(rows),
        "connections_1000": report.crowds(rows),
        "images": images,
        "predict_floor_us": 200.0,
        "sentences": ["One thing."],
    } | ({} if forest is None else {"forest": forest})
