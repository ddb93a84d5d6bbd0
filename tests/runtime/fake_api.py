"""An API server in memory, for the calls that the operator makes. `test_api_contract` runs it beside the real one."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from tests.runtime.fake_fields import applied, check, json_copy, updated
from verdigris.adapters.kube.transport.errors import AlreadyExists, ApiError, Conflict, Invalid, NotFound
from verdigris.adapters.kube.transport.kinds import Resource, resource_of

Json = dict[str, Any]
Fault = Callable[[str, str, str], ApiError | None]
"""Called with (verb, kind, name); what it returns is raised."""


def once(error: ApiError, verb: str, kind: str) -> Fault:
    """Refuses the first such call, and no other."""
    left = [error]
    return lambda called, about, _: left.pop() if left and (called, about) == (verb, kind) else None


_PRECONDITIONS = ("resourceVersion", "uid")
_WITH_STATUS = {"ModelDeployment", "RolloutDecision", "Deployment"}


class FakeApi:
    """Objects by (kind, namespace, name).

    `fault` is asked before each call, which is then refused; `lost` after it: what the call did is done, its answer is
    lost. What a test changes in an object itself counts as changed by a field manager called `somebody`.
    `holds` says what a write waits for before it is carried out; `held` are the writes that did.
    `permits` answers whether (user, groups, verb, (namespace, name)) is allowed.
    `calls` lists (verb, kind, name) of every call in order; `managers` has the last field manager by kind, `graces` the
    grace period that a deletion asked for.
    """

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.now = now
        self.objects: dict[tuple[str, str, str], Json] = {}
        self.calls: list[tuple[str, str, str]] = []
        self.unknown: set[str] = set()
        self.managers: dict[str, str] = {}
        self.graces: dict[tuple[str, str], int | None] = {}
        self.permits: Callable[[str, tuple[str, ...], str, tuple[str, str]], bool] = lambda *_: False
        self.fault: Fault = lambda *_: None
        self.lost: Fault = lambda *_: None
        self.holds: Callable[[str, str, str], asyncio.Event | None] = lambda *_: None
        self.held: list[asyncio.Task[Json]] = []
        self._known: dict[tuple[str, str, str], Json] = {}
        self._addresses = itertools.count(1)
        self._versions = itertools.count(100)
        self._uids = itertools.count(1)

    @property
    def writes(self) -> list[tuple[str, str, str]]:
        """The calls that are no reads."""
        return [call for call in self.calls if call[0] not in ("get", "list", "review")]

    def put(self, raw: Mapping[str, Any]) -> Json:
        """Put an object there as it is, past all rules; uid, version and creation time are filled in."""
        made = json_copy(dict(raw))
        meta = made.setdefault("metadata", {})
        meta.setdefault("uid", f"uid-{next(self._uids)}")
        meta.setdefault("creationTimestamp", self.now().strftime("%Y-%m-%dT%H:%M:%SZ"))
        meta["resourceVersion"] = str(next(self._versions))
        self._allocate(made)
        ref = (made["kind"], meta.get("namespace", ""), meta["name"])
        self.objects[ref] = made
        self._known[ref] = json_copy(made)
        return self.shown(made)

    def _allocate(self, raw: Json) -> None:
        """An address for a Service that asks for none. Raises Invalid for one that another has."""
        spec = raw.get("spec") or {}
        if raw["kind"] != "Service" or spec.get("type") == "ExternalName":
            return
        has = {(o.get("spec") or {}).get("clusterIP") for o in self.objects.values() if o["kind"] == "Service"}
        mine = (raw["kind"], raw["metadata"].get("namespace", ""), raw["metadata"]["name"])
        has.discard((self.objects.get(mine, {}).get("spec") or {}).get("clusterIP"))
        if spec.get("clusterIP") in has - {None}:
            raise Invalid("spec.clusterIPs: failed to allocate IP: provided IP is already allocated")
        if "clusterIP" not in spec:
            raw["spec"] = {**spec, "clusterIP": f"10.96.0.{next(self._addresses)}"}

    def at(self, kind: str, namespace: str, name: str) -> Json:
        """The object itself, to look at or to tamper with."""
        return self.objects[kind, namespace, name]

    def notice(self) -> None:
        """Record what a test has done to objects by hand, as the API server would have."""
        for ref, raw in self.objects.items():
            known = self._known.get(ref)
            if raw == known:
                continue
            if known is not None:
                self.objects[ref] = updated(known, raw, "somebody")
                self.objects[ref]["metadata"]["resourceVersion"] = str(next(self._versions))
            self._known[ref] = json_copy(self.objects[ref])

    async def allows(
        self, user: str, groups: Sequence[str], verb: str, resource: Resource, key: tuple[str, str]
    ) -> bool:
        await self._arrive("review", resource.kind, key[1])
        return self.permits(user, tuple(groups), verb, key)

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Json:
        await self._arrive("get", resource.kind, name)
        return self.shown(self._found(resource.kind, namespace or "", name))

    async def list(
        self, resource: Resource, namespace: str | None, labels: str = "", *, fields: str = ""
    ) -> list[Json]:
        await self._arrive("list", resource.kind, "")
        demands = _demands(fields)
        found = {
            ref: raw
            for ref, raw in self.objects.items()
            if ref[0] == resource.kind and namespace in (None, ref[1]) and _has(raw, demands) and _matches(raw, labels)
        }
        return [self.shown(found[ref]) for ref in sorted(found)]

    def shown(self, raw: Json) -> Json:
        """What an answer has of an object: a copy, which whoever reads it may change."""
        return json_copy(raw)

    async def pages(
        self, resource: Resource, namespace: str | None, labels: str = "", *, fields: str = ""
    ) -> AsyncIterator[list[Json]]:
        """Two objects a page."""
        found = await self.list(resource, namespace, labels, fields=fields)
        for start in range(0, max(1, len(found)), 2):
            await asyncio.sleep(0)
            yield found[start : start + 2]

    async def apply(self, manifest: Mapping[str, Any], manager: str = "verdigris") -> Json:
        meta = manifest["metadata"]
        return await self._held("apply", manifest["kind"], meta["name"], partial(self._applied, manifest, manager))

    async def _applied(self, manifest: Mapping[str, Any], manager: str) -> Json:
        resource = resource_of(manifest["apiVersion"], manifest["kind"])
        ref = (resource.kind, manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        await self._arrive("apply", resource.kind, ref[2])
        meta = manifest["metadata"]
        if ref not in self.objects:
            if "uid" in meta:
                raise Conflict(f"uid mismatch: {meta['uid']} is not there any more")
            fresh = {**manifest, "metadata": {**meta, "generation": 1}}
            check(fresh)
            return await self._answer("apply", ref, self.put(applied({"metadata": {}}, fresh, manager)))
        self._preconditions(self.objects[ref], meta)
        wanted = {**manifest, "metadata": {key: value for key, value in meta.items() if key not in _PRECONDITIONS}}
        return await self._answer("apply", ref, self._store(ref, applied(self.objects[ref], wanted, manager)))

    async def create(self, resource: Resource, namespace: str, body: Mapping[str, Any]) -> Json:
        name = body["metadata"]["name"]
        await self._arrive("create", resource.kind, name)
        if (resource.kind, namespace, name) in self.objects:
            raise AlreadyExists(f"{resource.kind} {name} is there already")
        return await self._answer("create", (resource.kind, namespace, name), self.put(body))

    async def replace(self, resource: Resource, namespace: str, name: str, body: Mapping[str, Any]) -> Json:
        await self._arrive("replace", resource.kind, name)
        live = self._found(resource.kind, namespace, name)
        self._preconditions(live, body.get("metadata") or {})
        kept = {key: live["metadata"][key] for key in ("uid", "creationTimestamp")}
        ref = (resource.kind, namespace, name)
        made = updated(live, {**body, "metadata": {**body["metadata"], **kept}}, "verdigris")
        return await self._answer("replace", ref, self._store(ref, made))

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: Mapping[str, Any],
        *,
        subresource: str | None = None,
        manager: str = "verdigris",
    ) -> Json:
        work = partial(self._patched, resource, namespace, name, body, subresource=subresource, manager=manager)
        return await self._held("patch", resource.kind, name, work)

    async def _patched(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: Mapping[str, Any],
        *,
        subresource: str | None,
        manager: str,
    ) -> Json:
        await self._arrive("patch", f"{resource.kind}/{subresource}" if subresource else resource.kind, name)
        live = self._found(resource.kind, namespace, name)
        self.managers[f"{resource.kind}/{subresource}" if subresource else resource.kind] = manager
        meta = dict(body.get("metadata") or {})
        self._preconditions(live, meta)
        for precondition in _PRECONDITIONS:
            meta.pop(precondition, None)
        wanted: Json = {**body, "metadata": meta}
        if subresource == "status":
            wanted = {"status": body.get("status", {})}
        elif subresource is None and resource.kind in _WITH_STATUS:
            wanted.pop("status", None)
        ref, made = (resource.kind, namespace, name), merge_patch(live, wanted)
        if subresource in (None, "scale"):
            made = updated(live, made, manager, subresource or "")
        return await self._answer("patch", ref, self._store(ref, made))

    async def edit(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        operations: Sequence[Mapping[str, Any]],
        *,
        manager: str = "verdigris",
    ) -> Json:
        await self._arrive("edit", resource.kind, name)
        live = self._found(resource.kind, namespace, name)
        made = edited(live, operations)
        ref = (resource.kind, namespace, name)
        return await self._answer("edit", ref, self._store(ref, updated(live, made, manager, "")))

    async def delete(
        self, resource: Resource, namespace: str, name: str, uid: str, *, grace: int | None = None
    ) -> None:
        await self._arrive("delete", resource.kind, name)
        self._preconditions(self._found(resource.kind, namespace, name), {"uid": uid})
        self.graces[resource.kind, name] = grace
        self._remove((resource.kind, namespace, name))

    async def evict(self, namespace: str, pod: str, uid: str) -> None:
        await self._arrive("create", "Pod/eviction", pod)
        self._preconditions(self._found("Pod", namespace, pod), {"uid": uid})
        self._remove(("Pod", namespace, pod))

    def _remove(self, ref: tuple[str, str, str]) -> None:
        del self.objects[ref]

    async def _held(self, verb: str, kind: str, name: str, work: Callable[[], Awaitable[Json]]) -> Json:
        """A write that waits for a webhook is carried out also when whoever sent it has hung up."""
        until = self.holds(verb, kind, name)
        if until is None:
            return await work()

        async def later() -> Json:
            await until.wait()
            return await work()

        task = asyncio.create_task(later())
        self.held.append(task)
        return await asyncio.shield(task)

    async def _arrive(self, verb: str, kind: str, name: str) -> None:
        # A real call lets others run meanwhile: so does this one.
        await asyncio.sleep(0)
        self.calls.append((verb, kind, name))
        fault = self.fault(verb, kind, name)
        if fault is not None:
            raise fault
        if kind in self.unknown:
            raise NotFound(f"the server could not find the requested resource {kind}")
        self.notice()

    async def _answer(self, verb: str, ref: tuple[str, str, str], raw: Json) -> Json:
        """What was done is done: its answer may still be lost."""
        lost = self.lost(verb, ref[0], ref[2])
        if lost is not None:
            raise lost
        return raw

    def _found(self, kind: str, namespace: str, name: str) -> Json:
        if (kind, namespace, name) not in self.objects:
            raise NotFound(f"{kind} {namespace}/{name} not found")
        return self.objects[kind, namespace, name]

    def _preconditions(self, live: Json, wanted: Mapping[str, Any]) -> None:
        for field in _PRECONDITIONS:
            if field in wanted and wanted[field] != live["metadata"][field]:
                raise Conflict(f"the {field} is another one by now")

    def _store(self, ref: tuple[str, str, str], raw: Json) -> Json:
        """Writes that change nothing leave the version as it is; only a changed spec raises the generation."""
        live = self.objects[ref]
        check(raw)
        fresh = json_copy(raw)
        self._allocate(fresh)
        fresh["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
        if fresh != live:
            fresh["metadata"]["resourceVersion"] = str(next(self._versions))
            if fresh.get("spec") != live.get("spec") and "generation" in live["metadata"]:
                fresh["metadata"]["generation"] = live["metadata"]["generation"] + 1
            self.objects[ref] = fresh
            self._known[ref] = json_copy(fresh)
        return self.shown(fresh)


def _matches(raw: Json, labels: str) -> bool:
    has = raw["metadata"].get("labels") or {}
    if " in (" in labels:
        key, _, values = labels.removesuffix(")").partition(" in (")
        return has.get(key) in values.split(",")
    return all(has.get(key) == value for key, _, value in (pair.partition("=") for pair in labels.split(",") if pair))


Demand = tuple[list[str], str, bool]


def _demands(fields: str) -> list[Demand]:
    """Field selectors: `a.b=c` and `a.b!=c`, joined by commas; as path, value, and whether it is to be that value."""
    pairs = (demand.partition("=")[::2] for demand in fields.split(",") if demand)
    return [(path.removesuffix("!").split("."), value, not path.endswith("!")) for path, value in pairs]


def _has(raw: Json, demands: list[Demand]) -> bool:
    """A field that is not there is empty."""
    return all((_field(raw, path) == value) is wanted for path, value, wanted in demands)


def _field(raw: Json, path: list[str]) -> Any:
    found: Any = raw
    for part in path:
        found = found.get(part, "") if isinstance(found, dict) else ""
    return found


def edited(live: Mapping[str, Any], operations: Sequence[Mapping[str, Any]]) -> Json:
    """JSON patch, as far as the operator uses it: `test` and `add`. Raises Conflict where it does not fit."""
    made = json_copy(dict(live))
    for operation in operations:
        *path, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        place: Any = made
        for part in path:
            place = _member(place, part)
        if operation["op"] == "test":
            if _member(place, last) != operation["value"]:
                raise Conflict("the server rejected our request due to an error in our request")
        else:
            place[int(last) if isinstance(place, list) else last] = json_copy(operation["value"])
    return made


def _member(place: Any, part: str) -> Any:
    try:
        return place[int(part)] if isinstance(place, list) else place[part]
    except (KeyError, IndexError) as error:
        raise Conflict("the server rejected our request due to an error in our request") from error


def merge_patch(live: Mapping[str, Any], patch: Mapping[str, Any]) -> Json:
    merged = dict(live)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            inner = live.get(key)
            merged[key] = merge_patch(inner if isinstance(inner, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged
