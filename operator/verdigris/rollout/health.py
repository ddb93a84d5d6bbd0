"""What is the matter with the candidate's pods: a fault that ends the rollout, or trouble that may heal."""

from __future__ import annotations

from verdigris.api.status import Failure
from verdigris.rollout.turn import Turn


def candidate_fault(turn: Turn) -> Failure | None:
    """What a pod of the candidate itself reported and no fresh start can heal, for example a wrong checksum."""
    rollout = turn.rollout
    for pod in turn.pods(rollout):
        if pod.fault:
            return pod.fault
    return None


def candidate_trouble(turn: Turn) -> Failure | None:
    """What Kubernetes says keeps the candidate from getting ready: the Deployment's trouble first, then a pod's."""
    deployment = turn.observed.deployments.get(turn.rollout.color)
    if deployment and deployment.trouble and deployment.revision == turn.rollout.revision:
        return deployment.trouble
    return next((p.trouble for p in turn.pods(turn.rollout) if p.trouble and not p.ready), None)
