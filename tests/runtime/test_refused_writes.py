"""A write is refused, lost or late: what that does to the looks, to the clients, and to what people are told."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from typing import Any

import pytest

from tests.runtime.baking import bakes, candidate_starts, looks, rollout, selected
from tests.runtime.raws import KEY
from tests.runtime.stage import Stage, settled
from verdigris.adapters.kube.transport.errors import ApiError, Conflict, Forbidden, Invalid, Transient, Unreachable

BESIDE = ("HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy", "ServiceAccount", "ServiceMonitor")
REFUSALS = [
    Forbidden("exceeded by a policy"),
    Invalid("spec.x is wrong"),
    Transient("failed calling webhook", retry_after=600),
    Unreachable("no answer within 15 s"),
]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def damage(stage: Stage, kind: str) -> None:
    """Somebody deletes every child of this kind: it has to be written again."""
    for ref in [ref for ref in stage.api.objects if ref[0] == kind]:
        del stage.api.objects[ref]


def tries(stage: Stage, kind: str) -> int:
    return sum(call[1] == kind for call in stage.api.writes)


@pytest.mark.parametrize(
    ("kind", "error"),
    [*((kind, REFUSALS[0]) for kind in BESIDE), *(("HorizontalPodAutoscaler", error) for error in REFUSALS[1:])],
)
async def test_a_refused_object_beside_the_traffic_slows_no_look_of_a_rollout(
    stage: Stage, kind: str, error: ApiError
) -> None:
    await bakes(stage)
    damage(stage, kind)
    stage.refuse(kind, error)
    stage.api.calls.clear()
    found = await looks(stage, 40)
    gaps = [after - before for before, after in itertools.pairwise(found)]
    interval = 5.0
    assert max(gaps) <= interval
    objects = 2 if kind in ("HorizontalPodAutoscaler", "PodDisruptionBudget") else 1
    assert 3 <= tries(stage, kind) <= 7 * objects, "it is tried again, in a time of its own"


async def test_a_refused_object_is_written_as_soon_as_its_time_has_come(stage: Stage) -> None:
    await bakes(stage)
    damage(stage, "NetworkPolicy")
    stage.refuse("NetworkPolicy", Forbidden("a policy"))
    await looks(stage, 60)
    stage.api.fault = lambda *_: None
    await looks(stage, 31)
    assert ("NetworkPolicy", *KEY) in stage.api.objects


async def test_what_is_wanted_otherwise_is_tried_at_once(stage: Stage) -> None:
    """Whoever corrects the spec does not wait for the time of what was refused before."""
    await settled(stage)
    stage.refuse("HorizontalPodAutoscaler", Invalid("metrics[0] is wrong"))
    stage.api.at("ModelDeployment", *KEY)["spec"]["autoscaling"]["maxReplicas"] = 6
    await looks(stage, 100)
    stage.api.fault = lambda *_: None
    stage.api.at("ModelDeployment", *KEY)["spec"]["autoscaling"]["maxReplicas"] = 7
    await stage.reconcile()
    assert stage.api.at("HorizontalPodAutoscaler", KEY.namespace, "diabetes-blue")["spec"]["maxReplicas"] == 7


@pytest.mark.parametrize("kind", BESIDE)
async def test_a_candidate_that_turns_bad_is_taken_back_as_fast_as_without_a_refusal(stage: Stage, kind: str) -> None:
    prometheus = await bakes(stage)
    damage(stage, kind)
    stage.refuse(kind, Forbidden("a policy"))
    await looks(stage, 20)
    prometheus.failing = True
    await looks(stage, 5)
    assert selected(stage) == "blue"


@pytest.mark.parametrize("kind", BESIDE)
async def test_a_refusal_is_told_once(stage: Stage, kind: str) -> None:
    """The same problem is the same condition: no write at each retry, also when the words differ in numbers only."""
    await settled(stage)
    damage(stage, kind)
    attempt = itertools.count(40000)
    stage.api.fault = lambda verb, called, _: (
        Forbidden(f"denied: call {next(attempt)} from 10.0.0.1:{next(attempt)}")
        if called == kind and verb == "apply"
        else None
    )
    await looks(stage, 60)
    told = stage.api.at("ModelDeployment", *KEY)
    stalled = stage.condition("Stalled")
    before = (told["metadata"]["resourceVersion"], told["status"])
    stage.api.calls.clear()
    assert len(await looks(stage, 150)) >= 5
    after = stage.api.at("ModelDeployment", *KEY)
    assert stalled == ("True", "Forbidden")
    assert (after["metadata"]["resourceVersion"], after["status"]) == before
    assert {call[1] for call in stage.api.writes} == {kind}, "nothing but the tries themselves: no status, no Event"


async def test_a_refusal_that_is_over_is_no_longer_told(stage: Stage) -> None:
    await settled(stage)
    damage(stage, "NetworkPolicy")
    stage.refuse("NetworkPolicy", Forbidden("a policy"))
    await looks(stage, 60)
    stage.api.fault = lambda *_: None
    await looks(stage, 31)
    assert stage.condition("Stalled")[0] == "False"


class Hanging:
    """Writes of one kind are not answered until `release`."""

    def __init__(self, stage: Stage, kind: str) -> None:
        self.released = asyncio.Event()
        self.begun = 0
        apply = stage.api.apply

        async def hang(manifest: Mapping[str, Any], manager: str = "verdigris") -> Any:
            if manifest["kind"] == kind:
                self.begun += 1
                await self.released.wait()
            return await apply(manifest, manager)

        stage.api.apply = hang  # type: ignore[method-assign]


@pytest.mark.parametrize("kind", [*BESIDE, "Deployment"])
async def test_a_write_that_hangs_holds_no_look_and_is_sent_once(
    stage: Stage, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verdigris.app.writes.MOMENT", 0.001)
    monkeypatch.setattr("verdigris.app.writes.PATIENCE", 0.001)
    prometheus = await bakes(stage)
    hanging = Hanging(stage, kind)
    if kind != "Deployment":
        damage(stage, kind)
    else:
        stage.api.at("Deployment", KEY.namespace, "diabetes-green")["spec"]["template"]["spec"]["containers"][0][
            "image"
        ] = "x"
    async with asyncio.timeout(20):
        await looks(stage, 20)
        prometheus.failing = True
        await looks(stage, 5)
    assert selected(stage) == "blue"
    # Both colours' objects, and the candidate's Deployment once more as it loses its clients.
    assert hanging.begun <= (3 if kind == "Deployment" else 2)
    hanging.released.set()
    await stage.reconcile(3)
    await stage.reconciler.close()


@pytest.mark.parametrize("error", [Conflict("changed"), Transient("busy"), Forbidden("a webhook"), Invalid("odd")])
async def test_a_rollback_whose_status_cannot_be_written_is_not_forgotten(stage: Stage, error: ApiError) -> None:
    """Traffic is back already, and the evidence that took it back may never come again."""
    prometheus = await bakes(stage)
    prometheus.failing = True
    stage.refuse("ModelDeployment/status", error)
    await looks(stage, 5)
    assert selected(stage) == "blue"
    prometheus.away = True
    await looks(stage, 30)
    assert selected(stage) == "blue"
    stage.api.fault = lambda *_: None
    await looks(stage, 40)
    assert selected(stage) == "blue"
    status = stage.api.at("ModelDeployment", *KEY)["status"]
    assert status["history"][-1]["outcome"] == "RolledBack"
    assert status["lastRollback"]["toVersion"] == "1.0.0"
    assert {"RollingBack", "TrafficRestored"} <= stage.told, "and it is told, once"


@pytest.mark.parametrize("error", [Forbidden("a webhook"), Invalid("status.rollout.message: Too long")])
async def test_a_status_that_is_refused_is_told_where_it_can_be(stage: Stage, error: ApiError) -> None:
    """No condition can say it: the Event is the only word that a person gets."""
    await bakes(stage)
    stage.refuse("ModelDeployment/status", error)
    await looks(stage, 30)
    events = [raw for (kind, _, _), raw in stage.api.objects.items() if kind == "Event"]
    told = [raw for raw in events if raw["reason"] == "StatusRefused"]
    assert [str(error) in raw["message"] for raw in told] == [True]


async def test_a_status_that_was_written_although_no_answer_came_is_taken_as_it_stands(stage: Stage) -> None:
    prometheus = await bakes(stage)
    prometheus.failing = True
    patch = stage.api.patch
    lost = True

    async def loses(*args: Any, **options: Any) -> Any:
        answer = await patch(*args, **options)
        if lost and options.get("subresource") == "status":
            raise Unreachable("the answer was lost")
        return answer

    stage.api.patch = loses  # type: ignore[method-assign]
    await looks(stage, 30)
    lost = False
    await looks(stage, 30)
    assert selected(stage) == "blue"
    assert rollout(stage) is None
    history = stage.api.at("ModelDeployment", *KEY)["status"]["history"]
    assert [entry["outcome"] for entry in history] == ["Promoted", "RolledBack"]


async def test_what_goes_forward_is_not_believed_until_it_is_written(stage: Stage) -> None:
    """A promotion in memory only would take the old pods, and a restarted operator would miss them."""
    await candidate_starts(stage)
    stage.refuse("ModelDeployment/status", Forbidden("a webhook"))
    await looks(stage, 200)
    assert stage.api.at("ModelDeployment", *KEY)["status"]["active"]["version"] == "1.0.0"
    assert ("Deployment", KEY.namespace, "diabetes-blue") in stage.api.objects


async def test_reads_that_fail_for_a_while_leave_a_rollout_its_pace(stage: Stage) -> None:
    await bakes(stage)
    await stage.reconcile()
    stage.api.fault = lambda verb, kind, _: Transient("busy") if (verb, kind) == ("list", "Pod") else None
    found = await looks(stage, 60)
    assert max(after - before for before, after in itertools.pairwise(found)) <= 5
