"""What people do with a model: one function a workload. It waits for what it sees, so that it goes on after a fault."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.runtime.fake_api import Json
from tests.simulation.edits import FAULTS as EDITS
from tests.simulation.faults import CALLS, Fault
from tests.simulation.surroundings import FRONTS, PROMETHEUS, WATCHES
from tests.simulation.world import KEY, World

FIRST, SECOND, THIRD = "1.0.0", "2.0.0", "3.0.0"
Script = Callable[[World], Awaitable[None]]


def spec(version: str = FIRST, **sections: Any) -> Json:
    """A spec whose rollouts are over within some seconds."""
    model = {"version": version, "uri": f"https://models.example.com/{version}.vmodel", "sha256": "a" * 64}
    rollout = {"shield": False, "bake": "6s", "progressDeadline": "60s", "keepWarm": "5s"}
    return {
        "model": model,
        "autoscaling": {"minReplicas": 2, "maxReplicas": 4} | sections.pop("autoscaling", {}),
        "rollout": rollout | sections.pop("rollout", {}),
        "analysis": {"interval": "1s"},
        "monitoring": {"serviceMonitor": {"interval": "2s"}},
        **sections,
    }


def is_active(world: World, version: str) -> Callable[[], bool]:
    """Whether this version is active, and no rollout under way."""
    return lambda: world.active == version and world.rollout is None


def is_in(world: World, stage: str, version: str) -> Callable[[], bool]:
    """Whether the rollout of this version is in this stage."""
    return lambda: ((world.rollout or {}).get("stage"), (world.rollout or {}).get("version")) == (stage, version)


def is_rejected(world: World, version: str) -> Callable[[], bool]:
    """Whether this version was rejected, and its rollout is over."""
    return lambda: world.rollout is None and any(e["version"] == version for e in world.status.get("rejected") or ())


async def nothing(_: World) -> None:
    """There is no model yet."""


async def create(world: World) -> None:
    """A model is applied for the first time."""
    world.apply(spec())
    await world.until(is_active(world, FIRST), "the first version's activation")


async def release(world: World) -> None:
    """A good second version."""
    world.apply(spec(SECOND))
    await world.until(is_active(world, SECOND), "the second version's promotion")


async def bad_release(world: World) -> None:
    """A second version half of whose answers are errors."""
    world.behave(SECOND, error_rate=0.5)
    world.apply(spec(SECOND))
    await world.until(is_rejected(world, SECOND), "the bad version's rejection")


def shielded(version: str, **rollout: Any) -> Json:
    """A spec whose versions are tried behind the active one."""
    return spec(version, rollout={"shield": True, **rollout})


async def shielded_release(world: World) -> None:
    """A good second version, behind the active one first."""
    world.apply(shielded(SECOND))
    await world.until(is_active(world, SECOND), "the second version's promotion")


def _shielded_and_bad(**how: Any) -> Script:
    async def script(world: World) -> None:
        """A bad second version behind the active one: no client is to notice."""
        world.behave(SECOND, **how)
        world.apply(shielded(SECOND))
        await world.until(is_rejected(world, SECOND), "the bad version's rejection")

    return script


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


async def served(world: World) -> None:
    """The first version is active, and all is quiet."""
    await create(world)
    await world.settle()


@dataclass(frozen=True)
class Workload:
    """What people do (`script`) once things stand as `prepare` left them. Only calls of the script are disturbed."""

    name: str
    script: Script
    prepare: Script = served
    faults: tuple[Fault, ...] = (*CALLS, *WATCHES)


JUDGED = (*CALLS, *WATCHES, *PROMETHEUS, *EDITS)
SHIELDED = (*JUDGED, *FRONTS)
WORKLOADS = (
    Workload("create", create, nothing),
    Workload("release", release, faults=JUDGED),
    Workload("bad release", bad_release, faults=JUDGED),
    Workload("shielded release", shielded_release, faults=SHIELDED),
    Workload("shielded bad release", _shielded_and_bad(error_rate=0.5), faults=SHIELDED),
    Workload("shielded late release", _shielded_and_bad(goes_wrong="late"), faults=FRONTS),
    Workload("shielded broken release", _shielded_and_bad(goes_wrong="reset"), faults=FRONTS),
    Workload("never ready", never_ready),
    Workload("abort", abort),
    Workload("supersede", supersede),
    Workload("scale", scale),
    Workload("strategy change", change_strategy),
    Workload("delete", delete),
    Workload("in place", in_place, three_in_three),
    Workload("recreate", recreate),
    Workload("upgrade", upgrade),
    Workload("revert", revert),
    Workload("edited by hand", edited_by_hand),
)
BY_NAME = {workload.name: workload for workload in WORKLOADS}
FAULTS = {fault.name: fault for workload in WORKLOADS for fault in workload.faults}
"""All of them, by name."""
