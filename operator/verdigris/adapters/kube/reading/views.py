"""Raw Kubernetes objects as the plan's views of them. Pure: dicts in, frozen values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from verdigris.api.status import Color, Failure, ServiceAddress
from verdigris.children import pod_template
from verdigris.children.names import (
    COLOR_LABEL,
    COLORS,
    MODEL_LABEL,
    REVISION_LABEL,
    SHIELD_ANNOTATION,
    TRAFFIC_ANNOTATION,
    WITHDRAWN_ANNOTATION,
    Owner,
    color_name,
)
from verdigris.children.ownership import whose
from verdigris.core.facts.observed import ContainerView, DeploymentView, Exit, GatePod, PodView, Selection, Traffic
from verdigris.core.pods.diagnosis.quoting import quotable
from verdigris.core.pods.room.needs import pod_requests
from verdigris.core.words import clip, one_line

Raw = Mapping[str, Any]

_COLLECTORS = frozenset({"foregroundDeletion", "orphan"})
"""Finalizers of the garbage collector."""
MAX_MESSAGE = 900
"""Characters of a foreign message that are passed on: what is built around it must fit a condition."""


def metadata(raw: Raw) -> Raw:
    """Its metadata; empty when there is none."""
    return raw.get("metadata") or {}


def is_leaving(parent: Raw) -> bool:
    """Whether it was deleted, and is there only as long as a finalizer keeps it."""
    return "deletionTimestamp" in metadata(parent)


def takes_children_along(parent: Raw) -> bool:
    """Whether it was deleted and the garbage collector is at its children: to delete them first, or to leave them.

    With a finalizer of anybody else nothing happens to them before the object itself is gone.
    """
    finalizers = metadata(parent).get("finalizers") or ()
    return is_leaving(parent) and (not finalizers or not _COLLECTORS.isdisjoint(finalizers))


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
    """None for a pod without a colour, or of somebody else's controller: it is none of a rollout's.

    Who copies a manifest copies its labels: such a pod is not judged, written to or removed (law 14).
    """
    color = color_of(raw)
    if color is None or _is_somebody_elses(metadata(raw), color):
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
        restarts=sum(container.restarts for container in containers if container.own),
        phase=status.get("phase") or "Pending",
        reason=status.get("reason") or "",
        message=one_line(status.get("message") or ""),
        node=(raw.get("spec") or {}).get("nodeName") or "",
        unscheduled=_unscheduled(status),
        ready_changed=_time(ready.get("lastTransitionTime")),
        gone_by=_time(meta.get("deletionTimestamp")),
        finalizers=tuple(meta.get("finalizers") or ()),
        containers=containers,
        evicting=_evicting(status),
        controlled=any(owner.get("controller") for owner in meta.get("ownerReferences") or ()),
        order=(meta.get("annotations") or {}).get(SHIELD_ANNOTATION),
        forwards=pod_template.shows(raw.get("spec") or {}, SHIELD_ANNOTATION),
        requests=pod_requests(raw),
    )


def _is_somebody_elses(meta: Mapping[str, Any], color: Color) -> bool:
    """Whether it has a controller that is no ReplicaSet of the colour's Deployment, which all bear its name."""
    controller = next((owner for owner in meta.get("ownerReferences") or () if owner.get("controller")), None)
    if controller is None:
        return False
    deployment = color_name((meta.get("labels") or {}).get(MODEL_LABEL, ""), color)
    # "<Deployment>-<hash>", and no hash has a hyphen: `m-green-copy-5c8` is of another Deployment.
    return bool(controller["kind"] != "ReplicaSet" or controller["name"].rpartition("-")[0] != deployment)


def gate_pod(raw: Raw) -> GatePod:
    """The pod of a gate: what may keep it from answering."""
    status = raw.get("status") or {}
    phase = status.get("phase") or "Pending"
    return GatePod(metadata(raw)["name"], phase, unscheduled=_unscheduled(status), containers=_containers(raw))


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
        trouble_since=_time(_condition(raw.get("status") or {}, "ReplicaFailure").get("lastTransitionTime")),
        paused=bool(spec.get("paused")),
    )


def selected_color(service: Raw | None) -> Selection | None:
    """What the clients' Service points at: a colour, or both when it goes by the model alone; None: nothing of ours."""
    selector = ((service or {}).get("spec") or {}).get("selector") or {}
    if COLOR_LABEL not in selector and MODEL_LABEL in selector:
        return "both"
    return as_color(selector.get(COLOR_LABEL))


def selects(service: Raw, deployment: Raw) -> bool:
    """Whether this Service, whosever it is, has the pods of this Deployment behind it."""
    selector = (service.get("spec") or {}).get("selector") or {}
    labels = metadata((deployment.get("spec") or {}).get("template") or {}).get("labels") or {}
    return bool(selector) and selector.items() <= labels.items()


def withdrawn(service: Raw | None) -> str | None:
    """The mark of the last move of clients that was taken back before it was seen."""
    mark = (metadata(service or {}).get("annotations") or {}).get(WITHDRAWN_ANNOTATION)
    return None if mark is None else str(mark)


def address(service: Raw | None) -> ServiceAddress | None:
    """Where the clients' Service is reached; None when there is none, or it has no address of its own."""
    spec = (service or {}).get("spec") or {}
    if not spec.get("clusterIP"):
        return None
    node_ports = [port.get("nodePort", 0) for port in spec.get("ports") or ()]
    return ServiceAddress(address=spec["clusterIP"], node_port=next(iter(node_ports), 0))


def is_sized_by_others(deployment: Raw, ours: Raw | None, least: int) -> bool:
    """Whether there is a sign that an autoscaler of somebody else has this Deployment; `ours` is our own.

    With one of ours beside it Kubernetes lets neither scale and says so. Without one it has `least` pods, unless
    somebody or a rollout wants otherwise: of who sets sizes by `/scale` the API server need not keep a record.
    """
    if ours is not None:
        active = _condition(ours.get("status") or {}, "ScalingActive")
        return active.get("reason") == "AmbiguousSelector"
    return (deployment.get("spec") or {}).get("replicas") != least


def foreign_scalers(autoscalers: Iterable[Raw], owner: Owner, targets: Iterable[Color]) -> dict[Color, str]:
    """By colour, the autoscaler that targets its Deployment and is not ours, as people know it."""
    names = {color_name(owner.name, color): color for color in targets}
    found: dict[Color, str] = {}
    for raw in autoscalers:
        target = (raw.get("spec") or {}).get("scaleTargetRef") or {}
        color = names.get(target.get("name", "")) if target.get("kind") == "Deployment" else None
        if color is not None and whose(raw, owner) == "Foreign":
            found[color] = _autoscaler_name(raw)
    return found


def _autoscaler_name(raw: Raw) -> str:
    meta = metadata(raw)
    name = f"HorizontalPodAutoscaler {meta['name']}"
    by = next((o for o in meta.get("ownerReferences") or () if o.get("controller")), None)
    return f"{name} (of {by.get('kind')} {by.get('name')})" if by else name


def _condition(status: Raw, kind: str) -> Raw:
    """The condition of this type; empty when there is none."""
    return next((c for c in status.get("conditions") or () if c.get("type") == kind), {})


def _unscheduled(status: Raw) -> Failure | None:
    placed = _condition(status, "PodScheduled")
    if placed.get("status") != "False":
        return None
    message = placed.get("message") or "No node takes the pod."
    return Failure(reason=placed.get("reason") or "Unschedulable", message=clip(one_line(message), MAX_MESSAGE))


def _containers(raw: Raw) -> tuple[ContainerView, ...]:
    """Init steps first, in their order. None before the kubelet has said something of them."""
    spec, status = raw.get("spec") or {}, raw.get("status") or {}
    secrets = frozenset(v["name"] for v in spec.get("volumes") or () if "secret" in v or "projected" in v)
    return tuple(
        _container(told, asked.get(told.get("name"), {}), init=init, secrets=secrets)
        for init, field, statuses in (
            (True, "initContainers", "initContainerStatuses"),
            (False, "containers", "containerStatuses"),
        )
        for asked in ({container.get("name"): container for container in spec.get(field) or ()},)
        for told in status.get(statuses) or ()
    )


def _container(told: Raw, asked: Raw, *, init: bool, secrets: frozenset[str]) -> ContainerView:
    state, last = told.get("state") or {}, told.get("lastState") or {}
    hidden = _holds_secrets(asked, secrets)
    waiting = state.get("waiting") or {}
    return ContainerView(
        name=told.get("name", "?"),
        init=init,
        image=asked.get("image") or told.get("image") or "",
        running_since=_time((state.get("running") or {}).get("startedAt")),
        waiting=waiting.get("reason") or "",
        said=one_line(waiting.get("message") or ""),
        exit=_exit(state, asked, hidden) or _exit(last, asked, hidden),
        restarts=told.get("restartCount", 0),
        sidecar=init and asked.get("restartPolicy") == "Always",
        ready=told.get("ready"),
        memory_limit=((asked.get("resources") or {}).get("limits") or {}).get("memory") or "",
    )


def _exit(state: Raw, asked: Raw, hidden: bool) -> Exit | None:
    ended = state.get("terminated")
    if not ended:
        return None
    return Exit(
        code=ended.get("exitCode", 0),
        reason=ended.get("reason") or "",
        words=quotable(ended.get("message") or "", _values(asked), holds_secrets=hidden),
        at=_time(ended.get("finishedAt")),
    )


def _values(asked: Raw) -> dict[str, str]:
    """The container's environment, as far as its values stand in the pod."""
    return {variable["name"]: variable["value"] for variable in asked.get("env") or () if variable.get("value")}


def _holds_secrets(asked: Raw, secret_volumes: frozenset[str]) -> bool:
    """Whether it was given values that nobody here knows, so that nobody knows either what its log could show."""
    sources = [variable.get("valueFrom") or {} for variable in asked.get("env") or ()]
    by_reference = any("secretKeyRef" in source or "configMapKeyRef" in source for source in sources)
    mounts = {mount.get("name") for mount in asked.get("volumeMounts") or ()}
    return bool(asked.get("envFrom")) or by_reference or bool(mounts & secret_volumes)


def _evicting(status: Raw) -> str:
    target = _condition(status, "DisruptionTarget")
    return (target.get("reason") or "Disrupted") if target.get("status") == "True" else ""


def _replica_failure(status: Raw) -> Failure | None:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            message = condition.get("message") or ""
            reason = "QuotaExceeded" if "exceeded quota" in message else condition.get("reason") or "FailedCreate"
            return Failure(reason=reason, message=clip(one_line(message), MAX_MESSAGE))
    return None
