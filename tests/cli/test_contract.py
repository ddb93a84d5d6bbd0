"""The fake kubectl says what the real one says: the same commands to both, and what the port makes of the answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from dev.cluster import Cluster
from tests.cli.scenes import healthy
from tests.cli.stage import Stage
from verdigris.cli import asking
from verdigris.cli.exits import CliError
from verdigris.cli.kubectl import Asked, Connection, Kubectl
from verdigris.cli.model.reading import part, parts, text
from verdigris.cli.names import MODELS
from verdigris.cli.refusals import NotFound, Refused
from verdigris.cli.watching import Change, Watches
from verdigris.web.loopback.cluster import KubectlCluster
from verdigris.web.port import Right
from verdigris.web.store import Store

NAMESPACE = "cli-contract"
MANIFEST = {
    "apiVersion": "verdigris.dev/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": "diabetes", "namespace": NAMESPACE},
    "spec": {
        "model": {"version": "1.0.0", "uri": "https://models.test/1.0.0.vmodel", "sha256": "a" * 64},
        "autoscaling": {"minReplicas": 1, "maxReplicas": 1},
        "paused": True,
    },
}
APPROVING = [
    Right("approve", "modeldeployments", NAMESPACE, "diabetes"),
    Right("create", "rolloutdecisions", NAMESPACE),
]
NOBODY = "somebody-without-rights"


@dataclass
class Side:
    """kubectl, and the same as somebody who may do nothing."""

    kubectl: Kubectl
    without_rights: Kubectl


@pytest.fixture
def fake(stage: Stage) -> Side:
    """The one of the quick tests."""
    model = healthy().model
    model["metadata"]["namespace"] = NAMESPACE
    stage.given(model)
    return Side(Kubectl(Connection(namespace=NAMESPACE)), Kubectl(Connection(namespace=NAMESPACE)))


@pytest.fixture
def real(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The one of the local cluster, in a namespace of its own."""
    monkeypatch.setenv("PATH", str(cluster.bin), prepend=":")
    cluster.kubectl("apply", "-f", "crds")
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    cluster.kubectl("apply", "-f", "-", input=json.dumps(space))
    cluster.kubectl("apply", "-f", "-", input=json.dumps(MANIFEST))
    connection = Connection(kubeconfig=str(cluster.kubeconfig), namespace=NAMESPACE)
    other = Connection(kubeconfig=str(cluster.kubeconfig), namespace=NAMESPACE, user=NOBODY)
    yield Side(Kubectl(connection), Kubectl(other))
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def one_model_is_a_document(side: Side) -> None:
    found = side.kubectl.document(asking.model("diabetes"))
    assert (found["kind"], text(part(found, "metadata"), "name")) == ("ModelDeployment", "diabetes")


def several_are_a_list(side: Side) -> None:
    found = side.kubectl.document(asking.models())
    assert [text(part(one, "metadata"), "name") for one in parts(found, "items")] == ["diabetes"]
    assert parts(side.kubectl.document(asking.models("team=none")), "items") == []
    assert parts(side.kubectl.document(asking.pods("nobody")), "items") == []


def what_is_not_there_is_not_found(side: Side) -> None:
    with pytest.raises(NotFound, match=f'{MODELS} "nobody" not found'):
        side.kubectl.document(asking.model("nobody"))


def two_may_be_asked_at_once_and_one_may_fail(side: Side) -> None:
    found = side.kubectl.documents([asking.model("diabetes"), asking.model("nobody")])
    assert [isinstance(one, CliError) for one in found] == [False, True]


def a_watch_tells_what_is_there(side: Side) -> None:
    with Watches(side.kubectl, {"model": asking.watched_model("diabetes")}) as watches:
        told: list[Change] = []
        while not told:
            told += [one for one in watches.next(5.0) if isinstance(one, Change)]
    assert (told[0].type, told[0].object["kind"]) == ("ADDED", "ModelDeployment")


def a_missing_right_is_named(side: Side) -> None:
    for asked in (asking.model("diabetes"), asking.models(everywhere=True), asking.pods("diabetes")):
        with pytest.raises(Refused, match=r"may not (get|list) (modeldeployments\.verdigris\.dev|pods) in"):
            side.without_rights.document(asked)


def the_caller_has_a_name(side: Side) -> None:
    found = side.kubectl.document(asking.whoami())
    assert text(part(found, "status", "userInfo"), "username")


def a_dry_run_writes_nothing(side: Side) -> None:
    patch = {"spec": {"paused": False}}
    asked = asking.patched("diabetes", NAMESPACE, patch, "to resume it", dry_run=True)
    assert part(side.kubectl.document(asked), "spec")["paused"] is False
    assert part(side.kubectl.document(asking.model("diabetes")), "spec").get("paused") is not False


def several_reviews_of_ones_rights_are_answered_in_their_order(side: Side) -> None:
    cluster = KubectlCluster(side.kubectl, Store(lambda: datetime.now(UTC)), "bob")
    assert list(asyncio.run(cluster.may(APPROVING))) == [True, True]


def what_one_may_not_is_not_offered(side: Side) -> None:
    cluster = KubectlCluster(side.without_rights, Store(lambda: datetime.now(UTC)), "bob")
    assert list(asyncio.run(cluster.may(APPROVING))) == [False, False]


def the_version_of_the_server_is_told(side: Side) -> None:
    found = side.kubectl.document(Asked(("version", "-o", "json")))
    assert text(part(found, "serverVersion"), "gitVersion").startswith("v1.")


PROMISES: list[Callable[[Side], None]] = [
    one_model_is_a_document,
    several_are_a_list,
    what_is_not_there_is_not_found,
    two_may_be_asked_at_once_and_one_may_fail,
    a_watch_tells_what_is_there,
    the_caller_has_a_name,
    several_reviews_of_ones_rights_are_answered_in_their_order,
    a_dry_run_writes_nothing,
    the_version_of_the_server_is_told,
]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda one: one.__name__)
def test_the_fake_keeps_what_the_port_rests_on(fake: Side, promise: Callable[[Side], None], stage: Stage) -> None:
    if promise is a_dry_run_writes_nothing:
        stage.given({**stage.kept("ModelDeployment", "diabetes"), "spec": {"paused": True}})
    promise(fake)


def test_the_fake_names_a_missing_right(fake: Side, stage: Stage) -> None:
    stage.may_not("get modeldeployments", "list modeldeployments", "list pods")
    a_missing_right_is_named(fake)
    stage.may_not("approve modeldeployments", "create rolloutdecisions")
    what_one_may_not_is_not_offered(fake)


@pytest.mark.cluster
def test_the_real_one_keeps_all_of_it(real: Side) -> None:
    for promise in (*PROMISES, a_missing_right_is_named, what_one_may_not_is_not_offered):
        promise(real)
