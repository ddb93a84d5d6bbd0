"""EndActive: the active pods end before the new ones start. From here on nobody answers, so it comes after an approval.

The baseline is frozen before, as nobody will be left to measure.
"""

from __future__ import annotations

from datetime import datetime

from verdigris.api.status import Sizes
from verdigris.core.facts.observed import Observed
from verdigris.core.judges.baseline import BASELINE_WINDOW
from verdigris.core.steps.step import NEXT, STAY, Ruling, Since, Step
from verdigris.core.steps.watching import frozen_baseline
from verdigris.core.turn import Turn


def _look(turn: Turn) -> tuple[Turn, Ruling]:
    rollout = turn.rollout
    if turn.observed.spec.rollout.strategy != "Recreate":
        # Nothing has ended yet, and by now the user does not want it to: that edit counts at once.
        left = tuple(step for step in rollout.steps if step.kind != "EndActive")
        return turn.change_rollout(steps=left, sizes=None, message="Starting the candidate's pods."), STAY
    if turn.observed.held:
        return turn, STAY
    evidence = rollout.evidence.model_copy(update={"baseline": frozen_baseline(turn)})
    return turn.change_rollout(sizes=Sizes(active=0, candidate=rollout.replicas), evidence=evidence), NEXT


def _asks(observed: Observed, now: datetime) -> Since:
    active = observed.status.active
    return {active.color: now - BASELINE_WINDOW} if active is not None else {}


END_ACTIVE = Step("EndActive", "Starting", lambda _: "The active pods are about to end.", _look, asks=_asks)
