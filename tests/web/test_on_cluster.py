"""The page against a real API server: tokens, rights and decisions are its own to judge."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from dev.cluster import Cluster
from tests.chart.helm import Helm, find
from tests.chart.kubectl import changes
from tests.web.scenes import scene
from tests.web.test_incluster import SETTINGS, Page, Visitor, csrf_of
from verdigris.adapters.kube.transport.connection import from_kubeconfig
from verdigris.web.incluster.__main__ import begin

pytestmark = pytest.mark.cluster

HOME, CLINIC, LAB = "verdigris-system", "page-clinic", "page-lab"
DECISION = f"/models/{CLINIC}/diabetes/decisions"


def apply(cluster: Cluster, *things: dict[str, Any]) -> None:
    cluster.kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(things)}))


def thing(kind: str, name: str, namespace: str | None = None, version: str = "v1", **rest: Any) -> dict[str, Any]:
    meta = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": version, "kind": kind, "metadata": meta, **rest}


def bound(person: str, namespace: str, *rules: tuple[str, list[str], list[str]]) -> list[dict[str, Any]]:
    """A Role of these rules (group, resources, verbs) for a ServiceAccount."""
    version = "rbac.authorization.k8s.io/v1"
    given = [{"apiGroups": [group], "resources": resources, "verbs": verbs} for group, resources, verbs in rules]
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": person}
    subject = {"kind": "ServiceAccount", "name": person, "namespace": CLINIC}
    return [
        thing("Role", person, namespace, version, rules=given),
        thing("RoleBinding", person, namespace, version, roleRef=reference, subjects=[subject]),
    ]


@pytest.fixture(scope="module")
def helm() -> Helm:
    return find()


@pytest.fixture(scope="module")
def prepared(cluster: Cluster, helm: Helm) -> Iterator[Cluster]:
    """Two namespaces with a model each, two people, and the rights of the page as the chart gives them."""
    cluster.kubectl("apply", "-f", "crds")
    apply(cluster, *(thing("Namespace", name) for name in (HOME, CLINIC, LAB)))
    rights = [one for one in helm.render({"page": {"enabled": True}}) if one["kind"] in RIGHTS and is_page(one)]
    apply(cluster, *rights, *(thing("ServiceAccount", name, CLINIC) for name in ("alice", "bob")))
    models = ["modeldeployments"]
    apply(
        cluster,
        *bound(
            "alice",
            CLINIC,
            ("verdigris.dev", models, ["get", "list", "approve"]),
            ("verdigris.dev", ["rolloutdecisions"], ["list", "create"]),
            ("", ["pods"], ["list"]),
        ),
        *bound("bob", LAB, ("verdigris.dev", models, ["get", "list"])),
    )
    for namespace in (CLINIC, LAB):
        model = scene("waiting").model
        kept = {"name": "diabetes", "namespace": namespace}
        apply(cluster, {**model, "metadata": kept})
        patch = json.dumps({"status": model["status"]})
        target = ("modeldeployment", "diabetes", "-n", namespace, "--subresource=status", "--type=merge", "-p", patch)
        cluster.kubectl("patch", *target)
    yield cluster
    cluster.kubectl("delete", "namespace", CLINIC, LAB, "--wait=false")
    cluster.kubectl("delete", "-f", "-", "--wait=false", input=json.dumps(thing("List", "x", items=rights)))


RIGHTS = ("ServiceAccount", "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")


def is_page(manifest: dict[str, Any]) -> bool:
    return str(manifest["metadata"]["name"]).startswith("verdigris-page")


def token_of(cluster: Cluster, name: str, namespace: str = CLINIC) -> str:
    return cluster.kubectl("create", "token", name, "-n", namespace, "--duration=10m").strip()


@pytest.fixture
async def page(prepared: Cluster) -> AsyncIterator[Page]:
    """With the rights of its own account and no others."""
    async with AsyncExitStack() as stack:
        connection = from_kubeconfig(prepared.kubeconfig).bearing(token_of(prepared, "verdigris-page", HOME))
        port = await begin(SETTINGS, connection, stack)
        session = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
        yield Page(None, f"http://127.0.0.1:{port}", session)  # type: ignore[arg-type]


async def shown(visitor: Visitor, path: str, words: str) -> str:
    """The page once it has these words: it is following the cluster by then."""
    async with asyncio.timeout(60):
        while True:
            _, _, found = await visitor.ask("GET", path)
            if words in found:
                return found
            await asyncio.sleep(0.2)


async def test_two_people_see_what_they_may_and_one_of_them_approves(page: Page, prepared: Cluster) -> None:
    alice, bob = await page.somebody(token_of(prepared, "alice")), await page.somebody(token_of(prepared, "bob"))
    of_alice, of_bob = await shown(alice, "/", "Waits for you (1)"), await shown(bob, "/", "somebody else (1)")
    assert f"as <strong>system:serviceaccount:{CLINIC}:alice</strong>" in of_alice
    assert f"/models/{LAB}/diabetes" not in of_alice
    assert f"/models/{CLINIC}/diabetes" not in of_bob
    assert (await bob.ask("GET", f"/models/{CLINIC}/diabetes"))[0] == 404
    _, _, found = await alice.ask("GET", f"/models/{CLINIC}/diabetes")
    assert "Pods and Service are not compared: system:serviceaccount:page-clinic:alice may not list" in found
    form = {"verb": "approve", "revision": "v1-47d0ebfbc1", "reason": "seen on the page"}
    assert (await bob.ask("POST", DECISION, {**form, "csrf": csrf_of(of_bob)}))[0] == 404
    assert (await alice.ask("POST", DECISION, {**form, "csrf": csrf_of(found)}))[0] == 303
    made = json.loads(prepared.kubectl("get", "rolloutdecisions", "-n", CLINIC, "-o", "json"))["items"]
    assert [one["spec"]["requestedBy"] for one in made] == [f"system:serviceaccount:{CLINIC}:alice"]
    assert "seen on the page" in await shown(alice, f"/models/{CLINIC}/diabetes", "Who decided what")


async def test_a_token_of_nobody_is_told_to_be_one(page: Page) -> None:
    assert await page.visitor().sign_in("nobody's-token-at-all") == 403


async def test_a_deleted_model_goes_and_a_new_one_comes(page: Page, prepared: Cluster) -> None:
    bob = await page.somebody(token_of(prepared, "bob"))
    await shown(bob, "/", f"/models/{LAB}/diabetes")
    model = scene("healthy").model
    apply(prepared, {**model, "metadata": {"name": "another", "namespace": LAB}})
    await shown(bob, "/", f"/models/{LAB}/another")
    prepared.kubectl("delete", "modeldeployment", "another", "-n", LAB)
    async with asyncio.timeout(60):
        while f"/models/{LAB}/another" in (await bob.ask("GET", "/"))[2]:
            await asyncio.sleep(0.2)


def test_the_account_of_the_page_may_change_nothing(prepared: Cluster) -> None:
    told = prepared.kubectl("auth", "can-i", "--list", f"--as=system:serviceaccount:{HOME}:verdigris-page")
    assert "modeldeployments" in told
    assert changes(told) == []
