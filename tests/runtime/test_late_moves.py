"""A webhook keeps a move of the clients waiting for longer than the rollout goes on: it fails when it comes at last."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from tests.runtime.baking import Sees, bakes, candidate_starts, rollout, selected
from tests.runtime.raws import KEY, endpoint_slice, pod
from tests.runtime.stage import Stage, settled
from tests.runtime.test_skew import decide
from verdigris.adapters.kube.transport.errors import ApiError, Conflict, Forbidden
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


def asks_for(stage: Stage, version: str) -> None:
    raw = stage.api.at("ModelDeployment", *KEY)
    raw["spec"]["model"]["version"] = version
    raw["metadata"]["generation"] += 1


def refuse_the_service(verb: str, kind: str, name: str) -> ApiError | None:
    frozen = (kind, name) == ("Service", KEY.name) and verb in ("patch", "apply")
    return Forbidden("denied the request: change freeze") if frozen else None


async def test_a_service_that_may_not_be_written_holds_neither_repair_nor_the_next_version_up() -> None:
    stage = Stage()
    await candidate_starts(stage)
    stage.api.fault = refuse_the_service
    await stage.reconcile(10)
    decide(stage, "abort", rollout(stage)["revision"])
    await stage.reconcile(5)
    assert "may still be on its way" in rollout(stage)["message"]
    stage.api.at("Deployment", KEY.namespace, "diabetes-blue")["spec"]["paused"] = True
    await stage.reconcile(5)
    assert not stage.api.at("Deployment", KEY.namespace, "diabetes-blue")["spec"].get("paused")
    asks_for(stage, "3.0.0")
    await stage.reconcile(90)
    assert rollout(stage)["version"] == "3.0.0"


async def test_a_mark_that_somebody_takes_off_again_ends_the_wait_all_the_same() -> None:
    stage = Stage()
    let_go = await with_a_move_on_its_way(stage)

    def strip(*_: str) -> None:
        (stage.api.at("Service", *KEY)["metadata"].get("annotations") or {}).pop("verdigris.dev/withdrawn", None)

    stage.api.holds, stage.api.fault = lambda *_: None, strip
    decide(stage, "abort", rollout(stage)["revision"])
    asks_for(stage, "3.0.0")
    await stage.reconcile(90)
    assert rollout(stage)["version"] == "3.0.0"
    stage.api.calls.clear()
    await stage.reconcile(10)
    assert ("patch", "Service", KEY.name) not in stage.api.calls
    let_go.set()


async def test_the_way_back_of_a_recreated_version_needs_no_mark() -> None:
    """Nobody answers meanwhile: the candidate gives its places although the Service cannot be written."""
    stage = Stage()
    await settled(stage)
    stage.reconciler._evidence = Sees(stage)
    stage.api.at("ModelDeployment", *KEY)["spec"]["rollout"] = {"strategy": "Recreate", "allowDowntime": True}
    asks_for(stage, "2.0.0")
    await stage.reconcile(4)
    for ref in [ref for ref in stage.api.objects if ref[0] == "Pod"]:
        del stage.api.objects[ref]
    stage.api.put(endpoint_slice("diabetes-blue"))
    await stage.reconcile(3)
    made = stage.api.at("Deployment", *CANDIDATE[1:])
    revision = made["spec"]["template"]["metadata"]["labels"]["verdigris.dev/revision"]
    for number in range(made["spec"]["replicas"]):
        stage.api.put(pod(f"g{number}", color="green", revision=revision))
    stage.api.put(endpoint_slice("diabetes-green", *[True] * made["spec"]["replicas"], start=10))
    stage.api.fault = refuse_the_service
    await stage.reconcile(6)
    assert rollout(stage)["wanted"]
    decide(stage, "abort", rollout(stage)["revision"])
    await stage.reconcile(10)
    assert stage.api.at("Deployment", *CANDIDATE[1:])["spec"]["replicas"] == 0


async def test_a_service_that_is_written_all_the_time_ends_the_rollout_and_holds_no_way_back() -> None:
    stage = Stage()
    stage.api.at("ModelDeployment", *KEY)["spec"]["rollout"] = {"progressDeadline": "60s"}
    prometheus = await candidate_starts(stage)
    count = itertools.count()

    def busy(verb: str, kind: str, name: str) -> None:
        if (kind, name) == ("Service", KEY.name) and verb in ("patch", "apply"):
            annotations = stage.api.at("Service", *KEY)["metadata"].setdefault("annotations", {})
            annotations["lb.example.com/at"] = str(next(count))

    stage.api.fault = busy
    await stage.reconcile(90)
    assert rollout(stage) is None
    assert stage.api.at("ModelDeployment", *KEY)["status"]["rejected"][-1]["reason"] == "TrafficNotMoved"
    assert prometheus

    stage = Stage()
    await bakes(stage)
    stage.api.fault = busy
    decide(stage, "abort", rollout(stage)["revision"])
    await stage.reconcile(2)
    assert selected(stage) == "blue"


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
