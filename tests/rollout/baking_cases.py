"""Turns in which two pods of the candidate, green, have had all clients for a minute."""

from __future__ import annotations

from typing import Any

from tests.rollout.parts import spec
from tests.rollout.step_cases import BLUE, steps, turn
from tests.rollout.trial_cases import EXPOSED, SECOND, pod
from verdigris.api.status import EvidenceStatus
from verdigris.core.facts.evidence import Evidence
from verdigris.core.facts.observed import PodView
from verdigris.core.turn import Turn

PASS = EvidenceStatus(verdict="Pass", reason="WithinLimits", message="all is well", seen=60.0, sealed_at=EXPOSED)
OPEN = PASS.model_copy(update={"verdict": "Inconclusive", "reason": "TooFewRequests"})
PAUSED = spec("1.1.0", paused=True)


def baking(*green: PodView, evidence: EvidenceStatus = PASS, **changes: Any) -> Turn:
    """Two pods of the candidate have had all clients for a minute."""
    seen = {name: changes.pop(name) for name in ("spec", "deployments", "scalers", "routing") if name in changes}
    filled = {"stage": "Baking", "replicas": 2, "since": EXPOSED, **steps("Start", "Bake"), **changes}
    pods = green or (pod("g0"), pod("g1"))
    return turn(*BLUE, *pods, rollout={**filled, "evidence": evidence}, **seen)


FRESH = tuple(EXPOSED + 5 * number * SECOND for number in range(13))
"""When they were scraped in that minute."""
AWAY = Evidence(problem="Prometheus is away.")
