"""Real faults for a real cluster: the same for the end-to-end tests and for the benchmarks."""

from __future__ import annotations

from collections.abc import Iterable

from dev.faults.actives import ACTIVES
from dev.faults.candidates import CANDIDATES
from dev.faults.scenario import Fault

FAULTS: tuple[Fault, ...] = (*CANDIDATES, *ACTIVES)
"""All that one node is enough for."""


def sample(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """The first fault of each kind and ending: what `make test` and `make thorough` play on a cluster.

    The others are told apart by what Kubernetes says of them, which has been recorded (tests/recorded).
    """
    found: dict[tuple[str | None, str], Fault] = {}
    for fault in faults:
        found.setdefault((fault.kind, fault.ending), fault)
    return tuple(found.values())


__all__ = ["ACTIVES", "CANDIDATES", "FAULTS", "Fault", "sample"]
