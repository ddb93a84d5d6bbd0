"""What others do to our children on a real API server: the same edits as on the fake one."""

from __future__ import annotations

import copy
import json
import os
import uuid
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from dev.cluster import Cluster
from tests.resources.samples import FULL, children, spec
from tests.runtime.raws import KEY, parent
from tests.runtime.test_edits import ADDITIONS, ALLOWED, Place, at, content, normal, other, stated
from verdigris.adapters.kube.reading.observe import Picture
from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.client import Client
from verdigris.adapters.kube.transport.connection import from_kubeconfig
from verdigris.adapters.kube.transport.errors import Conflict, Invalid
from verdigris.adapters.kube.transport.kinds import resource_of
from verdigris.adapters.kube.writing.apply import Outcome, apply
from verdigris.adapters.kube.writing.patches import merge_patch
from verdigris.adapters.kube.writing.restores import RestoreBackoff
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import ModelDeploymentStatus
from verdigris.children.names import Defaults, Owner
from verdigris.core.actions import Action, Keep
from verdigris.core.facts.observed import Observed

pytestmark = pytest.mark.cluster

Json = dict[str, Any]
ALL = os.environ.get("VERDIGRIS_EXAMPLES") is not None
"""Else one edit in three: all take minutes, and all are tried on the fake one."""
CHILDREN = (
    "service_clients",
    "service_blue",
    "deployment_blue",
    "hpa_blue",
    "pdb_blue",
    "network_policy",
    "service_account",
    "service_monitor",
    "prometheus_rule",
)


@dataclass
class Home:
    """A namespace, the operator's hand in it, and a ConfigMap that stands in for the ModelDeployment."""

    client: Client
    owner: Owner

    def manifest(self, name: str) -> Json:
        made = children(self.owner, spec(FULL))[name]
        (reference,) = made["metadata"]["ownerReferences"]
        stand_in = {**reference, "apiVersion": "v1", "kind": "ConfigMap"}
        return {**made, "metadata": {**made["metadata"], "ownerReferences": [stand_in]}}

    async def get(self, manifest: Json) -> Json:
        resource = resource_of(manifest["apiVersion"], manifest["kind"])
        found = await self.client.get(resource, self.owner.namespace, manifest["metadata"]["name"])
        return {"apiVersion": resource.api_version, "kind": resource.kind, **found}

    async def do(self, action: Action, live: Json | None) -> Outcome:
        observed = Observed(
            owner=self.owner,
            generation=1,
            spec=ModelDeploymentSpec.parse(parent()["spec"]),
            status=ModelDeploymentStatus(),
            defaults=Defaults("image"),
        )
        seen = {} if live is None else {(live["kind"], live["metadata"]["name"]): live}
        return await apply(self.client, Picture(observed, parent(), seen), [action], RestoreBackoff(lambda: 0.0))

    async def kept(self, name: str) -> tuple[Json, Json]:
        """The manifest, and the live object."""
        manifest = self.manifest(name)
        assert (await self.do(Keep(manifest), None)).problems == []
        if manifest["kind"] == "Deployment":
            # No pods: this is about what is written.
            resource, name = kinds.DEPLOYMENT, manifest["metadata"]["name"]
            none = {"spec": {"replicas": 0}}
            await self.client.patch(resource, self.owner.namespace, name, none, subresource="scale")
        return manifest, await self.get(manifest)

    async def edit(self, live: Json, edited: Json) -> Json | None:
        """As somebody else; None when the API server refuses it."""
        resource, name = resource_of(live["apiVersion"], live["kind"]), live["metadata"]["name"]
        # What the API server itself writes is as it is by now, not as it was when the edit was thought of.
        its_own = {key: live["metadata"].get(key) for key in ("resourceVersion", "generation", "managedFields")}
        meta = {**edited["metadata"], **{key: value for key, value in its_own.items() if value is not None}}
        patch = merge_patch(live, {**edited, "metadata": meta, "status": live.get("status", {})})
        try:
            await self.client.patch(resource, self.owner.namespace, name, patch, manager="somebody")
        except Invalid:
            return None
        return await self.get(live)

    async def is_put_back(self, manifest: Json, before: Json, edited: Json) -> bool:
        """Within three looks, not counting those that met a controller's write of the status since it was read."""
        looks = 0
        for _ in range(10):
            outcome = await self.do(Keep(manifest), edited)
            assert all(isinstance(problem, Conflict) for problem in outcome.problems)
            edited = await self.get(manifest)
            if settled(edited) == settled(before):
                return True
            looks += not outcome.problems
            if looks == 3:
                break
        return False


def settled(raw: Json) -> Any:
    """What counts of an object, without what others may write meanwhile."""
    found = content(raw)
    (found["metadata"]["annotations"] or {}).pop("deployment.kubernetes.io/revision", None)
    # A port of the nodes that was given up is given to whoever asks next.
    for port in found["spec"].get("ports") or () if found.get("kind") == "Service" else ():
        port.pop("nodePort", None)
    return normal(found)


@pytest.fixture
async def home(cluster: Cluster) -> AsyncIterator[Home]:
    name = f"edits-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("create", "configmap", KEY.name, "-n", name)
    stand_in = json.loads(cluster.kubectl("get", "configmap", KEY.name, "-n", name, "-o", "json"))
    client = Client(from_kubeconfig(cluster.kubeconfig))
    yield Home(client, Owner(name, KEY.name, stand_in["metadata"]["uid"]))
    await client.close()
    # The one of type LoadBalancer has a finalizer of a cloud's controller, and there is no cloud.
    for service in cluster.kubectl("get", "services", "-n", name, "-o", "name").split():
        cluster.kubectl("patch", service, "-n", name, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def distinct(places: Iterable[Place]) -> list[Place]:
    """One place of each shape: containers and init containers are alike to the API server, so are elements of a list.

    On the fake one every place is asked.
    """
    shapes: dict[tuple[str, ...], Place] = {}
    for place in places:
        steps = ("[]" if isinstance(step, int) else step for step in place)
        shapes.setdefault(tuple("containers" if step == "initContainers" else step for step in steps), place)
    return list(shapes.values())


@pytest.mark.parametrize("name", CHILDREN)
async def test_every_field_that_is_changed_removed_or_added_is_put_back(home: Home, name: str) -> None:
    manifest, before = await home.kept(name)
    edits: list[tuple[Place, Json]] = []
    for place in distinct(stated(manifest)):
        changed, removed = copy.deepcopy(before), copy.deepcopy(before)
        at(changed, place[:-1])[place[-1]] = other(at(changed, place))
        del at(removed, place[:-1])[place[-1]]
        # An entry of imagePullSecrets without a name is one that nobody can tell from others, and that says nothing.
        nameless = place[-3:-2] == ("imagePullSecrets",)
        edits += [(place, changed)] if nameless else [(place, changed), (place, removed)]
    for place, value in [(place, value) for child, place, value in ADDITIONS if child == name]:
        added = copy.deepcopy(before)
        at(added, place[:-1])[place[-1]] = value
        edits.append((place, added))
    tried = 0
    for place, edited in edits if ALL else edits[::3]:
        made = await home.edit(before, edited)
        if made is None:
            continue
        tried += 1
        assert await home.is_put_back(manifest, before, made), place
        before = await home.get(manifest)
    assert tried >= min(5, len(edits) // 6)


@pytest.mark.parametrize("name", CHILDREN)
async def test_what_is_as_it_should_be_is_not_written(home: Home, name: str) -> None:
    manifest, live = await home.kept(name)
    outcome = await home.do(Keep(manifest), live)
    assert (outcome.written, outcome.problems) == (0, [])
    # Not the resourceVersion: controllers write the status meanwhile.
    assert (await home.get(manifest))["metadata"].get("generation") == live["metadata"].get("generation")


async def test_what_others_may_set_stays(home: Home) -> None:
    for name in CHILDREN:
        manifest, live = await home.kept(name)
        for place, value in [(place, value) for child, place, value in ALLOWED if child == name]:
            edited = copy.deepcopy(live)
            at(edited, place[:-1])[place[-1]] = value
            made = await home.edit(live, edited)
            if made is not None:
                assert (await home.do(Keep(manifest), made)).written == 0, place
                live = made


async def test_a_service_that_somebody_made_external_comes_back_where_it_was(home: Home) -> None:
    manifest, before = await home.kept("service_clients")
    edited = copy.deepcopy(before)
    edited["spec"] = {"type": "ExternalName", "externalName": "elsewhere.example.com", "clusterIP": None}
    edited["spec"]["clusterIPs"] = None
    made = await home.edit(before, edited)
    assert made is not None
    assert (await home.do(Keep(manifest), made)).problems == []
    after = await home.get(manifest)
    assert after["spec"]["type"] == manifest["spec"]["type"]
    assert "externalName" not in after["spec"]
