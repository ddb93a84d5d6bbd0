"""Answered decisions are history: they stay in the cluster, and no look reads them."""

from __future__ import annotations

from typing import Any

from tests.runtime.raws import KEY
from tests.runtime.stage import Stage, settled
from verdigris.adapters.kube.reading.observe import observe
from verdigris.adapters.kube.transport.errors import Invalid
from verdigris.children.names import Defaults


def decision(name: str, model: str = KEY.name, **status: str) -> dict[str, Any]:
    spec = {"modelDeployment": model, "revision": "v1-0", "verb": "approve", "reason": "r", "requestedBy": "alice"}
    return {
        "apiVersion": "verdigris.dev/v1alpha1",
        "kind": "RolloutDecision",
        "metadata": {"name": name, "namespace": KEY.namespace},
        "spec": spec,
        "status": status,
    }


async def with_history(count: int) -> Stage:
    stage = Stage()
    await settled(stage)
    for number in range(count):
        stage.api.put(decision(f"d{number}", outcome="Accepted", message="m", at="2026-11-23T10:00:00Z"))
    return stage


async def seen(stage: Stage) -> list[str]:
    picture = await observe(stage.api, KEY, Defaults("image"))
    assert picture is not None
    return [raw["metadata"]["name"] for raw in picture.decisions]


async def test_a_look_reads_only_the_open_decisions_of_its_model() -> None:
    stage = await with_history(20)
    stage.api.put(decision("open"))
    stage.api.put(decision("of-another", model="other"))
    assert await seen(stage) == ["open"]


async def test_two_thousand_answered_decisions_give_a_look_nothing_more_to_read() -> None:
    async def read(stage: Stage) -> int:
        """How many objects one look is handed."""
        handed, lists = 0, stage.api.list

        async def counted(*args: Any, **options: Any) -> Any:
            nonlocal handed
            found = await lists(*args, **options)
            handed += len(found)
            return found

        stage.api.list = counted  # type: ignore[method-assign]
        await stage.reconcile()
        return handed

    assert await read(await with_history(2000)) == await read(await with_history(0))


async def test_an_api_server_that_selects_by_no_field_of_ours_is_asked_for_all() -> None:
    stage = await with_history(3)
    stage.api.put(decision("open"))
    lists = stage.api.list

    async def no_fields(*args: Any, fields: str = "") -> Any:
        if not fields.startswith("metadata.") and fields:
            raise Invalid('field label not supported: "status.outcome"')
        return await lists(*args)

    stage.api.list = no_fields  # type: ignore[method-assign]
    assert "open" in await seen(stage)
    await stage.reconcile()
    assert stage.api.at("RolloutDecision", KEY.namespace, "open")["status"]["outcome"] == "Refused"
