"""Real faults for a real cluster: the same for the end-to-end tests and for `make bench-stuck`."""

from dev.faults.actives import ACTIVES
from dev.faults.candidates import CANDIDATES
from dev.faults.scenario import Fault

FAULTS: tuple[Fault, ...] = (*CANDIDATES, *ACTIVES)
"""All that one node is enough for."""

__all__ = ["ACTIVES", "CANDIDATES", "FAULTS", "Fault"]
