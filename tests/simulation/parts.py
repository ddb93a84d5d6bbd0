"""What all workloads are made of: a spec whose rollouts are short, what people wait for, and the workload itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.runtime.fake_api import Json
from tests.simulation.edits import FAULTS as EDITS
from tests.simulation.faults import CALLS, Fault
from tests.simulation.surroundings import FRONTS, LOST, PROMETHEUS, SLICES, WATCHES
from tests.simulation.wire import Call
from tests.simulation.world import World

FIRST, SECOND, THIRD = "1.0.0", "2.0.0", "3.0.0"
Script = Callable[[World], Awaitable[None]]
JUDGED = (*CALLS, *WATCHES, *PROMETHEUS, *SLICES, *LOST, *EDITS)
SHIELDED = (*JUDGED, *FRONTS)


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


async def served(world: World) -> None:
    """The first version is active, and all is quiet."""
    await create(world)
    await world.settle()


def nowhere(_: Call) -> bool:
    """No call."""
    return False


def as_in_a_release(call: Call) -> bool:
    """Whether it is about pods of the second version that are to get ready, and to be seen, before clients come."""
    return call.phase == f"{FIRST}/-/-/blue/new/-/-" or call.phase.startswith(_BEFORE_CLIENTS)


_BEFORE_CLIENTS = tuple(f"{FIRST}/{SECOND}/{stage}/blue/" for stage in ("Starting", "Measuring"))


@dataclass(frozen=True)
class Workload:
    """What people do (`script`) once things stand as `prepare` left them.

    Only calls of the script are disturbed, and of those the ones `where` there is something new. What is `known` goes
    as it does in another workload, and is disturbed less often.
    """

    name: str
    script: Script
    prepare: Script = served
    faults: tuple[Fault, ...] = (*CALLS, *WATCHES)
    where: Callable[[Call], bool] = lambda _: True
    known: Callable[[Call], bool] = nowhere
