"""Another environment as it is read: its namespace has to have agreed before anything of it is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.runtime.raws import KEY
from tests.runtime.stage import Stage
from verdigris.adapters.kube.reading.source import source_view
from verdigris.adapters.kube.transport.errors import ApiError, Forbidden, Unreachable

SHA256 = "a" * 64
THERE = ("ModelDeployment", "staging", KEY.name)


def there(**status: Any) -> dict[str, Any]:
    """It has served these bytes for weeks."""
    since = "2026-11-01T10:00:00Z"
    active = {"color": "blue", "version": "1.0.0", "revision": "v1-a", "sha256": SHA256, "since": since}
    well = {"type": "Available", "status": "True", "reason": "EndpointsReady", "lastTransitionTime": since}
    return {
        "apiVersion": "verdigris.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": KEY.name, "namespace": "staging", "generation": 3},
        "spec": {},
        "status": {"observedGeneration": 3, "active": active, "conditions": [well], **status},
    }


async def asking(stage: Stage, namespace: str = "staging") -> Stage:
    raw = stage.api.at("ModelDeployment", *KEY)
    raw["spec"]["model"]["sha256"] = SHA256
    steps = [{"from": {"namespace": namespace, "healthyFor": "24h"}}]
    raw["spec"]["rollout"] = {**raw["spec"].get("rollout", {}), "steps": steps, "onInconclusive": "Hold"}
    stage.api.put(raw)
    stage.api.put(there())
    await stage.reconcile()
    stage.let_pods_start()
    await stage.reconcile(6)
    return stage


async def test_a_first_version_serves_once_the_other_namespace_has_agreed() -> None:
    stage = await asking(Stage())
    assert stage.condition("Ready") == ("False", "AwaitingSource")
    assert stage.condition("GatesPassed") == ("Unknown", "SourceNotAllowed")
    asked: list[Any] = []
    stage.api.permits = lambda *words: bool(asked.append(words)) or True
    await stage.reconcile(4)
    assert stage.condition("Ready") == ("True", "Active")
    user, groups, verb, key = asked[0]
    assert (user, verb, key) == (f"system:serviceaccount:{KEY.namespace}:{KEY.name}", "promote-from", THERE[1:])
    assert groups == (f"system:serviceaccounts:{KEY.namespace}", "system:serviceaccounts", "system:authenticated")


async def test_of_a_namespace_that_has_not_agreed_nothing_is_read_and_nothing_can_be_learnt() -> None:
    stage = await asking(Stage())
    told = stage.message("Ready")
    stage.api.objects.pop(THERE)
    before = len(stage.api.calls)
    await stage.reconcile(3)
    assert stage.message("Ready") == told, "whether there is such a model must not show"
    assert stage.api.calls[before:].count(("get", "ModelDeployment", KEY.name)) == 3, "its own, once a look"


async def test_its_own_namespace_need_not_be_asked() -> None:
    stage = await asking(Stage(), namespace=KEY.namespace)
    assert "review" not in {verb for verb, _, _ in stage.api.calls}
    assert stage.condition("GatesPassed")[1] == "SourceNotActive"


@pytest.mark.parametrize(
    ("error", "reason"), [(Forbidden("no right"), "SourceNoRight"), (Unreachable("gone"), "SourceUnread")]
)
async def test_that_nobody_may_or_can_look_is_told_and_is_no_verdict(error: ApiError, reason: str) -> None:
    stage = await asking(Stage())
    stage.api.fault = lambda verb, _kind, _name: error if verb == "review" else None
    result = await stage.reconcile(2)
    assert stage.condition("GatesPassed") == ("Unknown", reason)
    assert result.failure is None
    assert str(error) in stage.message("Ready")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ({}, "Seen"),
        ({"active": {"color": "purple"}}, "Unread"),
        ({"conditions": [{"type": "Available", "status": "Perhaps"}]}, "Unread"),
        ({"active": None, "conditions": None}, "Seen"),
    ],
)
def test_a_status_is_read_as_it_is_or_not_at_all(status: dict[str, Any], state: str) -> None:
    assert source_view(there(**status)).state == state


def test_a_spec_that_nobody_has_looked_at_is_not_current() -> None:
    assert source_view(there()).current
    assert not source_view(there(observedGeneration=2)).current
