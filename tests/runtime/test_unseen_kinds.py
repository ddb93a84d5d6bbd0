"""A kind beside the traffic cannot be read for good: clients leave a bad version, and nothing is taken for absent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.runtime.baking import candidate_starts, selected
from tests.runtime.raws import KEY
from tests.runtime.stage import Stage, settled
from verdigris.adapters.kube.transport.errors import ApiError, Forbidden, Transient
from verdigris.adapters.kube.transport.kinds import Resource

BESIDE = [
    "HorizontalPodAutoscaler",
    "ControllerRevision",
    "PodDisruptionBudget",
    "NetworkPolicy",
    "ServiceAccount",
    "ServiceMonitor",
    "PrometheusRule",
    "RolloutDecision",
]
ERRORS = [Forbidden("no right to list"), Transient("conversion webhook failed")]


def blind(stage: Stage, kind: str, error: ApiError) -> None:
    stage.api.fault = lambda verb, called, _: error if (verb, called) == ("list", kind) else None
    stage.memory.forget(KEY)
    stage.api.calls.clear()


def written(stage: Stage) -> set[str]:
    return {kind for _, kind, _ in stage.api.writes}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("kind", BESIDE)
async def test_a_bad_version_is_taken_back_while_a_kind_beside_the_traffic_cannot_be_read(
    kind: str, error: ApiError
) -> None:
    stage = Stage()
    prometheus = await candidate_starts(stage)
    await stage.reconcile(8)
    assert selected(stage) == "green"
    blind(stage, kind, error)
    prometheus.failing = True
    result = await stage.reconcile(15)
    assert selected(stage) == "blue"
    assert result.failure is error
    assert kind not in written(stage)


@pytest.mark.parametrize("kind", BESIDE)
async def test_a_bad_version_is_taken_back_while_a_kind_beside_the_traffic_is_never_answered(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verdigris.adapters.kube.reading.unseen.PATIENCE", 0.005)
    stage = Stage()
    prometheus = await candidate_starts(stage)
    await stage.reconcile(8)
    lists, never = stage.api.list, asyncio.Event()

    async def hangs(resource: Resource, *args: Any, **options: Any) -> Any:
        if resource.kind == kind:
            await never.wait()
        return await lists(resource, *args, **options)

    monkeypatch.setattr(stage.api, "list", hangs)
    prometheus.failing = True
    async with asyncio.timeout(20):
        await stage.reconcile(10)
    assert selected(stage) == "blue"


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("kind", BESIDE)
async def test_no_client_is_given_to_a_candidate_while_not_all_is_seen(kind: str, error: ApiError) -> None:
    stage = Stage()
    await candidate_starts(stage)
    blind(stage, kind, error)
    await stage.reconcile(10)
    assert selected(stage) == "blue"
    assert "Deployment" not in written(stage)
    assert kind in stage.message("Ready")
    stage.api.fault = lambda *_: None
    await stage.reconcile(8)
    assert selected(stage) == "green"


@pytest.mark.parametrize("kind", BESIDE)
async def test_a_kind_that_may_not_be_read_is_told_once_and_starts_nothing(kind: str) -> None:
    stage = Stage()
    await settled(stage)
    blind(stage, kind, Forbidden("no right to list"))
    await stage.reconcile()
    assert stage.condition("Stalled") == ("True", "Forbidden")
    assert stage.condition("Ready") == ("True", "Active")
    stage.api.calls.clear()
    await stage.reconcile(5)
    assert not stage.api.writes
    raw = stage.api.at("ModelDeployment", *KEY)
    raw["spec"]["model"]["version"] = "2.0.0"
    raw["metadata"]["generation"] += 1
    await stage.reconcile(5)
    assert raw["status"].get("rollout") is None
    assert kind in stage.message("Ready")


async def test_an_autoscaler_of_somebody_else_is_not_fought_while_none_can_be_seen() -> None:
    stage = Stage()
    await settled(stage)
    before = stage.api.at("Deployment", KEY.namespace, "diabetes-blue")["spec"]["replicas"]
    blind(stage, "HorizontalPodAutoscaler", Forbidden("no right to list"))
    stage.api.at("Deployment", KEY.namespace, "diabetes-blue")["spec"]["replicas"] = before - 1
    await stage.reconcile(3)
    assert stage.api.at("Deployment", KEY.namespace, "diabetes-blue")["spec"]["replicas"] == before - 1
