"""A volume that pods of the active version hold, so that no pod of a new one can have it beside them."""

from __future__ import annotations

import re

from verdigris.api.status import Failure
from verdigris.core.facts.observed import PodView
from verdigris.core.pods.diagnosis.questions import TERMINAL
from verdigris.core.turn import Turn
from verdigris.core.words import clip, sentence

REASON = "VolumeInUse"

_ONE_POD = "ReadWriteOncePod access mode"
"""The scheduler's words for a claim that only one pod at a time may have."""
_ONE_NODE = re.compile(r"Multi-Attach error for volume|Volume is already (?:used by pod|exclusively attached)")
"""The attach controller's, for a volume that only one node at a time may have."""


def volume_in_use(turn: Turn) -> Failure | None:
    """Whether a candidate pod waits for a volume that other pods of the model have. No waiting heals that.

    None once those pods are on their way out, as with strategy Recreate: then it is free soon.
    """
    rollout = turn.rollout
    for pod in turn.pods(rollout):
        said = _said(turn, pod)
        holders = [other for other in turn.observed.pods if other.revision != rollout.revision and _holds(other)]
        if said and holders:
            return Failure(reason=REASON, message=clip(f"{_what(said)} {_ADVICE} Kubernetes says: {sentence(said)}"))
    return None


_ADVICE = (
    "Set spec.rollout.strategy: Recreate with allowDowntime: true, which ends those pods first, or give the model a "
    "claim that many pods may read (ReadOnlyMany or ReadWriteMany)."
)


def _what(said: str) -> str:
    if _ONE_POD in said:
        return "The new version's pods cannot start beside the active ones: the claim is ReadWriteOncePod, for one pod."
    return (
        "The new version's pods cannot start beside the active ones: their volume can be on one node at a time, and is "
        "on theirs."
    )


def _said(turn: Turn, pod: PodView) -> str:
    if pod.unscheduled is not None and _ONE_POD in pod.unscheduled.message:
        return pod.unscheduled.message
    events = turn.observed.events.get(pod.uid, ())
    return next((e.message for e in events if e.reason == "FailedAttachVolume" and _ONE_NODE.search(e.message)), "")


def _holds(pod: PodView) -> bool:
    return not pod.terminating and pod.phase not in TERMINAL and bool(pod.node)
