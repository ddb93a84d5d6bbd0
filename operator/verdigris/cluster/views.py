"""Raw Kubernetes objects as the plan's views of them. Pure: dicts in, frozen values out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from verdigris.api.status import Color, Failure
from verdigris.resources.names import (
    COLOR_LABEL,
    COLORS,
    MODEL_LABEL,
    REVISION_LABEL,
    TRAFFIC_ANNOTATION,
    color_name,
)
from verdigris.rollout.observed import DeploymentView, PodView, Selection, Traffic

Raw = Mapping[str, Any]

DEFINITE_FAULTS = frozenset(
    {
        "ArtifactNotFound",
        "ChecksumMismatch",
        "ArtifactTruncated",
        "ArtifactTooLarge",
        "ArtifactInvalid",
        "ModelMismatch",
        "GoldenRowsFailed",
    }
)
"""What the init step and the server report on their way out and no fresh start can heal."""
REPORTED_TROUBLE = frozenset({"ArtifactUnreachable"})
"""What they report and what may be better next time."""
WAITING_TROUBLE = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "CrashLoopBackOff",
    }
)
MAX_MESSAGE = 900
"""Characters of a foreign message that are passed on: what is built around it must fit a condition."""


def metadata(raw: Raw) -> Raw:
    """Its metadata; empty when there is none."""
    return raw.get("metadata") or {}


def owned_by(raw: Raw, uid: str) -> bool:
    """Whether the object with this UID owns it."""
    return any(owner.get("uid") == uid for owner in metadata(raw).get("ownerReferences") or ())


def color_of(raw: Raw) -> Color | None:
    """The colour in its labels."""
    return as_color((metadata(raw).get("labels") or {}).get(COLOR_LABEL))


def as_color(text: Any) -> Color | None:
    """`blue` or `green`, else None."""
    return next((color for color in COLORS if color == text), None)


def time_of(text: str) -> datetime:
    """A Kubernetes timestamp as an aware datetime. Raises ValueError."""
    return datetime.fromisoformat(text)


def pod_view(raw: Raw) -> PodView | None:
    """None for a pod without a colour: it is none of a rollout's."""
    color = color_of(raw)
    if color is None:
        return None
    meta, status = metadata(raw), raw.get("status") or {}
    terminating = "deletionTimestamp" in meta
    ready = _condition(status, "Ready") == "True" and not terminating
    return PodView(
        name=meta["name"],
        uid=meta["uid"],
        color=color,
        revision=(meta.get("labels") or {}).get(REVISION_LABEL, ""),
        created=time_of(meta["creationTimestamp"]),
        ready=ready,
        terminating=terminating,
        traffic=_traffic(meta),
        # What a container said before a restart that went well is history.
        fault=None if ready else _fault(status),
        trouble=_trouble(status),
        restarts=sum(container.get("restartCount", 0) for container in _containers(status)),
    )


def _traffic(meta: Mapping[str, Any]) -> Traffic:
    """What the pod was told; a new pod has been told nothing, and takes itself to be on trial."""
    word = (meta.get("annotations") or {}).get(TRAFFIC_ANNOTATION)
    return word if word in ("on", "off") else "trial"


def deployment_view(raw: Raw) -> DeploymentView:
    """A colour's Deployment, which is asked for by name."""
    spec = raw.get("spec") or {}
    labels = metadata(spec.get("template") or {}).get("labels") or {}
    return DeploymentView(
        uid=metadata(raw)["uid"],
        replicas=spec.get("replicas", 1),
        revision=labels.get(REVISION_LABEL, ""),
        trouble=_replica_failure(raw.get("status") or {}),
    )


def selected_color(service: Raw | None) -> Selection | None:
    """What the clients' Service points at: a colour, or both when it goes by the model alone; None: nothing of ours."""
    selector = ((service or {}).get("spec") or {}).get("selector") or {}
    if COLOR_LABEL not in selector and MODEL_LABEL in selector:
        return "both"
    return as_color(selector.get(COLOR_LABEL))


def ready_endpoints(slices: Iterable[Raw], name: str) -> dict[Color, int]:
    """How many pods each colour's own Service really has behind it. A dual-stack pod counts once."""
    seen: dict[Color, set[str]] = {color: set() for color in COLORS}
    services = {color_name(name, color): color for color in COLORS}
    for raw in slices:
        color = services.get((metadata(raw).get("labels") or {}).get("kubernetes.io/service-name", ""))
        if color is not None:
            seen[color].update(_ready_targets(raw))
    return {color: len(targets) for color, targets in seen.items()}


def _ready_targets(raw: Raw) -> Iterator[str]:
    for endpoint in raw.get("endpoints") or ():
        # A missing `ready` means ready, says the API.
        if (endpoint.get("conditions") or {}).get("ready", True):
            target = (endpoint.get("targetRef") or {}).get("uid")
            yield target or "".join(endpoint.get("addresses") or ())


def _condition(status: Raw, kind: str) -> str | None:
    return next((c.get("status") for c in status.get("conditions") or () if c.get("type") == kind), None)


def _containers(status: Raw) -> list[Raw]:
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _fault(status: Raw) -> Failure | None:
    reports = (_report(container) for container in _containers(status))
    return next((report for report in reports if report and report.reason in DEFINITE_FAULTS), None)


def _report(container: Raw) -> Failure | None:
    """What the container said when it last ended badly: one line of JSON with a reason and a message."""
    for state in (container.get("state") or {}, container.get("lastState") or {}):
        ended = state.get("terminated") or {}
        if ended.get("exitCode", 0) == 0:
            continue
        parsed = _parsed(ended.get("message") or "")
        if parsed is not None:
            return parsed
    return None


def _parsed(message: str) -> Failure | None:
    try:
        said = json.loads(message)
    except ValueError:
        return None
    if not isinstance(said, dict) or not isinstance(said.get("reason"), str):
        return None
    return Failure(reason=said["reason"][:128], message=str(said.get("message", ""))[:MAX_MESSAGE])


def _trouble(status: Raw) -> Failure | None:
    """What Kubernetes says is in the way: not scheduled, else the first container that cannot get going."""
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return Failure(
                reason=condition.get("reason") or "Unschedulable",
                message=(condition.get("message") or "No node takes the pod.")[:MAX_MESSAGE],
            )
    return next((trouble for trouble in map(_container_trouble, _containers(status)) if trouble), None)


def _container_trouble(container: Raw) -> Failure | None:
    report = _report(container)
    if report is not None and report.reason in REPORTED_TROUBLE:
        return report
    waiting = (container.get("state") or {}).get("waiting") or {}
    reason = waiting.get("reason", "")
    if reason not in WAITING_TROUBLE:
        return None
    name, said = container.get("name", "?"), waiting.get("message", "")
    if reason == "CrashLoopBackOff":
        said = _exit(container)
    return Failure(reason=reason, message=f"Container {name}: {said or reason}"[:MAX_MESSAGE])


def _exit(container: Raw) -> str:
    """How a crash-looping container last ended, in words."""
    ended = (container.get("lastState") or {}).get("terminated") or {}
    code, reason = ended.get("exitCode", "unknown"), ended.get("reason", "")
    why = " (out of memory: raise spec.serving.resources.limits.memory)" if reason == "OOMKilled" else ""
    last_words = (ended.get("message") or "").strip()
    return f"it keeps exiting, with code {code}{why}." + (f" It said: {last_words}" if last_words else "")


def _replica_failure(status: Raw) -> Failure | None:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            message = condition.get("message") or ""
            reason = "QuotaExceeded" if "exceeded quota" in message else condition.get("reason") or "FailedCreate"
            return Failure(reason=reason, message=message[:MAX_MESSAGE])
    return None
