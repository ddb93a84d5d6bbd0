"""What people do with a model: one function a workload. It waits for what it sees, so that it goes on after a fault."""

from __future__ import annotations

from tests.runtime.fake_api import Json
from tests.simulation import origins, trials
from tests.simulation.faults import CALLS
from tests.simulation.parts import (
    FIRST,
    JUDGED,
    SECOND,
    THIRD,
    Workload,
    as_in_a_release,
    create,
    is_active,
    is_in,
    is_rejected,
    nothing,
    spec,
)
from tests.simulation.surroundings import GATES, LOST, WATCHES
from tests.simulation.wire import Call
from tests.simulation.world import KEY, World


async def release(world: World) -> None:
    """A good second version."""
    world.apply(spec(SECOND))
    await world.until(is_active(world, SECOND), "the second version's promotion")


async def bad_release(world: World) -> None:
    """A second version half of whose answers are errors."""
    world.behave(SECOND, error_rate=0.5)
    world.apply(spec(SECOND))
    await world.until(is_rejected(world, SECOND), "the bad version's rejection")


async def never_ready(world: World) -> None:
    """A second version whose pods never answer."""
    world.behave(SECOND, ready_after=None)
    world.apply(spec(SECOND, rollout={"progressDeadline": "30s"}))
    await world.until(is_rejected(world, SECOND), "the dead version's rejection")


async def abort(world: World) -> None:
    """A second version that somebody aborts in its bake."""
    world.apply(spec(SECOND, rollout={"bake": "60s"}))
    await world.until(is_in(world, "Baking", SECOND), "the bake of the second version")
    world.decide("abort", (world.rollout or {})["revision"])
    await world.until(is_rejected(world, SECOND), "the end of what was aborted")


async def supersede(world: World) -> None:
    """A third version while the second one bakes."""
    world.apply(spec(SECOND, rollout={"bake": "60s"}))
    await world.until(is_in(world, "Baking", SECOND), "the bake of the second version")
    world.apply(spec(THIRD))
    await world.until(is_active(world, THIRD), "the third version's promotion")


async def scale(world: World) -> None:
    """More pods, then fewer at most."""
    world.apply(spec(autoscaling={"minReplicas": 3}))
    await world.until(lambda: _ready(world) == 3, "the third pod")
    world.apply(spec(autoscaling={"minReplicas": 1, "maxReplicas": 2}))
    await world.until(lambda: _ready(world) == 2, "the second pod alone")


_QUALITY = {"data": {"uri": "https://models.example.com/rows.csv", "sha256": "d" * 64, "target": "y"}}
_GATES: Json = {"steps": [{"quality": {**_QUALITY, "auc": {"min": 0.85}}}, {"smoke": {"rows": 20}}]}

_BETWEEN: Json = {"steps": [{"weight": 10, "hold": "3s"}, {"smoke": {"rows": 20}}]}


async def gates(world: World) -> None:
    """A good second version, which two gates judge before any client meets it."""
    world.apply(spec(SECOND, rollout=_GATES))
    await world.until(is_active(world, SECOND), "the second version's promotion")


async def failed_gate(world: World) -> None:
    """A second version that its gates find wanting."""
    world.behave(SECOND, fails_gates=True)
    world.apply(spec(SECOND, rollout=_GATES))
    await world.until(is_rejected(world, SECOND), "the rejection by a gate")


def at_gate(call: Call) -> bool:
    """Whether a gate is under way."""
    return "/AtGate/" in call.phase


def _ready(world: World) -> int:
    found = world.server.objects.get(("EndpointSlice", KEY.namespace, f"{KEY.name}-slice"), {"endpoints": []})
    return sum(endpoint["conditions"]["ready"] for endpoint in found["endpoints"])


async def change_strategy(world: World) -> None:
    """An approval is asked for, given, and the bake made shorter while it lasts."""
    world.apply(spec(SECOND, rollout={"approval": "Required"}))
    await world.until(is_in(world, "AwaitingApproval", SECOND), "the question for an approval")
    world.decide("approve", (world.rollout or {})["revision"])
    await world.until(is_in(world, "Baking", SECOND), "the bake of the second version")
    world.apply(spec(SECOND, rollout={"bake": "1s", "keepWarm": "1s"}))
    await world.until(is_active(world, SECOND), "the second version's promotion")


async def delete(world: World) -> None:
    """The model is deleted in the middle of a bake."""
    world.apply(spec(SECOND))
    await world.until(is_in(world, "Baking", SECOND), "the bake of the second version")
    world.laws.downtime = True
    world.delete()
    await world.until(lambda: ("Service", *KEY) not in world.server.objects, "the end of the Service")


async def three_in_three(world: World) -> None:
    """A model of three pods, in a namespace that has room for three."""
    world.controllers.quota = 3
    world.apply(spec(autoscaling={"minReplicas": 3, "maxReplicas": 3}))
    await world.until(is_active(world, FIRST), "the first version's activation")
    await world.settle()


def _in_place(version: str) -> Json:
    return spec(
        version,
        autoscaling={"minReplicas": 3, "maxReplicas": 3},
        rollout={"onInsufficientCapacity": "InPlace", "bake": "3s"},
    )


async def in_place(world: World) -> None:
    """A second version that is traded pod by pod."""
    world.apply(_in_place(SECOND))
    await world.until(is_active(world, SECOND), "the second version's promotion")


async def recreate(world: World) -> None:
    """A second version before which the first one ends."""
    world.laws.downtime = True
    world.apply(spec(SECOND, rollout={"strategy": "Recreate", "allowDowntime": True}))
    await world.until(is_active(world, SECOND), "the second version's promotion")


async def upgrade(world: World) -> None:
    """Another operator, with another image for new pods, takes over in a bake: no pod is touched (law 7)."""
    world.apply(spec(SECOND))
    await world.until(is_in(world, "Baking", SECOND), "the bake of the second version")
    before = {raw["metadata"]["uid"] for raw in world.server.of("Pod")}
    await world.upgrade("verdigris/serving:0.2.0")
    await world.until(is_active(world, SECOND), "the second version's promotion")
    if before != {raw["metadata"]["uid"] for raw in world.server.of("Pod")} and world.status.get("warm"):
        world.laws.breach("law 7: an upgrade of the operator has touched pods")


async def revert(world: World) -> None:
    """The old manifest is applied again while its pods are still warm."""
    world.apply(spec(SECOND, rollout={"keepWarm": "60s"}))
    await world.until(is_active(world, SECOND), "the second version's promotion")
    world.apply(spec(rollout={"keepWarm": "5s"}))
    await world.until(is_active(world, FIRST), "the first version's return")


async def edited_by_hand(world: World) -> None:
    """Somebody edits the Service and a Deployment, and removes an autoscaler: it is put back."""
    service, colored = ("Service", *KEY), ("Deployment", KEY.namespace, f"{KEY.name}-blue")
    world.server.change(service, lambda raw: raw["spec"]["selector"].update({"extra": "x"}), "kubectl")
    world.server.change(colored, lambda raw: raw["spec"].update(paused=True), "kubectl")
    world.server.end(("HorizontalPodAutoscaler", *colored[1:]))
    world.laws.downtime = True
    await world.until(lambda: "extra" not in world.server.objects[service]["spec"]["selector"], "the selector's repair")
    await world.until(lambda: _ready(world) == 2, "both pods behind the Service")
    world.laws.downtime = False
    await world.until(lambda: not world.server.objects[colored]["spec"].get("paused"), "the Deployment's repair")


WORKLOADS = (
    Workload("create", create, nothing),
    Workload("release", release, faults=JUDGED),
    Workload("bad release", bad_release, faults=JUDGED, known=as_in_a_release),
    *trials.WORKLOADS,
    Workload("gates", gates, faults=(*CALLS, *GATES), where=at_gate),
    Workload("failed gate", failed_gate, faults=(*CALLS, *GATES), where=at_gate),
    Workload("gate between weights", trials.good(_BETWEEN), faults=(*CALLS, *GATES), where=at_gate),
    *origins.WORKLOADS,
    Workload("never ready", never_ready),
    Workload("abort", abort, known=as_in_a_release),
    Workload("supersede", supersede, known=as_in_a_release),
    Workload("scale", scale),
    Workload("strategy change", change_strategy, known=as_in_a_release),
    Workload("delete", delete, known=as_in_a_release),
    Workload("in place", in_place, three_in_three),
    Workload("recreate", recreate),
    Workload("upgrade", upgrade, faults=(*CALLS, *WATCHES, *LOST), known=as_in_a_release),
    Workload("revert", revert, known=as_in_a_release),
    Workload("edited by hand", edited_by_hand),
)
BY_NAME = {workload.name: workload for workload in WORKLOADS}
FAULTS = {fault.name: fault for workload in WORKLOADS for fault in workload.faults}
"""All of them, by name."""
