"""Plays a workload: undisturbed, and then once for each fault at each of its calls. A run that went wrong says why."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from tests.runtime import virtual
from tests.simulation.branches import Branches
from tests.simulation.choices import Choice
from tests.simulation.clients import RATE
from tests.simulation.edits import as_asked
from tests.simulation.ends import differences, end_of, without
from tests.simulation.faults import GIVES_UP
from tests.simulation.independence import Independence, asked_for
from tests.simulation.parts import Workload
from tests.simulation.wire import Call
from tests.simulation.world import KEY, NotReached, World
from verdigris.children.names import KIND

FOLLOWS_WITHIN = 60.0
"""Seconds within which the end has to be that of the undisturbed run, once all was quiet."""
WAY_BACK = GIVES_UP + 5.0
"""Seconds that a fault may add to the time until a bad version has lost its clients."""
_TRAFFIC = ("Service", "Pod", "EndpointSlice", "Deployment")
"""Without reading these nobody can move clients."""


@dataclass
class Played:
    """What came of an undisturbed run, and of those that branched off."""

    calls: list[Call]
    end: dict[str, Any]
    wrong: list[str]
    bad: int
    branches: list[dict[str, Any]] = field(default_factory=list)


def undisturbed(workload: Workload) -> Played:
    """The run that the others are compared with."""
    return virtual.run(_play(workload, None, None))


def disturbed(workload: Workload, choose: Choice, jobs: int = 1) -> Played:
    """The workload once more, and at each chosen call a run that meets a fault there."""
    calm = undisturbed(workload)
    branches = Branches(choose, jobs)
    again = virtual.run(_play(workload, calm, branches))
    told, independence = branches.finish(), Independence(workload)
    for branch in told:
        if (asked := branch.pop("asked", None)) is not None:
            branch["wrong"] += independence.differs(asked)
    return Played(again.calls, again.end, calm.wrong, again.bad, told)


async def _play(workload: Workload, calm: Played | None, branches: Branches | None) -> Played:
    world, log = World(), Log()
    logging.getLogger("verdigris").addHandler(log)
    try:
        world.begin()
        await workload.prepare(world)
        world.one.branches = branches
        try:
            wrong = await _watched(world, workload, calm, log)
        except Exception:
            # In a child nobody else would hear of it.
            wrong = [f"the simulation broke: {traceback.format_exc(limit=-4)}"]
        if branches is not None and world.one.fault is not None:
            asked = asked_for(world, world.edited) if world.edited and world.overtaken.is_set() and not wrong else None
            branches.tell({"wrong": wrong, "seconds": round(world.seconds(), 2), "asked": asked})
        return Played(world.one.calls, end_of(world.server), wrong, _bad(world))
    finally:
        logging.getLogger("verdigris").removeHandler(log)
        world.end()


async def _watched(world: World, workload: Workload, calm: Played | None, log: Log) -> list[str]:
    """Play the script to its end, and say all that was wrong."""
    wrong = []
    try:
        await _or_overtaken(world, _played(world, workload))
        if world.edited is not None and world.overtaken.is_set():
            await as_asked(world, world.edited)
    except NotReached as error:
        # What is refused for ever may well be what is waited for, and be tried again for ever.
        wrong += [] if world.lasting else [str(error)]
    wrong += await _end(world, calm, log)
    wrong += [f"somebody has changed {ref} in an answer" for ref in world.server.changed_by_readers()]
    for process in world.processes:
        world.laws.sent(process.wire.moves)
    wrong += [f"{what} (after {at:.2f} s)" for what, at in world.laws.broken.items()]
    wrong += [f"the operator broke: {error}" for process in world.processes if (error := process.broken())]
    wrong += [f"a bug in the operator: {line}" for line in log.errors]
    longer = WAY_BACK + (world.one.fault.takes if world.one.fault is not None else 0.0)
    if calm is not None and _may_go_back(world) and _bad(world) > calm.bad + longer * RATE:
        wrong.append(f"law 1: {_bad(world)} bad answers reached clients, undisturbed it were {calm.bad}")
    return wrong


async def _played(world: World, workload: Workload) -> None:
    await workload.script(world)
    await world.settle()


async def _or_overtaken(world: World, script: Coroutine[Any, Any, None]) -> None:
    """Wait for its end, or until an edit has made another one the end. Raises what it raises."""
    playing, overtaken = asyncio.create_task(script), asyncio.create_task(world.overtaken.wait())
    await asyncio.wait({playing, overtaken}, return_when=asyncio.FIRST_COMPLETED)
    overtaken.cancel()
    if world.overtaken.is_set():
        playing.cancel()
    else:
        await playing


async def _end(world: World, calm: Played | None, log: Log) -> list[str]:
    if calm is None or world.overtaken.is_set():
        return []
    fault = world.one.fault
    leaves = fault.leaves if fault is not None else ()
    leaves = (*leaves, "observedGeneration") if world.edited is not None else leaves
    wanted = without(calm.end, leaves)

    def differs() -> list[str]:
        end = without(end_of(world.server), leaves)
        if world.edited is not None:
            # It is spelled otherwise.
            end[f"{KIND} {KEY.name}"]["spec"] = wanted[f"{KIND} {KEY.name}"]["spec"]
        return differences(wanted, end)

    found = differs()
    if found and not world.lasting:
        await world.until(lambda: not differs(), "", FOLLOWS_WITHIN, tell=False)
        found = differs()
    if not found or not world.lasting:
        return found
    told = str(world.status.get("conditions")) + "".join(log.lines) if _cannot_tell(world) else str(world.status)
    if world.one.hit is not None and world.one.hit.kind.startswith("RolloutDecision"):
        # What became of it stands in the status; that it cannot be marked is an Event.
        told += str(world.server.of("Event"))
    words = fault.tells if fault is not None else ()
    return [] if any(word in told for word in words) else [f"nothing tells of it, and {found[0]}"]


def _cannot_tell(world: World) -> bool:
    """Whether only the log tells: the status can be neither read nor written, or nobody has refused anything."""
    hit, fault = world.one.hit, world.one.fault
    if fault is not None and not fault.refuses:
        return fault.begins == "call"
    return hit is not None and (_is_the_model(hit) or (hit.reads and hit.kind in _TRAFFIC))


def _may_go_back(world: World) -> bool:
    """Whether the fault leaves a reason, and a way, to move clients back."""
    hit, fault = world.one.hit, world.one.fault
    if hit is None or not world.lasting:
        return True
    if _is_the_model(hit) or (fault is not None and fault.begins != "call"):
        return False
    return not (fault is not None and fault.refuses and (hit.kind == "Service" or (hit.reads and hit.kind in _TRAFFIC)))


def _is_the_model(call: Call) -> bool:
    return call.kind.startswith("ModelDeployment") and not call.elsewhere


def _bad(world: World) -> int:
    return sum(second.bad for second in world.clients.seconds)


class Log(logging.Handler):
    """What the operator says: `lines` all of it, `errors` what only a bug makes it say."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        self.lines.append(line)
        if record.levelno >= logging.ERROR:
            why = traceback.format_exception(*record.exc_info)[-3:] if record.exc_info and record.exc_info[0] else []
            self.errors.append(" ".join([line, *why]))
