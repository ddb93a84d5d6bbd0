"""Raw Kubernetes objects as the plan's views of them. Pure: dicts in, frozen values out."""

from __future__ import annotations

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
from verdigris.rollout.capacity_needs import pod_requests
from verdigris.rollout.observed import ContainerView, DeploymentView, Exit, PodView, Selection, Traffic

Raw = Mapping[str, Any]

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
    ready = _condition(status, "Ready")
    containers = _containers(raw)
    over = terminating or status.get("phase") in ("Failed", "Succeeded")
    return PodView(
        name=meta["name"],
        uid=meta["uid"],
        color=color,
        revision=(meta.get("labels") or {}).get(REVISION_LABEL, ""),
        created=time_of(meta["creationTimestamp"]),
        ready=ready.get("status") == "True" and not over,
        terminating=terminating,
        traffic=_traffic(meta),
        restarts=sum(container.restarts for container in containers),
        phase=status.get("phase") or "Pending",
        reason=status.get("reason") or "",
        message=status.get("message") or "",
        node=(raw.get("spec") or {}).get("nodeName") or "",
        unscheduled=_unscheduled(status),
        ready_changed=_time(ready.get("lastTransitionTime")),
        gone_by=_time(meta.get("deletionTimestamp")),
        finalizers=tuple(meta.get("finalizers") or ()),
        containers=containers,
        controlled=any(owner.get("controller") for owner in meta.get("ownerReferences") or ()),
        requests=pod_requests(raw),
    )


def _time(text: str | None) -> datetime | None:
    return time_of(text) if text else None


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


def _condition(status: Raw, kind: str) -> Raw:
    """The condition of this type; empty when there is none."""
    return next((c for c in status.get("conditions") or () if c.get("type") == kind), {})


def _unscheduled(status: Raw) -> Failure | None:
    placed = _condition(status, "PodScheduled")
    if placed.get("status") != "False":
        return None
    message = placed.get("message") or "No node takes the pod."
    return Failure(reason=placed.get("reason") or "Unschedulable", message=message[:MAX_MESSAGE])


def _containers(raw: Raw) -> tuple[ContainerView, ...]:
    """Init steps first, in their order. None before the kubelet has said something of them."""
    spec, status = raw.get("spec") or {}, raw.get("status") or {}
    return tuple(
        _container(told, asked.get(told.get("name"), {}), init=init)
        for init, field, statuses in (
            (True, "initContainers", "initContainerStatuses"),
            (False, "containers", "containerStatuses"),
        )
        for asked in ({container.get("name"): container for container in spec.get(field) or ()},)
        for told in status.get(statuses) or ()
    )


def _container(told: Raw, asked: Raw, *, init: bool) -> ContainerView:
    state = told.get("state") or {}
    waiting = state.get("waiting") or {}
    return ContainerView(
        name=told.get("name", "?"),
        init=init,
        image=asked.get("image") or told.get("image") or "",
        running_since=_time((state.get("running") or {}).get("startedAt")),
        waiting=waiting.get("reason") or "",
        said=waiting.get("message") or "",
        exit=_exit(state) or _exit(told.get("lastState") or {}),
        restarts=told.get("restartCount", 0),
        memory_limit=((asked.get("resources") or {}).get("limits") or {}).get("memory") or "",
    )


def _exit(state: Raw) -> Exit | None:
    ended = state.get("terminated")
    if not ended:
        return None
    return Exit(
        code=ended.get("exitCode", 0),
        reason=ended.get("reason") or "",
        words=ended.get("message") or "",
        at=_time(ended.get("finishedAt")),
    )


def _replica_failure(status: Raw) -> Failure | None:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            message = condition.get("message") or ""
            reason = "QuotaExceeded" if "exceeded quota" in message else condition.get("reason") or "FailedCreate"
            return Failure(reason=reason, message=message[:MAX_MESSAGE])
    return None
