"""A webhook keeps a move of the clients waiting for longer than the rollout goes on: it fails when it comes at last."""

from __future__ import annotations

import asyncio

import pytest

from tests.runtime.baking import candidate_starts, rollout, selected
from tests.runtime.raws import KEY
from tests.runtime.stage import Stage
from tests.runtime.test_skew import decide
from verdigris.adapters.kube.transport.errors import Conflict
from verdigris.app import writes

CANDIDATE = ("Deployment", KEY.namespace, "diabetes-green")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "PATIENCE", 0.01)
    monkeypatch.setattr(writes, "MOMENT", 0.01)
    monkeypatch.setattr(writes, "TRAFFIC_PATIENCE", 0.01)


async def with_a_move_on_its_way(stage: Stage) -> asyncio.Event:
    """Every write to the clients' Service so far waits for what is returned."""
    let_go = asyncio.Event()
    await candidate_starts(stage)
    stage.api.holds = lambda _, kind, name: let_go if (kind, name) == ("Service", KEY.name) else None
    for _ in range(10):
        await stage.reconcile()
        if stage.api.held:
            return let_go
    raise AssertionError("no client was to be moved")


async def test_no_client_comes_to_a_version_that_was_taken_back_meanwhile() -> None:
    stage = Stage()
    let_go = await with_a_move_on_its_way(stage)
    await stage.reconcile(2)
    moves = list(stage.api.held)
    stage.api.holds = lambda *_: None
    decide(stage, "abort", rollout(stage)["revision"])
    await stage.reconcile(20)
    assert rollout(stage) is None
    assert CANDIDATE not in stage.api.objects
    let_go.set()
    ends = await asyncio.gather(*moves, return_exceptions=True)
    assert ends
    assert all(isinstance(end, Conflict) for end in ends), ends
    assert selected(stage) == "blue"


async def test_until_it_is_known_to_fail_nothing_of_the_candidate_is_taken_away() -> None:
    stage = Stage()
    let_go = await with_a_move_on_its_way(stage)
    decide(stage, "abort", rollout(stage)["revision"])
    await stage.reconcile(20)
    assert rollout(stage)["stage"] == "RollingBack"
    assert CANDIDATE in stage.api.objects
    let_go.set()
    await asyncio.gather(*stage.api.held, return_exceptions=True)
    stage.api.holds = lambda *_: None
    await stage.reconcile(30)
    assert (rollout(stage), selected(stage)) == (None, "blue")
    assert CANDIDATE not in stage.api.objects


async def test_a_steady_model_with_a_mark_on_its_service_is_left_alone() -> None:
    stage = Stage()
    await with_a_move_on_its_way(stage)
    stage.api.holds = lambda *_: None
    decide(stage, "abort", rollout(stage)["revision"])
    await stage.reconcile(30)
    assert "verdigris.dev/withdrawn" in stage.api.at("Service", *KEY)["metadata"]["annotations"]
    stage.api.calls.clear()
    await stage.reconcile(5)
    assert stage.api.writes == []
