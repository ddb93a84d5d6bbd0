"""A write is refused for ever while a version is on trial: clients leave a bad one all the same (law 1)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.runtime.baking import candidate_starts, selected
from tests.runtime.raws import KEY, endpoint_slice, pod
from tests.runtime.stage import Stage, settled
from verdigris.adapters.kube.transport.errors import ApiError, Forbidden, Transient

REFUSALS = [Transient("writing Pod: failed calling webhook: connection refused"), Forbidden("no right")]
SIDE = ["Pod", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy", "ServiceAccount", "ServiceMonitor"]


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("kind", [*SIDE, "Deployment"])
async def test_a_bad_version_is_taken_back_while_a_kind_of_object_cannot_be_written(kind: str, error: ApiError) -> None:
    stage = Stage()
    prometheus = await candidate_starts(stage)
    stage.refuse(kind, error)
    await stage.reconcile(8)
    prometheus.failing = True
    await stage.reconcile(15)
    assert selected(stage) == "blue"
    assert "lastRollback" in stage.api.at("ModelDeployment", *KEY)["status"]


async def test_a_bad_version_is_taken_back_while_the_rest_of_the_service_is_refused() -> None:
    """Law 13: a type, a port, a quota."""
    stage = Stage()
    prometheus = await candidate_starts(stage)
    await stage.reconcile(8)
    assert selected(stage) == "green"
    refusal = Forbidden("exceeded quota: nodeports")
    stage.api.fault = lambda verb, kind, _: refusal if (verb, kind) == ("apply", "Service") else None
    stage.api.at("ModelDeployment", *KEY)["spec"]["serving"] = {"service": {"type": "NodePort"}}
    prometheus.failing = True
    await stage.reconcile(15)
    assert selected(stage) == "blue"


@pytest.mark.parametrize("name", ["ServiceAccount", "NetworkPolicy", "PodDisruptionBudget"])
async def test_a_bad_version_is_taken_back_although_somebody_took_a_name_meanwhile(name: str) -> None:
    stage = Stage()
    prometheus = await candidate_starts(stage)
    await stage.reconcile(8)
    assert selected(stage) == "green"
    for ref in [ref for ref in stage.api.objects if ref[0] == name]:
        stage.api.at(*ref)["metadata"] |= {"ownerReferences": [], "labels": {}, "annotations": {}}
    prometheus.failing = True
    await stage.reconcile(15)
    assert selected(stage) == "blue"
    assert stage.condition("Stalled") == ("True", "NameTaken")


@pytest.mark.parametrize("kind", ["ControllerRevision", "Deployment"])
async def test_a_version_whose_pods_may_not_be_made_ends_with_what_the_api_server_said(kind: str) -> None:
    stage = Stage()
    await settled(stage)
    stage.refuse(kind, Forbidden(f"writing {kind}: denied by images.example.com"))
    asks_for_the_second(stage)
    await stage.reconcile(20)
    rejected = raw_status(stage)["rejected"][-1]
    assert (rejected["version"], rejected["reason"]) == ("2.0.0", "Forbidden")
    assert "denied by images.example.com" in rejected["message"]


async def test_a_version_of_which_too_few_pods_may_be_made_ends_with_what_the_api_server_said() -> None:
    """Found by the simulation: *create, refused for ever at the size of the Deployment*, which had one pod."""
    stage = Stage()
    await settled(stage)
    stage.refuse("Deployment/scale", Forbidden("writing Deployment/scale: denied by images.example.com"))
    asks_for_the_second(stage)
    await stage.reconcile(2)
    made = stage.api.at("Deployment", KEY.namespace, "diabetes-green")
    revision = made["spec"]["template"]["metadata"]["labels"]["verdigris.dev/revision"]
    stage.api.put(pod("g0", color="green", revision=revision))
    stage.api.put(endpoint_slice("diabetes-green", True, start=10))
    await stage.reconcile(20)
    rejected = raw_status(stage)["rejected"][-1]
    assert (rejected["version"], rejected["reason"]) == ("2.0.0", "Forbidden")
    assert "denied by images.example.com" in rejected["message"]


def asks_for_the_second(stage: Stage) -> None:
    raw = stage.api.at("ModelDeployment", *KEY)
    raw["spec"]["model"]["version"] = "2.0.0"
    raw["spec"]["rollout"] = {"progressDeadline": "10s"}
    raw["metadata"]["generation"] += 1


def raw_status(stage: Stage) -> Any:
    return stage.api.at("ModelDeployment", *KEY)["status"]
