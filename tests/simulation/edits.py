"""Edits of a spec in the middle of whatever goes on: the end has to be the one that the last spec asks for."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.runtime.fake_api import Json
from tests.simulation.faults import Fault, Host
from tests.simulation.wire import Call, Wire, Work
from verdigris.api.spec import ModelDeploymentSpec

if TYPE_CHECKING:
    from tests.simulation.world import World

PAUSED = 10.0
"""Seconds for which a rollout is paused."""

APPROVED_WITHIN = 120
"""Seconds for which somebody is there to approve."""

Change = Callable[[Json], None]


async def _no_more(_: World) -> None:
    """Nobody has to do anything more."""


@dataclass(frozen=True)
class Edit:
    """`change` makes the new spec of the old one; `then` is what people do after it.

    `behaves`: how the pods of which version do. `same`: only the spelling is another, so nothing is to follow.
    """

    name: str
    change: Change
    then: Callable[[World], Awaitable[None]] = _no_more
    behaves: dict[str, dict[str, Any]] = field(default_factory=dict)
    downtime: bool = False
    same: bool = False

    def of(self, spec: Json) -> Json:
        """The spec after it."""
        made = copy.deepcopy(spec)
        self.change(made)
        return made


def _version(version: str) -> Change:
    def change(spec: Json) -> None:
        spec["model"] |= {"version": version, "uri": f"https://models.example.com/{version}.vmodel"}

    return change


def _section(name: str, **fields: Any) -> Change:
    def change(spec: Json) -> None:
        spec[name] = {**spec.get(name, {}), **fields}

    return change


def _toggle_shield(spec: Json) -> None:
    """Without it there are no weights either."""
    spec["rollout"] |= {"shield": not spec["rollout"].get("shield", False), **_NO_WEIGHTS}


def _pause(spec: Json) -> None:
    spec["paused"] = True


async def _unpause(world: World) -> None:
    await asyncio.sleep(PAUSED)
    world.apply({**world.model["spec"], "paused": False})


async def _approve(world: World) -> None:
    """As soon as it is asked for."""
    for _ in range(APPROVED_WITHIN):
        rollout = world.rollout or {}
        if is_as_asked(world):
            return
        if rollout.get("stage") == "AwaitingApproval" and not world.server.of("RolloutDecision"):
            world.decide("approve", rollout["revision"])
        await asyncio.sleep(1)


def _respell(spec: Json) -> None:
    """Every default written out, durations in other units, the order reversed."""
    whole = ModelDeploymentSpec.parse(spec).dump()
    for name in ("bake", "keepWarm", "progressDeadline"):
        if whole["rollout"][name].removesuffix("s").isdigit():
            whole["rollout"][name] = f"{whole['rollout'][name].removesuffix('s')}000ms"
    whole["serving"]["resources"]["requests"] = {"memory": "65536Ki", "cpu": "0.1"}
    spec.clear()
    spec.update(
        {
            name: dict(reversed(section.items())) if isinstance(section, dict) else section
            for name, section in reversed(whole.items())
        }
    )


_NO_WEIGHTS = {"strategy": "BlueGreen", "steps": []}
_RECREATE = {**_NO_WEIGHTS, "strategy": "Recreate", "allowDowntime": True, "shield": False}

EDITS = (
    Edit("another version", _version("3.0.0")),
    Edit("a bad version", _version("4.0.0"), behaves={"4.0.0": {"error_rate": 0.5}}),
    Edit("the first version", _version("1.0.0")),
    Edit("more pods", _section("autoscaling", minReplicas=3, maxReplicas=5)),
    Edit("fewer pods", _section("autoscaling", minReplicas=1, maxReplicas=2)),
    Edit("Recreate", _section("rollout", **_RECREATE), downtime=True),
    Edit("an approval", _section("rollout", approval="Required"), _approve),
    Edit("no bake", _section("rollout", bake="0s", keepWarm="0s")),
    Edit("other limits", _section("analysis", errorRate={"factor": 3.0, "floor": 0.02, "minRequests": 10})),
    Edit("the shield", _toggle_shield),
    Edit("a pause", _pause, _unpause),
    Edit("another spelling", _respell, same=True),
)
BY_NAME = {edit.name: edit for edit in EDITS}


def _fault(edit: Edit) -> Fault:
    async def do(host: Host, wire: Wire, _: Call, work: Work) -> Any:
        host.edit(edit)
        return await work(wire.server)

    def applies(call: Call) -> bool:
        # Where nothing is active yet, that is as if the first spec had been another. A version that has not begun is
        # called by the letter of its spec when it does.
        return not call.phase.startswith("-/") and not (edit.same and "/new/" in call.phase)

    return Fault(f"edit: {edit.name}", do, applies, begins="often")


FAULTS = tuple(map(_fault, EDITS))


async def as_asked(world: World, edit: Edit) -> None:
    """People do what is still to be done, and the end comes. Raises NotReached."""
    await edit.then(world)
    await world.until(lambda: is_as_asked(world), "the end that the last spec asks for")
    await world.settle()


def is_as_asked(world: World) -> bool:
    """Whether the version that is asked for is active, or was rejected, and no rollout is under way."""
    status, spec = world.status, world.model["spec"]
    if world.rollout is not None or status.get("observedGeneration") != world.model["metadata"]["generation"]:
        return False
    wanted = spec["model"]["version"]
    return not spec.get("paused") and (world.active == wanted or wanted in rejected(world))


def rejected(world: World) -> list[str]:
    """The versions that the status calls rejected."""
    return [entry["version"] for entry in world.status.get("rejected") or ()]
