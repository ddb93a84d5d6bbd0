"""One picture of a ModelDeployment and its children. What traffic goes by is there, or there is no picture."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from verdigris.adapters.kube.reading import decisions, endpoints, unseen, views
from verdigris.adapters.kube.reading.misconfigured import misconfigured
from verdigris.adapters.kube.reading.owned import OwnershipFilter, foreign_scalers, is_new, kept_names, needed_names
from verdigris.adapters.kube.reading.port import Key, Reader
from verdigris.adapters.kube.reading.routes import Routes, read_routes, routing
from verdigris.adapters.kube.reading.understand import Malformed, understand
from verdigris.adapters.kube.reading.unseen import Listed, TolerantReads
from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.errors import ApiError, NotFound
from verdigris.adapters.kube.transport.kinds import Resource, resource_of
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import Color, ModelDeploymentStatus
from verdigris.children import controller_revision
from verdigris.children.inventory import Ref
from verdigris.children.names import COLORS, MODEL_LABEL, Defaults, Owner, color_name, snapshot_name
from verdigris.core.facts.observed import Observed, Snapshot
from verdigris.core.facts.skew import Skew, wanted_target

Raw = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Picture:
    """What the plan may know, and beside it the raw objects that applying and reporting need.

    `live` holds the children by (kind, name), whoever owns them. `unseen` says by kind why nothing of it could be read.
    """

    observed: Observed
    parent: Raw
    live: Mapping[tuple[str, str], Raw]
    decisions: tuple[Raw, ...] = ()
    unseen: Mapping[str, ApiError] = field(default_factory=dict)

    @property
    def has_open_decisions(self) -> bool:
        """Whether somebody has decided something, understandable or not, that has no outcome yet."""
        return not all((raw.get("status") or {}).get("outcome") for raw in self.decisions)


async def observe(reader: Reader, key: Key, defaults: Defaults, now: datetime | None = None) -> Picture | None:
    """The picture, or None when there is no such ModelDeployment (any more), or its children are going with it.

    One that is deleted and kept by somebody's finalizer serves as before until that is gone.

    What an earlier ModelDeployment of this name has left is waited for until `now` is LEAVING_PATIENCE after this one
    was made, and then taken over.

    Raises Malformed when it cannot even be told what runs (`reading.understand`), and ApiError when a read fails of
    what traffic goes by. Any other kind may stay `unseen`, so that clients can be taken back all the same; what may
    pass by itself only while there is a version to take back or to go back to.
    """
    try:
        parent = await reader.get(kinds.MODEL_DEPLOYMENT, key.namespace, key.name)
    except NotFound:
        return None
    if views.takes_children_along(parent):
        return None
    tolerant = TolerantReads(unseen.PATIENCE if (parent.get("status") or {}).get("rollout") else None)
    seen = await _read(reader, key, parent, now, tolerant)
    orphans = seen.ownership.orphans(seen.mine.values())
    if orphans and await _is_leaving(reader, key, seen.owner):
        return None
    nobody: dict[Color, str] = {}
    least = seen.spec.autoscaling.least
    scalers = await tolerant.read(
        kinds.AUTOSCALER, partial(foreign_scalers, reader, seen.owner, seen.status, least, seen.mine), nobody
    )
    tolerant.raise_transient(seen.status)
    observed = _observed(seen, defaults, orphans, scalers, frozenset(tolerant.unseen))
    return Picture(observed, parent, seen.live, tuple(seen.found.decisions), tolerant.unseen)


@dataclass(frozen=True)
class _Read:
    """What has been read of a model. `mine` are those of the `live` objects that are its own."""

    parent: Raw
    owner: Owner
    generation: int
    ownership: OwnershipFilter
    found: _Found
    live: Mapping[tuple[str, str], Raw]
    mine: Mapping[tuple[str, str], Raw]
    names: tuple[Ref, ...]
    routes: Routes
    spec: ModelDeploymentSpec
    status: ModelDeploymentStatus
    skew: Skew


async def _read(reader: Reader, key: Key, parent: Raw, now: datetime | None, tolerant: TolerantReads) -> _Read:
    """The children by their label, then by name what has no label. Raises Malformed and ApiError."""
    found = await _children(reader, key, tolerant)
    owner = Owner(key.namespace, key.name, views.metadata(parent)["uid"])
    # What another owner has is not ours to judge by; apply refuses to touch it.
    ownership = OwnershipFilter(owner, patient=is_new(parent, now))
    mine = ownership.mine(found.live)
    generation = int(views.metadata(parent).get("generation", 0))
    spec, status, skew = _understood(parent, mine, tolerant)
    names = needed_names(owner, spec, wanted_target(spec, key.name, generation, status, skew)[0])
    routes = await read_routes(reader, owner, spec, status, tolerant)
    live = found.live | routes.live | await _by_name(reader, key, found, (*names, *kept_names(owner, status)), tolerant)
    if len(live) > len(found.live):
        mine = ownership.mine(live)
        spec, status, skew = _understood(parent, mine, tolerant)
    return _Read(parent, owner, generation, ownership, found, live, mine, names, routes, spec, status, skew)


def _observed(
    seen: _Read, defaults: Defaults, orphans: tuple[Ref, ...], scalers: Mapping[Color, str], unread: frozenset[str]
) -> Observed:
    """The raw objects as the facts that the plan knows."""
    found, mine, name = seen.found, seen.mine, seen.owner.name
    service = mine.get((kinds.SERVICE.kind, name))
    deployments = {color: mine.get((kinds.DEPLOYMENT.kind, color_name(name, color))) for color in COLORS}
    pods = tuple(sorted(filter(None, map(views.pod_view, found.pods)), key=lambda pod: (pod.created, pod.name)))
    return Observed(
        owner=seen.owner,
        generation=seen.generation,
        spec=seen.spec,
        status=seen.status,
        defaults=defaults,
        deployments={color: views.deployment_view(raw) for color, raw in deployments.items() if raw is not None},
        pods=pods,
        endpoints=endpoints.ready_endpoints(found.slices, name),
        still_behind=endpoints.still_behind(found.slices, name, pods),
        selected=views.selected_color(service),
        withdrawn=views.withdrawn(service),
        snapshots=_snapshots(mine, name) if kinds.CONTROLLER_REVISION.kind not in unread else {},
        decisions=decisions.understood(found.decisions),
        hpas=_autoscaled(mine, name),
        unknown=found.unknown,
        taken=tuple(filter(None, (seen.ownership.taken(ref, seen.live) for ref in seen.names))),
        orphans=orphans,
        scalers=scalers,
        addresses=_addresses(mine, name),
        service=views.address(service),
        misconfigured=misconfigured(service, seen.spec.serving.service.port, found.pods),
        skew=seen.skew,
        unseen=unread,
        leaving=views.is_leaving(seen.parent),
        routing=routing(seen.routes, seen.ownership, seen.spec, seen.status, kinds.HTTP_ROUTE.kind not in unread),
        behind_others=_behind_others(seen.live.get((kinds.SERVICE.kind, name)), service, deployments),
    )


async def _is_leaving(reader: Reader, key: Key, owner: Owner) -> bool:
    """Whether the ModelDeployment was deleted since it was read, or is about to be.

    Its children lose their owner references only after it has been marked: who reads it after them knows why they did.
    """
    try:
        meta = views.metadata(await reader.get(kinds.MODEL_DEPLOYMENT, key.namespace, key.name))
    except NotFound:
        return True
    return meta["uid"] != owner.uid or "deletionTimestamp" in meta


def _understood(
    parent: Raw, mine: Mapping[tuple[str, str], Raw], tolerant: TolerantReads
) -> tuple[ModelDeploymentSpec, ModelDeploymentStatus, Skew]:
    """As `understand`. What only an unseen snapshot could tell is a failed read, and no fault of the object."""
    try:
        unread = kinds.CONTROLLER_REVISION.kind in tolerant.unseen
        return understand(parent, mine, {} if unread else _snapshots(mine, views.metadata(parent)["name"]))
    except Malformed:
        error = tolerant.unseen.get(kinds.CONTROLLER_REVISION.kind)
        if error is None:
            raise
        raise error from None


@dataclass(frozen=True)
class _Found:
    live: dict[tuple[str, str], Raw]
    pods: list[dict[str, Any]]
    slices: list[dict[str, Any]]
    decisions: list[dict[str, Any]]
    unknown: frozenset[str]


async def _children(reader: Reader, key: Key, tolerant: TolerantReads) -> _Found:
    """What bears the model's label."""
    labels = f"{MODEL_LABEL}={key.name}"
    services = ",".join(endpoints.services_of(key.name))
    none: Listed | None = []
    plain = [kind for kind in kinds.CHILDREN if kind not in kinds.OPTIONAL]
    pods, slices, decided, *lists = await _together(
        reader.list(kinds.POD, key.namespace, labels),
        reader.list(kinds.ENDPOINT_SLICE, key.namespace, f"{endpoints.SERVICE_LABEL} in ({services})"),
        tolerant.listed(kinds.ROLLOUT_DECISION, partial(decisions.open_decisions, reader, key.namespace, key.name)),
        *(tolerant.read(kind, partial(_unless_unknown, reader, kind, key, labels), none) for kind in kinds.OPTIONAL),
        *(tolerant.listed(kind, partial(reader.list, kind, key.namespace, labels)) for kind in plain),
    )
    live: dict[tuple[str, str], Raw] = {_ref(raw): raw for listed in lists for raw in listed or ()}
    ours = [d for d in decided or () if (d.get("spec") or {}).get("modelDeployment") == key.name]
    optional = zip(kinds.OPTIONAL, lists, strict=False)
    unknown = frozenset(kind.kind for kind, listed in optional if listed is None)
    return _Found(live, pods or [], slices or [], ours, unknown)


async def _together(*reads: Awaitable[T]) -> list[T]:
    """All of them at once. When some fail, the first failure, but only after every read has ended."""
    results = await asyncio.gather(*reads, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


def _ref(raw: Raw) -> tuple[str, str]:
    return raw["kind"], views.metadata(raw)["name"]


async def _unless_unknown(reader: Reader, kind: Resource, key: Key, labels: str) -> list[dict[str, Any]] | None:
    try:
        return await reader.list(kind, key.namespace, labels)
    except NotFound:
        return None


async def _by_name(
    reader: Reader, key: Key, found: _Found, names: Iterable[Ref], tolerant: TolerantReads
) -> dict[tuple[str, str], Raw]:
    """What was not found by label, by its name: somebody else's has none, and a lost label is no lost child.

    One object each, not the namespace's whole list: that grows with every model in it.
    """
    missing = [
        (resource_of(name.api_version, name.kind), name.name)
        for name in names
        if (name.kind, name.name) not in found.live and name.kind != kinds.HTTP_ROUTE.kind
    ]
    listed = await _together(
        *(
            tolerant.listed(resource, partial(reader.list, resource, key.namespace, fields=f"metadata.name={name}"))
            for resource, name in missing
            if resource.kind not in found.unknown
        )
    )
    return {_ref(raw): raw for some in listed for raw in some}


def _behind_others(service: Raw | None, own: Raw | None, deployments: Mapping[Color, Raw | None]) -> frozenset[Color]:
    """The colours whose pods the clients' Service selects although it is not ours."""
    if service is None or own is not None:
        return frozenset()
    return frozenset(color for color, raw in deployments.items() if raw is not None and views.selects(service, raw))


def _snapshots(mine: Mapping[tuple[str, str], Raw], model: str) -> dict[str, Snapshot]:
    """By revision. One that was deleted while its pods run is read back from their Deployment."""
    kept = {name: raw for (kind, name), raw in mine.items() if kind == kinds.CONTROLLER_REVISION.kind}
    running = (raw for (kind, _), raw in mine.items() if kind == kinds.DEPLOYMENT.kind)
    parsed = {snapshot.revision: snapshot for snapshot in map(_snapshot, kept.values()) if snapshot is not None}
    # One that is there and is none of ours to read is told by the write that it refuses.
    back = filter(None, map(controller_revision.of_running, running))
    lost = (one for one in back if snapshot_name(model, one.revision) not in kept)
    return {snapshot.revision: snapshot for snapshot in lost} | parsed


def _snapshot(raw: Raw) -> Snapshot | None:
    """None for one that somebody has tampered with: the plan does as if it were not there."""
    try:
        return controller_revision.parse(raw)
    except ValueError:
        return None


def _addresses(mine: Mapping[tuple[str, str], Raw], name: str) -> dict[Color, str]:
    found = {color: views.address(mine.get((kinds.SERVICE.kind, color_name(name, color)))) for color in COLORS}
    return {color: service.address for color, service in found.items() if service is not None}


def _autoscaled(mine: Mapping[tuple[str, str], Raw], name: str) -> frozenset[Color]:
    return frozenset(color for color in COLORS if (kinds.AUTOSCALER.kind, color_name(name, color)) in mine)
