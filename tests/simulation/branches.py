"""One run a fault, without playing what comes before it again and again: the process forks at the call.

The parent goes on undisturbed, so each further call is reached once. A child meets its fault, plays the rest, and
tells its parent how it went.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import select
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from tests.simulation.faults import Fault
from tests.simulation.wire import Call


@dataclass
class Branches:
    """Children of one run, `jobs` at once. `choose` says which faults a call is to meet."""

    choose: Callable[[Call], Sequence[Fault]]
    jobs: int = 1
    told: list[dict[str, Any]] = field(default_factory=list)
    """What the children have told, in the order of their ends."""
    _running: dict[int, tuple[int, Call, Fault]] = field(default_factory=dict)
    _pipe: int | None = None

    def branch(self, call: Call) -> Fault | None:
        """The fault that this process, a child from now on, is to let happen; None in the parent."""
        for fault in self.choose(call):
            while len(self._running) >= self.jobs:
                self._hear()
            loop = asyncio.get_running_loop()
            reader, writer = os.pipe()
            gc.freeze()
            pid = os.fork()
            if pid == 0:
                # asyncio forgets its loop in a child, because nobody is to share one. The parent only waits.
                asyncio._set_running_loop(loop)
                gc.disable()
                self._pipe, self._running = writer, {}
                return fault
            os.close(writer)
            self._running[reader] = pid, call, fault
        return None

    def finish(self) -> list[dict[str, Any]]:
        """What all children have told, once they have ended."""
        while self._running:
            self._hear()
        return self.told

    def tell(self, outcome: dict[str, Any]) -> NoReturn:
        """The end of a child."""
        assert self._pipe is not None, "only a child tells"
        with os.fdopen(self._pipe, "w") as pipe:
            json.dump(outcome, pipe)
        os._exit(0)

    def _hear(self) -> None:
        ready, _, _ = select.select(list(self._running), [], [])
        for reader in ready:
            pid, call, fault = self._running.pop(reader)
            with os.fdopen(reader) as pipe:
                text = pipe.read()
            os.waitpid(pid, 0)
            about = {"step": call.number, "call": str(call), "phase": call.phase, "fault": fault.name}
            broke = {"wrong": ["the simulation broke without a word"]}
            self.told.append(about | (json.loads(text) if text else broke))
