"""A model's pods: which colour they are of, whether they are well, and what the kubelet says if they are not. PURE."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from verdigris.cli.model.deployment import Model, Stuck
from verdigris.cli.model.reading import Raw, part, parts, text, whole
from verdigris.cli.names import COLOR_LABEL, REVISION_LABEL


@dataclass(frozen=True)
class Pod:
    """A pod. `well`: it is ready and not on its way out. `reason` and `message` say why it is not."""

    name: str
    color: str
    revision: str
    well: bool
    reason: str = ""
    message: str = ""
    restarts: int = 0
    node: str = ""
    created: str = ""


@dataclass(frozen=True)
class Colour:
    """One of the two slots. `role`: active, candidate, warm, or left over where the status gives it none."""

    color: str
    role: str
    version: str
    revision: str
    digest: str
    ready: int
    total: int
    reached: float
    wanted: float
    shielded: float | None
    routed: float | None
    pods: tuple[Pod, ...]


def pod_of(raw: Raw) -> Pod:
    """The pod that this document is of."""
    meta, status = part(raw, "metadata"), part(raw, "status")
    leaving = bool(text(meta, "deletionTimestamp"))
    ready = next((c for c in parts(status, "conditions") if c.get("type") == "Ready"), {})
    well = ready.get("status") == "True" and not leaving
    reason, message = ("", "") if well else _why(status, leaving=leaving)
    containers = parts(status, "containerStatuses") + parts(status, "initContainerStatuses")
    labels = part(meta, "labels")
    return Pod(
        name=text(meta, "name"),
        color=text(labels, COLOR_LABEL),
        revision=text(labels, REVISION_LABEL),
        well=well,
        reason=reason,
        message=message,
        restarts=sum(whole(one, "restartCount") for one in containers),
        node=text(part(raw, "spec"), "nodeName"),
        created=text(meta, "creationTimestamp"),
    )


def _why(status: Raw, *, leaving: bool) -> tuple[str, str]:
    if leaving:
        return "Terminating", ""
    if text(status, "phase") in ("Failed", "Succeeded"):
        return text(status, "reason") or text(status, "phase"), text(status, "message")
    unplaced = next((c for c in parts(status, "conditions") if c.get("type") == "PodScheduled"), {})
    if unplaced.get("status") == "False":
        return text(unplaced, "reason"), text(unplaced, "message")
    for container in parts(status, "initContainerStatuses"):
        if part(container, "state", "running") and container.get("ready") is False:
            return "Initializing", f"The init step {text(container, 'name')} is at work."
    waits = (
        part(one, "state", "waiting")
        for one in parts(status, "initContainerStatuses") + parts(status, "containerStatuses")
    )
    waiting = next((one for one in waits if one and text(one, "reason") != "PodInitializing"), {})
    return (text(waiting, "reason") or "NotReady"), text(waiting, "message")


def colours(model: Model, pods: Iterable[Pod]) -> tuple[Colour, ...]:
    """Each colour that has a role or a pod: the active one first. What the operator says of a stuck pod goes first."""
    stuck = {one.pod: one for one in model.stuck}
    told = [_told(pod, stuck.get(pod.name)) for pod in pods]
    roles = [("active", model.active), ("candidate", model.rollout), ("warm", model.warm)]
    found: list[Colour] = []
    for role, ref in roles:
        if ref is not None and all(ref.color != one.color for one in found):
            found.append(_colour(model, role, ref.color, ref.version, ref.revision, ref.digest, told))
    others = sorted({pod.color for pod in told} - {one.color for one in found})
    return (*found, *(_colour(model, "left over", color, "", "", "", told) for color in others))


def unwell(pods: Iterable[Pod]) -> list[list[Pod]]:
    """The pods that are not well, those that are stuck in the same together."""
    alike: dict[tuple[str, str], list[Pod]] = defaultdict(list)
    for pod in pods:
        if not pod.well:
            alike[pod.reason, pod.message].append(pod)
    return list(alike.values())


def _told(pod: Pod, stuck: Stuck | None) -> Pod:
    if stuck is None:
        return pod
    held = f" Nothing is done: {stuck.held}" if stuck.held else ""
    return Pod(
        name=pod.name,
        color=pod.color,
        revision=pod.revision,
        well=False,
        reason=stuck.reason,
        message=f"{stuck.message}{held}",
        restarts=pod.restarts,
        node=pod.node,
        created=pod.created,
    )


def _colour(  # noqa: PLR0917 - the parts of one reference
    model: Model, role: str, color: str, version: str, revision: str, digest: str, pods: Iterable[Pod]
) -> Colour:
    mine = tuple(pod for pod in pods if pod.color == color)
    share = next((one for one in model.shares if one.color == color), None)
    return Colour(
        color=color,
        role=role,
        version=version,
        revision=revision,
        digest=digest,
        ready=sum(pod.well for pod in mine),
        total=len(mine),
        reached=share.reached if share else 0.0,
        wanted=share.wanted if share else 0.0,
        shielded=share.shielded if share else None,
        routed=share.routed if share else None,
        pods=mine,
    )
