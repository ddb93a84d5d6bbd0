"""Whether a live object already is what we want, the way the API server would see it. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from verdigris.api.schema.quantity import canonical
from verdigris.children.names import APPLIED_ANNOTATION

Path = tuple[str, ...]

_MERGE_KEYS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "ownerReferences": ("uid",),
}
"""Lists that server-side apply merges by key: others may add elements of their own, which we cannot and do not remove.
`ports` of containers and of Services merge too: see `merge_keys`. Every other list is one value."""

_SCALARS = (str, int, float, type(None))

SERVICE_PORTS: Path = ("spec", "ports")
"""Merged by key, and yet all ours: another port of the clients' Service is another way in."""

_EMPTY_SAYS_SOMETHING = frozenset({"emptyDir", "podSelector", "namespaceSelector"})
"""Fields that mean something when they are there and empty. Elsewhere the API server drops empty values."""

_OF_TEXTS = frozenset({"labels", "annotations", "matchLabels", "nodeSelector", "selector"})
"""Mappings with keys of their own, in which an empty text is a value: a node's label may have none."""

_ZEROS_LEFT_OUT = frozenset({"initialDelaySeconds", "minReadySeconds", "hostPort", "nodePort"})
"""Numbers of which the API server does not write a 0."""

ONE_VALUE = frozenset(
    {"selector", "labelSelector", "podSelector", "namespaceSelector", "matchLabels", "nodeSelector", "scaleTargetRef"}
)
"""Mappings that server-side apply takes as one value: an entry that somebody added there is a difference. One more
label in a Service's selector, and clients reach nothing."""

_QUANTITY_FIELDS = frozenset({"averageValue", "value", "sizeLimit"})


def with_applied_hash(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest with an annotation that holds its hash.

    What we once set and no longer want is still contained in the live object; the changed hash tells that it
    must be applied again, and server-side apply then removes it.
    """
    meta = manifest["metadata"]
    annotations = {**(meta.get("annotations") or {}), APPLIED_ANNOTATION: digest(manifest)}
    return {**manifest, "metadata": {**meta, "annotations": annotations}}


def shown(desired: Any, live: Any) -> Any:
    """What `live` has in the place of what `desired` says: lists as a whole."""
    if isinstance(desired, Mapping) and isinstance(live, Mapping):
        return {key: shown(value, live.get(key)) for key, value in desired.items()}
    return live


def digest(what: Any) -> str:
    """A short hash of JSON values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(what, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def difference(desired: Any, live: Any, path: Path = (), *, exact: bool = False) -> str | None:
    """Where `live` is not what `desired` says, as a path such as `spec.ports[0].port`; None when it is.

    What `live` has beside that is a difference only where the API server takes a list or map as one value (`exact`):
    elsewhere `verdigris.adapters.kube.writing.fields` tells what others have put there.
    """
    # First what is most: asking an abstract class about a scalar takes longer than all the rest.
    if isinstance(desired, _SCALARS):
        return None if _same_scalar(desired, live, path) else _spelled(path)
    if isinstance(desired, Mapping):
        return _in_mapping(desired, live, path, exact)
    return _in_list(desired, live, path, exact)


def _in_mapping(desired: Mapping[str, Any], live: Any, path: Path, exact: bool) -> str | None:
    if not isinstance(live, Mapping):
        return _spelled(path)
    exact = exact or bool(path and path[-1] in ONE_VALUE)
    if exact and (added := [key for key in live if key not in desired and not _says_nothing(live[key])]):
        return _spelled((*path, added[0]))
    for key, wanted in desired.items():
        if not wanted and key in _EMPTY_SAYS_SOMETHING:
            if live.get(key) != wanted:
                return _spelled((*path, key))
            continue
        if key not in live:
            if _is_left_out(wanted, key, path):
                continue
            return _spelled((*path, key))
        found = difference(wanted, live[key], (*path, key), exact=exact)
        if found is not None:
            return found
    return None


def _says_nothing(value: Any) -> bool:
    """Whether a live field says what its absence says. An empty text and a 0 are values."""
    return value is None or value is False or (not isinstance(value, str | int | float) and not value)


def _is_left_out(value: Any, key: str, path: Path) -> bool:
    """Whether the API server itself does not write such a value: without it the field means the same.

    A False that we state is written, as without it the default is mostly True; so is a 0, but for a few.
    """
    if isinstance(value, bool | int | float):
        return value is not False and value == 0 and key in _ZEROS_LEFT_OUT
    return not value and not (path and path[-1] in _OF_TEXTS)


def _in_list(desired: Sequence[Any], live: Any, path: Path, exact: bool) -> str | None:
    if not isinstance(live, Sequence) or isinstance(live, str):
        return _spelled(path)
    keys = merge_keys(path)
    exact = exact or keys is None
    if keys is None:
        if len(desired) != len(live):
            return _spelled(path)
        pairs = list(zip(desired, live, strict=True))
    else:
        if path == SERVICE_PORTS and len(desired) != len(live):
            return _spelled(path)
        there = {identity(element, keys): element for element in live}
        pairs = [(element, there.get(identity(element, keys))) for element in desired]
    for index, (wanted, found) in enumerate(pairs):
        where = difference(wanted, found, (*path, f"[{index}]"), exact=exact)
        if where is not None:
            return where
    return None


def merge_keys(path: Path) -> tuple[str, ...] | None:
    """By which fields server-side apply merges the list at `path`; None when the list is one value."""
    if path == SERVICE_PORTS:
        return ("port", "protocol")
    if path[-1:] == ("ports",) and path[-3:-2] in (("containers",), ("initContainers",)):
        return ("containerPort", "protocol")
    return _MERGE_KEYS.get(path[-1]) if path else None


def identity(element: Any, keys: tuple[str, ...]) -> tuple[Any, ...]:
    """What tells an element of such a list from the others."""
    if not isinstance(element, Mapping):
        return (element,)
    # The API server fills in the protocol; the other keys are always written.
    return tuple(element.get(key, "TCP" if key == "protocol" else None) for key in keys)


def _same_scalar(desired: Any, live: Any, path: Path) -> bool:
    if desired is None:
        return True
    if isinstance(desired, bool) or isinstance(live, bool):
        return desired is live
    if desired == live:
        return True
    return _is_quantity(path) and _amount(desired) is not None and _amount(desired) == _amount(live)


def _is_quantity(path: Path) -> bool:
    if len(path) >= 2 and path[-2] in ("requests", "limits"):
        return True
    return bool(path) and path[-1] in _QUANTITY_FIELDS and "env" not in path


def _amount(value: Any) -> str | None:
    try:
        return canonical(value)
    except ValueError:
        return None


def _spelled(path: Path) -> str:
    text = ""
    for part in path:
        text += part if part.startswith("[") or not text else f".{part}"
    return text
