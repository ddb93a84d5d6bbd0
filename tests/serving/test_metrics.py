"""What the counts say: the model's scores and inputs by bin, its quality, and what was turned away."""

import dataclasses
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.serving.support import (
    ROW,
    ServerProcess,
    contents,
    request_body,
    rest_of_the_log,
    server,
    write_artifact,
)
from verdigris_serving.artifact.archive import write_archive
from verdigris_serving.artifact.baseline import baseline
from verdigris_serving.artifact.verify import Expectation, verify_bytes
from verdigris_serving.http.access import AccessLog
from verdigris_serving.http.admission import Rejection
from verdigris_serving.http.messages import Request, Response
from verdigris_serving.http.metrics import CODES, Metrics
from verdigris_serving.http.observations import BATCH, PROBABILITY_EDGES, VALUE_EDGES, Observations
from verdigris_serving.model.loaded import LoadedModel
from verdigris_serving.model.schema import Row

MODEL = verify_bytes(write_archive(contents()), Expectation(), where="test")
GLUCOSE = SimpleNamespace(name="glucose", missing=3, edges=[100.0, 150.0], counts=[5, 6, 7])
AGE = SimpleNamespace(name="age", missing=0, edges=[30.0], counts=[8, 9])


def with_baseline(**fields: Any) -> Any:
    """The test model, and what its archive may carry besides; only features of the baseline are counted."""
    known = {field.name: getattr(MODEL, field.name) for field in dataclasses.fields(LoadedModel)}
    return SimpleNamespace(**{**known, "baseline": SimpleNamespace(features=[AGE, GLUCOSE]), **fields})


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Value by name and label values, in the order of the labels' names."""
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_everything_is_there_at_zero_before_anything_has_happened() -> None:
    seen = samples(Metrics(with_baseline()))

    expected: list[tuple[str, ...]] = [("verdigris_requests_total", str(code)) for code in CODES]
    expected += [("verdigris_passed_on_requests_total", str(code)) for code in CODES]
    expected += [("verdigris_rejected_total", reason.value) for reason in Rejection]
    expected += [("verdigris_feature_total", place, "glucose") for place in ("00", "01", "02", "missing")]
    expected += [("verdigris_score_bucket", "+Inf"), ("verdigris_request_duration_seconds_bucket", "0.1")]
    expected += [("verdigris_requests_in_flight",), ("verdigris_connections",), ("verdigris_score_sum",)]
    assert {name: seen[name] for name in expected} == dict.fromkeys(expected, 0)


def test_the_process_shows_what_right_sizing_asks_for() -> None:
    seen = samples(Metrics(MODEL))

    assert seen["process_cpu_seconds_total",] > 0
    assert seen["process_resident_memory_bytes",] > 2**20


def test_a_container_without_a_limit_shows_none() -> None:
    assert ("verdigris_memory_limit_bytes",) not in samples(Metrics(MODEL))
    assert samples(Metrics(MODEL, memory_limit=2**28))["verdigris_memory_limit_bytes",] == 2**28


def test_what_is_passed_on_is_counted_among_the_requests_and_by_itself() -> None:
    metrics = Metrics(MODEL)
    for code, passed_on in ((200, False), (500, True), (500, False)):
        metrics.observe(code, 0.01, passed_on=passed_on)
    seen = samples(metrics)

    assert (seen["verdigris_requests_total", "500"], seen["verdigris_passed_on_requests_total", "500"]) == (2, 1)
    assert seen["verdigris_passed_on_requests_total", "200"] == 0


def test_the_duration_is_in_every_bucket_at_or_above_it() -> None:
    metrics = Metrics(MODEL)
    for seconds in (0.00025, 0.0003, 0.1, 2.0):
        metrics.observe(200, seconds)
    seen = samples(metrics)

    counts = {edge: seen["verdigris_request_duration_seconds_bucket", edge] for edge in ("0.00025", "0.1", "1.0")}
    assert counts == {"0.00025": 1, "0.1": 3, "1.0": 3}
    assert seen["verdigris_request_duration_seconds_count",] == 4
    assert seen["verdigris_request_duration_seconds_sum",] == pytest.approx(2.10055)


def test_rows_are_counted_by_feature_and_bin_beside_the_training_rows() -> None:
    metrics = Metrics(with_baseline())
    rows: list[Row] = [[99.0, 0.0, 30.0], [100.0, 0.0, 29.0], [None, 0.0, 31.0], [1e3, 0.0, 99.0]]
    metrics.observations.observe(rows, [[0.5, 0.5]] * 4)()
    seen = samples(metrics)

    bins = ("00", "01", "02", "missing")
    assert [seen["verdigris_feature_total", place, "glucose"] for place in bins] == [2, 0, 1, 1]
    assert [seen["verdigris_feature_total", place, "age"] for place in ("00", "01", "missing")] == [2, 2, 0]
    assert [seen["verdigris_feature_baseline", place, "glucose"] for place in bins] == [5, 6, 7, 3]


@pytest.mark.parametrize(
    ("classes", "scores", "edge", "within", "total"),
    [
        ([0, 1], [[0.95, 0.05], [0.1, 0.9]], "0.05", 1, 0.95),
        (["a", "b", "c"], [[0.2, 0.7, 0.1], [0.05, 0.0, 0.95]], "0.7", 1, 1.65),
        ([], [[-40.0], [0.0]], "-30.0", 1, -40.0),
    ],
)
def test_the_score_is_the_second_class_the_top_one_or_the_value(
    classes: list[Any], scores: list[list[float]], edge: str, within: int, total: float
) -> None:
    task = "classification" if classes else "regression"
    manifest = msgspec.structs.replace(MODEL.manifest, classes=classes, task=task)
    metrics = Metrics(with_baseline(manifest=manifest))
    metrics.observations.observe([ROW] * len(scores), scores)()
    seen = samples(metrics)

    assert seen["verdigris_score_bucket", edge] == within
    assert seen["verdigris_score_bucket", "+Inf"] == len(scores)
    # A sum that can fall is no counter: prometheus_client leaves it out where an edge is negative.
    assert seen.get(("verdigris_score_sum",)) == (pytest.approx(total) if classes else None)


def test_the_edges_rise() -> None:
    for edges in (PROBABILITY_EDGES, VALUE_EDGES):
        assert list(edges) == sorted(set(edges))


def test_the_training_rows_themselves_are_counted_as_packing_counted_them() -> None:
    chance = random.Random(2)
    rows: list[Row] = [[float(chance.randint(60, 200)), 0.0, chance.choice([21.5, 30.0, None])] for _ in range(500)]
    packed = baseline([feature.name for feature in MODEL.manifest.features], rows)
    observations = Observations(with_baseline(baseline=packed))
    observations.observe(rows, [[0.5, 0.5]] * len(rows))()
    observations.count()

    assert observations.bins == [[*feature.counts, feature.missing] for feature in packed.features]


def test_the_quality_of_the_packed_model_is_shown() -> None:
    seen = samples(Metrics(with_baseline(quality={"auc": 0.89, "brier": 0.12})))

    assert (seen["verdigris_model_quality", "auc"], seen["verdigris_model_quality", "brier"]) == (0.89, 0.12)


def test_many_threads_lose_no_row_and_count_none_twice() -> None:
    observations = Observations(with_baseline())
    chance = random.Random(1)
    batches = [[[chance.uniform(0, 300), 0.0, 40.0] for _ in range(chance.choice([1, 1, 7, 400]))] for _ in range(600)]

    def observe(rows: Sequence[Row]) -> None:
        observations.observe(rows, [[0.25, 0.75]] * len(rows))()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(observe, batches))
    observations.count()

    values = [row[0] for rows in batches for row in rows]
    low, middle = sum(value <= 100 for value in values), sum(100 < value <= 150 for value in values)
    assert observations.bins[0] == [low, middle, len(values) - low - middle, 0]
    assert sum(observations.scores) == len(values)
    assert observations.score_sum == 0.75 * len(values)


def test_rows_put_aside_are_bounded() -> None:
    observations = Observations(with_baseline())
    for _ in range(BATCH + 1):
        observations.observe([ROW], [[0.5, 0.5]])()
    observations.observe([ROW], [[0.5, 0.5]])

    assert sum(observations.scores) == BATCH + 1


@pytest.fixture
def logging_everything(tmp_path: Path) -> Iterator[ServerProcess]:
    write_artifact(tmp_path / "model.vmodel")
    with server(tmp_path, VERDIGRIS_ACCESS_LOG="1") as process:
        yield process


def test_the_access_log_has_nothing_that_the_caller_chose(logging_everything: ServerProcess) -> None:
    running = logging_everything
    running.infer(request_body([[321.5, 80.0, 40.0]], id="patient-77"))
    running.get("/v2/models/patient-77?name=321.5")
    running.infer(b'{"inputs": [{"name": "patient-77"}]}')
    log = rest_of_the_log(running)
    lines = [line for line in log.splitlines() if '"request"' in line]

    assert [('"infer"' in line, '"unknown"' in line) for line in lines] == [
        (True, False),
        (False, True),
        (True, False),
    ]
    assert '"status": 200' in lines[0]
    for secret in ("patient-77", "321.5"):
        assert secret not in log


def test_no_access_is_logged_unless_asked_for(tmp_path: Path) -> None:
    write_artifact(tmp_path / "model.vmodel")
    with server(tmp_path) as process:
        process.infer()
        assert '"request"' not in rest_of_the_log(process)


def test_a_share_of_the_requests_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    chances = iter([0.1, 0.3, 0.24, 0.9])
    log = AccessLog(0.25, lambda: next(chances))
    with caplog.at_level("INFO", "verdigris.access"):
        for _ in range(4):
            log.note(Request("GET", "/v2", {}, b"", keep_alive=True), Response(200, b""), "/v2")

    assert len(caplog.records) == 2
