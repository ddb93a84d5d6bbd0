"""How often a field is put back that somebody else keeps changing, and what our last write of an object came to.

In memory: after a restart each such object is written once more. Nothing here keeps a first putting back waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

PATIENCE = 3
"""How often in a row a field is put back at once; after that the pauses double."""
LONGEST = 300.0
"""Seconds of the longest pause."""
_FORGOTTEN = 200
"""Objects of one model that are remembered at most; the oldest is forgotten first."""

Ref = tuple[str, str, str]
"""Namespace, kind, name."""


@dataclass
class _Tries:
    count: int
    at: float


@dataclass
class _Memory:
    wanted: str = ""
    shown: str = ""
    tries: dict[str, _Tries] = field(default_factory=dict)


class RestoreBackoff:
    """Remembers, for each object of one model, what our last write came to and how often which field was put back.

    `clock` is in seconds; a clock that was set back keeps nothing waiting.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._memory: dict[Ref, _Memory] = {}

    def came_out_so(self, ref: Ref, wanted: str, shown: str) -> bool:
        """Whether what is `shown` is just what the API server made of our last write of this manifest (by its hash).

        An admission webhook that changes what we write does so each time: to write it again would change nothing, or
        restart pods for ever.
        """
        kept = self._memory.get(ref)
        return kept is not None and (kept.wanted, kept.shown) == (wanted, shown)

    def wait(self, ref: Ref, where: str) -> float:
        """Seconds until this field may be put back again; 0: at once."""
        tries = self._tries(ref).get(where)
        if tries is None:
            return 0.0
        pause = _pause(tries.count)
        wait = tries.at + pause - self._clock()
        return wait if 0 < wait <= pause else 0.0

    def count(self, ref: Ref, where: str) -> int:
        """How often in a row this field has been put back."""
        tries = self._tries(ref).get(where)
        return tries.count if tries else 0

    def wrote(self, ref: Ref, wanted: str, where: str, shown: str) -> None:
        """Our write of the manifest with this hash, because of the field `where`, has come to what is `shown`."""
        memory = self._memory.pop(ref, None) or _Memory()
        now, tries = self._clock(), memory.tries.get(where)
        # Another manifest starts the count anew, and so does a field that stayed as written for a while.
        if memory.wanted != wanted:
            memory.tries.clear()
            tries = None
        quiet = tries is not None and now - tries.at > max(60.0, 3 * _pause(tries.count))
        memory.tries[where] = _Tries(1 if tries is None or quiet else tries.count + 1, now)
        memory.wanted, memory.shown = wanted, shown
        self._memory[ref] = memory
        if len(self._memory) > _FORGOTTEN:
            del self._memory[next(iter(self._memory))]

    def _tries(self, ref: Ref) -> Mapping[str, _Tries]:
        memory = self._memory.get(ref)
        return memory.tries if memory else {}


def _pause(count: int) -> float:
    return 0.0 if count < PATIENCE else float(min(LONGEST, 2 ** (count - PATIENCE + 1)))
