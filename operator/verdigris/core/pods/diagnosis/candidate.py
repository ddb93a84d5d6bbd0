"""What is the matter with the candidate's pods: a fault that ends the rollout, or trouble that may heal."""

from __future__ import annotations

import re
from collections.abc import Iterator

from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import Failure
from verdigris.children.names import color_name
from verdigris.core.facts.observed import FOREIGN_AUTOSCALER, DeploymentView
from verdigris.core.pods.diagnosis.chain import diagnoses
from verdigris.core.pods.diagnosis.check import Diagnosis
from verdigris.core.pods.room.fit import quota_refusal
from verdigris.core.rendering import template_of
from verdigris.core.turn import Turn
from verdigris.core.words import clip, sentence

_REFUSED_FOR_GOOD = re.compile(
    r" is invalid: |violates PodSecurity|denied the request|(?:minimum|maximum) \S+ usage per |"
    r"max limit to request ratio per "
)
"""What the API server says of pods that it will never take as they are. A quota, a webhook that does not answer or a
ServiceAccount that is yet to come is not among it: that passes."""


def candidate_fault(turn: Turn) -> Failure | None:
    """What no fresh start can heal, once it has lasted: a wrong checksum, no such image, a crash loop, a refusal."""
    hopeless = (found for found in _of_candidate(turn) if found.hopeless and turn.now >= found.ripe_at)
    return next((_failure(found) for found in hopeless), None) or _refused_for_good(turn)


def candidate_trouble(turn: Turn) -> Failure | None:
    """What keeps the candidate from getting ready: the Deployment's trouble first, then a pod's.

    What usually passes is no trouble before it is ripe, except that it explains a missed deadline.
    """
    deployment = _deployment(turn)
    if deployment and deployment.paused:
        return _paused(turn)
    if deployment and deployment.trouble:
        return _refusal(turn, deployment) or deployment.trouble
    own = next((_failure(found) for found in _of_candidate(turn) if _counts(turn, found)), None)
    return own or _sized_by_others(turn)


def _deployment(turn: Turn) -> DeploymentView | None:
    """The candidate's Deployment, once it asks for the candidate's pods."""
    deployment = turn.observed.deployments.get(turn.rollout.color)
    return deployment if deployment and deployment.revision == turn.rollout.revision else None


def _paused(turn: Turn) -> Failure:
    name = color_name(turn.observed.owner.name, turn.rollout.color)
    message = (
        f"Deployment {name} is paused, so Kubernetes makes no pods of version {turn.rollout.version}: somebody has set "
        f"its spec.paused. Resume it: kubectl rollout resume deployment {name} -n {turn.observed.owner.namespace}."
    )
    return Failure(reason="DeploymentPaused", message=message)


def _sized_by_others(turn: Turn) -> Failure | None:
    """That somebody else's autoscaler keeps it smaller than what it is to take over from."""
    rollout, deployment = turn.rollout, _deployment(turn)
    scaler = turn.observed.scalers.get(rollout.color)
    if scaler is None or deployment is None or deployment.replicas >= rollout.replicas:
        return None
    message = (
        f"{scaler} keeps {color_name(turn.observed.owner.name, rollout.color)} at {deployment.replicas} of the "
        f"{rollout.replicas} pods that version {rollout.version} needs to take over, and is not fought: raise its "
        "minimum, or delete it to give sizes back to spec.autoscaling."
    )
    return Failure(reason=FOREIGN_AUTOSCALER, message=clip(message))


def _refused_for_good(turn: Turn) -> Failure | None:
    """That the API server lets no pod of it in, for as long as `giveUpAfter`."""
    deployment = _deployment(turn)
    if deployment is None or deployment.trouble is None or len(turn.pods(turn.rollout)) >= deployment.replicas:
        return None
    lasted = turn.now - max(deployment.trouble_since or turn.rollout.since, turn.rollout.started_at)
    if lasted < parse_duration(turn.observed.spec.cleanup.give_up_after):
        return None
    return _refusal(turn, deployment)


def _refusal(turn: Turn, deployment: DeploymentView) -> Failure | None:
    """By whose rule the pods are refused, in our words where the rule is known; None for a trouble that may pass."""
    trouble = deployment.trouble
    if trouble is None or not _REFUSED_FOR_GOOD.search(trouble.message):
        return None
    template = template_of(turn, turn.rollout.revision)
    known = quota_refusal(turn.observed, template, 1) if template is not None else None
    if known is not None and known.reason != "QuotaExceeded":
        return known
    message = f"The pods are refused: {sentence(trouble.message)} Correct spec.serving, or have that rule changed."
    return Failure(reason=trouble.reason, message=clip(message))


def _counts(turn: Turn, found: Diagnosis) -> bool:
    deadline = turn.rollout.deadline
    too_late = deadline is not None and turn.now >= deadline
    return not found.passing or too_late or turn.now >= found.ripe_at


def _of_candidate(turn: Turn) -> Iterator[Diagnosis]:
    """What ails its own pods: a copy that somebody made by hand is held against no version (law 17)."""
    return (
        found for pod, role, found in diagnoses(turn) if role == "candidate" and pod.controlled and not pod.terminating
    )


def _failure(found: Diagnosis) -> Failure:
    return Failure(reason=found.reason, message=found.message)
