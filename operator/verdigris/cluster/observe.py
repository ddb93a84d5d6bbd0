"""One picture of a ModelDeployment and its children by live reads. A failed read aborts it: never half a picture."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

from pydantic import ValidationError

from verdigris.api.decision import RolloutDecisionSpec
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import Color, ModelDeploymentStatus
from verdigris.cluster import kinds, views
from verdigris.cluster.errors import NotFound
from verdigris.cluster.kinds import Resource
from verdigris.resources import controller_revision
from verdigris.resources.names import COLORS, MODEL_LABEL, Defaults, Owner, color_name
from verdigris.rollout.observed import Decision, Observed, Snapshot

Raw = Mapping[str, Any]
T = TypeVar("T")


class Key(NamedTuple):
    """Which ModelDeployment."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Reader(Protocol):
    """The reading half of the client."""

    async def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any]:
        """One object. Raises NotFound."""

    async def list(
        self, resource: Resource, namespace: str | None, labels: str = "", *, fields: str = ""
    ) -> list[dict[str, Any]]:
        """All objects with these labels and fields. Raises NotFound when the kind is unknown."""


@dataclass(frozen=True)
class Picture:
    """What the plan may know, and beside it the raw objects that applying and reporting need.

    `live` holds the children by (kind, name), whoever owns them.
    """

    observed: Observed
    parent: Raw
    live: Mapping[tuple[str, str], Raw]
    decisions: tuple[Raw, ...] = ()


class Malformed(Exception):
    """The ModelDeployment cannot be understood: it slipped in under an older schema. `str()` names the field."""

    def __init__(self, parent: Raw, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.parent = parent
        self.reason = reason


async def observe(reader: Reader, key: Key, defaults: Defaults) -> Picture | None:
    """The picture, or None when there is no such ModelDeployment (any more).

    Raises Malformed when its spec or status cannot be understood, and ApiError when any read fails.
    """
    try:
        parent = await reader.get(kinds.MODEL_DEPLOYMENT, key.namespace, key.name)
    except NotFound:
        return None
    if "deletionTimestamp" in views.metadata(parent):
        return None
    spec, status = _parsed(parent)
    found = await _children(reader, key)
    uid = views.metadata(parent)["uid"]
    # What another owner has is not ours to judge by; apply refuses to touch it.
    mine = {ref: raw for ref, raw in found.live.items() if views.owned_by(raw, uid)}
    observed = Observed(
        owner=Owner(key.namespace, key.name, uid),
        generation=views.metadata(parent).get("generation", 0),
        spec=spec,
        status=status,
        defaults=defaults,
        deployments={
            color: views.deployment_view(raw)
            for color in COLORS
            if (raw := mine.get((kinds.DEPLOYMENT.kind, color_name(key.name, color)))) is not None
        },
        pods=tuple(sorted(filter(None, map(views.pod_view, found.pods)), key=lambda pod: (pod.created, pod.name))),
        endpoints=views.ready_endpoints(found.slices, key.name),
        selected=views.selected_color(mine.get((kinds.SERVICE.kind, key.name))),
        snapshots=_snapshots(mine.values()),
        decisions=_decisions(found.decisions),
        hpas=_autoscaled(mine, key.name),
        service_monitors_known=found.service_monitors_known,
    )
    return Picture(observed, parent, found.live, tuple(found.decisions))


@dataclass(frozen=True)
class _Found:
    live: dict[tuple[str, str], Raw]
    pods: list[dict[str, Any]]
    slices: list[dict[str, Any]]
    decisions: list[dict[str, Any]]
    service_monitors_known: bool


async def _children(reader: Reader, key: Key) -> _Found:
    labels = f"{MODEL_LABEL}={key.name}"
    services = ",".join(color_name(key.name, color) for color in COLORS)
    plain = [kind for kind in kinds.CHILDREN if kind != kinds.SERVICE_MONITOR]
    pods, slices, decisions, monitors, *lists = await _together(
        reader.list(kinds.POD, key.namespace, labels),
        reader.list(kinds.ENDPOINT_SLICE, key.namespace, f"kubernetes.io/service-name in ({services})"),
        reader.list(kinds.ROLLOUT_DECISION, key.namespace),
        _unless_unknown(reader, key, labels),
        *(reader.list(kind, key.namespace, labels) for kind in plain),
    )
    live: dict[tuple[str, str], Raw] = {_ref(raw): raw for listed in (*lists, monitors) for raw in listed or ()}
    live |= await _by_name(reader, key, live)
    ours = [d for d in decisions or () if (d.get("spec") or {}).get("modelDeployment") == key.name]
    return _Found(live, pods or [], slices or [], ours, monitors is not None)


async def _together(*reads: Awaitable[T]) -> list[T]:
    """All of them at once. When some fail, the first failure, but only after every read has ended."""
    results = await asyncio.gather(*reads, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


def _ref(raw: Raw) -> tuple[str, str]:
    return raw["kind"], views.metadata(raw)["name"]


async def _unless_unknown(reader: Reader, key: Key, labels: str) -> list[dict[str, Any]] | None:
    try:
        return await reader.list(kinds.SERVICE_MONITOR, key.namespace, labels)
    except NotFound:
        return None


async def _by_name(reader: Reader, key: Key, live: Mapping[tuple[str, str], Raw]) -> dict[tuple[str, str], Raw]:
    """What carries traffic and was not found by label, by its name: a lost label must not look like a lost child."""
    names = [color_name(key.name, color) for color in COLORS]
    wanted = [(kinds.DEPLOYMENT, name) for name in names] + [(kinds.SERVICE, name) for name in (key.name, *names)]
    missing = [(resource, name) for resource, name in wanted if (resource.kind, name) not in live]
    found = await _together(*(_or_none(reader, resource, key.namespace, name) for resource, name in missing))
    return {(resource.kind, name): raw for (resource, name), raw in zip(missing, found, strict=True) if raw is not None}


async def _or_none(reader: Reader, resource: Resource, namespace: str, name: str) -> Raw | None:
    try:
        return {"apiVersion": resource.api_version, "kind": resource.kind} | await reader.get(resource, namespace, name)
    except NotFound:
        return None


def _parsed(parent: Raw) -> tuple[ModelDeploymentSpec, ModelDeploymentStatus]:
    try:
        spec = ModelDeploymentSpec.parse(parent.get("spec") or {})
    except ValidationError as error:
        raise Malformed(parent, "InvalidSpec", explain(error, "spec")) from error
    try:
        return spec, ModelDeploymentStatus.parse(parent.get("status") or {})
    except ValidationError as error:
        raise Malformed(parent, "InvalidStatus", explain(error, "status")) from error


def explain(error: ValidationError, root: str) -> str:
    """The first three faults of a parse as one sentence that names each field by its path."""
    faults = error.errors(include_url=False, include_context=False)
    told = [f"{_path(root, fault['loc'])}: {_plain(fault['msg'])}" for fault in faults[:3]]
    more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
    return f"{'; '.join(told)}{more}. Correct it with kubectl edit or apply a correct manifest."


def _path(root: str, location: Iterable[int | str]) -> str:
    return root + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ").rstrip(".")


def _snapshots(children: Iterable[Raw]) -> dict[str, Snapshot]:
    revisions = (raw for raw in children if raw["kind"] == kinds.CONTROLLER_REVISION.kind)
    return {snapshot.revision: snapshot for snapshot in map(_snapshot, revisions) if snapshot is not None}


def _snapshot(raw: Raw) -> Snapshot | None:
    """None for one that somebody has tampered with: the plan does as if it were not there."""
    try:
        return controller_revision.parse(raw)
    except ValueError:
        return None


def _decisions(raws: Iterable[Raw]) -> tuple[Decision, ...]:
    found = (_decision(raw) for raw in raws)
    return tuple(sorted(filter(None, found), key=lambda decision: (decision.created, decision.name)))


def _decision(raw: Raw) -> Decision | None:
    """None for one that cannot be understood: it decides nothing."""
    try:
        spec = RolloutDecisionSpec.parse(raw.get("spec") or {})
    except ValidationError:
        return None
    meta = views.metadata(raw)
    return Decision(
        uid=meta["uid"],
        name=meta["name"],
        revision=spec.revision,
        verb=spec.verb,
        reason=spec.reason,
        by=spec.requested_by,
        created=views.time_of(meta["creationTimestamp"]),
        answered=bool((raw.get("status") or {}).get("outcome")),
    )


def _autoscaled(mine: Mapping[tuple[str, str], Raw], name: str) -> frozenset[Color]:
    return frozenset(color for color in COLORS if (kinds.AUTOSCALER.kind, color_name(name, color)) in mine)
