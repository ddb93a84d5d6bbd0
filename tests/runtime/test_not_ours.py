"""Pods of somebody else that bear our labels, as who copies a manifest has them: not judged, written to nor removed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.rollout.trial_cases import EXPOSED, MINUTE, trial
from tests.rollout.trial_cases import pod as view
from tests.runtime.baking import bakes, candidate_starts, rollout, selected
from tests.runtime.raws import KEY, container, ended, endpoint_slice, pod, waiting
from tests.runtime.stage import Stage, settled
from tests.runtime.test_skew import decide
from verdigris.core.facts.observed import ContainerView
from verdigris.core.pods.diagnosis.candidate import candidate_fault

THEIRS = [
    {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "1", "controller": True},
    {"apiVersion": "batch/v1", "kind": "Job", "name": "diabetes-blue-once", "uid": "2", "controller": True},
    {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "other-blue-5f6d", "uid": "3", "controller": True},
    {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "diabetes-blue-copy-5f6d", "uid": "4", "controller": True},
]
FAILED = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."}


def theirs(owner: dict[str, Any], color: str, revision: str, **more: Any) -> dict[str, Any]:
    labels = {"verdigris.dev/model": KEY.name, "verdigris.dev/color": color, "verdigris.dev/revision": revision}
    return pod("theirs", metadata={"labels": labels, "ownerReferences": [owner]}, **more)


@pytest.mark.parametrize("more", [{}, {"status": FAILED}], ids=["ready", "failed"])
@pytest.mark.parametrize("owner", THEIRS, ids=lambda owner: owner["name"])
async def test_it_is_neither_written_to_nor_removed(owner: dict[str, Any], more: dict[str, Any]) -> None:
    stage = Stage()
    await settled(stage)
    revision = stage.api.at("ModelDeployment", *KEY)["status"]["active"]["revision"]
    stage.api.put(theirs(owner, "blue", revision, **more))
    stage.api.calls.clear()
    for _ in range(20):
        stage.now += timedelta(minutes=1)
        await stage.reconcile()
    assert [call for call in stage.api.calls if call[2] == "theirs"] == []


COPIES = [
    [THEIRS[1]],
    [{**THEIRS[3], "name": "diabetes-green-copy-5f6d"}],
    [],
]


@pytest.mark.parametrize("owners", COPIES, ids=["job", "copied deployment", "pod made by hand"])
async def test_its_crashes_are_held_against_no_version(owners: list[dict[str, Any]]) -> None:
    stage = Stage()
    await bakes(stage)
    crashed = container(restartCount=5, lastState=ended(1, "boom"))
    status = {"conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [crashed]}
    copy = theirs({}, "green", (rollout(stage) or {})["revision"], status=status)
    copy["metadata"]["ownerReferences"] = owners
    stage.api.put(copy)
    await stage.reconcile(10)
    assert selected(stage) == "green"
    assert not stage.api.at("Pod", KEY.namespace, "theirs")["metadata"].get("annotations")


async def test_endpoints_that_somebody_else_slices_count_for_no_version() -> None:
    """No active pod is ready: clients stay with who answers, whatever a slice made by hand says."""
    stage = Stage()
    await bakes(stage)
    for (kind, _, _), raw in stage.api.objects.items():
        if kind == "Pod" and raw["metadata"]["labels"]["verdigris.dev/color"] == "blue":
            raw["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    stage.api.at("EndpointSlice", KEY.namespace, "diabetes-blue-0")["endpoints"] = []
    by_hand = endpoint_slice("diabetes-blue", True, start=70)
    by_hand["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] = "somebody"
    stage.api.put(by_hand)
    decide(stage, "abort", rollout(stage)["revision"])
    await stage.reconcile(30)
    assert selected(stage) == "green"
    assert ("Deployment", KEY.namespace, "diabetes-green") in stage.api.objects


# Pods that no controller has: somebody made them by hand from a copied manifest, with all our labels.


def by_hand(color: str, revision: str, **more: Any) -> dict[str, Any]:
    made = theirs({}, color, revision, **more)
    made["metadata"]["ownerReferences"] = []
    return made


CRASH_LOOP = {
    "phase": "Running",
    "containerStatuses": [container(state=waiting("CrashLoopBackOff"), lastState=ended(1), restartCount=9)],
}


async def test_a_pod_made_by_hand_that_runs_beside_ours_is_told_and_left_alone() -> None:
    stage = Stage()
    await settled(stage)
    revision = stage.api.at("ModelDeployment", *KEY)["status"]["active"]["revision"]
    stage.api.put(by_hand("blue", revision, status=CRASH_LOOP))
    stage.api.calls.clear()
    for _ in range(25):
        stage.now += timedelta(minutes=2)
        await stage.reconcile()
    assert [call for call in stage.api.calls if call[2] == "theirs"] == []
    (told,) = stage.api.at("ModelDeployment", *KEY)["status"]["stuck"]
    assert "kubectl delete pod theirs" in told["message"] + told.get("held", "")


def test_a_copy_of_a_candidate_pod_is_neither_its_fault_nor_its_readiness() -> None:
    server = ContainerView("server", waiting="InvalidImageName", said="couldn't parse image reference")
    broken = view("by-hand", ready=False, controlled=False, containers=(server,))
    turn = trial(view("g0"), view("g1"), broken, view("g3", controlled=False), now=EXPOSED + 10 * MINUTE)
    assert candidate_fault(turn) is None
    assert turn.ready(turn.rollout) == 2


async def test_a_rollout_says_which_pod_made_by_hand_it_waits_for_and_ends_at_its_deadline() -> None:
    stage = Stage()
    stage.api.put(by_hand("green", "v1-0ld0ld0ld0"))
    await candidate_starts(stage)
    await stage.reconcile(2)
    found = rollout(stage)
    assert found["stage"] == "Starting"
    assert "kubectl delete pod theirs -n clinic" in found["message"]
    assert found["deadline"]
    stage.now += timedelta(minutes=11)
    await stage.reconcile(15)
    assert rollout(stage) is None
    (rejected,) = stage.api.at("ModelDeployment", *KEY)["status"]["rejected"]
    assert rejected["reason"] == "OtherRevisionAnswers"


async def test_a_rollout_goes_on_when_the_pod_made_by_hand_is_gone() -> None:
    stage = Stage()
    stage.api.put(by_hand("green", "v1-0ld0ld0ld0"))
    await candidate_starts(stage)
    await stage.reconcile(3)
    del stage.api.objects["Pod", KEY.namespace, "theirs"]
    await stage.reconcile(6)
    assert rollout(stage)["stage"] == "Baking"
