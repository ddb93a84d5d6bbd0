"""Writing status: one patch of what differs, against the object that was read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.runtime.fake_api import FakeApi
from tests.runtime.raws import KEY, owned, parent
from verdigris.api.status import ActiveStatus, DecisionRecord, ModelDeploymentStatus
from verdigris.cluster.errors import Conflict
from verdigris.cluster.kinds import MODEL_DEPLOYMENT
from verdigris.cluster.observe import Picture, observe
from verdigris.cluster.status import (
    merge_patch,
    raw_conditions,
    stalled,
    write_conditions,
    write_decisions,
    write_status,
)
from verdigris.resources.names import Defaults

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
ACTIVE = ActiveStatus(version="1.0.0", revision="v1-0", color="blue", since=NOW)

_scalars = st.none() | st.booleans() | st.integers(0, 3) | st.text("ab", max_size=2)
_objects = st.recursive(
    st.dictionaries(st.sampled_from("abc"), _scalars.filter(lambda value: value is not None)),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner | st.lists(st.integers(0, 2), max_size=2)),
    max_leaves=8,
)


def applied(old: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """RFC 7386, section 2."""
    result = dict(old)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = applied(result[key] if isinstance(result.get(key), dict) else {}, value)
        else:
            result[key] = value
    return result


@given(old=_objects, new=_objects)
def test_the_patch_leads_from_the_old_to_the_new(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert applied(old, merge_patch(old, new)) == new


@given(same=_objects)
def test_there_is_nothing_to_patch_between_equals(same: dict[str, Any]) -> None:
    assert merge_patch(same, same) == {}


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
    assert await write_status(api, await see(api), status)
    assert not await write_status(api, await see(api), status)
    assert api.writes == [("patch", "ModelDeployment/status", "diabetes")]
    assert api.at("ModelDeployment", *KEY)["metadata"]["generation"] == 1


async def test_what_is_over_is_taken_out_of_the_status(api: FakeApi) -> None:
    await write_status(api, await see(api), ModelDeploymentStatus(active=ACTIVE))
    await write_status(api, await see(api), ModelDeploymentStatus())
    assert "active" not in api.at("ModelDeployment", *KEY)["status"]


async def test_fields_of_a_newer_operator_are_left_alone(api: FakeApi) -> None:
    api.at("ModelDeployment", *KEY)["status"] = {"invention": {"x": 1}}
    await write_status(api, await see(api), ModelDeploymentStatus(active=ACTIVE))
    assert api.at("ModelDeployment", *KEY)["status"]["invention"] == {"x": 1}


async def test_a_status_for_an_object_that_has_changed_is_a_conflict(api: FakeApi) -> None:
    picture = await see(api)
    await api.patch(MODEL_DEPLOYMENT, KEY.namespace, KEY.name, {"spec": {"paused": True}})
    with pytest.raises(Conflict):
        await write_status(api, picture, ModelDeploymentStatus(active=ACTIVE))


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
    assert await write_decisions(api, await see(api), [record("d"), record("long gone")]) == 1
    assert api.at("RolloutDecision", KEY.namespace, "d")["status"]["message"] == "So be it."
    assert await write_decisions(api, await see(api), [record("d")]) == 0


async def test_conditions_of_a_malformed_object_keep_what_can_be_understood(api: FakeApi) -> None:
    good = {"type": "Ready", "status": "True", "reason": "Active", "lastTransitionTime": "2026-11-23T09:00:00Z"}
    api.at("ModelDeployment", *KEY)["status"] = {"conditions": [good, {"type": "Odd"}], "active": {"odd": True}}
    raw = api.at("ModelDeployment", *KEY)
    conditions = stalled(raw_conditions(raw), "InvalidSpec", "spec.model: wrong", 1, NOW, ready=False)
    assert await write_conditions(api, raw, conditions)
    found = {c["type"]: (c["status"], c["reason"]) for c in api.at("ModelDeployment", *KEY)["status"]["conditions"]}
    assert found == {"Ready": ("False", "InvalidSpec"), "Stalled": ("True", "InvalidSpec")}
    assert api.at("ModelDeployment", *KEY)["status"]["active"] == {"odd": True}
    assert not await write_conditions(api, api.at("ModelDeployment", *KEY), conditions)


def test_what_still_serves_stays_ready() -> None:
    assert [c.type for c in stalled((), "Invalid", "no", 1, NOW, ready=True)] == ["Stalled"]
