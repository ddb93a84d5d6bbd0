"""What people do with versions that are tried behind the active one: ladders, approvals, shadows, late faults.

What goes before the trial is disturbed in the first of these workloads alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.runtime.fake_api import Json
from tests.simulation.clients import TESTER, UNIT
from tests.simulation.edits import FAULTS as EDITS
from tests.simulation.faults import CALLS, TOLD
from tests.simulation.parts import (
    SECOND,
    SHIELDED,
    Script,
    Workload,
    as_in_a_release,
    is_active,
    is_rejected,
    spec,
)
from tests.simulation.surroundings import FRONTS, PROMETHEUS, SLICES, WATCHES
from tests.simulation.wire import Call
from tests.simulation.world import World

FAILING: Json = {"error_rate": 0.5}
"""How the pods of a bad version behave: half of its answers are errors."""
OF_CLIENTS: Json = {"unit": {"header": UNIT}, "testers": {"header": TESTER, "value": "yes"}}
LADDER: Json = {"strategy": "Canary", "bake": "4s"}
ASKING: Json = {
    "steps": [{"weight": 10, "hold": "3s"}, {"approval": {}}, {"weight": 50, "hold": "3s"}, {"approval": {}}]
}
SHADOW: Json = {"steps": [{"shadow": {"for": "6s", "share": 100, "maxDisagreement": 0.1}}]}
WARM: Json = {"keepWarm": "50s"}


THINKS = 2.0
"""Seconds until a person who is asked says yes."""
GOES_WELL = 2.0
"""Seconds for which it still goes well where a version turns bad."""


def shielded(version: str = SECOND, **rollout: Any) -> Json:
    """A spec whose versions are tried behind the active one."""
    return spec(version, rollout={"shield": True, **rollout}, traffic=OF_CLIENTS)


def good(asked: Json | None = None) -> Script:
    """A second version that nothing speaks against."""

    async def script(world: World) -> None:
        world.apply(shielded(**(asked or {})))
        await answered(world, is_active(world, SECOND), "the second version's promotion")
        _met_by_testers(world)

    return script


def bad(asked: Json | None = None, **how: Any) -> Script:
    """A second version that is bad from the beginning: no client is to notice."""

    async def script(world: World) -> None:
        world.behave(SECOND, **how)
        world.apply(shielded(**(asked or {})))
        await answered(world, is_rejected(world, SECOND), "the bad version's rejection")

    return script


def turns_bad(asked: Json, when: Callable[[World], bool], what: str) -> Script:
    """A second version that begins to fail when this is so, and to which nobody says yes any more."""

    async def script(world: World) -> None:
        world.apply(shielded(**asked))
        await world.until(lambda: when(world) or is_rejected(world, SECOND)(), what)
        await asyncio.sleep(GOES_WELL)
        world.behave(SECOND, **FAILING)
        await world.until(is_rejected(world, SECOND), "the rejection of the version that has turned bad")

    return script


async def warm_for_long(world: World) -> None:
    """A good second version, until the first one is not kept warm any more."""
    world.apply(shielded(keepWarm="30s"))
    await world.until(is_active(world, SECOND), "the second version's promotion")
    await world.until(lambda: not world.status.get("warm"), "the end of what was kept warm")


async def answered(world: World, over: Callable[[], bool], what: str) -> None:
    """Wait for it, and say yes to each question that is asked meanwhile. Raises NotReached."""
    answers: list[object] = [None]
    while not over():
        await world.until(lambda: over() or _question(world) not in answers, what)
        asked = _question(world)
        await asyncio.sleep(THINKS)
        if asked not in answers and _question(world) == asked:
            answers.append(asked)
            world.decide("approve", (world.rollout or {})["revision"])


def _question(world: World) -> object:
    """Which question is open; None: none is."""
    rollout = world.rollout or {}
    if rollout.get("stage") != "AwaitingApproval":
        return None
    return rollout["step"], rollout["steps"][rollout["step"]]["began"]


def _met_by_testers(world: World) -> None:
    """A tester meets the version at the first weight, however small that is."""
    met = [share for (_, unit), share in world.fronts.met.items() if unit == world.clients.tester]
    first = min(world.fronts.met.values(), default=None)
    if not world.lasting and met != [first]:
        world.laws.breach(f"testers met the version on trial at {met}, others at {first}")


def _asked(world: World) -> int:
    return int((world.rollout or {}).get("passedOn") or 0)


def _asks_a_person(world: World) -> bool:
    return _question(world) is not None


def _is_warm(world: World) -> bool:
    return is_active(world, SECOND)() and bool(world.status.get("warm"))


def on_trial(call: Call) -> bool:
    """Whether the version is asked, or answers copies, by the status."""
    return call.asked > 0


def at_small_weights(call: Call) -> bool:
    """Whether it is asked one request in a hundred, or in ten: the step from one weight to the next is among it."""
    return 0 < call.asked <= 1000


def while_asking(call: Call) -> bool:
    """Whether a person is waited for while it is asked a share."""
    return "/AwaitingApproval/" in call.phase and call.asked > 0


def in_shadow(call: Call) -> bool:
    """Whether it answers copies."""
    return "/Shadowing/" in call.phase


def while_warm(call: Call) -> bool:
    """Whether the second version has been promoted, and the first one is still there."""
    return call.phase.startswith(f"{SECOND}/")


_BESIDE = (*WATCHES, *PROMETHEUS, *SLICES)
_TOLD = (*CALLS, TOLD, *FRONTS)
# Where no pod in front passes anything on there is nothing but its own word.
_BELIE = tuple(fault for fault in (*FRONTS, *PROMETHEUS) if fault.name != "files never change")
_HALF = turns_bad(LADDER, lambda world: _asked(world) == 5000, "half of the requests")
_WAITING = turns_bad(ASKING, _asks_a_person, "the question for an approval")
_LATE = turns_bad(WARM, _is_warm, "the second version's promotion")
WORKLOADS = (
    Workload("shielded release", good(), faults=(*SHIELDED, TOLD), known=as_in_a_release),
    Workload("shielded bad release", bad(**FAILING), faults=(*SHIELDED, TOLD), known=as_in_a_release),
    Workload("shielded late release", bad(goes_wrong="late"), faults=FRONTS),
    Workload("shielded broken release", bad(goes_wrong="reset"), faults=FRONTS),
    Workload("shielded release that lies", bad(lies=True, **FAILING), faults=_BELIE, where=on_trial),
    Workload("ladder", good(LADDER), faults=(*_TOLD, *_BESIDE, *EDITS), where=at_small_weights),
    Workload("whole ladder", good(LADDER), faults=(TOLD, *FRONTS), where=on_trial),
    Workload("bad ladder", bad(LADDER, **FAILING), faults=(*_TOLD, *_BESIDE), where=on_trial),
    Workload("ladder that turns bad", _HALF, faults=(TOLD, *FRONTS), where=on_trial),
    Workload("approvals", good(ASKING), faults=_TOLD, where=while_asking),
    Workload("approvals of what turns bad", _WAITING, faults=(TOLD, *FRONTS), where=on_trial),
    Workload("shadow", good(SHADOW), faults=(*_TOLD, *_BESIDE, *EDITS), where=in_shadow),
    Workload("shadow of other answers", bad(SHADOW, disagrees=0.5), faults=(*_TOLD, *_BESIDE), where=in_shadow),
    Workload("watched while warm", warm_for_long, faults=(*CALLS, *_BESIDE), where=while_warm),
    Workload("late fault", _LATE, faults=(*CALLS, *_BESIDE), where=while_warm),
)
"""From "shielded release that lies" on, only what is new is disturbed."""
