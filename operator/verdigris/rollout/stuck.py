"""Which pods are worth a look at their nodes and Events."""

from __future__ import annotations

from datetime import datetime, timedelta

from verdigris.rollout.observed import Observed

_USUAL = timedelta(seconds=10)
"""A pod that starts for so long is no news."""


def wanted_events(observed: Observed, now: datetime) -> tuple[str, ...]:
    """UIDs of pods whose Events would say why they are stuck; none for pods that are well."""
    return tuple(pod.uid for pod in observed.pods if not pod.ready and now >= pod.created + _USUAL)


def wants_nodes(observed: Observed) -> bool:
    """Whether the nodes could be why a pod is not what it should be."""
    return any(pod.terminating or not pod.ready for pod in observed.pods)
