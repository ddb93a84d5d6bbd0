"""What is sent: merge patches (RFC 7386), what a child is put back to, ways to make a Service again. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from verdigris.adapters.kube.writing.compare import ONE_VALUE, SERVICE_PORTS, identity, merge_keys, with_applied_hash
from verdigris.adapters.kube.writing.fields import surplus, without
from verdigris.api.status import ServiceAddress

Json = Mapping[str, Any]
Path = tuple[str, ...]

_WHOLE_ELEMENTS = frozenset({"volumes", "env"})
"""Lists whose elements are one of several kinds: two kinds in one element are refused."""

_BARE = ("selector", "sessionAffinity", "internalTrafficPolicy")


def merge_patch(old: Json, new: Json) -> dict[str, Any]:
    """The RFC 7386 patch from `old` to `new`: a removed field as null, a list as a whole; empty when equal."""
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            inner = merge_patch(before, value)
            if inner:
                patch[key] = inner
        elif key not in old or value != before:
            patch[key] = value
    return patch


def restoring(wanted: Json, live: Json) -> dict[str, Any]:
    """The patch that makes `live` what we want: what we state as stated, and without what others have set there.

    Not server-side apply, which cannot remove what others own: with a port that somebody renumbered it merges ours
    beside theirs, and is refused for the name that both have.
    """
    body: Any = live
    for path in surplus(wanted, live):
        body = without(body, path)
    return merge_patch(live, _laid_over(body, wanted, ()))


def _laid_over(live: Any, wanted: Any, path: Path) -> Any:
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        if path and path[-1] in ONE_VALUE:
            return dict(wanted)
        return {**live, **{key: _laid_over(live.get(key), value, (*path, key)) for key, value in wanted.items()}}
    if isinstance(wanted, list) and isinstance(live, list):
        return _list_over(live, wanted, path)
    return wanted


def _list_over(live: list[Any], wanted: list[Any], path: Path) -> list[Any]:
    keys = merge_keys(path)
    if keys is None:
        return wanted
    there = {identity(element, keys): element for element in live}
    merged = [
        element
        if path[-1] in _WHOLE_ELEMENTS
        else _laid_over(there.get(identity(element, keys)), element, (*path, f"[{index}]"))
        for index, element in enumerate(wanted)
    ]
    if path == SERVICE_PORTS:
        return merged
    stated = {identity(element, keys) for element in wanted}
    return merged + [element for element in live if identity(element, keys) not in stated]


def ways_to_make(manifest: Json, address: ServiceAddress | None) -> Iterator[Json]:
    """The clients' Service as wanted with its earlier address, without it, and bare."""
    hashed = with_applied_hash(manifest)
    if address is not None and address.address:
        yield {**hashed, "spec": {**hashed["spec"], **_addressed(manifest["spec"], address)}}
    yield hashed
    meta = {key: value for key, value in manifest["metadata"].items() if key != "annotations"}
    yield {**manifest, "metadata": meta, "spec": _bare(manifest["spec"])}


def _bare(spec: Json) -> dict[str, Any]:
    """What takes clients to the pods, and nothing of how the outside gets there."""
    kept = {field: spec[field] for field in _BARE if field in spec}
    ports = [{field: value for field, value in port.items() if field != "nodePort"} for port in spec["ports"]]
    return {**kept, "type": "ClusterIP", "ports": ports}


def _addressed(spec: Json, address: ServiceAddress) -> dict[str, Any]:
    asked: dict[str, Any] = {"clusterIP": address.address}
    if address.node_port and spec["type"] != "ClusterIP":
        first, *others = spec["ports"]
        asked["ports"] = [{"nodePort": address.node_port, **first}, *others]
    return asked
