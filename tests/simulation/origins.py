"""What people do with versions that come from the environment before, or by an alias of the registry."""

from __future__ import annotations

from tests.runtime.fake_api import Json
from tests.simulation.elsewhere import FOR, NAME, NAMESPACE, OTHER
from tests.simulation.faults import CALLS
from tests.simulation.parts import (
    FIRST,
    SECOND,
    THIRD,
    Script,
    Workload,
    as_in_a_release,
    is_active,
    is_in,
    is_rejected,
    spec,
)
from tests.simulation.registry import EVERY
from tests.simulation.surroundings import REGISTRY, SOURCE, WATCHES
from tests.simulation.trials import FAILING, shielded
from tests.simulation.wire import Call
from tests.simulation.world import World
from verdigris.core.facts.followed import Registered

BYTES = "a" * 64
"""What every spec here asks for."""
FROM: Json = {"from": {"namespace": NAMESPACE, "name": NAME, "healthyFor": f"{FOR.seconds}s"}}
BY_ALIAS = {
    FIRST: Registered("1", FIRST, BYTES),
    SECOND: Registered("2", SECOND, "b" * 64),
    THIRD: Registered("3", THIRD, "c" * 64),
}
"""As the registry has them."""


async def comes_from_elsewhere(world: World) -> None:
    """A second version whose bytes begin to serve elsewhere while it waits for that."""
    world.apply(spec(SECOND, rollout={"steps": [FROM]}))
    await _comes(world)


async def comes_between_weights(world: World) -> None:
    """The same after the first clients have been served by it."""
    world.apply(shielded(steps=[{"weight": 10, "hold": "3s"}, FROM]))
    await _comes(world)


async def _comes(world: World) -> None:
    await world.until(is_in(world, "AwaitingSource", SECOND), "the question how the bytes do elsewhere")
    world.elsewhere.serve(BYTES)
    await world.until(is_active(world, SECOND), "the second version's promotion")


async def goes_elsewhere(world: World) -> None:
    """Its bytes are taken back elsewhere before their time is over, and it is not to wait for ever."""
    rollout = {"steps": [FROM], "inconclusiveDeadline": "20s", "onInconclusive": "Rollback"}
    world.elsewhere.serve(BYTES)
    world.apply(spec(SECOND, rollout=rollout))
    world.elsewhere.serve(OTHER)
    await world.until(is_rejected(world, SECOND), "the rejection of what does not serve elsewhere")


def at_source(call: Call) -> bool:
    """Whether another environment is asked."""
    return "/AwaitingSource/" in call.phase


def followed(**rollout: str) -> Script:
    """The first version is active, by an alias that is followed."""
    model = spec()["model"] | {"uri": "models:/diabetes/1", "follow": {"alias": "champion", "every": f"{EVERY:g}s"}}

    async def script(world: World) -> None:
        world.apply(spec(model=model, rollout=rollout))
        await world.until(is_active(world, FIRST), "the first version's activation")
        await world.until(lambda: "followed" in world.status, "the registry's first answer")
        await world.settle()

    return script


# However late the registry is heard because of a fault, it is heard in the bake, or while the old version is warm.
LONG_BAKE, LONG_WARM = followed(bake="80s"), followed(keepWarm="80s")


async def moves(world: World) -> None:
    """The alias is given to a good second version."""
    world.registry.has = BY_ALIAS[SECOND]
    await world.until(is_active(world, SECOND), "the second version's promotion")


async def moves_to_a_bad_one(world: World) -> None:
    """The alias is given to a bad version, and then to a good one."""
    world.behave(SECOND, **FAILING)
    world.registry.has = BY_ALIAS[SECOND]
    await world.until(is_rejected(world, SECOND), "the bad version's rejection")
    world.registry.has = BY_ALIAS[THIRD]
    await world.until(is_active(world, THIRD), "the third version's promotion")


async def moves_back(world: World) -> None:
    """The alias is given back while the second version bakes."""
    world.registry.has = BY_ALIAS[SECOND]
    await world.until(is_in(world, "Baking", SECOND), "the bake of the second version")
    world.registry.has = BY_ALIAS[FIRST]
    await world.until(lambda: _follows(world, FIRST) and is_active(world, FIRST)(), "the first version's return")


async def moves_back_late(world: World) -> None:
    """The alias is given back while the first version is still warm."""
    await moves(world)
    world.registry.has = BY_ALIAS[FIRST]
    await world.until(is_active(world, FIRST), "the first version's return")


async def moves_to_what_nobody_vouches_for(world: World) -> None:
    """The alias is given to a version without a checksum, which gets one later."""
    world.registry.has = Registered("2", SECOND)
    await world.until(lambda: _is_missed(world), "the condition that its checksum is missing")
    world.registry.has = BY_ALIAS[SECOND]
    await world.until(is_active(world, SECOND), "the second version's promotion")


def _follows(world: World, version: str) -> bool:
    found: Json = world.status.get("followed") or {}
    return found.get("version") == version


def _is_missed(world: World) -> bool:
    return any(one["reason"] == "ChecksumMissing" for one in world.status.get("conditions") or ())


def _from(name: str, script: Script) -> Workload:
    return Workload(name, script, faults=(*CALLS, *WATCHES, *SOURCE), where=at_source)


def _alias(name: str, script: Script, prepare: Script | None = None) -> Workload:
    faults = (*CALLS, *WATCHES, *REGISTRY)
    return Workload(name, script, prepare or followed(), faults=faults, known=as_in_a_release)


WORKLOADS = (
    _from("from elsewhere", comes_from_elsewhere),
    _from("from elsewhere, between weights", comes_between_weights),
    _from("gone elsewhere", goes_elsewhere),
    _alias("alias", moves),
    _alias("alias to a bad version", moves_to_a_bad_one),
    _alias("alias and back", moves_back, LONG_BAKE),
    _alias("alias and back while warm", moves_back_late, LONG_WARM),
    _alias("alias without a checksum", moves_to_what_nobody_vouches_for),
)
