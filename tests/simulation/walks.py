"""Random walks: people who do one thing after the other, and faults all the while, also after the last of them."""

from __future__ import annotations

import asyncio
import logging
import random
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.runtime import virtual
from tests.simulation.faults import CALLS, LATE, Fault
from tests.simulation.parts import served, spec
from tests.simulation.runs import Log
from tests.simulation.wire import Call, Wire, Work
from tests.simulation.world import NotReached, World

MEETS = 0.03
"""How likely a call is to meet a fault."""
ACTS = 5
GOES_ON = 15.0
"""Seconds for which faults go on after the last act."""
SETTLES_WITHIN = 300.0
_PASSING = tuple(fault for fault in CALLS if not fault.lasting)


@dataclass
class AtRandom:
    """A disturber that draws lots for each call, while it is `on`."""

    world: World
    lots: random.Random
    on: bool = False
    met: list[str] = field(default_factory=list)
    _count: int = 0

    def begin(self, verb: str, kind: str, name: str, guarded: bool) -> Call:
        """As `Disturber.begin`."""
        self._count += 1
        return Call(self._count, verb, kind, name, "", guarded)

    def treatment(self, call: Call) -> Callable[[Wire, Call, Work], Awaitable[Any]] | None:
        """As `Disturber.treatment`."""
        if not self.on or self.lots.random() >= MEETS:
            return None
        fault: Fault = self.lots.choice([fault for fault in _PASSING if fault.applies(call) and self._can_be(fault)])
        self.met.append(f"{self.world.seconds():.1f}: {fault.name} at {call}")
        return lambda wire, call, work: fault.do(self.world, wire, call, work)

    def _can_be(self, fault: Fault) -> bool:
        """A lease is lost by one who led: three who believe that they lead there are not."""
        return fault.name != "two leaders" or len(self.world.watches) < 2


@dataclass
class Walker:
    """People at random. `acts` says what they did."""

    world: World
    lots: random.Random
    acts: list[str] = field(default_factory=list)
    _version: int = 1
    _newest: int = 1
    _size: int = 2

    async def act(self) -> None:
        """Do something, and wait a while."""
        self.lots.choice((self._release, self._release, self._release, self._decide, self._scale, self._revert))()
        await asyncio.sleep(self.lots.uniform(0.5, 12))

    def _release(self) -> None:
        # A number never means another version: one that was rejected stays so (law 6), however it would behave now.
        self._newest += 1
        self._version = self._newest
        how: dict[str, Any] = self.lots.choice(({}, {}, {"error_rate": 0.5}, {"ready_after": None}))
        self.world.behave(f"{self._version}.0.0", **how)
        self._apply(self._version, f" {how}")

    def _apply(self, version: int, how: str = "") -> None:
        self.acts.append(f"{self.world.seconds():.1f}: applies version {version} at size {self._size}{how}")
        rollout = {"progressDeadline": "20s", "inconclusiveDeadline": "60s", "onInconclusive": "Rollback"}
        self.world.apply(spec(f"{version}.0.0", autoscaling={"minReplicas": self._size}, rollout=rollout))

    def _scale(self) -> None:
        self._size = self.lots.randint(1, 4)
        self._apply(self._version)

    def _revert(self) -> None:
        self._version = max(1, self._version - 1)
        self._apply(self._version)

    def _decide(self) -> None:
        rollout = self.world.rollout
        if rollout is not None:
            verb = self.lots.choice(("abort", "rollback", "promote", "retry"))
            self.acts.append(f"{self.world.seconds():.1f}: decides to {verb}")
            self.world.decide(verb, rollout["revision"])


def walk(seed: int) -> dict[str, Any]:
    """One walk: what was done, what was met, and what was wrong."""
    return virtual.run(_walk(seed))


async def _walk(seed: int) -> dict[str, Any]:
    lots, world, log = random.Random(seed), World(), Log()
    logging.getLogger("verdigris").addHandler(log)
    faults, walker, wrong = AtRandom(world, lots), Walker(world, lots), []
    world.disturber = faults
    try:
        world.begin()
        await served(world)
        faults.on = True
        for _ in range(ACTS):
            await walker.act()
        await asyncio.sleep(GOES_ON)
        faults.on = False
        # What is late comes by then.
        await asyncio.sleep(LATE)
        await world.until(lambda: world.rollout is None, "the end of the last rollout", SETTLES_WITHIN)
        await world.settle(SETTLES_WITHIN)
        wrong += _end(world)
    except NotReached as error:
        wrong.append(str(error))
    except Exception:
        wrong.append(f"the simulation broke: {traceback.format_exc(limit=-4)}")
    finally:
        logging.getLogger("verdigris").removeHandler(log)
        world.end()
    wrong += [f"{what} (after {at:.2f} s)" for what, at in world.laws.broken.items()]
    wrong += [f"a bug in the operator: {line}" for line in log.errors]
    return {"seed": seed, "acts": walker.acts, "met": faults.met, "wrong": wrong}


def _end(world: World) -> list[str]:
    """What has to be so once nothing happens any more: the version asked for is active, or was rejected."""
    wanted = world.model["spec"]["model"]["version"]
    rejected = [entry["version"] for entry in world.status.get("rejected") or ()]
    wrong = []
    if wanted != world.active and wanted not in rejected:
        wrong.append(f"version {wanted} is asked for, neither active nor rejected; {world.active} is active")
    active = world.status["active"]["color"]
    if world.selected != active:
        wrong.append(f"{active} is active, and the clients' Service selects {world.selected}")
    return wrong
