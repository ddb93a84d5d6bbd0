"""Which faults a call of an undisturbed run is to meet: each once where it makes a difference, and no more often."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.faults import Fault
from tests.simulation.wire import Call

OFTEN = 10
"""Of so many calls one is disturbed by what begins `often`."""

AGAIN = 5
"""Of so many runs that another workload has, too, one is played."""

Choice = Callable[[Call], Sequence[Fault]]


@dataclass
class EveryFaultOnce:
    """All of these that apply, where they begin; of `every` so many runs one. To be asked about each call in turn.

    One that begins with a call: at calls that no other call of the same phase is like, to which it may happen. One that
    begins with a phase: at its first call; `often`: there, and at one of OFTEN such calls. Where it goes as it is
    `known` to from another workload: one in AGAIN.
    """

    faults: Sequence[Fault]
    every: int = 1
    count: int = 0
    where: Callable[[Call], bool] = lambda _: True
    known: Callable[[Call], bool] = lambda _: False
    _again: int = 0
    _alone: int = 0
    _seen: set[tuple[Any, ...]] = field(default_factory=set)

    def __call__(self, call: Call) -> Sequence[Fault]:
        """Those that this call is to meet."""
        if call.kind == "Event" or not self.where(call):
            return ()
        begun = self._begun(call)
        return [fault for fault in self.faults if self._meets(fault, call, begun) and self._has_its_turn(call)]

    def _has_its_turn(self, call: Call) -> bool:
        if self.known(call):
            self._again += 1
            if self._again % AGAIN:
                return False
        self.count += 1
        return self.count % self.every == 0

    def _begun(self, call: Call) -> set[str]:
        """What begins with this call: "phase", "often"; "call": no call was like it yet."""
        phase, unlike = self._is_new(call.phase), self._is_new(call.alike)
        self._alone += phase + unlike
        often = phase or (unlike and self._alone % OFTEN == 0)
        return {name for name, so in (("phase", phase), ("call", unlike), ("often", often)) if so}

    def _meets(self, fault: Fault, call: Call, begun: set[str]) -> bool:
        if not fault.applies(call):
            return False
        if fault.begins != "call":
            return fault.begins in begun
        if fault.together and call.reads:
            return "call" in begun and self._is_new(fault.name, call.phase, call.at)
        return self._is_new(fault.name, call.alike)

    def _is_new(self, *about: Any) -> bool:
        known = about in self._seen
        self._seen.add(about)
        return not known
