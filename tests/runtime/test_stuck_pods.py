"""A reconcile that meets stuck pods: what is done, told, counted and remembered, and what a refusal does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.runtime.raws import KEY
from tests.runtime.stage import Stage, settled
from verdigris.adapters.kube.transport.errors import Conflict, Forbidden, Transient
from verdigris.core.pods.diagnosis.check import Diagnosis
from verdigris.core.turn import Turn

PDB = Transient("creating Pod clinic/p0/eviction: it would violate the pod's disruption budget")


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A settled model one of whose two pods, p0, is no longer ready and is diagnosed as flapping."""
    stage = Stage()
    await settled(stage)
    stage.api.at("Pod", KEY.namespace, "p0")["status"] = {"conditions": [{"type": "Ready", "status": "False"}]}
    slices = next(raw for (kind, _, _), raw in stage.api.objects.items() if kind == "EndpointSlice")
    slices["endpoints"][0]["conditions"] = {"ready": False}
    monkeypatch.setattr("verdigris.core.pods.remedies.cleanup.diagnoses", diagnoses)
    return stage


def diagnoses(turn: Turn) -> list[Any]:
    found = Diagnosis("Flapping", "ReadyFlapping", "It flaps.", "Evict", turn.now, turn.now)
    return [(pod, "active", found) for pod in turn.observed.pods if not pod.ready]


def status(stage: Stage) -> Any:
    return stage.api.at("ModelDeployment", *KEY)["status"]


def counted(stage: Stage, action: str) -> float | None:
    return stage.metrics.registry.get_sample_value("verdigris_stuck_pods_total", {"kind": "Flapping", "action": action})


async def test_a_stuck_pod_is_evicted_told_counted_and_remembered(stage: Stage) -> None:
    await stage.reconcile()
    assert ("Pod", KEY.namespace, "p0") not in stage.api.objects
    assert {"StuckPod", "StuckPodRemoved"} <= stage.told
    assert [(entry["pod"], entry["uid"], entry["remedy"]) for entry in status(stage)["removed"]] == [
        ("p0", "Pod-p0", "Evict")
    ]
    assert (counted(stage, "Report"), counted(stage, "Evict"), counted(stage, "Refuse")) == (1, 1, 0)
    assert stage.condition("PodsHealthy") == ("False", "Flapping")
    await stage.reconcile()
    assert stage.condition("PodsHealthy") == ("True", "NoPodIsStuck")
    assert "stuck" not in status(stage) or status(stage)["stuck"] == []


@pytest.mark.parametrize("refusal", [PDB, Forbidden("creating Pod clinic/p0/eviction: no right")])
async def test_a_refused_eviction_is_told_once_fails_nothing_and_is_tried_again(
    stage: Stage, refusal: Forbidden | Transient
) -> None:
    stage.refuse("Pod/eviction", refusal)
    assert (await stage.reconcile()).failure is None
    assert "StuckPodNotRemoved" in stage.told
    assert status(stage)["stuck"][0]["held"].startswith(str(refusal))
    assert not status(stage).get("removed")
    stage.api.calls.clear()
    await stage.reconcile(3)
    assert stage.api.writes == [("create", "Pod/eviction", "p0")] * 3
    stage.api.fault = lambda *_: None
    await stage.reconcile()
    assert ("Pod", KEY.namespace, "p0") not in stage.api.objects


async def test_a_removal_is_remembered_although_the_status_could_not_be_written(stage: Stage) -> None:
    stage.refuse("ModelDeployment/status", Conflict("changed meanwhile"))
    assert (await stage.reconcile()).failure is not None
    assert "StuckPodRemoved" in stage.told
    stage.api.fault = lambda *_: None
    await stage.reconcile()
    assert [entry["pod"] for entry in status(stage)["removed"]] == ["p0"]


async def test_switched_off_the_pod_stays_and_the_status_says_so_without_a_word_more(stage: Stage) -> None:
    stage.api.at("ModelDeployment", *KEY)["spec"]["cleanup"] = {"enabled": False}
    await stage.reconcile()
    assert ("Pod", KEY.namespace, "p0") in stage.api.objects
    assert status(stage)["stuck"][0]["held"].startswith("spec.cleanup.enabled is false")
    stage.api.calls.clear()
    await stage.reconcile(3)
    assert stage.api.writes == []


async def test_the_gauge_follows_what_is_stuck_now(stage: Stage) -> None:
    labels = {"namespace": KEY.namespace, "model": KEY.name, "kind": "Flapping"}
    await stage.reconcile()
    assert stage.metrics.registry.get_sample_value("verdigris_stuck_pods", labels) == 1
    await stage.reconcile()
    assert stage.metrics.registry.get_sample_value("verdigris_stuck_pods", labels) is None
