"""Carries out a plan's actions, in order, writing only what differs from what was seen."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from verdigris.cluster import kinds, views
from verdigris.cluster.compare import difference, with_applied_hash
from verdigris.cluster.errors import ApiError, Conflict, NotFound
from verdigris.cluster.kinds import Resource, resource_of
from verdigris.cluster.observe import Picture
from verdigris.resources.names import APPLIED_ANNOTATION, TRAFFIC_ANNOTATION, Owner, color_name
from verdigris.rollout.actions import Action, Keep, Remove, RemovePod, Scale, SetTraffic

SCALE_MANAGER = "verdigris-scale"
"""Field manager of replicas: another one, so that applying a Deployment never claims its size (law 9)."""
TRAFFIC_MANAGER = "verdigris-traffic"

_BESIDE_ROLLOUT = frozenset(
    {
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "NetworkPolicy",
        "ServiceAccount",
        "ServiceMonitor",
    }
)
"""Kinds that nothing later in a plan rests on: when one of them is refused, everything else is still done."""


class Writer(Protocol):
    """The writing half of the client."""

    async def apply(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Server-side apply."""

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: Mapping[str, Any],
        *,
        subresource: str | None = None,
        manager: str = "verdigris",
    ) -> dict[str, Any]:
        """JSON merge patch."""

    async def delete(
        self, resource: Resource, namespace: str, name: str, uid: str, *, grace: int | None = None
    ) -> None:
        """Delete by UID; `grace` in seconds, None: the object's own."""

    async def evict(self, namespace: str, pod: str, uid: str) -> None:
        """Ask for a pod's eviction by UID."""


class NotOurs(ApiError):
    """An object that we would have to write bears our name but not our owner reference."""

    reason = "NameTaken"


@dataclass
class Outcome:
    """What came of the actions. `problems` are the failures in order; `traffic_failed`: clients were not moved.

    `removed` are the stuck pods that are gone or on their way now; `refused` those that the API server did not let go,
    for example because of a PodDisruptionBudget. A refusal is no problem of the reconcile.
    """

    written: int = 0
    problems: list[ApiError] = field(default_factory=list)
    traffic_failed: bool = False
    removed: list[RemovePod] = field(default_factory=list)
    refused: list[tuple[RemovePod, ApiError]] = field(default_factory=list)


async def apply(writer: Writer, picture: Picture, actions: Iterable[Action]) -> Outcome:
    """Do the actions in order. Raises nothing of the API's: failures are in the outcome.

    After a failure only traffic is still moved, because no refused Deployment, scale or HPA may forbid a rollback
    (law 1) and the plan moves traffic only to pods that it has seen ready. After a failure to move traffic nothing is
    done any more: what follows may take away what clients are still on (law 2).
    Neighbouring `SetTraffic`s are done at once: all pods of a colour are to drain together. Stuck pods come last, at
    once as well: a webhook that keeps each removal waiting must not add up before the next look.
    """
    hand = _Hand(writer, picture)
    outcome = Outcome()
    traffic_only = False
    for step in _steps(actions):
        if traffic_only and not _moves_traffic(step[0]):
            continue
        removals = [action for action in step if isinstance(action, RemovePod)]
        if removals:
            await asyncio.gather(*(_try_to_remove(hand, action, outcome) for action in removals))
            continue
        results = await asyncio.gather(*(hand.do(action) for action in step), return_exceptions=True)
        if not _account(outcome, results):
            continue
        if _moves_traffic(step[0]):
            outcome.traffic_failed = True
            break
        traffic_only = traffic_only or not _is_beside(step[0])
    return outcome


def _steps(actions: Iterable[Action]) -> Iterator[list[Action]]:
    for kind, run in itertools.groupby(actions, key=type):
        batch = list(run)
        yield from [batch] if kind in (SetTraffic, RemovePod) else [[action] for action in batch]


def _moves_traffic(action: Action) -> bool:
    return isinstance(action, SetTraffic) or (isinstance(action, Keep) and action.manifest["kind"] == "Service")


def _is_beside(action: Action) -> bool:
    return isinstance(action, Keep) and action.manifest["kind"] in _BESIDE_ROLLOUT


async def _try_to_remove(hand: _Hand, action: RemovePod, outcome: Outcome) -> None:
    try:
        if await hand.do(action):
            outcome.removed.append(action)
            outcome.written += 1
    except ApiError as refusal:
        outcome.refused.append((action, refusal))


def _account(outcome: Outcome, results: Sequence[bool | BaseException]) -> bool:
    """Count what was written and keep what failed. Returns whether anything failed; raises what is a bug."""
    failed = False
    for result in results:
        if isinstance(result, ApiError):
            outcome.problems.append(result)
            failed = True
        elif isinstance(result, BaseException):
            raise result
        else:
            outcome.written += result
    return failed


class _Hand:
    """Does single actions. Each returns whether it changed anything."""

    def __init__(self, writer: Writer, picture: Picture) -> None:
        self._writer = writer
        self._live = picture.live
        self._owner: Owner = picture.observed.owner
        self._monitors_known = picture.observed.service_monitors_known

    async def do(self, action: Action) -> bool:
        match action:
            case Keep():
                return await self._keep(action.manifest)
            case Scale():
                return await self._scale(action)
            case SetTraffic():
                return await self._set_traffic(action)
            case Remove():
                return await self._remove(action)
            case RemovePod():
                return await self._remove_pod(action)

    async def _keep(self, manifest: Mapping[str, Any]) -> bool:
        if manifest["kind"] == kinds.SERVICE_MONITOR.kind and not self._monitors_known:
            return False
        wanted = with_applied_hash(manifest)
        live = self._live.get((manifest["kind"], manifest["metadata"]["name"]))
        if live is not None:
            self._must_be_ours(live)
            if difference(wanted, live) is None:
                return False
        written = await self._writer.apply(wanted)
        before = views.metadata(live).get("resourceVersion") if live is not None else None
        return bool(views.metadata(written).get("resourceVersion") != before)

    async def _scale(self, action: Scale) -> bool:
        name = color_name(self._owner.name, action.color)
        await self._writer.patch(
            kinds.DEPLOYMENT,
            self._owner.namespace,
            name,
            {"spec": {"replicas": action.replicas}},
            subresource="scale",
            manager=SCALE_MANAGER,
        )
        return True

    async def _set_traffic(self, action: SetTraffic) -> bool:
        # The UID is a precondition: a pod of the same name may be another one by now.
        wanted = {"uid": action.uid, "annotations": {TRAFFIC_ANNOTATION: action.traffic}}
        try:
            await self._writer.patch(
                kinds.POD, self._owner.namespace, action.pod, {"metadata": wanted}, manager=TRAFFIC_MANAGER
            )
        except (NotFound, Conflict):
            return False
        return True

    async def _remove(self, action: Remove) -> bool:
        live = self._live.get((action.kind, action.name))
        if live is None:
            return False
        self._must_be_ours(live)
        uid = views.metadata(live)["uid"]
        if "deletionTimestamp" in views.metadata(live) or (action.uid is not None and action.uid != uid):
            return False
        try:
            await self._writer.delete(
                resource_of(action.api_version, action.kind), self._owner.namespace, action.name, uid
            )
        except NotFound:
            return False
        return True

    async def _remove_pod(self, action: RemovePod) -> bool:
        """False when that pod is gone by now, even if another one bears its name."""
        namespace = self._owner.namespace
        try:
            if action.remedy == "Evict":
                await self._writer.evict(namespace, action.pod, action.uid)
            else:
                grace = 0 if action.remedy == "Force" else None
                await self._writer.delete(kinds.POD, namespace, action.pod, action.uid, grace=grace)
        except (NotFound, Conflict):
            return False
        return True

    def _must_be_ours(self, live: Mapping[str, Any]) -> None:
        if views.owned_by(live, self._owner.uid):
            return
        what = f"{live['kind']} {self._owner.namespace}/{views.metadata(live)['name']}"
        if APPLIED_ANNOTATION in (views.metadata(live).get("annotations") or {}):
            raise NotOurs(f"{what} still belongs to a deleted ModelDeployment of this name: waiting until it is gone")
        raise NotOurs(f"{what} exists and is not ours: delete it, or give the ModelDeployment another name")
