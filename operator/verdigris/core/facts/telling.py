"""Which changes of a status only tell how things stand. PURE.

All others begin, end or decide something, or start a clock: those are written of what was seen live, and of nothing
else. A field that is not named here decides, also one that is added later.
"""

from __future__ import annotations

from typing import Any

from verdigris.api.status import EvidenceStatus, ModelDeploymentStatus, RolloutStatus

TELLING = frozenset(
    {
        "message",
        "candidate",
        "score",
        "scores",
        "threshold",
        "looks",
        "at",
        "sealed",
        "sealed_at",
        "seen",
        "clock_ahead",
        "pods",
        "breaches",
        "active_values",
    }
)
"""Of the evidence: what the judge has counted so far. What follows from it (the verdict) decides."""

_BLANK = EvidenceStatus()
_UNTOLD: dict[str, Any] = {name: getattr(_BLANK, name) for name in TELLING}


def only_tells(before: ModelDeploymentStatus, after: ModelDeploymentStatus) -> bool:
    """Whether the two differ in messages and in counts of the evidence at most."""
    return before == after or _deciding(before) == _deciding(after)


def _deciding(status: ModelDeploymentStatus) -> ModelDeploymentStatus:
    conditions = tuple(condition.model_copy(update={"message": ""}) for condition in status.conditions)
    rollout = status.rollout and _deciding_rollout(status.rollout)
    return status.model_copy(update={"conditions": conditions, "rollout": rollout})


def _deciding_rollout(rollout: RolloutStatus) -> RolloutStatus:
    baseline = rollout.evidence.baseline
    # While both versions have clients the baseline is counted anew at each look. A frozen one is frozen once.
    counted = {"baseline": _BLANK.baseline.model_copy(update={"source": "Concurrent"})}
    evidence = rollout.evidence.model_copy(update=_UNTOLD | (counted if baseline.source == "Concurrent" else {}))
    return rollout.model_copy(update={"message": "", "evidence": evidence})
