"""Who set which field of a live object, by the API server's own record, and which of them must go. Pure.

A subset is no promise: `publishNotReadyAddresses: true` beside all that we state sends clients to pods that are not
ready. What the API server fills in, and what an admission webhook adds to *our* writes, belongs to nobody in that
record; what a person or a controller sets belongs to them. So theirs can be told from defaults of any release.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from verdigris.adapters.kube.writing.unnamed import unnamed_elements, whole
from verdigris.children.names import GROUP, MANAGER, WITHDRAWN_ANNOTATION

Raw = Mapping[str, Any]
Step = tuple[str, Any]
"""One step of a path: ("f", field); in a list ("k", pairs that tell its element), ("v", value), ("e", its JSON)."""
Path = tuple[Step, ...]

_OTHERS_MAY: Mapping[str, tuple[tuple[str, ...], ...]] = {
    # Sizes are the autoscaler's and the scale subresource's. `kubectl rollout restart` writes that annotation: to
    # take it back would restart the pods a second time.
    "Deployment": (
        ("spec", "replicas"),
        ("spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt"),
    ),
    # Allocated by the cluster, or how the outside reaches a Service that the spec makes public: clients get the same
    # pods either way.
    "Service": (
        *(("spec", name) for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")),
        *(("spec", name) for name in ("healthCheckNodePort", "allocateLoadBalancerNodePorts", "loadBalancerClass")),
        *(("spec", name) for name in ("loadBalancerIP", "loadBalancerSourceRanges", "externalTrafficPolicy")),
        ("spec", "ports", "*", "nodePort"),
    ),
    # Handed to every account of a namespace by some distributions' controllers.
    "ServiceAccount": (("secrets",), ("imagePullSecrets",)),
}
"""What others may set on our children beside what we state. Labels, annotations and finalizers of theirs are always
theirs, except in our own domain: a colour label on the clients' Service would have it scraped twice."""

_NEVER_OURS = ("apiVersion", "kind", "status")


@dataclass(frozen=True)
class Stray:
    """A field that is there, was set by `manager`, and is no part of what we want."""

    path: Path
    manager: str
    value: Any = None

    def __str__(self) -> str:
        return spelled(self.path)


def strays(wanted: Raw, live: Raw) -> list[Stray]:
    """What others have set on a child of ours that must go again: each field once, by the last who set it."""
    found = {
        path: str(entry.get("manager") or "somebody")
        for entry in _entries(live)
        if not _is_ours(entry)
        for path in _surplus(entry, wanted, live, own=False)
    }
    nobody = dict.fromkeys(unnamed(wanted, live), last_manager(live) or "somebody")
    found = nobody | found
    return [Stray(path, manager, _value(live, path)) for path, manager in found.items()]


def surplus(wanted: Raw, live: Raw) -> list[Path]:
    """All that is there and not wanted, of others or of an earlier write of ours."""
    recorded = [path for entry in _entries(live) for path in _surplus(entry, wanted, live, own=_is_ours(entry))]
    return [*recorded, *unnamed(wanted, live)]


def unnamed(wanted: Raw, live: Raw) -> list[Path]:
    """Elements of lists that no record can tell from others, and that are not wanted."""
    allowed = _OTHERS_MAY.get(str(live.get("kind")), ())
    wanted, live = ({k: v for k, v in raw.items() if k not in (*_NEVER_OURS, "metadata")} for raw in (wanted, live))
    return [path for path in unnamed_elements(wanted, live) if not any(_matches(path, one) for one in allowed)]


def last_manager(live: Raw) -> str:
    """Who else than the operator changed it last, for people; empty when nobody did."""
    others = [entry for entry in _entries(live) if not str(entry.get("manager", "")).startswith(MANAGER)]
    return str(max(others, key=lambda entry: entry.get("time") or "").get("manager", "")) if others else ""


def last_to_scale(live: Raw) -> str:
    """Who else than the operator set its size last; empty when nobody did, or nobody knows.

    By the scale subresource, as autoscalers do, the API server records it only where a size was set otherwise before.
    """
    record = (live.get("metadata") or {}).get("managedFields") or ()
    others = [
        entry
        for entry in record
        if "f:replicas" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
        and not str(entry.get("manager", "")).startswith(MANAGER)
    ]
    return str(max(others, key=lambda entry: entry.get("time") or "").get("manager", "")) if others else ""


def without(raw: Any, path: Path) -> Any:
    """A copy without what is at `path`; the same when nothing is there."""
    step, rest = path[0], path[1:]
    if step[0] == "f":
        if not isinstance(raw, Mapping) or step[1] not in raw:
            return raw
        kept = {key: value for key, value in raw.items() if key != step[1]}
        return {**raw, step[1]: without(raw[step[1]], rest)} if rest else kept
    if not isinstance(raw, list):
        return raw
    if not rest:
        return [element for element in raw if not _is_element(element, step)]
    return [without(element, rest) if _is_element(element, step) else element for element in raw]


def spelled(path: Path) -> str:
    """`spec.template.spec.containers[server].env[DEBUG]`."""
    text = ""
    for kind, what in path:
        if kind == "f":
            text += f".{what}" if text else str(what)
        else:
            text += f"[{','.join(str(value) for _, value in what) if kind == 'k' else what}]"
    return text


def _entries(live: Raw) -> Iterator[Raw]:
    """The record of writes to the object itself, not of those through a subresource (status, scale)."""
    for entry in (live.get("metadata") or {}).get("managedFields") or ():
        if not entry.get("subresource") and isinstance(entry.get("fieldsV1"), Mapping):
            yield entry


def _is_ours(entry: Raw) -> bool:
    # Only what was applied: the API server removes that by itself once it is not applied any more.
    return entry.get("manager") == MANAGER and entry.get("operation") == "Apply"


def _surplus(entry: Raw, wanted: Raw, live: Raw, *, own: bool) -> Iterator[Path]:
    allowed = _OTHERS_MAY.get(str(live.get("kind")), ())
    for name, owned in entry["fieldsV1"].items():
        step = _step(name)
        if step is None or step[1] in _NEVER_OURS:
            continue
        if step[1] == "metadata":
            yield from _in_metadata(owned, wanted, live, own=own)
            continue
        for path in _below((step,), owned, _at(wanted, step), _at(live, step)):
            if not any(_matches(path, pattern) for pattern in allowed):
                yield path


def _in_metadata(owned: Raw, wanted: Raw, live: Raw, *, own: bool) -> Iterator[Path]:
    for field in ("labels", "annotations"):
        there, asked = ((raw.get("metadata") or {}).get(field) or {} for raw in (live, wanted))
        for name in owned.get(f"f:{field}") or {}:
            key = name.removeprefix("f:")
            if key == WITHDRAWN_ANNOTATION:
                continue  # written beside what is kept, by a move of the clients
            if key in there and key not in asked and (own or key.startswith(f"{GROUP}/")):
                yield ("f", "metadata"), ("f", field), ("f", key)


_ABSENT = object()


def _below(path: Path, owned: Raw, wanted: Any, live: Any) -> Iterator[Path]:
    """The topmost paths that are owned, there and not wanted."""
    if live is _ABSENT:
        return
    if wanted is _ABSENT:
        yield path
        return
    for name, inner in owned.items():
        step = _step(name)
        if step is not None:
            yield from _below((*path, step), inner, _at(wanted, step), _at(live, step))


def _step(name: str) -> Step | None:
    """None for `.`, which stands for the field itself."""
    kind, separator, rest = name.partition(":")
    if not separator:
        return None
    if kind == "f":
        return "f", rest
    what = json.loads(rest)
    return kind, tuple(what.items()) if isinstance(what, dict) else what


def _at(raw: Any, step: Step) -> Any:
    if step[0] == "f":
        return raw.get(step[1], _ABSENT) if isinstance(raw, Mapping) else _ABSENT
    if not isinstance(raw, list):
        return _ABSENT
    return next((element for element in raw if _is_element(element, step)), _ABSENT)


def _value(raw: Any, path: Path) -> Any:
    for step in path:
        raw = _at(raw, step)
    return raw


def _is_element(element: Any, step: Step) -> bool:
    kind, what = step
    if kind == "v":
        return bool(element == what)
    if kind == "e":
        return whole(element) == step
    if not isinstance(element, Mapping):
        return False
    # The API server fills in the protocol, which is a key of ports, and takes a key that is missing for an empty one.
    return all(element.get(key, "TCP" if key == "protocol" else "") == value for key, value in what)


def _matches(path: Path, pattern: tuple[str, ...]) -> bool:
    """Whether the path is what the pattern names, or something in it. `*` is any element of a list."""
    if len(path) < len(pattern):
        return False
    return all(part == "*" if kind != "f" else part == what for (kind, what), part in zip(path, pattern, strict=False))
