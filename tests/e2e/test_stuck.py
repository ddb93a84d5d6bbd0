"""Stuck pods of every kind: each fault is a real one, and the operator must know it, end it, and keep the clients.

Here is one fault of each kind and ending, some of them in `make thorough` only. `make bench-stuck` plays all of them,
and tests/recorded looks at what the API server said of each.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from dev.cluster import second_node
from dev.faults import FAULTS, Fault, objects, sample
from dev.faults.nodes import ON_BOTH, ON_SECOND, UNTOLERATED, lose, strike_out
from tests import order
from tests.e2e.conftest import namespace_for
from tests.e2e.crowd import scenario, scenario_holding
from tests.e2e.matrix import IMPATIENT, RATE, SPEC, Verdict, play
from tests.e2e.scene import Scene, Status, active, merged, settled, stage, wait_for
from verdigris.api.status import StuckKind

VERDICTS = Path("out/stuck")
NEEDS_A_SECOND_NODE = {"NodeLost", "NodeGone"}

IN_PLACE = {
    "autoscaling": {"minReplicas": 3, "maxReplicas": 3},
    "rollout": {"onInsufficientCapacity": "InPlace", "bake": "6s", "progressDeadline": "90s"},
}
# Room for three and a half pods, of which three are there already.
ROOM = {"cpu": "1400m"}
ON_SMALL_NODE = merged(ON_SECOND, merged(IN_PLACE, {"serving": {"resources": {"requests": {"cpu": "400m"}}}}))
# The same by a quota: three pods of the model, and one of the clients.
QUOTA = objects.quota({"pods": "4"})

IN_EVERY_RUN = {
    "image that is not in its registry",
    "missing Secret",
    "artifact that is not there",
    "server that exits",
    "memory limit too small",
    "quota of pods used up",
    "finalizer on an active pod",
    "active pod that is not ready any more",
    "pod of a colour without a Deployment",
}
"""One of each way that a pod is stuck. The others differ by what Kubernetes says of them."""


def in_every_run(fault: Fault) -> Any:
    return pytest.param(fault, marks=() if fault.name in IN_EVERY_RUN else pytest.mark.thorough)


def test_every_kind_of_stuck_pod_is_provoked() -> None:
    provoked = {fault.kind for fault in FAULTS} - {None} | NEEDS_A_SECOND_NODE
    assert provoked == set(get_args(StuckKind))
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert {fault.name for fault in sample(FAULTS)} >= IN_EVERY_RUN


@scenario
@pytest.mark.parametrize("fault", map(in_every_run, sample(FAULTS)), ids=lambda fault: fault.name)
def test_the_operator_tells_the_truth_in_time_and_no_request_is_lost(scene: Scene, fault: Fault) -> None:
    must_be_right(fault, play(scene, fault))


@scenario
def test_a_bad_version_where_surge_does_not_fit_is_taken_back_and_no_request_is_lost(scene: Scene) -> None:
    ready: list[int] = []
    steps: set[str] = set()
    scene.kube.apply(QUOTA)
    scene.given_active("1.0.0", **IN_PLACE)
    with scene.clients() as clients:
        scene.apply("1.2.0", **IN_PLACE)
        scene.until("1.2.0 to be rejected", lambda s: _watched(scene, s, ready, steps) and bool(s.get("rejected")), 150)
        _await_the_old_version(scene, ready)
    assert "Trade" in steps
    assert min(ready) >= 2
    assert clients.bad(), "the fault must have been a real one"
    assert [request.outcome for request in clients.lost()] == []


@pytest.mark.thorough
@scenario
def test_a_version_that_has_traded_every_pod_is_taken_back_by_the_same_path_and_no_request_is_lost(
    scene: Scene,
) -> None:
    ready: list[int] = []
    steps: set[str] = set()
    scene.kube.apply(QUOTA)
    scene.given_active("1.0.0", **IN_PLACE)
    with scene.clients() as clients:
        scene.apply("1.1.0", **merged(IN_PLACE, {"rollout": {"bake": "30s"}}))
        scene.until(
            "1.1.0 to have all the clients", lambda s: _watched(scene, s, ready, steps) and stage(s) == "Baking", 150
        )
        wait_for("pods of 1.1.0 only", lambda: set(scene.pods().values()) == {"1.1.0"}, 30, every=0.5)
        scene.decide("abort", scene.status()["rollout"]["revision"])
        _await_the_old_version(scene, ready)
    assert "Trade" in steps
    assert min(ready) >= 2
    assert [request.outcome for request in clients.requests if request.result != "answered"] == []


@pytest.mark.thorough
@scenario
def test_recreate_makes_room_first_where_downtime_is_allowed(scene: Scene) -> None:
    recreate = merged(IN_PLACE, {"rollout": {"strategy": "Recreate", "allowDowntime": True, "bake": "0s"}})
    scene.kube.apply(QUOTA)
    scene.given_active("1.0.0", **recreate)
    first = scene.pods()
    scene.apply("1.1.0", **recreate)
    scene.until("1.1.0 to be promoted", settled("1.1.0"), 120)
    wait_for("pods of 1.1.0 only", lambda: set(scene.pods().values()) == {"1.1.0"}, 30, every=0.5)
    assert first.keys().isdisjoint(scene.pods())


def must_be_right(fault: Fault, verdict: Verdict) -> None:
    """The truth, in time, and no request lost. How long it took is written down, for people to compare."""
    if verdict.wrong is not None:
        raise verdict.wrong
    assert [request.outcome for request in verdict.failed] == []
    VERDICTS.mkdir(parents=True, exist_ok=True)
    seen = {
        "name": fault.name,
        "seconds": round(verdict.seconds, 1),
        "reason": verdict.reason,
        "message": verdict.message,
    }
    (VERDICTS / f"{namespace_for(fault.name)}.json").write_text(json.dumps(seen, indent=2) + "\n")


def with_a_second_node(scene: Scene) -> None:
    """It has room for three and a half pods. No other scenario tolerates its taint, so it disturbs none."""
    second_node.up(scene.cluster, allocatable=ROOM)


@pytest.mark.thorough
@scenario_holding(order.second_node)
def test_a_taint_that_is_not_tolerated_is_named(scene: Scene) -> None:
    with_a_second_node(scene)
    must_be_right(UNTOLERATED, play(scene, UNTOLERATED))


@scenario_holding(order.second_node)
def test_a_release_where_surge_does_not_fit_is_traded_in_place_and_no_request_is_lost(scene: Scene) -> None:
    with_a_second_node(scene)
    ready: list[int] = []
    steps: set[str] = set()
    scene.given_active("1.0.0", **ON_SMALL_NODE)
    with scene.clients() as clients:
        scene.apply("1.1.0", **ON_SMALL_NODE)
        scene.until("1.1.0 to be promoted", lambda s: _watched(scene, s, ready, steps) and settled("1.1.0")(s), 150)
        clients.until_answered_by("1.1.0")
    assert "Trade" in steps
    assert min(ready) >= 2
    assert [request.outcome for request in clients.requests if request.result != "answered"] == []


@scenario_holding(order.second_node)
def test_the_pod_of_a_lost_node_is_replaced_and_goes_when_the_node_is_gone(scene: Scene) -> None:
    with_a_second_node(scene)
    scene.given_active("1.0.0", **merged(SPEC, ON_BOTH))
    scene.patch({"spec": {"cleanup": IMPATIENT}})
    with scene.clients(RATE) as clients:
        pod = scene.pod_on(second_node.NAME)
        lose(scene.cluster)
        status = scene.until("the pod to be removed", lambda status: pod in _removed(status), 150)
        assert _removed(status)[pod] == "NodeLost"
        wait_for("as many ready pods as before", lambda: scene.ready() == 2, 60, every=0.5)
        assert scene.kube.get("pod", pod) is not None, "nobody may say that it has ended while its node is only silent"
        strike_out(scene.cluster)
        wait_for(f"{pod} to be gone", lambda: scene.kube.get("pod", pod) is None, 90, every=0.5)
    assert active(scene.status()) == "1.0.0"
    assert [request.outcome for request in clients.requests if request.result != "answered"] == []


def _removed(status: Status) -> dict[str, str]:
    return {entry["pod"]: entry["kind"] for entry in status.get("removed", ())}


def _watched(scene: Scene, status: Status, ready: list[int], steps: set[str]) -> bool:
    """Count the ready pods, and keep the steps that the rollout under way has."""
    ready.append(scene.ready())
    steps.update(step["kind"] for step in (status.get("rollout") or {}).get("steps", ()))
    return True


def _await_the_old_version(scene: Scene, ready: list[int]) -> None:
    wait_for("three pods of the old version", lambda: list(scene.pods().values()) == ["1.0.0"] * 3, 90, every=0.5)
    wait_for("all of them to be ready", lambda: _watched(scene, {}, ready, set()) and ready[-1] == 3, 60, every=0.5)
    assert active(scene.status()) == "1.0.0"
