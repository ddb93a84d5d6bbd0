"""What the API server refused, as a condition and an Event that say it once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from verdigris.adapters.kube.transport.errors import ApiError, Incomplete
from verdigris.adapters.kube.writing.status import stalled
from verdigris.api.status import Condition, ModelDeploymentStatus
from verdigris.app.writes import NEEDS_A_PERSON
from verdigris.core.actions import Note

_ADVICE = {
    "QuotaExceeded": "Raise the namespace's quota or free some of it.",
    "Forbidden": "Give the operator's ClusterRole this right (upgrade its chart), or look at the admission policies.",
    "Invalid": "Correct the part of the spec that it names.",
}
_NOTHING_WRITTEN = "Until it is written only a rollback goes on"


def advice(problem: ApiError) -> str:
    """What was refused, and what to do about it."""
    return f"{problem}. {_ADVICE.get(problem.reason, '')}".strip()[:1024]


def refused_status(error: ApiError) -> tuple[Note, ...]:
    """What is told beside a status that a person has to do something about before it can be written."""
    if not isinstance(error, NEEDS_A_PERSON):
        return ()
    left_out = "The rest of the status was written" if isinstance(error, Incomplete) else _NOTHING_WRITTEN
    message = f"{error}. {left_out}: upgrade the CRDs, look at webhooks."
    return (Note("Warning", "StatusRefused", message[:1024]),)


def refused_answers(refused: Mapping[str, ApiError]) -> tuple[Note, ...]:
    """That decisions were answered, and cannot be marked so."""
    return tuple(
        Note(
            "Warning",
            "DecisionNotMarked",
            f"RolloutDecision {name} was answered, and that cannot be written on it: {error}. What became of it "
            "stands in status.decisions of the ModelDeployment: look at webhooks on rolloutdecisions/status, and at "
            "the operator's right to patch it."[:1024],
        )
        for name, error in refused.items()
    )


def with_problems(
    before: ModelDeploymentStatus,
    status: ModelDeploymentStatus,
    problems: Iterable[ApiError],
    generation: int,
    now: datetime,
) -> tuple[ModelDeploymentStatus, tuple[Note, ...]]:
    """The status with the first refusal that a person has to do something about; what may pass is only retried.

    `before` is the status as it stands in the cluster. A refusal that stands there already leaves it as it is, the time
    of its transition included, and is not told again.
    """
    first = next((problem for problem in problems if isinstance(problem, NEEDS_A_PERSON)), None)
    if first is None:
        return status, ()
    reason, message = first.reason, advice(first)
    known = _stalled(before.conditions)
    conditions = tuple(known if known and c.type == known.type else c for c in status.conditions)
    conditions = stalled(conditions, reason, message, generation, now, ready=status.active is not None)
    status = status.model_copy(update={"conditions": conditions})
    if known is not None and (known.status, known.reason, known.message) == ("True", reason, message):
        return status, ()
    return status, (Note("Warning", reason, message),)


def _stalled(conditions: Iterable[Condition]) -> Condition | None:
    return next((condition for condition in conditions if condition.type == "Stalled"), None)
