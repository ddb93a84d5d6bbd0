"""Writing status: one patch of what differs, against the object that was read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.runtime.fake_api import FakeApi
from tests.runtime.raws import KEY, owned, parent
from tests.runtime.stage import Stage, settled
from verdigris.adapters.kube.reading.observe import Picture, observe
from verdigris.adapters.kube.transport.errors import Conflict, Forbidden
from verdigris.adapters.kube.transport.kinds import MODEL_DEPLOYMENT
from verdigris.adapters.kube.writing.status import (
    REFUSED_A_LOOK,
    raw_conditions,
    stalled,
    write_conditions,
    write_decisions,
    write_status,
)
from verdigris.api.status import ActiveStatus, DecisionRecord, ModelDeploymentStatus
from verdigris.children.names import Defaults

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
ACTIVE = ActiveStatus(version="1.0.0", revision="v1-0", color="blue", since=NOW)


@pytest.fixture
def api() -> FakeApi:
    api = FakeApi()
    api.put(parent())
    return api


async def see(api: FakeApi) -> Picture:
    picture = await observe(api, KEY, Defaults("image"))
    assert picture is not None
    return picture


async def test_a_status_is_written_once_and_then_not_again(api: FakeApi) -> None:
    status = ModelDeploymentStatus(observed_generation=1, active=ACTIVE)
    assert await write_status(api, await see(api), status, NOW)
    assert not await write_status(api, await see(api), status, NOW)
    assert api.writes == [("patch", "ModelDeployment/status", "diabetes")]
    assert api.at("ModelDeployment", *KEY)["metadata"]["generation"] == 1


async def test_what_is_over_is_taken_out_of_the_status(api: FakeApi) -> None:
    await write_status(api, await see(api), ModelDeploymentStatus(active=ACTIVE), NOW)
    await write_status(api, await see(api), ModelDeploymentStatus(), NOW)
    assert "active" not in api.at("ModelDeployment", *KEY)["status"]


async def test_fields_of_a_newer_operator_are_left_alone(api: FakeApi) -> None:
    api.at("ModelDeployment", *KEY)["status"] = {"invention": {"x": 1}}
    await write_status(api, await see(api), ModelDeploymentStatus(active=ACTIVE), NOW)
    assert api.at("ModelDeployment", *KEY)["status"]["invention"] == {"x": 1}


async def test_a_status_for_an_object_that_has_changed_is_a_conflict(api: FakeApi) -> None:
    picture = await see(api)
    await api.patch(MODEL_DEPLOYMENT, KEY.namespace, KEY.name, {"spec": {"paused": True}})
    with pytest.raises(Conflict):
        await write_status(api, picture, ModelDeploymentStatus(active=ACTIVE), NOW)


def record(uid: str) -> DecisionRecord:
    return DecisionRecord(
        uid=uid, name="d", verb="approve", by="alice", reason="ok", outcome="Accepted", message="So be it.", at=NOW
    )


async def test_a_decision_gets_its_outcome_once(api: FakeApi) -> None:
    spec = {
        "modelDeployment": "diabetes",
        "revision": "v1-0",
        "verb": "approve",
        "reason": "ok",
        "requestedBy": "alice",
    }
    api.put(owned("RolloutDecision", "verdigris.dev/v1alpha1", "d", metadata={"uid": "d"}, spec=spec))
    assert (await write_decisions(api, await see(api), [record("d"), record("long gone")])).written == 1
    assert api.at("RolloutDecision", KEY.namespace, "d")["status"]["message"] == "So be it."
    assert (await write_decisions(api, await see(api), [record("d")])).written == 0


async def test_a_decision_that_cannot_be_written_on_keeps_no_other_from_its_answer_and_floods_nothing(
    api: FakeApi,
) -> None:
    names = [f"d{number}" for number in range(30)]
    for number, name in enumerate(names):
        meta = {"uid": name, "creationTimestamp": f"2026-11-23T10:00:{number:02}Z"}
        api.put(
            owned("RolloutDecision", "verdigris.dev/v1alpha1", name, metadata=meta, spec={"modelDeployment": KEY.name})
        )
    refused = set(names) - {"d27", "d29"}
    api.fault = lambda verb, _, name: Forbidden("no right") if verb == "patch" and name in refused else None
    assert (await write_decisions(api, await see(api), [record(name) for name in names])).written == 2
    assert len([call for call in api.writes if call[0] == "patch"]) <= REFUSED_A_LOOK + 2


async def test_that_a_decision_cannot_be_marked_is_told_once() -> None:
    stage = Stage()
    await settled(stage)
    spec = {"modelDeployment": KEY.name, "revision": "v1-0", "verb": "abort", "reason": "ok", "requestedBy": "alice"}
    stage.api.put(owned("RolloutDecision", "verdigris.dev/v1alpha1", "d", metadata={"uid": "d"}, spec=spec))
    stage.api.fault = lambda verb, _, name: Forbidden("no right") if (verb, name) == ("patch", "d") else None
    await stage.reconcile(4)
    events = [raw for (kind, _, _), raw in stage.api.objects.items() if kind == "Event"]
    (told,) = [raw for raw in events if raw["reason"] == "DecisionNotMarked"]
    assert "RolloutDecision d was answered" in told["message"]
    assert told.get("count", 1) == 1


async def test_conditions_of_a_malformed_object_keep_what_can_be_understood(api: FakeApi) -> None:
    good = {"type": "Ready", "status": "True", "reason": "Active", "lastTransitionTime": "2026-11-23T09:00:00Z"}
    api.at("ModelDeployment", *KEY)["status"] = {"conditions": [good, {"type": "Odd"}], "active": {"odd": True}}
    api.notice()
    raw = api.at("ModelDeployment", *KEY)
    conditions = stalled(raw_conditions(raw), "InvalidSpec", "spec.model: wrong", 1, NOW, ready=False)
    assert await write_conditions(api, raw, conditions)
    written = api.at("ModelDeployment", *KEY)["status"]["conditions"]
    found = {c["type"]: (c["status"], c["reason"]) for c in written if "status" in c}
    assert found == {"Ready": ("False", "InvalidSpec"), "Stalled": ("True", "InvalidSpec")}
    assert {"type": "Odd"} in written
    assert api.at("ModelDeployment", *KEY)["status"]["active"] == {"odd": True}
    assert not await write_conditions(api, api.at("ModelDeployment", *KEY), conditions)


def test_what_still_serves_stays_ready() -> None:
    assert [c.type for c in stalled((), "Invalid", "no", 1, NOW, ready=True)] == ["Stalled"]
