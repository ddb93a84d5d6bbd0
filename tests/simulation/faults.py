"""What may happen to a call, one kind a function; and the disturber that lets it happen to one call of a run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol

from tests.runtime.fake_api import FakeApi
from tests.simulation.wire import Call, Wire, Work
from verdigris.adapters.kube.transport.errors import ApiError, Conflict, Forbidden, Transient, Unreachable

if TYPE_CHECKING:
    from tests.simulation.branches import Branches
    from tests.simulation.controllers import Controllers
    from tests.simulation.edits import Edit
    from tests.simulation.elsewhere import Elsewhere
    from tests.simulation.fronts import Fronts
    from tests.simulation.gates import Gates
    from tests.simulation.prometheus import Prometheus
    from tests.simulation.registry import Registry
    from tests.simulation.server import Server
    from tests.simulation.watch import Watch

GIVES_UP = 15.0
"""Seconds after which the operator's client gives a call up (`transport.client.TIMEOUT`)."""
LATE = 20.0
"""Seconds after which a call that was given up is carried out all the same."""
STALE = timedelta(seconds=3)
"""How old a stale read is."""
PAUSED = 5.0
"""Seconds for which a leader is held up in a call while another one leads already."""
TOGETHER = 8.0
"""Seconds for which both lead after that."""
_NEVER = datetime.min.replace(tzinfo=UTC)
TOUCHED = "example.com/touched"
SAID = "no, says the simulation"
"""What every refusal says: it has to be found in a condition when it is for ever."""


class Host(Protocol):
    """What faults need of the world that do not happen to a call alone."""

    server: Server
    controllers: Controllers
    prometheus: Prometheus
    fronts: Fronts
    gates: Gates
    elsewhere: Elsewhere
    registry: Registry

    def seconds(self) -> float:
        """Since the begin."""

    @property
    def watches(self) -> list[Watch]:
        """Those of the processes that are there."""

    @property
    def rollout(self) -> dict[str, Any] | None:
        """The rollout under way, as the status has it."""

    def edit(self, edit: Edit) -> None:
        """Somebody edits the model's spec, and nobody does any more what was to come."""

    def crash(self, wire: Wire) -> None:
        """The process of this wire is gone at once; another one comes a moment later."""

    def second_leader(self) -> None:
        """Another process begins to lead beside those that there are."""

    def touch(self, kind: str, name: str) -> None:
        """Somebody else writes an annotation to this object, if it is there."""


Do = Callable[[Host, Wire, Call, Work], Awaitable[Any]]


@dataclass(frozen=True)
class Fault:
    """One kind. `takes` is how many seconds it goes on.

    `begins` with a call, which it happens to, or with a phase: it happens to something else then, and the call is
    carried out; `often` is at some calls of each phase, too. `lasting`: it goes on to the end; what begins with a call
    meets every later one like the first, too, and with `refuses` none of them is ever carried out. Of a lasting one a
    condition `tells` one of these words, where the end differs. `leaves` are parts of the status, or types of a
    condition, that may stay as a record of it. `hides`: what it keeps from the operator may be found by the resync
    alone. `alone`: of later calls it meets those about the same object only. `together`: it happens alike to reads that
    were begun at one moment.
    """

    name: str
    do: Do
    applies: Callable[[Call], bool] = lambda _: True
    lasting: bool = False
    refuses: bool = False
    takes: float = 0.0
    begins: Literal["call", "phase", "often"] = "call"
    tells: tuple[str, ...] = (SAID,)
    leaves: tuple[str, ...] = ()
    hides: bool = False
    alone: bool = False
    together: bool = False


async def _refused(_: Host, __: Wire, call: Call, ___: Work) -> Any:
    raise _refusal(call)


def _refusal(call: Call) -> ApiError:
    """By a webhook, or for want of a right."""
    about = f"{_VERBS[call.verb]} {call.kind} clinic/{call.name}"
    return Forbidden(f"{about}: admission webhook denied the request: {SAID}")


_VERBS = {
    "get": "reading",
    "list": "reading",
    "review": "reading",
    "create": "creating",
    "delete": "deleting",
} | dict.fromkeys(("apply", "patch", "replace"), "writing")


async def _failed(_: Host, __: Wire, call: Call, ___: Work) -> Any:
    raise Transient(f"{_VERBS[call.verb]} {call.kind}: etcdserver: leader changed ({SAID})")


async def _lost(_: Host, wire: Wire, call: Call, work: Work) -> Any:
    await work(wire.server)
    raise Unreachable(f"{call}: the connection was reset before the answer was there ({SAID})")


async def _late(_: Host, wire: Wire, call: Call, work: Work) -> Any:
    asyncio.get_running_loop().create_task(_carried_out(wire, work), name="carried out late")
    await asyncio.sleep(GIVES_UP)
    raise Unreachable(f"{call}: the API server did not answer within {GIVES_UP:g} s ({SAID})")


async def _carried_out(wire: Wire, work: Work) -> None:
    await asyncio.sleep(LATE)
    try:
        await work(wire.server)
    except ApiError:
        return


async def _slow(_: Host, wire: Wire, __: Call, work: Work) -> Any:
    """The answer is as the server had it when it was asked, and comes five seconds later."""
    answer = await work(wire.server)
    await asyncio.sleep(PAUSED)
    return answer


async def _conflict(host: Host, wire: Wire, call: Call, work: Work) -> Any:
    if call.verb == "apply":
        raise Conflict(f"{call}: the object has been modified ({SAID})")
    host.touch(call.kind.partition("/")[0], call.name)
    return await work(wire.server)


async def _outrun(_: Host, wire: Wire, call: Call, work: Work) -> Any:
    """Somebody writes the object all the time: what holds only for the object as it was read always comes too late."""
    if call.guarded:
        raise Conflict(f"{call}: the object has been modified ({SAID})")
    return await work(wire.server)


async def _stale(_: Host, wire: Wire, call: Call, work: Work) -> Any:
    """The answer of a server that has not heard of the last seconds yet."""
    server = wire.server
    past = FakeApi(server.now)
    past.objects = server.as_of(call.kind, server.now() - STALE)
    return await work(past)


async def _crash_before(host: Host, wire: Wire, _: Call, __: Work) -> Any:
    host.crash(wire)
    await wire.silence()


async def _crash_after(host: Host, wire: Wire, _: Call, work: Work) -> Any:
    await work(wire.server)
    host.crash(wire)
    await wire.silence()


async def _two_leaders(host: Host, wire: Wire, _: Call, work: Work) -> Any:
    """A leader that lost its lease unawares: it is held up, goes on, and learns of it only some seconds later."""
    host.second_leader()
    asyncio.get_running_loop().call_later(PAUSED + TOGETHER, host.crash, wire)
    await asyncio.sleep(PAUSED)
    return await work(wire.server)


def _writes(call: Call) -> bool:
    return not call.reads


def _can_conflict(call: Call) -> bool:
    return call.verb in ("apply", "patch", "replace")


def _is_guarded(call: Call) -> bool:
    return call.guarded


def _reads_what_has_changed(call: Call) -> bool:
    return call.reads and call.fresh


def _tells_a_pod(call: Call) -> bool:
    return (call.verb, call.kind) == ("patch", "Pod")


CALLS = (
    Fault("refused once", _refused),
    Fault("failed once", _failed),
    Fault("refused for ever", _refused, lasting=True, refuses=True),
    # Of a read nobody can tell it from one that has failed.
    Fault("lost answer", _lost, _writes),
    Fault("late", _late, _writes, takes=LATE),
    Fault("slow", _slow, takes=PAUSED),
    Fault("conflict", _conflict, _can_conflict),
    Fault("conflict for ever", _outrun, _is_guarded, lasting=True),
    # Pods as they were before they were ready are none to have clients.
    Fault("stale read", _stale, _reads_what_has_changed, leaves=("lastRollback", "RolledBack"), hides=True),
    Fault("crash before", _crash_before, together=True),
    Fault("crash after", _crash_after, _writes),
    Fault("two leaders", _two_leaders, takes=PAUSED + TOGETHER),
)
"""What may happen to any call."""
TOLD = Fault("a pod cannot be told", _refused, _tells_a_pod, lasting=True, refuses=True, alone=True)
"""What may happen to one pod in front, and not to the others."""


@dataclass
class OneFault:
    """Lets one fault happen to the call of this number; without a fault it only counts."""

    host: Host
    phase: Callable[[], str]
    fault: Fault | None = None
    step: int = -1
    branches: Branches | None = None
    """Where to ask at each call whether this process is to be disturbed at it."""
    calls: list[Call] = field(default_factory=list)
    hit: Call | None = None
    """The call that was disturbed."""

    def begin(self, verb: str, kind: str, name: str, guarded: bool) -> Call:
        """As `Disturber.begin`."""
        server = self.host.server
        fresh = server.changed_at.get(kind.partition("/")[0], _NEVER) >= server.now() - STALE
        call = Call(len(self.calls), verb, kind, name, self.phase(), guarded, self.host.seconds(), fresh)
        self.calls.append(call)
        return call

    def treatment(self, call: Call) -> Callable[[Wire, Call, Work], Awaitable[Any]] | None:
        """As `Disturber.treatment`."""
        if self.fault is None and self.branches is not None:
            self.fault, self.step = self.branches.branch(call), call.number
        fault = self.fault
        if fault is None or not self._meets(call, fault):
            return None
        self.hit = self.hit or call
        return lambda wire, call, work: fault.do(self.host, wire, call, work)

    def _meets(self, call: Call, fault: Fault) -> bool:
        if call.number == self.step:
            return True
        first = self.hit
        if not fault.lasting or fault.begins != "call" or first is None or call.about != first.about:
            return False
        if fault.alone and call.name != first.name:
            return False
        return call.verb == first.verb or (call.guarded and not fault.refuses)
