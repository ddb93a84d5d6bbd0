"""Law 14: what is somebody else's stays theirs, of every kind, and what is ours is found again (law 8: and no more)."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import pytest

from tests.runtime.baking import bakes, rollout
from tests.runtime.raws import KEY, UID
from tests.runtime.stage import Stage, settled
from verdigris.adapters.kube.transport.errors import Forbidden
from verdigris.adapters.kube.transport.kinds import resource_of
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.children.inventory import Ref, every_name
from verdigris.children.names import Owner
from verdigris.core.facts.revision import revision_of

OWNER = Owner(KEY.namespace, KEY.name, UID)


def revision(stage: Stage) -> str:
    return revision_of(ModelDeploymentSpec.parse(stage.api.at("ModelDeployment", *KEY)["spec"]))


NAMES = every_name(OWNER, revision(Stage()), autoscaled=True, monitored=True)
IDS = [f"{name.kind} {name.name}" for name in NAMES]


def theirs(name: Ref, **meta: Any) -> dict[str, Any]:
    """Somebody else's object of this kind and name."""
    return {
        "apiVersion": name.api_version,
        "kind": name.kind,
        "metadata": {"name": name.name, "namespace": KEY.namespace, "uid": "foreign", "annotations": {"a": "b"}} | meta,
        "spec": {"theirs": True},
    }


LABELLED = {"labels": {"verdigris.dev/model": KEY.name, "verdigris.dev/color": "blue"}}
SOMEBODY = {"ownerReferences": [{"uid": "x", "kind": "Team", "name": "x", "apiVersion": "v1", "controller": True}]}
BESIDE = {"ownerReferences": [{"uid": UID, "kind": "ModelDeployment", "name": KEY.name, "apiVersion": "v1"}]}


@pytest.mark.parametrize("meta", [{}, LABELLED, SOMEBODY, BESIDE], ids=["bare", "labelled", "owned", "attached"])
@pytest.mark.parametrize("name", NAMES, ids=IDS)
async def test_what_somebody_else_made_is_told_at_the_first_look_and_never_touched(name: Ref, meta: Any) -> None:
    stage = Stage()
    made = stage.api.put(theirs(name, **meta))
    await stage.reconcile()
    assert stage.condition("Stalled") == ("True", "NameTaken")
    assert stage.condition("Ready") == ("False", "NameTaken")
    assert stage.condition("Monitored")[0] == ("False" if name.kind == "ServiceMonitor" else "True")
    assert f"{name.kind} {name.name} in namespace clinic exists and is not ours: delete it" in stage.message("Stalled")
    assert not [ref for ref in stage.api.objects if ref[0] == "Deployment" and ref[2] != name.name]
    await stage.reconcile(3)
    assert stage.api.at(name.kind, KEY.namespace, name.name) == made
    stage.api.calls.clear()
    result = await stage.reconcile(3)
    assert stage.api.writes == []
    assert result.requeue_after == 10


@pytest.mark.parametrize("name", NAMES, ids=IDS)
async def test_a_name_that_is_free_again_is_used(name: Ref) -> None:
    stage = Stage()
    stage.api.put(theirs(name))
    await stage.reconcile(2)
    del stage.api.objects[name.kind, KEY.namespace, name.name]
    await settled(stage)
    assert stage.condition("Stalled")[0] == "False"


async def test_all_names_that_are_taken_are_told_in_one_sentence() -> None:
    stage = Stage()
    for name in NAMES:
        stage.api.put(theirs(name))
    await stage.reconcile()
    message = stage.message("Stalled")
    assert all(name.name in message for name in NAMES)
    assert "Service diabetes and diabetes-blue and diabetes-green" in message
    assert [raw["reason"] for (kind, _, _), raw in stage.api.objects.items() if kind == "Event"] == ["NameTaken"]


async def _replaced_by_theirs(stage: Stage, name: Ref) -> dict[str, Any]:
    del stage.api.objects[name.kind, KEY.namespace, name.name]
    return stage.api.put(theirs(name))


@pytest.mark.parametrize(
    "name",
    [name for name in NAMES if name.name == KEY.name and name.kind != "Service"],
    ids=lambda name: str(name.kind),
)
async def test_a_model_that_serves_goes_on_beside_a_name_that_is_taken_and_starts_no_version(name: Ref) -> None:
    stage = Stage()
    await settled(stage)
    made = await _replaced_by_theirs(stage, name)
    stage.api.at("Service", *KEY)["spec"]["selector"] = {"verdigris.dev/color": "green"}
    stage.api.at("ModelDeployment", *KEY)["spec"]["model"]["version"] = "2.0.0"
    await stage.reconcile(3)
    assert stage.api.at("Service", *KEY)["spec"]["selector"]["verdigris.dev/color"] == "blue"
    assert stage.condition("Available") == ("True", "EndpointsReady")
    assert stage.condition("Stalled") == ("True", "NameTaken")
    assert ("Deployment", KEY.namespace, "diabetes-green") not in stage.api.objects
    assert stage.api.at(name.kind, KEY.namespace, name.name) == made


async def test_a_model_without_its_service_does_not_claim_to_be_available() -> None:
    stage = Stage()
    await settled(stage)
    await _replaced_by_theirs(stage, Ref("v1", "Service", KEY.name))
    await stage.reconcile(2)
    assert stage.condition("Available") == ("False", "NameTaken")
    assert stage.condition("Ready") == ("False", "NameTaken")


# Ours, and lost


def orphan(raw: dict[str, Any]) -> None:
    """As `kubectl delete --cascade=orphan` leaves it."""
    raw["metadata"]["ownerReferences"] = []


def of_the_model(stage: Stage) -> list[dict[str, Any]]:
    kinds = {name.kind for name in NAMES}
    return [raw for (kind, _, _), raw in stage.api.objects.items() if kind in kinds]


def remade(stage: Stage) -> None:
    """The ModelDeployment is applied again, after it was deleted."""
    old = stage.api.objects.pop(("ModelDeployment", *KEY))
    fresh = {**old, "metadata": {**old["metadata"], "uid": "second"}}
    del fresh["status"]
    fresh["metadata"]["creationTimestamp"] = stage.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    stage.api.put(fresh)


async def test_all_that_an_orphaning_deletion_left_is_taken_over_at_once_and_no_client_notices() -> None:
    stage = Stage()
    await settled(stage)
    for raw in of_the_model(stage):
        orphan(raw)
    remade(stage)
    before = {raw["metadata"]["uid"] for raw in of_the_model(stage)}
    template = copy.deepcopy(stage.api.at("Deployment", KEY.namespace, "diabetes-blue")["spec"]["template"])
    await stage.reconcile()
    assert stage.api.at("Service", *KEY)["spec"]["selector"]["verdigris.dev/color"] == "blue"
    for raw in of_the_model(stage):
        assert [r["uid"] for r in raw["metadata"]["ownerReferences"]] == ["second"], raw["kind"]
    await stage.reconcile(5)
    assert {raw["metadata"]["uid"] for raw in of_the_model(stage)} == before
    assert stage.api.at("Deployment", KEY.namespace, "diabetes-blue")["spec"]["template"] == template
    assert stage.condition("Ready") == ("True", "Active")
    assert not [call for call in stage.api.writes if call[0] == "delete"]
    stage.api.calls.clear()
    await stage.reconcile(3)
    assert stage.api.writes == []


IN_USE = [name for name in NAMES if name.kind == "Service" or not name.name.endswith("green")]


@pytest.mark.parametrize("name", IN_USE, ids=lambda name: f"{name.kind} {name.name}")
async def test_a_child_whose_owner_reference_was_removed_gets_it_back(name: Ref) -> None:
    stage = Stage()
    await settled(stage)
    orphan(stage.api.at(name.kind, KEY.namespace, name.name))
    await stage.reconcile()
    references = stage.api.at(name.kind, KEY.namespace, name.name)["metadata"]["ownerReferences"]
    assert [(r["uid"], r["controller"]) for r in references] == [(UID, True)]
    assert stage.condition("Stalled")[0] == "False"


@pytest.mark.parametrize("lost", ["labels", "annotations", "managedFields"])
async def test_what_cannot_be_proved_to_be_ours_is_not_taken_over(lost: str) -> None:
    stage = Stage()
    await settled(stage)
    raw = stage.api.at("NetworkPolicy", *KEY)
    orphan(raw)
    raw["metadata"][lost] = [] if lost == "managedFields" else {}
    stage.api.put(raw)
    await stage.reconcile(2)
    assert stage.condition("Stalled") == ("True", "NameTaken")
    assert stage.api.at("NetworkPolicy", *KEY)["metadata"]["ownerReferences"] == []


async def test_what_the_garbage_collector_is_about_to_take_is_waited_for_and_then_taken_over() -> None:
    """Deleted in the background and made again: it is deleted in a second or two; but nothing waits for ever."""
    stage = Stage()
    await settled(stage)
    remade(stage)
    stage.api.calls.clear()
    await stage.reconcile()
    assert stage.condition("Stalled") == ("False", "NameLeaving")
    assert "belonged to an earlier ModelDeployment of this name" in stage.message("Ready")
    assert {kind for _, kind, _ in stage.api.writes} <= {"Event", "ModelDeployment/status"}
    stage.now += timedelta(minutes=1)
    await stage.reconcile(6)
    assert stage.condition("Ready") == ("True", "Active")
    for raw in of_the_model(stage):
        assert [r["uid"] for r in raw["metadata"]["ownerReferences"]] == ["second"], raw["kind"]


async def test_a_copy_of_a_child_under_the_name_of_another_model_is_not_that_models() -> None:
    stage = Stage()
    await settled(stage)
    copied = copy.deepcopy(stage.api.at("Service", *KEY))
    orphan(copied)
    copied["metadata"] |= {"labels": {"verdigris.dev/model": "another"}}
    stage.api.put(copied)
    await stage.reconcile(2)
    assert stage.condition("Stalled") == ("True", "NameTaken")


async def test_a_model_called_default_leaves_the_namespaces_own_account_alone() -> None:
    assert Ref("v1", "ServiceAccount", "default") not in every_name(
        Owner("clinic", "default", UID), "v1-0", autoscaled=True, monitored=True
    )


def test_every_name_is_of_a_kind_that_the_operator_knows() -> None:
    assert all(resource_of(name.api_version, name.kind) for name in NAMES)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ({"ports": [{"name": "http", "port": 81, "targetPort": "http", "protocol": "TCP"}]}, "no port 80 that leads"),
        ({"ports": [{"name": "http", "port": 80, "targetPort": 9, "protocol": "TCP"}]}, "80 to 9 (TCP)"),
        ({"ports": []}, "but none"),
        ({"type": "ExternalName", "externalName": "x.test"}, "leads to x.test"),
    ],
)
async def test_a_service_that_leads_nowhere_does_not_claim_to_be_available(edit: dict[str, Any], says: str) -> None:
    stage = Stage()
    await settled(stage)
    stage.refuse("Service", Forbidden("no"))
    stage.api.at("Service", *KEY)["spec"].update(edit)
    await stage.reconcile(2)
    assert stage.condition("Available") == ("False", "ServiceMisconfigured")
    assert says in stage.message("Available")
    assert stage.condition("Ready")[0] == "False"
    stage.api.fault = lambda *_: None
    stage.now += timedelta(seconds=60)
    await stage.reconcile(3)
    assert stage.condition("Available") == ("True", "EndpointsReady")
    assert stage.condition("Ready") == ("True", "Active")


# Autoscalers of others


def their_hpa(**meta: Any) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "diabetes-blue"}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "keda-hpa-x", "namespace": KEY.namespace} | meta,
        "spec": {"scaleTargetRef": target, "minReplicas": 5, "maxReplicas": 9},
    }


async def test_an_autoscaler_of_somebody_else_beside_ours_is_told_by_name_and_gets_the_size() -> None:
    stage = Stage()
    await settled(stage)
    stage.api.put(their_hpa(ownerReferences=[{"kind": "ScaledObject", "name": "x", "uid": "s", "controller": True}]))
    ours = stage.api.at("HorizontalPodAutoscaler", KEY.namespace, "diabetes-blue")
    ours["status"] = {"conditions": [{"type": "ScalingActive", "status": "False", "reason": "AmbiguousSelector"}]}
    await stage.reconcile(2)
    assert stage.condition("Autoscaling") == ("False", "ForeignAutoscaler")
    assert "HorizontalPodAutoscaler keda-hpa-x (of ScaledObject x) sizes blue" in stage.message("Autoscaling")
    assert ("HorizontalPodAutoscaler", KEY.namespace, "diabetes-blue") not in stage.api.objects
    stage.api.at("Deployment", KEY.namespace, "diabetes-blue")["spec"]["replicas"] = 5
    stage.api.calls.clear()
    await stage.reconcile(3)
    assert stage.api.writes == []
    del stage.api.objects["HorizontalPodAutoscaler", KEY.namespace, "keda-hpa-x"]
    await stage.reconcile(3)
    assert ("HorizontalPodAutoscaler", KEY.namespace, "diabetes-blue") in stage.api.objects
    assert stage.condition("Autoscaling") == ("True", "OwnAutoscaler")


async def test_an_autoscaler_of_somebody_else_on_a_model_of_fixed_size_is_not_fought() -> None:
    stage = Stage()
    stage.api.at("ModelDeployment", *KEY)["spec"]["autoscaling"] = {"minReplicas": 2, "maxReplicas": 2}
    await settled(stage)
    stage.api.put(their_hpa())
    deployment = stage.api.at("Deployment", KEY.namespace, "diabetes-blue")
    deployment["spec"]["replicas"] = 1
    await stage.reconcile(2)
    assert stage.condition("Autoscaling") == ("False", "ForeignAutoscaler")
    assert stage.api.at("Deployment", KEY.namespace, "diabetes-blue")["spec"]["replicas"] == 1


@pytest.mark.parametrize("selector", [None, {"verdigris.dev/model": "diabetes"}], ids=["as it was", "both colours"])
async def test_no_pod_is_removed_while_a_service_that_somebody_took_over_has_it_behind_it(
    selector: dict[str, str] | None,
) -> None:
    """Another controller owns the clients' Service from now on. It still selects green, whose version is taken back."""
    stage = Stage()
    prometheus = await bakes(stage)
    service = stage.api.at("Service", *KEY)
    owner = {"apiVersion": "example.com/v1", "kind": "Gateway", "name": "edge", "uid": "9", "controller": True}
    service["metadata"]["ownerReferences"] = [owner]
    service["spec"]["selector"] = selector or service["spec"]["selector"]
    await stage.reconcile(2)
    prometheus.failing = True
    stage.api.calls.clear()
    for _ in range(25):
        stage.now += timedelta(seconds=20)
        await stage.reconcile()
    assert rollout(stage) is None
    assert [call for call in stage.api.calls if call[0] == "delete" and call[2] == "diabetes-green"] == []
    stage.api.at("Service", *KEY)["spec"]["selector"] = {"app": "theirs"}
    await stage.reconcile(3)
    assert ("delete", "Deployment", "diabetes-green") in stage.api.calls, "nobody comes there any more"
