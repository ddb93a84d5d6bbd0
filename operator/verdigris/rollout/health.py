"""What is the matter with the candidate's pods: a fault that ends the rollout, or trouble that may heal."""

from __future__ import annotations

from collections.abc import Iterator

from verdigris.api.status import Failure
from verdigris.rollout.diagnosis import Diagnosis
from verdigris.rollout.stuck import diagnoses
from verdigris.rollout.turn import Turn


def candidate_fault(turn: Turn) -> Failure | None:
    """What no fresh start can heal, once it has lasted: a wrong checksum, no such image, a crash loop."""
    hopeless = (found for found in _of_candidate(turn) if found.hopeless and turn.now >= found.ripe_at)
    return next((_failure(found) for found in hopeless), None)


def candidate_trouble(turn: Turn) -> Failure | None:
    """What keeps the candidate from getting ready: the Deployment's trouble first, then a pod's.

    What usually passes is no trouble before it is ripe, except that it explains a missed deadline.
    """
    deployment = turn.observed.deployments.get(turn.rollout.color)
    if deployment and deployment.trouble and deployment.revision == turn.rollout.revision:
        return deployment.trouble
    return next((_failure(found) for found in _of_candidate(turn) if _counts(turn, found)), None)


def _counts(turn: Turn, found: Diagnosis) -> bool:
    deadline = turn.rollout.deadline
    too_late = deadline is not None and turn.now >= deadline
    return not found.passing or too_late or turn.now >= found.ripe_at


def _of_candidate(turn: Turn) -> Iterator[Diagnosis]:
    return (found for pod, role, found in diagnoses(turn) if role == "candidate" and not pod.terminating)


def _failure(found: Diagnosis) -> Failure:
    return Failure(reason=found.reason, message=found.message)
