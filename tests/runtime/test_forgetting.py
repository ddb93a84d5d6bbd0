"""What is remembered of objects ends with them, and no clock that is set back keeps anything waiting."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.runtime.baking import bakes, rollout, selected
from tests.runtime.raws import KEY, pod
from tests.runtime.stage import Stage, settled
from verdigris.adapters.kube.transport.errors import Forbidden
from verdigris.adapters.kube.writing.restores import PATIENCE, RestoreBackoff

REF = ("clinic", "Deployment", "diabetes-blue")


async def test_refusals_of_pods_that_are_gone_are_forgotten() -> None:
    stage = Stage()
    await settled(stage)
    revision = stage.api.at("ModelDeployment", *KEY)["status"]["active"]["revision"]
    stage.refuse("Pod", Forbidden("a webhook"))
    for number in range(20):
        name = f"fleeting{number}"
        stage.api.put(pod(name, revision=revision))
        await stage.reconcile()
        del stage.api.objects["Pod", KEY.namespace, name]
    assert stage.reconciler._writes._known[KEY]
    stage.now += timedelta(hours=1)
    await stage.reconcile()
    assert not stage.reconciler._writes._known[KEY]


async def test_a_model_that_is_gone_leaves_nothing_behind() -> None:
    stage = Stage()
    await settled(stage)
    stage.refuse("Service", Forbidden("no right"))
    stage.api.at("Service", KEY.namespace, KEY.name)["spec"]["type"] = "NodePort"
    await stage.reconcile()
    del stage.api.objects["ModelDeployment", KEY.namespace, KEY.name]
    await stage.reconcile()
    known = stage.reconciler
    assert not any((known._restores, known._intervals, known._writes._known, known._unwritten._kept))


LOST = ("HorizontalPodAutoscaler", "NetworkPolicy", "PodDisruptionBudget", "ServiceAccount", "ServiceMonitor")


@pytest.mark.parametrize("at", range(len(LOST)))
async def test_a_child_that_is_left_behind_in_the_middle_of_a_look_does_not_get_its_owner_back(at: int) -> None:
    """`kubectl delete --cascade=orphan` takes the owner references away while a look still writes children."""
    stage = Stage()
    await settled(stage)
    for ref in [ref for ref in stage.api.objects if ref[0] in LOST]:
        del stage.api.objects[ref]
    written: list[str] = []

    def orphan(verb: str, kind: str, _: str) -> None:
        written.extend([kind] * (verb == "apply"))
        if len(written) > at:
            leave_behind(stage)
            stage.memory.deliver()

    stage.api.fault = orphan
    await stage.reconcile(2)
    assert len(written) == at + 1
    assert len(owned(stage)) <= 1, "no more than the write that was on its way"


@pytest.mark.parametrize("kind", ["Deployment", "Service", "Pod", "RolloutDecision"])
async def test_what_a_look_finds_left_behind_is_not_taken_over_for_a_model_that_is_on_its_way_out(kind: str) -> None:
    stage = Stage()
    await settled(stage)
    stage.memory.forget(KEY)
    stage.api.fault = lambda verb, listed, _: leave_behind(stage) if (verb, listed) == ("list", kind) else None
    await stage.reconcile(2)
    assert owned(stage) == []


def leave_behind(stage: Stage) -> None:
    """As `kubectl delete --cascade=orphan` and the garbage collector do it; no watch has told of it yet."""
    leaving = stage.api.at("ModelDeployment", *KEY)["metadata"]
    if "deletionTimestamp" not in leaving:
        leaving |= {"deletionTimestamp": "2026-11-23T10:00:00Z", "finalizers": ["orphan"]}
        for raw in stage.api.objects.values():
            raw["metadata"].pop("ownerReferences", None)


def owned(stage: Stage) -> list[tuple[str, str, str]]:
    """The children that have an owner. Pods have their ReplicaSet."""
    found = {ref: raw["metadata"].get("ownerReferences") for ref, raw in stage.api.objects.items() if ref[0] != "Pod"}
    return [ref for ref, owners in found.items() if owners]


def test_a_clock_that_was_set_back_keeps_no_putting_back_waiting() -> None:
    now = 10_000.0
    backoff = RestoreBackoff(lambda: now)
    for _ in range(PATIENCE + 2):
        backoff.wrote(REF, "wanted", "spec.replicas", "shown")
    assert 0 < backoff.wait(REF, "spec.replicas") <= 300
    now -= 3600
    assert backoff.wait(REF, "spec.replicas") == 0


def delete(stage: Stage, *finalizers: str) -> None:
    """As `kubectl delete`, of a model that these finalizers keep."""
    stage.api.at("ModelDeployment", *KEY)["metadata"] |= {
        "deletionTimestamp": "2026-11-23T10:01:00Z",
        "finalizers": list(finalizers),
    }


async def test_a_model_that_somebodys_finalizer_keeps_serves_on_and_its_rollout_can_be_taken_back() -> None:
    stage = Stage()
    prometheus = await bakes(stage)
    delete(stage, "backup.example.com/snapshot")
    prometheus.failing = True
    for _ in range(20):
        stage.now += timedelta(seconds=10)
        await stage.reconcile()
    assert selected(stage) == "blue"
    assert rollout(stage) is None


async def test_a_model_that_is_kept_starts_no_version_and_says_why() -> None:
    stage = Stage()
    await settled(stage)
    delete(stage, "backup.example.com/snapshot")
    raw = stage.api.at("ModelDeployment", *KEY)
    raw["spec"]["model"]["version"] = "2.0.0"
    raw["metadata"]["generation"] += 1
    await stage.reconcile(5)
    assert rollout(stage) is None
    assert stage.condition("Ready") == ("False", "Deleting")
    assert "a finalizer keeps it" in stage.message("Ready")


@pytest.mark.parametrize("collector", [["foregroundDeletion"], ["orphan"], []], ids=["foreground", "orphan", "done"])
async def test_nothing_is_made_anew_where_the_garbage_collector_is_or_was_at_the_children(collector: list[str]) -> None:
    stage = Stage()
    await settled(stage)
    delete(stage, "backup.example.com/snapshot", *collector)
    gone = [("Service", KEY.namespace, KEY.name), ("Deployment", KEY.namespace, "diabetes-blue")]
    for ref in gone:
        del stage.api.objects[ref]
    await stage.reconcile(5)
    assert not any(ref in stage.api.objects for ref in gone)
