"""An API server in memory, for the calls that the operator makes. `test_api_contract` runs it beside the real one."""

from __future__ import annotations

import asyncio
import copy
import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from verdigris.cluster.errors import AlreadyExists, ApiError, Conflict, NotFound
from verdigris.cluster.kinds import Resource, resource_of

Json = dict[str, Any]
Fault = Callable[[str, str, str], ApiError | None]
"""Called with (verb, kind, name) before each call; what it returns is raised instead."""

_WITH_STATUS = {"ModelDeployment", "RolloutDecision", "Deployment"}


class FakeApi:
    """Objects by (kind, namespace, name).

    `calls` lists (verb, kind, name) of every call in order; `managers` has the last field manager by kind,
    `graces` the grace period that a deletion asked for.
    """

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Json] = {}
        self.calls: list[tuple[str, str, str]] = []
        self.unknown: set[str] = set()
        self.managers: dict[str, str] = {}
        self.graces: dict[tuple[str, str], int | None] = {}
        self.fault: Fault = lambda *_: None
        self._applied: dict[tuple[str, str, str, str], Json] = {}
        self._versions = itertools.count(100)
        self._uids = itertools.count(1)

    @property
    def writes(self) -> list[tuple[str, str, str]]:
        """The calls that are no reads."""
        return [call for call in self.calls if call[0] not in ("get", "list")]

    def put(self, raw: Mapping[str, Any]) -> Json:
        """Put an object there as it is, past all rules; uid, version and creation time are filled in."""
        made = copy.deepcopy(dict(raw))
        meta = made.setdefault("metadata", {})
        meta.setdefault("uid", f"uid-{next(self._uids)}")
        meta.setdefault("creationTimestamp", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        meta["resourceVersion"] = str(next(self._versions))
        self.objects[made["kind"], meta.get("namespace", ""), meta["name"]] = made
        return copy.deepcopy(made)

    def at(self, kind: str, namespace: str, name: str) -> Json:
        """The object itself, to look at or to tamper with."""
        return self.objects[kind, namespace, name]

    async def get(self, resource: Resource, namespace: str, name: str) -> Json:
        await self._arrive("get", resource.kind, name)
        return copy.deepcopy(self._found(resource.kind, namespace, name))

    async def list(
        self, resource: Resource, namespace: str | None, labels: str = "", *, fields: str = ""
    ) -> list[Json]:
        await self._arrive("list", resource.kind, "")
        return [
            copy.deepcopy(raw)
            for (kind, where, _), raw in sorted(self.objects.items())
            if kind == resource.kind and namespace in (None, where) and _matches(raw, labels) and _has(raw, fields)
        ]

    async def pages(
        self, resource: Resource, namespace: str | None, labels: str = "", *, fields: str = ""
    ) -> AsyncIterator[list[Json]]:
        """Two objects a page."""
        found = await self.list(resource, namespace, labels, fields=fields)
        for start in range(0, max(1, len(found)), 2):
            await asyncio.sleep(0)
            yield found[start : start + 2]

    async def apply(self, manifest: Mapping[str, Any], manager: str = "verdigris") -> Json:
        resource = resource_of(manifest["apiVersion"], manifest["kind"])
        ref = (resource.kind, manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        await self._arrive("apply", resource.kind, ref[2])
        before = self._applied.get((*ref, manager), {})
        self._applied[*ref, manager] = copy.deepcopy(dict(manifest))
        if ref not in self.objects:
            generation = {"generation": 1}
            return self.put({**manifest, "metadata": {**manifest["metadata"], **generation}})
        merged = _merge(_without(self.objects[ref], before, manifest), manifest)
        return self._store(ref, merged)

    async def create(self, resource: Resource, namespace: str, body: Mapping[str, Any]) -> Json:
        name = body["metadata"]["name"]
        await self._arrive("create", resource.kind, name)
        if (resource.kind, namespace, name) in self.objects:
            raise AlreadyExists(f"{resource.kind} {name} is there already")
        return self.put(body)

    async def replace(self, resource: Resource, namespace: str, name: str, body: Mapping[str, Any]) -> Json:
        await self._arrive("replace", resource.kind, name)
        live = self._found(resource.kind, namespace, name)
        self._preconditions(live, body.get("metadata") or {})
        kept = {key: live["metadata"][key] for key in ("uid", "creationTimestamp")}
        return self._store((resource.kind, namespace, name), {**body, "metadata": {**body["metadata"], **kept}})

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
        await self._arrive("patch", f"{resource.kind}/{subresource}" if subresource else resource.kind, name)
        live = self._found(resource.kind, namespace, name)
        self.managers[f"{resource.kind}/{subresource}" if subresource else resource.kind] = manager
        meta = dict(body.get("metadata") or {})
        self._preconditions(live, meta)
        for precondition in ("resourceVersion", "uid"):
            meta.pop(precondition, None)
        wanted: Json = {**body, "metadata": meta}
        if subresource == "status":
            wanted = {"status": body.get("status", {})}
        elif subresource is None and resource.kind in _WITH_STATUS:
            wanted.pop("status", None)
        return self._store((resource.kind, namespace, name), _merge_patch(live, wanted))

    async def delete(
        self, resource: Resource, namespace: str, name: str, uid: str, *, grace: int | None = None
    ) -> None:
        await self._arrive("delete", resource.kind, name)
        self._preconditions(self._found(resource.kind, namespace, name), {"uid": uid})
        self.graces[resource.kind, name] = grace
        del self.objects[resource.kind, namespace, name]

    async def evict(self, namespace: str, pod: str, uid: str) -> None:
        await self._arrive("create", "Pod/eviction", pod)
        self._preconditions(self._found("Pod", namespace, pod), {"uid": uid})
        del self.objects["Pod", namespace, pod]

    async def _arrive(self, verb: str, kind: str, name: str) -> None:
        # A real call lets others run meanwhile: so does this one.
        await asyncio.sleep(0)
        self.calls.append((verb, kind, name))
        fault = self.fault(verb, kind, name)
        if fault is not None:
            raise fault
        if kind in self.unknown:
            raise NotFound(f"the server could not find the requested resource {kind}")

    def _found(self, kind: str, namespace: str, name: str) -> Json:
        if (kind, namespace, name) not in self.objects:
            raise NotFound(f"{kind} {namespace}/{name} not found")
        return self.objects[kind, namespace, name]

    def _preconditions(self, live: Json, wanted: Mapping[str, Any]) -> None:
        for field in ("resourceVersion", "uid"):
            if field in wanted and wanted[field] != live["metadata"][field]:
                raise Conflict(f"the {field} is another one by now")

    def _store(self, ref: tuple[str, str, str], raw: Json) -> Json:
        """Writes that change nothing leave the version as it is; only a changed spec raises the generation."""
        live = self.objects[ref]
        fresh = copy.deepcopy(raw)
        fresh["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
        if fresh != live:
            fresh["metadata"]["resourceVersion"] = str(next(self._versions))
            if fresh.get("spec") != live.get("spec") and "generation" in live["metadata"]:
                fresh["metadata"]["generation"] = live["metadata"]["generation"] + 1
            self.objects[ref] = fresh
        return copy.deepcopy(fresh)


def _matches(raw: Json, labels: str) -> bool:
    has = raw["metadata"].get("labels") or {}
    if " in (" in labels:
        key, _, values = labels.removesuffix(")").partition(" in (")
        return has.get(key) in values.split(",")
    return all(has.get(key) == value for key, _, value in (pair.partition("=") for pair in labels.split(",") if pair))


def _has(raw: Json, fields: str) -> bool:
    """Field selectors: `a.b=c` and `a.b!=c`, joined by commas; a field that is not there is empty."""
    return all(_field_matches(raw, *demand.partition("=")[::2]) for demand in fields.split(",") if demand)


def _field_matches(raw: Json, path: str, value: str) -> bool:
    found: Any = raw
    for part in path.removesuffix("!").split("."):
        found = found.get(part, "") if isinstance(found, Mapping) else ""
    return (found == value) is not path.endswith("!")


def _merge_patch(live: Mapping[str, Any], patch: Mapping[str, Any]) -> Json:
    merged = dict(live)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            inner = live.get(key)
            merged[key] = _merge_patch(inner if isinstance(inner, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged


def _merge(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> Json:
    """Lists count as one value here, as selectors do everywhere; the real server merges some lists by key."""
    both = {key for key in wanted if isinstance(wanted[key], Mapping) and isinstance(live.get(key), Mapping)}
    both.discard("selector")
    return {**live, **{key: _merge(live[key], value) if key in both else value for key, value in wanted.items()}}


def _without(live: Mapping[str, Any], before: Mapping[str, Any], wanted: Mapping[str, Any]) -> Json:
    """Without the fields that were applied before and are not wanted any more."""
    kept: Json = {}
    for key, value in live.items():
        if key in before and key not in wanted:
            continue
        inner = before.get(key), wanted.get(key)
        if isinstance(value, Mapping) and all(isinstance(side, Mapping) for side in inner):
            kept[key] = _without(value, before[key], wanted[key])
        else:
            kept[key] = value
    return kept
