"""The picture of a ModelDeployment: complete or none, and only of what is its own."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.runtime.fake_api import FakeApi
from tests.runtime.raws import KEY, SHA, endpoint_slice, owned, parent, pod
from verdigris.adapters.kube.reading.observe import Picture, observe
from verdigris.adapters.kube.reading.understand import Malformed
from verdigris.adapters.kube.transport.errors import Forbidden, Unreachable
from verdigris.children.names import Defaults

DEFAULTS = Defaults("verdigris/serving:0.1.0", "http://prometheus")


SNAPSHOT: dict[str, Any] = {
    "version": "1.0.0",
    "sha256": "0" * 64,
    "uri": "https://models.test/1.0.0.vmodel",
    "podTemplate": {
        "metadata": {"labels": {}},
        "spec": {
            "initContainers": [{"name": "fetch", "env": [{"name": "AWS_ENDPOINT_URL", "value": "https://s3.test"}]}],
            "containers": [{"name": "server", "ports": [{"name": "http"}]}],
        },
    },
}


@pytest.fixture
def api() -> FakeApi:
    api = FakeApi()
    api.put(parent())
    return api


async def see(api: FakeApi) -> Picture:
    picture = await observe(api, KEY, DEFAULTS)
    assert picture is not None
    return picture


def deployment(color: str, **meta: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"verdigris.dev/revision": "v1-0"}}}
    return owned(
        "Deployment", "apps/v1", f"diabetes-{color}", metadata=meta, spec={"replicas": 3, "template": template}
    )


def service(name: str, color: str, **meta: Any) -> dict[str, Any]:
    return owned("Service", "v1", name, metadata=meta, spec={"selector": {"verdigris.dev/color": color}})


async def test_everything_is_in_the_picture(api: FakeApi) -> None:
    data = {"version": "1.0.0", "sha256": SHA, "uri": "https://x/y", "podTemplate": SNAPSHOT["podTemplate"]}
    labels = {"verdigris.dev/model": "diabetes", "verdigris.dev/revision": "v1-0"}
    for raw in (
        deployment("blue"),
        service("diabetes", "blue"),
        service("diabetes-blue", "blue"),
        pod("b"),
        pod("a"),
        endpoint_slice("diabetes-blue", True, True),
        owned("HorizontalPodAutoscaler", "autoscaling/v2", "diabetes-blue"),
        owned("ControllerRevision", "apps/v1", "diabetes-v1-0", metadata={"labels": labels}, data=data),
    ):
        api.put(raw)
    picture = await see(api)
    seen = picture.observed
    assert {color: view.replicas for color, view in seen.deployments.items()} == {"blue": 3}
    assert [view.name for view in seen.pods] == ["a", "b"]
    assert seen.endpoints == {"blue": 2, "green": 0}
    assert seen.selected == "blue"
    assert seen.hpas == {"blue"}
    assert seen.snapshots["v1-0"].sha256 == SHA
    assert not seen.unknown
    assert seen.spec.model.version == "1.0.0"
    assert ("Deployment", "diabetes-blue") in picture.live


@pytest.mark.parametrize("gone", [True, False])
async def test_a_deleted_one_has_no_picture(api: FakeApi, gone: bool) -> None:
    if gone:
        api.objects.clear()
    else:
        api.at("ModelDeployment", *KEY)["metadata"]["deletionTimestamp"] = "2026-11-23T10:00:00Z"
    assert await observe(api, KEY, DEFAULTS) is None


@pytest.mark.parametrize(
    "kind",
    [
        "ModelDeployment",
        "Deployment",
        "Pod",
        "Service",
        "EndpointSlice",
        "HorizontalPodAutoscaler",
        "ControllerRevision",
        "RolloutDecision",
        "ServiceMonitor",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "ServiceAccount",
    ],
)
async def test_any_read_that_fails_leaves_no_picture_at_all(api: FakeApi, kind: str) -> None:
    """Law 11: a read error is never a difference."""
    api.fault = lambda _, called, __: Unreachable(f"{kind}: no answer") if called == kind else None
    with pytest.raises(Unreachable, match=kind):
        await observe(api, KEY, DEFAULTS)


@pytest.mark.parametrize("kind", ["ModelDeployment", "Deployment", "Pod", "Service", "EndpointSlice"])
async def test_what_traffic_goes_by_and_may_not_be_read_is_an_error_and_not_an_absence(api: FakeApi, kind: str) -> None:
    api.fault = lambda _, called, __: Forbidden("no right") if called == kind else None
    with pytest.raises(Forbidden):
        await observe(api, KEY, DEFAULTS)


async def test_a_kind_beside_the_traffic_that_may_not_be_read_is_unseen_and_not_absent(api: FakeApi) -> None:
    refusal = Forbidden("no right")
    api.fault = lambda _, called, __: refusal if called == "ServiceMonitor" else None
    picture = await see(api)
    assert picture.unseen == {"ServiceMonitor": refusal}
    assert picture.observed.unseen == {"ServiceMonitor"}
    assert not picture.observed.unknown


async def test_a_cluster_without_service_monitors_is_seen_as_one(api: FakeApi) -> None:
    api.unknown.add("ServiceMonitor")
    assert (await see(api)).observed.unknown == {"ServiceMonitor"}


async def test_what_carries_traffic_is_found_by_name_when_its_label_is_lost(api: FakeApi) -> None:
    api.put(deployment("blue", labels={}))
    api.put(service("diabetes", "green", labels={}))
    seen = await see(api)
    assert "blue" in seen.observed.deployments
    assert seen.observed.selected == "green"
    assert seen.live["Service", "diabetes"]["apiVersion"] == "v1"


async def test_what_somebody_else_owns_is_not_judged_by_but_is_known_to_be_there(api: FakeApi) -> None:
    api.put(deployment("blue", ownerReferences=[{"uid": "somebody"}]))
    seen = await see(api)
    assert seen.observed.deployments == {}
    assert ("Deployment", "diabetes-blue") in seen.live


def decision(name: str, model: str = "diabetes", **spec: Any) -> dict[str, Any]:
    content = {"modelDeployment": model, "revision": "v1-0", "verb": "approve", "reason": "ok", "requestedBy": "alice"}
    return owned("RolloutDecision", "verdigris.dev/v1alpha1", name, spec=content | spec)


async def test_decisions_are_those_about_this_model_that_can_be_understood(api: FakeApi) -> None:
    api.put(decision("mine"))
    api.put(decision("other", model="other"))
    api.put(decision("odd", verb="explode"))
    seen = await see(api)
    assert [(d.name, d.verb, d.by) for d in seen.observed.decisions] == [("mine", "approve", "alice")]


async def snapshots_seen(api: FakeApi, data: dict[str, Any]) -> int:
    labels = {"verdigris.dev/model": "diabetes", "verdigris.dev/revision": "v1-0"}
    api.put(owned("ControllerRevision", "apps/v1", "diabetes-v1-0", metadata={"labels": labels}, data=data))
    return len((await see(api)).observed.snapshots)


def parts_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of each member and item, however deep."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in items:
        yield (*path, key)
        yield from parts_of(member, (*path, key))


def spoilt(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    data = copy.deepcopy(SNAPSHOT)
    place: Any = data
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return data


async def test_a_snapshot_as_it_was_made_is_seen(api: FakeApi) -> None:
    assert await snapshots_seen(api, SNAPSHOT) == 1


@pytest.mark.parametrize("path", list(parts_of(SNAPSHOT)), ids=lambda path: ".".join(map(str, path)))
@pytest.mark.parametrize("value", [None, 7], ids=str)
async def test_a_snapshot_that_was_tampered_with_is_as_if_not_there(api: FakeApi, path: Any, value: Any) -> None:
    assert await snapshots_seen(api, spoilt(path, value)) == 0


async def test_a_snapshot_that_lacks_something_is_as_if_not_there(api: FakeApi) -> None:
    assert await snapshots_seen(api, {"version": "1"}) == 0


@pytest.mark.parametrize(
    ("spoil", "reason", "fragments"),
    [
        ({"spec": {"model": {"version": "1"}}}, "InvalidSpec", ["spec.model"]),
        ({"spec": {}}, "InvalidSpec", ["spec.model: Field required"]),
        ({"spec": None}, "InvalidSpec", ["spec.model"]),
        ({"spec": {"model": 7}, "status": {"conditions": [{"type": 7}]}}, "InvalidSpec", ["spec.model"]),
        ({"status": {"active": {"color": "violet"}}}, "InvalidStatus", ["status.active", "Nothing that runs tells"]),
    ],
)
async def test_what_cannot_be_understood_is_told_by_field(
    api: FakeApi, spoil: dict[str, Any], reason: str, fragments: list[str]
) -> None:
    api.at("ModelDeployment", *KEY).update(spoil)
    with pytest.raises(Malformed) as caught:
        await observe(api, KEY, DEFAULTS)
    assert caught.value.reason == reason
    assert all(fragment in str(caught.value) for fragment in fragments)


async def test_many_faults_are_told_as_three_and_a_number(api: FakeApi) -> None:
    api.at("ModelDeployment", *KEY)["spec"] = {"model": 7, "serving": 7, "rollout": 7, "paused": 7, "cleanup": 7}
    with pytest.raises(Malformed, match=r"spec\.model.*\(and 2 more\)\. Correct it with kubectl edit"):
        await observe(api, KEY, DEFAULTS)


async def test_many_unknown_fields_are_told_as_three_and_a_number(api: FakeApi) -> None:
    api.at("ModelDeployment", *KEY)["spec"] |= {f"unknown{number}": 1 for number in range(5)}
    skew = (await see(api)).observed.skew
    assert skew.ignored().startswith("spec.unknown0, spec.unknown1, spec.unknown2 (and 2 more) are not known")
    assert not skew.faults()
