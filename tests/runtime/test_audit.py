"""What the audit log is told: the status that stands in the cluster, and never one that was only wished."""

from __future__ import annotations

from tests.runtime.baking import candidate_starts, selected
from tests.runtime.raws import KEY
from tests.runtime.stage import Stage, settled
from verdigris.adapters.kube.reading.port import Key
from verdigris.adapters.kube.transport.errors import Transient
from verdigris.api.status import ModelDeploymentStatus
from verdigris.audit.facts import changes
from verdigris.audit.model import Model

Told = list[tuple[Key, str, ModelDeploymentStatus]]


def recorded(told: Told, stage: Stage) -> list[str]:
    """What the log has of it, each once."""
    statuses, model = [status for _, _, status in told], Model(*KEY, told[0][1])
    pairs = zip([None, *statuses], statuses, strict=False)
    found = [entry for before, after in pairs for entry in changes(before, after, model, stage.now)]
    assert len({entry.id for entry in found}) == len(found)
    return [entry.what for entry in found]


async def test_each_status_that_was_accepted_is_told_with_the_models_uid() -> None:
    told: Told = []
    stage = Stage(saw=lambda *one: told.append(one))
    await settled(stage)
    raw = stage.api.at("ModelDeployment", *KEY)
    assert {(key, uid) for key, uid, _ in told} == {(KEY, raw["metadata"]["uid"])}
    assert told[-1][2] == ModelDeploymentStatus.parse(raw["status"])
    assert recorded(told, stage) == ["began", "deployed"]


async def test_a_rollback_whose_status_is_refused_is_told_once_it_is_accepted() -> None:
    told: Told = []
    stage = Stage(saw=lambda *one: told.append(one))
    prometheus = await candidate_starts(stage)
    await stage.reconcile(8)
    stage.refuse("ModelDeployment/status", Transient("writing ModelDeployment: etcd is away"))
    prometheus.failing = True
    await stage.reconcile(15)
    assert selected(stage) == "blue"
    assert "rolledback" not in recorded(told, stage)
    stage.api.fault = lambda *_: None
    await stage.reconcile(3)
    assert recorded(told, stage).count("rolledback") == 1
