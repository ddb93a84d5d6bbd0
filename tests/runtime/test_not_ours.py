"""Pods of somebody else that bear our labels, as who copies a manifest has them: not judged, written to nor removed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.runtime.baking import bakes, rollout, selected
from tests.runtime.raws import KEY, container, ended, pod
from tests.runtime.stage import Stage, settled

THEIRS = [
    {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "1", "controller": True},
    {"apiVersion": "batch/v1", "kind": "Job", "name": "diabetes-blue-once", "uid": "2", "controller": True},
    {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "other-blue-5f6d", "uid": "3", "controller": True},
]
FAILED = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."}


def theirs(owner: dict[str, Any], color: str, revision: str, **more: Any) -> dict[str, Any]:
    labels = {"verdigris.dev/model": KEY.name, "verdigris.dev/color": color, "verdigris.dev/revision": revision}
    return pod("theirs", metadata={"labels": labels, "ownerReferences": [owner]}, **more)


@pytest.mark.parametrize("more", [{}, {"status": FAILED}], ids=["ready", "failed"])
@pytest.mark.parametrize("owner", THEIRS, ids=lambda owner: owner["kind"])
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


async def test_its_crashes_are_held_against_no_version() -> None:
    stage = Stage()
    await bakes(stage)
    crashed = container(restartCount=5, lastState=ended(1, "boom"))
    status = {"conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [crashed]}
    stage.api.put(theirs(THEIRS[1], "green", (rollout(stage) or {})["revision"], status=status))
    await stage.reconcile(10)
    assert selected(stage) == "green"
