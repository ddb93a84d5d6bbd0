"""What the operator relies on from the API server: the same tests for the fake and for the real one."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from dev.cluster import Cluster
from tests.runtime.fake_api import FakeApi
from verdigris.adapters.kube.reading import survey
from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.client import Client
from verdigris.adapters.kube.transport.connection import from_kubeconfig
from verdigris.adapters.kube.transport.errors import AlreadyExists, Conflict, Invalid, NotFound
from verdigris.adapters.kube.writing.fields import last_to_scale, strays
from verdigris.adapters.kube.writing.patches import restoring


@dataclass
class Place:
    """An API and a namespace in it to play in."""

    api: Any
    namespace: str


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.cluster)])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    if request.param == "fake":
        yield Place(FakeApi(), "play")
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    name = f"runtime-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    client = Client(from_kubeconfig(cluster.kubeconfig))
    yield Place(client, name)
    await client.close()
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def service(namespace: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "a", "namespace": namespace, "labels": {"verdigris.dev/model": "m"}},
        "spec": {"selector": {"app": "a"}, "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]} | spec,
    }


def deployment(namespace: str) -> dict[str, Any]:
    container = {"name": "a", "image": "example.com/none:1", "imagePullPolicy": "Never"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a", "namespace": namespace, "labels": {"verdigris.dev/model": "m"}},
        "spec": {
            "selector": {"matchLabels": {"app": "a"}},
            "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [container]}},
        },
    }


def lease(namespace: str, holder: str) -> dict[str, Any]:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "a", "namespace": namespace},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15},
    }


async def test_what_is_not_there_is_not_found(place: Place) -> None:
    with pytest.raises(NotFound, match=r"Service .*missing"):
        await place.api.get(kinds.SERVICE, place.namespace, "missing")


async def test_applying_the_same_again_leaves_the_version_as_it_is(place: Place) -> None:
    first = await place.api.apply(service(place.namespace))
    again = await place.api.apply(service(place.namespace))
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert again["metadata"]["uid"] == first["metadata"]["uid"]


async def test_applying_takes_back_what_somebody_changed_and_leaves_what_they_added(place: Place) -> None:
    await place.api.apply(service(place.namespace))
    theirs = {"metadata": {"labels": {"verdigris.dev/model": "other", "extra": "theirs"}}}
    await place.api.patch(kinds.SERVICE, place.namespace, "a", theirs, manager="somebody")
    found = await place.api.apply(service(place.namespace))
    assert found["metadata"]["labels"] == {"verdigris.dev/model": "m", "extra": "theirs"}


async def test_a_selector_is_one_value_so_that_applying_removes_what_somebody_added(place: Place) -> None:
    await place.api.apply(service(place.namespace))
    theirs = {"spec": {"selector": {"extra": "theirs"}}}
    await place.api.patch(kinds.SERVICE, place.namespace, "a", theirs, manager="somebody")
    found = await place.api.apply(service(place.namespace))
    assert found["spec"]["selector"] == {"app": "a"}


async def test_an_edit_changes_what_it_names_and_fails_whole_where_one_of_its_tests_does(place: Place) -> None:
    await place.api.apply(service(place.namespace))
    name = {"op": "test", "path": "/spec/ports/0/name", "value": "http"}
    label = {"op": "add", "path": "/metadata/labels/example.com~1team", "value": "web"}
    port = {"op": "add", "path": "/spec/ports/0/port", "value": 81}
    found = await place.api.edit(kinds.SERVICE, place.namespace, "a", [name, label, port])
    assert (found["spec"]["ports"][0]["port"], found["spec"]["selector"]) == (81, {"app": "a"})
    assert found["metadata"]["labels"] == {"verdigris.dev/model": "m", "example.com/team": "web"}
    with pytest.raises(Conflict):
        await place.api.edit(kinds.SERVICE, place.namespace, "a", [{**name, "value": "other"}, {**port, "value": 82}])
    with pytest.raises(Conflict):
        await place.api.edit(kinds.SERVICE, place.namespace, "a", [{**name, "path": "/spec/ports/7/name"}])
    assert (await place.api.get(kinds.SERVICE, place.namespace, "a"))["spec"]["ports"][0]["port"] == 81


async def test_applying_without_a_field_that_was_applied_before_removes_it(place: Place) -> None:
    more = service(place.namespace)
    more["metadata"]["labels"]["tier"] = "x"
    await place.api.apply(more)
    found = await place.api.apply(service(place.namespace))
    assert found["metadata"]["labels"] == {"verdigris.dev/model": "m"}


async def test_a_list_is_filtered_by_label_and_tells_kind_and_api_version(place: Place) -> None:
    await place.api.apply(service(place.namespace))
    found = await place.api.list(kinds.SERVICE, place.namespace, "verdigris.dev/model=m")
    assert [(raw["apiVersion"], raw["kind"], raw["metadata"]["name"]) for raw in found] == [("v1", "Service", "a")]
    assert await place.api.list(kinds.SERVICE, place.namespace, "verdigris.dev/model=other") == []
    named = await place.api.list(kinds.SERVICE, place.namespace, "verdigris.dev/model in (l,m)")
    assert len(named) == 1


async def test_a_list_is_filtered_by_field(place: Place) -> None:
    await place.api.apply(service(place.namespace))

    async def names(fields: str) -> list[str]:
        listed = await place.api.list(kinds.SERVICE, place.namespace, fields=fields)
        return [raw["metadata"]["name"] for raw in listed]

    assert await names("metadata.name=a") == ["a"]
    assert await names("metadata.name!=a") == []


async def test_pods_can_be_asked_for_by_what_the_survey_selects(place: Place) -> None:
    assert [page async for page in place.api.pages(kinds.POD, place.namespace, fields=survey.HOLDING_ROOM)] == [[]]


async def test_creating_twice_says_that_it_exists(place: Place) -> None:
    await place.api.create(kinds.LEASE, place.namespace, lease(place.namespace, "me"))
    with pytest.raises(AlreadyExists):
        await place.api.create(kinds.LEASE, place.namespace, lease(place.namespace, "me"))


async def test_replacing_what_has_changed_since_it_was_read_is_a_conflict(place: Place) -> None:
    read = await place.api.create(kinds.LEASE, place.namespace, lease(place.namespace, "me"))
    await place.api.patch(kinds.LEASE, place.namespace, "a", {"spec": {"holderIdentity": "other"}})
    with pytest.raises(Conflict):
        await place.api.replace(kinds.LEASE, place.namespace, "a", read)
    fresh = await place.api.get(kinds.LEASE, place.namespace, "a")
    fresh["spec"]["holderIdentity"] = "me again"
    assert (await place.api.replace(kinds.LEASE, place.namespace, "a", fresh))["spec"]["holderIdentity"] == "me again"


async def test_a_merge_patch_sets_and_removes(place: Place) -> None:
    await place.api.apply(service(place.namespace, selector={"app": "a", "tier": "x"}))
    patch = {"spec": {"selector": {"tier": None, "new": "y"}}}
    found = await place.api.patch(kinds.SERVICE, place.namespace, "a", patch)
    assert found["spec"]["selector"] == {"app": "a", "new": "y"}


@pytest.mark.parametrize("field", ["uid", "resourceVersion"])
async def test_a_patch_is_refused_when_its_precondition_does_not_hold(place: Place, field: str) -> None:
    await place.api.apply(service(place.namespace))
    other = {"uid": "2cd5c4a1-0000-4000-8000-000000000000", "resourceVersion": "1"}
    body = {"metadata": {field: other[field], "labels": {"x": "y"}}}
    with pytest.raises(Conflict):
        await place.api.patch(kinds.SERVICE, place.namespace, "a", body)


@pytest.mark.parametrize("field", ["uid", "resourceVersion"])
async def test_an_apply_is_refused_when_its_precondition_does_not_hold(place: Place, field: str) -> None:
    made = await place.api.apply(service(place.namespace))
    manifest = service(place.namespace, selector={"app": "b"})
    now = {**manifest, "metadata": {**manifest["metadata"], field: made["metadata"][field]}}
    assert (await place.api.apply(now))["spec"]["selector"] == {"app": "b"}
    other = {"uid": "2cd5c4a1-0000-4000-8000-000000000000", "resourceVersion": "1"}
    with pytest.raises(Conflict):
        await place.api.apply({**now, "metadata": {**now["metadata"], field: other[field]}})


async def test_only_the_object_with_that_uid_is_deleted(place: Place) -> None:
    made = await place.api.apply(service(place.namespace))
    with pytest.raises(Conflict):
        await place.api.delete(kinds.SERVICE, place.namespace, "a", "2cd5c4a1-0000-4000-8000-000000000000")
    await place.api.delete(kinds.SERVICE, place.namespace, "a", made["metadata"]["uid"])
    with pytest.raises(NotFound):
        await place.api.get(kinds.SERVICE, place.namespace, "a")
    with pytest.raises(NotFound):
        await place.api.delete(kinds.SERVICE, place.namespace, "a", made["metadata"]["uid"])


async def test_only_the_pod_with_that_uid_is_evicted(place: Place) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": place.namespace},
        "spec": {"containers": [{"name": "a", "image": "images.test/a"}]},
    }
    made = await place.api.create(kinds.POD, place.namespace, body)
    with pytest.raises(Conflict):
        await place.api.evict(place.namespace, "p", "2cd5c4a1-0000-4000-8000-000000000000")
    await place.api.evict(place.namespace, "p", made["metadata"]["uid"])
    with pytest.raises(NotFound):
        await place.api.evict(place.namespace, "missing", made["metadata"]["uid"])


async def test_an_apply_that_names_another_uid_is_a_conflict_and_makes_nothing(place: Place) -> None:
    other = service(place.namespace)
    other["metadata"]["uid"] = "2cd5c4a1-0000-4000-8000-000000000000"
    with pytest.raises(Conflict):
        await place.api.apply(other)
    with pytest.raises(NotFound):
        await place.api.get(kinds.SERVICE, place.namespace, "a")
    await place.api.apply(service(place.namespace))
    with pytest.raises(Conflict):
        await place.api.apply(other)


async def test_the_record_tells_which_field_somebody_else_has_set_and_not_what_the_server_filled_in(
    place: Place,
) -> None:
    wanted = service(place.namespace)
    assert strays(wanted, {"kind": "Service", **await place.api.apply(wanted)}) == []
    theirs = {"spec": {"publishNotReadyAddresses": True, "selector": {"app": "b"}}}
    found = await place.api.patch(kinds.SERVICE, place.namespace, "a", theirs, manager="somebody")
    assert [(str(stray), stray.manager) for stray in strays(wanted, {"kind": "Service", **found})] == [
        ("spec.publishNotReadyAddresses", "somebody")
    ]


async def test_who_has_set_a_size_by_scale_is_recorded_only_where_one_was_set_otherwise_before(place: Place) -> None:
    async def scale(manager: str, size: int, subresource: str | None = "scale") -> tuple[Any, str]:
        body = {"spec": {"replicas": size}}
        await place.api.patch(kinds.DEPLOYMENT, place.namespace, "a", body, subresource=subresource, manager=manager)
        found = await place.api.get(kinds.DEPLOYMENT, place.namespace, "a")
        return found["spec"]["replicas"], last_to_scale(found)

    await place.api.apply(deployment(place.namespace))

    assert await scale("autoscaler", 0) == (0, "")
    assert await scale("downscaler", 2, subresource=None) == (2, "downscaler")
    assert await scale("autoscaler", 3) == (3, "autoscaler")


async def test_a_port_that_somebody_renumbered_stands_beside_ours_and_is_refused_for_its_name(place: Place) -> None:
    wanted = service(place.namespace)
    await place.api.apply(wanted)
    renumbered = {"spec": {"ports": [{"name": "http", "port": 81, "protocol": "TCP"}]}}
    found = await place.api.patch(kinds.SERVICE, place.namespace, "a", renumbered, manager="somebody")
    with pytest.raises(Invalid, match="Duplicate value"):
        await place.api.apply(wanted)
    patch = restoring(wanted, {"kind": "Service", **found})
    found = await place.api.patch(kinds.SERVICE, place.namespace, "a", patch, manager="verdigris-restore")
    assert [port["port"] for port in found["spec"]["ports"]] == [80]
    await place.api.apply(wanted)


async def test_an_address_is_given_and_one_that_another_has_is_refused(place: Place) -> None:
    made = await place.api.apply(service(place.namespace))
    address = made["spec"]["clusterIP"]
    second = service(place.namespace, clusterIP=address)
    second["metadata"]["name"] = "b"
    with pytest.raises(Invalid, match="already allocated"):
        await place.api.apply(second)
    await place.api.delete(kinds.SERVICE, place.namespace, "a", made["metadata"]["uid"])
    assert (await place.api.apply(second))["spec"]["clusterIP"] == address


@pytest.mark.parametrize(
    "text", ["\U0001f600", "a\u2028b", "\x7f\x85\ufeff", 'quoted "\\ud83d"', "tab\tline\n", "\ufffe"]
)
async def test_whatever_text_a_value_has_it_is_written_as_it_is(place: Place, text: str) -> None:
    wanted = service(place.namespace)
    wanted["metadata"]["annotations"] = {"text": text}
    found = await place.api.apply(wanted)
    assert found["metadata"]["annotations"]["text"] == text
