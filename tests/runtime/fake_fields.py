"""What an API server keeps and does field by field: who owns what, lists merged by key, what it refuses.

An object is taken apart into its leaves, by paths such as `("f:spec", 'k:{"port":80}', "f:name")`; an atomic list or
map is one leaf, and `.` stands for an element of a list itself.
"""

from __future__ import annotations

import json
import marshal
from collections.abc import Iterator, Mapping
from typing import Any

from verdigris.adapters.kube.transport.errors import Invalid

Json = dict[str, Any]
Path = tuple[str, ...]

KEYS = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "ownerReferences": ("uid",),
}
ATOMIC = {"selector", "podSelector", "namespaceSelector", "labelSelector", "nodeSelector", "scaleTargetRef", "data"}
_SERVERS = {"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "name", "namespace"}


def json_copy(value: Any) -> Any:
    """A copy of a JSON value. `copy.deepcopy` takes thirty times as long, and most of the tests' time was its."""
    return marshal.loads(marshal.dumps(value))


def keys_of(names: Path) -> tuple[str, ...] | None:
    """By which fields the list at this path (plain field names) is merged; None when it is atomic."""
    if names[-1:] == ("ports",):
        if names == ("spec", "ports"):
            return ("port", "protocol")
        return ("containerPort", "protocol") if names[-2:-1] in (("containers",), ("initContainers",)) else None
    return KEYS.get(names[-1]) if names else None


def leaves(raw: Mapping[str, Any]) -> dict[Path, Any]:
    """Every leaf of what people write of an object, by its path."""
    return {path: value for path, value in _leaves(raw, (), ()) if not _is_servers(path)}


def _is_servers(path: Path) -> bool:
    if path[0] in ("f:apiVersion", "f:kind", "f:status"):
        return True
    return path[0] == "f:metadata" and len(path) > 1 and path[1][2:] in _SERVERS


def _leaves(value: Any, path: Path, names: Path) -> Iterator[tuple[Path, Any]]:
    atomic = bool(names) and names[-1] in ATOMIC
    if isinstance(value, Mapping) and value and not atomic:
        for key, inner in value.items():
            yield from _leaves(inner, (*path, f"f:{key}"), (*names, key))
        return
    keys = keys_of(names) if isinstance(value, list) and value else None
    if keys is None:
        yield path, json.dumps(value, sort_keys=True)
        return
    for element in value:
        step = "k:" + json.dumps({key: _key(element, key) for key in keys}, separators=(",", ":"))
        yield (*path, step, "."), True
        for key, inner in element.items():
            yield from _leaves(inner, (*path, step, f"f:{key}"), (*names, key))


def _key(element: Mapping[str, Any], key: str) -> Any:
    return element.get(key, "TCP" if key == "protocol" else "")


def tree(paths: set[Path]) -> Json:
    """As in `fieldsV1`."""
    made: Json = {}
    for path in sorted(paths):
        node = made
        for step in path:
            node = node.setdefault(step, {})
    return made


def paths(fields: Mapping[str, Any], above: Path = ()) -> set[Path]:
    """The leaves of a `fieldsV1`."""
    found: set[Path] = set()
    for step, inner in fields.items():
        found |= paths(inner, (*above, step)) if inner else {(*above, step)}
    return found


def dropped(raw: Any, path: Path) -> Any:
    """Without the leaf at `path`; a list's element goes as a whole."""
    step, rest = path[0], path[1:]
    if step.startswith("f:"):
        name = step[2:]
        if not isinstance(raw, Mapping) or name not in raw:
            return raw
        if not rest:
            return {key: value for key, value in raw.items() if key != name}
        return {**raw, name: dropped(raw[name], rest)}
    wanted = json.loads(step[2:])
    if not isinstance(raw, list):
        return raw
    kept = []
    for element in raw:
        if any(_key(element, key) != value for key, value in wanted.items()):
            kept.append(element)
        elif rest != (".",):
            kept.append(dropped(element, rest))
    return kept


def merged(live: Any, wanted: Any, names: Path = ()) -> Any:
    """Server-side apply of `wanted`: maps and keyed lists merge, everything else is replaced."""
    if names and names[-1] in ATOMIC:
        return json_copy(wanted)
    if isinstance(live, Mapping) and isinstance(wanted, Mapping):
        return {**live, **{key: merged(live.get(key), value, (*names, key)) for key, value in wanted.items()}}
    keys = keys_of(names)
    if keys is None or not isinstance(live, list) or not isinstance(wanted, list):
        return json_copy(wanted)
    asked = {tuple(_key(element, key) for key in keys): element for element in wanted}
    there = [tuple(_key(element, key) for key in keys) for element in live]
    kept = [
        merged(element, asked[ref], (*names, "[]")) if ref in asked else element
        for ref, element in zip(there, live, strict=True)
    ]
    return kept + [json_copy(element) for ref, element in asked.items() if ref not in there]


def applied(live: Json, wanted: Json, manager: str) -> Json:
    """`live` after a forced server-side apply, with the record of who owns what."""
    entries = live["metadata"].get("managedFields") or []
    mine = {path for entry in entries if _is_apply(entry, manager) for path in paths(entry["fieldsV1"])}
    others = {path for entry in entries if not _is_apply(entry, manager) for path in paths(entry["fieldsV1"])}
    asked = set(leaves(wanted))
    result: Json = json_copy(live)
    for path in sorted(mine - asked - others, reverse=True):
        result = dropped(result, path)
    result = merged(result, wanted)
    return _recorded(live, result, (manager, "Apply", ""), asked, _moved(leaves(live), leaves(result)))


def updated(before: Json, after: Json, manager: str, subresource: str = "") -> Json:
    """`after` with the record of what `manager` has changed from `before`.

    The real API server records a size that was set by `/scale` only where somebody had set one otherwise before.
    """
    recorded = before["metadata"].get("managedFields") or []
    if subresource == "scale" and not any(_SIZE in paths(entry["fieldsV1"]) for entry in recorded):
        return after
    old, new = leaves(before), leaves(after)
    changed = {path for path, value in new.items() if old.get(path) != value}
    if not changed and old.keys() == new.keys():
        return after
    return _recorded(before, after, (manager, "Update", subresource), changed, _moved(old, new))


_SIZE: Path = ("f:spec", "f:replicas")


def _is_apply(entry: Mapping[str, Any], manager: str) -> bool:
    return entry["manager"] == manager and entry["operation"] == "Apply"


def _moved(old: Mapping[Path, Any], new: Mapping[Path, Any]) -> set[Path]:
    return {path for path in {*old, *new} if old.get(path) != new.get(path)}


def _recorded(before: Json, after: Json, who: tuple[str, str, str], owned: set[Path], moved: set[Path]) -> Json:
    """`who` is the manager, its operation, and the subresource that it wrote to (or nothing)."""
    manager, operation, subresource = who
    entries, own = [], set(owned)
    for entry in before["metadata"].get("managedFields") or []:
        same = (entry["manager"], entry["operation"], entry.get("subresource", "")) == who
        kept = paths(entry["fieldsV1"]) - moved
        if same:
            own |= kept if operation == "Update" else set()
        elif kept:
            entries.append({**entry, "fieldsV1": tree(kept)})
    if own:
        entry = {"manager": manager, "operation": operation, "fieldsV1": tree(own), "fieldsType": "FieldsV1"}
        entries.append({**entry, "subresource": subresource} if subresource else entry)
    return {**after, "metadata": {**after["metadata"], "managedFields": entries}}


def check(raw: Json) -> None:
    """Raises Invalid for what a real API server refuses of a Service."""
    if raw["kind"] != "Service" or "ports" not in (raw.get("spec") or {}):
        return
    ports = raw["spec"]["ports"]
    if not ports:
        raise Invalid("Service is invalid: spec.ports: Required value")
    for name, values in (
        ("name", [port.get("name") for port in ports]),
        ("port", [(port.get("port"), port.get("protocol", "TCP")) for port in ports]),
    ):
        if len(set(values)) != len(values):
            raise Invalid(f"Service is invalid: spec.ports[1].{name}: Duplicate value: {json.dumps(values[-1])}")
