"""What speaks against the candidate itself, whatever it was found by."""

from __future__ import annotations

from verdigris.api.status import Failure
from verdigris.core.judges.crashes import crashing
from verdigris.core.turn import Turn


def fault_of_candidate(turn: Turn) -> Failure | None:
    """Why the candidate is bad and must be rejected: its answers, or its servers, which keep ending.

    That it cannot answer at present is not among it: see `judges.availability`.
    """
    evidence = turn.rollout.evidence
    if evidence.verdict == "Fail":
        return Failure(reason=evidence.reason, message=evidence.message)
    return crashing(turn)
