"""Single actions against the API server: each writes only what differs from what was seen, and only what is ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from verdigris.adapters.kube.reading import views
from verdigris.adapters.kube.reading.observe import Picture
from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.errors import ApiError, Conflict, Forbidden, Invalid, NotFound
from verdigris.adapters.kube.transport.kinds import resource_of
from verdigris.adapters.kube.writing import routes
from verdigris.adapters.kube.writing.compare import difference, digest, shown, with_applied_hash
from verdigris.adapters.kube.writing.contested import added_to, hold_back
from verdigris.adapters.kube.writing.fields import last_manager, last_to_scale, strays
from verdigris.adapters.kube.writing.patches import restoring, ways_to_make
from verdigris.adapters.kube.writing.restores import Ref, RestoreBackoff
from verdigris.adapters.kube.writing.writer import Writer
from verdigris.api.status import ServiceAddress
from verdigris.children.meta import owner_reference
from verdigris.children.names import (
    APPLIED_ANNOTATION,
    SHIELD_ANNOTATION,
    TRAFFIC_ANNOTATION,
    WITHDRAWN_ANNOTATION,
    Owner,
    color_name,
)
from verdigris.children.ownership import kept_references, whose
from verdigris.core.actions import (
    Action,
    Adopt,
    Keep,
    MoveRoute,
    MoveTraffic,
    Remove,
    RemovePod,
    Scale,
    SetOrder,
    SetTraffic,
)

Json = Mapping[str, Any]

SCALE_MANAGER = "verdigris-scale"
"""Field manager of replicas: another one, so that applying a Deployment never claims its size (law 9)."""
TRAFFIC_MANAGER = "verdigris-traffic"
SHIELD_MANAGER = "verdigris-shield"
RESTORE_MANAGER = "verdigris-restore"
"""Field manager of what is put back past server-side apply."""


class NotOurs(ApiError):
    """An object that we would have to write bears our name and is somebody else's."""

    reason = "NameTaken"


class Executor:
    """Carries out single actions of a plan. Each returns whether it changed anything, and raises ApiError."""

    def __init__(self, writer: Writer, picture: Picture, backoff: RestoreBackoff | None) -> None:
        self._writer = writer
        self._live = dict(picture.live)
        self._taken = {(taken.kind, taken.name) for taken in picture.observed.taken}
        self._owner: Owner = picture.observed.owner
        self._unknown = picture.observed.unknown
        # The garbage collector may have been there already: what is gone then is not made anew.
        self._leaving = picture.observed.leaving
        self._backoff = backoff or RestoreBackoff(lambda: 0.0)

    async def do(self, action: Action) -> bool:
        """Carry out one action. Returns whether it changed anything. Raises ApiError when the API server refuses."""
        match action:
            case MoveTraffic():
                done = self._move(action)
            case MoveRoute():
                done = self._move_route(action)
            case Adopt():
                done = self._adopt(action)
            case Keep():
                done = self._keep(action.manifest)
            case Scale():
                done = self._scale(action)
            case SetTraffic(pod, uid, traffic):
                done = self._annotate(pod, uid, TRAFFIC_ANNOTATION, traffic, TRAFFIC_MANAGER)
            case SetOrder(pod, uid, order):
                done = self._annotate(pod, uid, SHIELD_ANNOTATION, order, SHIELD_MANAGER)
            case Remove():
                done = self._remove(action)
            case RemovePod():
                done = self._remove_pod(action)
        return await done

    async def _move(self, action: MoveTraffic) -> bool:
        """The selector alone: no port, type, quota or annotation of the Service can make this write fail (law 13)."""
        manifest, live = action.manifest, self._seen(action.manifest)
        if live is None:
            return not self._leaving and await self._make_service(manifest, action.address)
        wanted, meta = manifest["spec"]["selector"], views.metadata(live)
        before = (live.get("spec") or {}).get("selector") or {}
        if wanted == before:
            return await self._fence(manifest, meta, action.fence)
        if (added := added_to(wanted, before)) is not None:
            return await self._take_out(added, manifest, live) or await self._fence(manifest, meta, action.fence)
        body = {"metadata": {"uid": meta["uid"]}, "spec": {"selector": {**dict.fromkeys(before), **wanted}}}
        as_seen = {**body, "metadata": {**body["metadata"], "resourceVersion": meta["resourceVersion"]}}
        try:
            await self._patch(manifest, as_seen, TRAFFIC_MANAGER)
        except Conflict:
            if action.as_seen:
                raise
            # Somebody writes the Service all the time: nobody may hold a way back up (law 1).
            await self._patch(manifest, body, TRAFFIC_MANAGER)
        return True

    async def _take_out(self, added: str, manifest: Json, live: Json) -> bool:
        """An entry that somebody adds to the selector: no move of clients, so whoever insists is not fought.

        False when that is what an admission webhook makes of our writes.
        """
        wanted, before = manifest["spec"]["selector"], live["spec"]["selector"]
        ref, where, mark = self._about(live, "selector"), f"spec.selector.{added}", digest(wanted)
        if self._backoff.came_out_so(ref, mark, digest(before)):
            return False
        hold_back(self._backoff, ref, where, _named(live, self._owner), last_manager(live))
        body = {
            "metadata": {"uid": views.metadata(live)["uid"]},
            "spec": {"selector": {**dict.fromkeys(before), **wanted}},
        }
        written = await self._patch(manifest, body, TRAFFIC_MANAGER)
        self._backoff.wrote(ref, mark, where, digest((written.get("spec") or {}).get("selector")))
        return True

    async def _fence(self, manifest: Json, meta: Json, mark: str | None) -> bool:
        if mark is None:
            return False
        marked = {"uid": meta["uid"], "annotations": {WITHDRAWN_ANNOTATION: mark}}
        await self._patch(manifest, {"metadata": marked}, TRAFFIC_MANAGER)
        return True

    async def _make_service(self, manifest: Json, address: ServiceAddress | None) -> bool:
        """Whole where that is accepted; with less rather than not at all: clients come first."""
        refusal: ApiError | None = None
        for attempt in ways_to_make(manifest, address):
            try:
                await self._apply(attempt)
            except (Invalid, Forbidden) as error:
                refusal = error
            else:
                return True
        assert refusal is not None
        raise refusal

    async def _move_route(self, action: MoveRoute) -> bool:
        live = self._live.get((kinds.HTTP_ROUTE.kind, action.name))
        if action.manifest is not None and self._seen(action.manifest) is None:
            return not self._leaving and await self._apply(with_applied_hash(action.manifest))
        written = None if live is None else await routes.move(self._writer, action, live, self._owner, self._backoff)
        if live is None or written is None:
            return False
        self._remember(live, written)
        return True

    async def _adopt(self, action: Adopt) -> bool:
        live = self._live.get((action.kind, action.name))
        if live is None:
            return False
        self._must_be_ours(live)
        meta, ref, where = views.metadata(live), self._about(live, "owner"), "metadata.ownerReferences"
        hold_back(self._backoff, ref, where, _named(live, self._owner), last_manager(live))
        references = [*kept_references(live, self._owner), owner_reference(self._owner)]
        body = {
            "metadata": {
                "uid": meta["uid"],
                "resourceVersion": meta["resourceVersion"],
                "ownerReferences": references,
            }
        }
        await self._patch(live, body, RESTORE_MANAGER)
        self._backoff.wrote(ref, "", where, "")
        return True

    async def _keep(self, manifest: Json) -> bool:
        if manifest["kind"] in self._unknown:
            return False
        wanted, live = with_applied_hash(manifest), self._seen(manifest)
        if live is None:
            return not self._leaving and await self._apply(wanted)
        foreign = strays(wanted, live)
        where = difference(wanted, live) or next(map(str, foreign), None)
        if where is None:
            return False
        mark, ref = wanted["metadata"]["annotations"][APPLIED_ANNOTATION], (self._owner.namespace, *_ref(live))
        if self._backoff.came_out_so(ref, mark, _shown(wanted, live)):
            return False
        hold_back(self._backoff, ref, where, _named(live, self._owner), last_manager(live))
        written = await self._restore(wanted, live) if foreign else await self._applied_over(wanted, live)
        self._backoff.wrote(ref, mark, where, _shown(wanted, written))
        return bool(views.metadata(written).get("resourceVersion") != views.metadata(live).get("resourceVersion"))

    async def _applied_over(self, wanted: Json, live: Json) -> Json:
        # With the UID, so that no object that somebody has made meanwhile in its place is taken over.
        meta = {**wanted["metadata"], "uid": views.metadata(live)["uid"]}
        if live["kind"] in (kinds.SERVICE.kind, kinds.HTTP_ROUTE.kind):
            # It states a selector, or weights: carried out late, it would move clients that have been moved since.
            meta["resourceVersion"] = views.metadata(live)["resourceVersion"]
        try:
            return await self._writer.apply({**wanted, "metadata": meta})
        except Invalid:
            # Lists merge by key, and what has no owner stays in them: what is refused as merged may do as a whole.
            patch = restoring(wanted, live)
            if not patch:
                raise
            return await self._restore(wanted, live)

    async def _restore(self, wanted: Json, live: Json) -> Json:
        patch, meta = restoring(wanted, live), views.metadata(live)
        precondition = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
        body = {**patch, "metadata": {**patch.get("metadata", {}), **precondition}}
        return await self._patch(wanted, body, RESTORE_MANAGER)

    async def _apply(self, manifest: Json) -> bool:
        self._remember(manifest, await self._writer.apply(manifest))
        return True

    async def _patch(self, about: Json, body: Json, manager: str) -> Json:
        resource, meta = resource_of(about["apiVersion"], about["kind"]), about["metadata"]
        written = await self._writer.patch(resource, self._owner.namespace, meta["name"], body, manager=manager)
        return self._remember(about, written)

    def _remember(self, about: Json, written: Json) -> Json:
        """What follows in the same plan compares with what is there now, not with what was."""
        whole = {"apiVersion": about["apiVersion"], "kind": about["kind"], **written}
        self._live[_ref(whole)] = whole
        return whole

    async def _scale(self, action: Scale) -> bool:
        name = color_name(self._owner.name, action.color)
        seen = self._live.get((kinds.DEPLOYMENT.kind, name))
        ref, where = (self._owner.namespace, f"{kinds.DEPLOYMENT.kind}/scale", name), "spec.replicas"
        if seen is not None:
            self._must_be_ours(seen)
            hold_back(self._backoff, ref, where, _named(seen, self._owner), last_to_scale(seen))
        await self._writer.patch(
            kinds.DEPLOYMENT,
            self._owner.namespace,
            name,
            {"spec": {"replicas": action.replicas}},
            subresource="scale",
            manager=SCALE_MANAGER,
        )
        self._backoff.wrote(ref, str(action.replicas), where, "")
        return True

    async def _annotate(self, pod: str, uid: str, annotation: str, value: str | None, manager: str) -> bool:
        # Each is remembered by itself: what one annotation is to be says nothing of the other.
        ref, where = (
            (self._owner.namespace, f"{kinds.POD.kind}/{annotation}", pod),
            f"metadata.annotations[{annotation}]",
        )
        # To stop asking a version is a rollback: nothing holds that back.
        if value is not None:
            hold_back(self._backoff, ref, where, f"Pod {self._owner.namespace}/{pod}", "")
        # The UID is a precondition: a pod of the same name may be another one by now.
        wanted = {"metadata": {"uid": uid, "annotations": {annotation: value}}}
        try:
            await self._writer.patch(kinds.POD, self._owner.namespace, pod, wanted, manager=manager)
        except (NotFound, Conflict):
            return False
        self._backoff.wrote(ref, f"{uid} {value}", where, "")
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

    def _about(self, live: Json, part: str) -> Ref:
        """What the backoff knows a part of an object by that is written beside the whole."""
        kind, name = _ref(live)
        return self._owner.namespace, f"{kind}/{part}", name

    def _seen(self, manifest: Json) -> Json | None:
        """The live object of this kind and name. Raises NotOurs when it is somebody else's."""
        live = self._live.get(_ref(manifest))
        if live is not None:
            self._must_be_ours(live)
        return live

    def _must_be_ours(self, live: Json) -> None:
        if _ref(live) in self._taken or whose(live, self._owner) == "Foreign":
            raise NotOurs(
                f"{_named(live, self._owner)} exists and is not ours: delete it, or give the ModelDeployment "
                "another name"
            )


def _shown(wanted: Json, live: Json) -> str:
    """Equal for two states of an object in which nothing that is ours to judge differs."""
    foreign = sorted((str(stray), digest(stray.value)) for stray in strays(wanted, live))
    return digest([shown(wanted, live), foreign])


def _ref(raw: Json) -> tuple[str, str]:
    return raw["kind"], raw["metadata"]["name"]


def _named(raw: Json, owner: Owner) -> str:
    return f"{raw['kind']} {owner.namespace}/{raw['metadata']['name']}"
