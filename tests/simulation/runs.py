"""Plays a workload: undisturbed, and then once for each fault at each of its calls. A run that went wrong says why."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.runtime import virtual
from tests.simulation.branches import Branches
from tests.simulation.clients import RATE
from tests.simulation.ends import differences, end_of
from tests.simulation.faults import FAULTS, GIVES_UP, SAID, Fault
from tests.simulation.wire import Call
from tests.simulation.workloads import Workload
from tests.simulation.world import NotReached, World

FOLLOWS_WITHIN = 60.0
"""Seconds within which the end has to be that of the undisturbed run, once all was quiet."""
WAY_BACK = GIVES_UP + 5.0
"""Seconds that a fault may add to the time until a bad version has lost its clients."""
_TRAFFIC = ("Service", "Pod", "EndpointSlice", "Deployment", "ModelDeployment")
"""Without reading these nobody can move clients."""


Choice = Callable[[Call], Sequence[Fault]]


@dataclass
class Played:
    """What came of an undisturbed run, and of those that branched off."""

    calls: list[Call]
    end: dict[str, Any]
    wrong: list[str]
    bad: int
    branches: list[dict[str, Any]] = field(default_factory=list)


def every_fault_once(every: int = 1, first: int = 0) -> Choice:
    """All faults that apply, at calls that no other call of the same phase is like. Of `every` so many runs one."""
    seen: set[tuple[str, ...]] = set()
    count = first

    def choose(call: Call) -> Sequence[Fault]:
        nonlocal count
        alike = (call.verb, call.kind, call.name if not call.reads else "", call.phase)
        if alike in seen or call.kind == "Event":
            return ()
        seen.add(alike)
        chosen = []
        for fault in FAULTS:
            if fault.applies(call):
                count += 1
                if count % every == 0:
                    chosen.append(fault)
        return chosen

    return choose


def undisturbed(workload: Workload) -> Played:
    """The run that the others are compared with."""
    return virtual.run(_play(workload, None, None))


def disturbed(workload: Workload, choose: Choice, jobs: int = 1) -> Played:
    """The workload once more, and at each chosen call a run that meets a fault there."""
    calm = undisturbed(workload)
    branches = Branches(choose, jobs)
    again = virtual.run(_play(workload, calm, branches))
    return Played(again.calls, again.end, calm.wrong, again.bad, branches.finish())


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
            branches.tell({"wrong": wrong, "seconds": round(world.seconds(), 2)})
        return Played(world.one.calls, end_of(world.server), wrong, _bad(world))
    finally:
        logging.getLogger("verdigris").removeHandler(log)
        world.end()


async def _watched(world: World, workload: Workload, calm: Played | None, log: Log) -> list[str]:
    """Play the script to its end, and say all that was wrong."""
    wrong = []
    try:
        await workload.script(world)
        await world.settle()
    except NotReached as error:
        # What is refused for ever may well be what is waited for, and be tried again for ever.
        wrong += [] if world.lasting else [str(error)]
    wrong += await _end(world, calm, log)
    for process in world.processes:
        world.laws.sent(process.wire.moves)
    wrong += [f"{what} (after {at:.2f} s)" for what, at in world.laws.broken.items()]
    wrong += [f"the operator broke: {error}" for process in world.processes if (error := process.broken())]
    wrong += [f"a bug in the operator: {line}" for line in log.errors]
    if calm is not None and _may_go_back(world) and _bad(world) > calm.bad + WAY_BACK * RATE:
        wrong.append(f"law 1: {_bad(world)} bad answers reached clients, undisturbed it were {calm.bad}")
    return wrong


async def _end(world: World, calm: Played | None, log: Log) -> list[str]:
    if calm is None:
        return []
    found = differences(calm.end, end_of(world.server))
    if found and not world.lasting:
        await world.until(lambda: not differences(calm.end, end_of(world.server)), "", FOLLOWS_WITHIN, tell=False)
        found = differences(calm.end, end_of(world.server))
    if not found or not world.lasting:
        return found
    told = str(world.status.get("conditions")) + "".join(log.lines) if _cannot_tell(world) else str(world.status)
    return [] if SAID in told else [f"nothing tells of the refusal, and {found[0]}"]


def _cannot_tell(world: World) -> bool:
    """Whether only the log tells: the status can be neither read nor written, or nobody has refused anything."""
    hit, fault = world.one.hit, world.one.fault
    if fault is not None and not fault.refuses:
        return True
    return hit is not None and (hit.kind.startswith("ModelDeployment") or (hit.reads and hit.kind in _TRAFFIC))


def _may_go_back(world: World) -> bool:
    """Whether the fault leaves a way to move clients back."""
    hit = world.one.hit
    if hit is None or not world.lasting:
        return True
    if hit.kind.startswith("ModelDeployment"):
        return False
    fault = world.one.fault
    return not (fault is not None and fault.refuses and (hit.kind == "Service" or (hit.reads and hit.kind in _TRAFFIC)))


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
