"""What the operator tells machines about itself: metrics, health, logs."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from verdigris.adapters.kube.reading.port import Key
from verdigris.api.status import (
    EvidenceStatus,
    HistoryEntry,
    LastRollback,
    ModelDeploymentStatus,
    Outcome,
    RolloutStatus,
)
from verdigris.app import http, logs
from verdigris.app.metrics import Metrics, QueueMetrics
from verdigris.app.queue import WorkQueue

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
KEY = Key("clinic", "diabetes")
EMPTY = ModelDeploymentStatus()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(lambda: NOW)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def entry(outcome: Outcome, minute: int) -> HistoryEntry:
    at = NOW + timedelta(minutes=minute)
    return HistoryEntry(revision="v1-0", version="1.0.0", outcome=outcome, reason="r", started_at=at, ended_at=at)


def rollback(restored: datetime | None) -> LastRollback:
    return LastRollback(
        from_version="2", to_version="1", reason="r", message="m", decided_at=NOW, traffic_restored_at=restored
    )


def test_a_rollout_that_has_ended_is_counted_once(metrics: Metrics) -> None:
    one = ModelDeploymentStatus(history=(entry("Promoted", 0),))
    two = ModelDeploymentStatus(history=(entry("RolledBack", 1), entry("Promoted", 0)))
    for old, new in ((EMPTY, one), (one, one), (one, two)):
        metrics.status_changed(KEY, old, new)
    assert value(metrics, "verdigris_rollouts_total", outcome="Promoted") == 1
    assert value(metrics, "verdigris_rollouts_total", outcome="RolledBack") == 1
    assert value(metrics, "verdigris_rollouts_total", outcome="Failed") == 0


def test_a_rollback_is_timed_once_its_traffic_is_back(metrics: Metrics) -> None:
    decided = ModelDeploymentStatus(last_rollback=rollback(None))
    restored = ModelDeploymentStatus(last_rollback=rollback(NOW + timedelta(seconds=1.5)))
    for old, new in ((EMPTY, decided), (decided, restored), (restored, restored)):
        metrics.status_changed(KEY, old, new)
    assert value(metrics, "verdigris_rollback_duration_seconds_count") == 1
    assert value(metrics, "verdigris_rollback_duration_seconds_sum") == 1.5


def test_the_age_of_evidence_grows_by_itself_and_ends_with_the_rollout() -> None:
    now = NOW
    metrics = Metrics(lambda: now)
    running = ModelDeploymentStatus(
        rollout=RolloutStatus(
            version="2",
            revision="v1-1",
            color="green",
            stage="Baking",
            started_at=NOW,
            since=NOW,
            evidence=EvidenceStatus(at=NOW),
        )
    )
    labels = {"namespace": "clinic", "model": "diabetes"}
    metrics.status_changed(KEY, EMPTY, running)
    now += timedelta(seconds=42)
    assert value(metrics, "verdigris_evidence_age_seconds", **labels) == 42
    metrics.status_changed(KEY, running, EMPTY)
    assert value(metrics, "verdigris_evidence_age_seconds", **labels) is None


def test_the_series_of_a_deleted_model_go_with_it(metrics: Metrics) -> None:
    metrics.gone(KEY)
    assert b'model="diabetes"' not in metrics.text()


async def test_the_names_are_controller_runtimes_with_our_prefix(metrics: Metrics) -> None:
    queue: WorkQueue[str] = WorkQueue()
    QueueMetrics(metrics.registry, lambda: queue.depth)
    queue.add("a")
    metrics.reconciled("error", 0.1)
    metrics.wrote("Service")
    text = metrics.text().decode()
    for line in (
        'verdigris_controller_runtime_reconcile_total{result="error"} 1.0',
        'verdigris_controller_runtime_reconcile_total{result="success"} 0.0',
        "verdigris_controller_runtime_reconcile_errors_total 1.0",
        "verdigris_controller_runtime_reconcile_time_seconds_count 1.0",
        "verdigris_workqueue_depth 1.0",
        "verdigris_workqueue_adds_total 0.0",
        "verdigris_workqueue_retries_total 0.0",
        "verdigris_workqueue_queue_duration_seconds_count 0.0",
        "verdigris_workqueue_work_duration_seconds_count 0.0",
        'verdigris_writes_total{kind="Service"} 1.0',
    ):
        assert line in text
    assert "_created" not in text


async def test_health_readiness_and_metrics_are_served() -> None:
    problems: dict[str, str | None] = {"healthy": None, "ready": "no API server"}
    runner, port = await http.serve(0, lambda: problems["healthy"], lambda: problems["ready"], lambda: b"x 1\n")
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            answers = {}
            for path in ("/healthz", "/readyz", "/metrics"):
                async with session.get(path) as response:
                    answers[path] = (response.status, await response.text())
    finally:
        await runner.cleanup()
    assert answers == {"/healthz": (200, "ok\n"), "/readyz": (503, "no API server\n"), "/metrics": (200, "x 1\n")}


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("info", stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


def test_a_record_is_one_line_of_json_with_the_tasks_context(stream: io.StringIO) -> None:
    token = logs.context.set({"key": "clinic/diabetes", "revision": "v1-0"})
    logging.getLogger("x").info("two\nlines and %s", "a value")
    logs.context.reset(token)
    (line,) = stream.getvalue().splitlines()
    record = json.loads(line)
    assert record["time"].endswith("+00:00")
    del record["time"]
    assert record == {
        "level": "info",
        "logger": "x",
        "msg": "two\nlines and a value",
        "key": "clinic/diabetes",
        "revision": "v1-0",
    }


def test_a_traceback_stays_on_the_line(stream: io.StringIO) -> None:
    try:
        raise ValueError("odd")
    except ValueError:
        logging.getLogger("x").exception("it broke")
    (line,) = stream.getvalue().splitlines()
    assert "ValueError: odd" in json.loads(line)["error"]


def test_kopf_is_quiet_below_a_warning_and_json_above(stream: io.StringIO) -> None:
    logging.getLogger("kopf.objects").info("chatter")
    logging.getLogger("kopf.objects").warning("trouble")
    assert [json.loads(line)["msg"] for line in stream.getvalue().splitlines()] == ["trouble"]
