"""Elements that the API server's record cannot name, in lists that it merges by key: without a key, or with one twice.

What somebody writes there may be recorded under an empty key, under the key of the element that is ours, or not at all.
So it is told by itself. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from verdigris.adapters.kube.writing.compare import difference, identity, merge_keys

Step = tuple[str, Any]
Path = tuple[Step, ...]
"""As in `fields`."""


def unnamed_elements(wanted: Any, live: Any) -> Iterator[Path]:
    """Where they are, as far as they are not wanted so."""
    yield from _below(wanted, live, (), ())


def whole(element: Any) -> Step:
    """The step to exactly this element of a list."""
    return "e", json.dumps(element, sort_keys=True)


def _below(wanted: Any, live: Any, path: Path, names: tuple[str, ...]) -> Iterator[Path]:
    if isinstance(live, Mapping):
        for key, value in live.items():
            stated = wanted.get(key) if isinstance(wanted, Mapping) else None
            yield from _below(stated, value, (*path, ("f", key)), (*names, key))
    elif isinstance(live, list) and (keys := merge_keys(names)) is not None:
        yield from _in_list(wanted if isinstance(wanted, list) else [], live, keys, path, names)


def _in_list(
    wanted: list[Any], live: list[Any], keys: tuple[str, ...], path: Path, names: tuple[str, ...]
) -> Iterator[Path]:
    stated = {identity(element, keys): element for element in wanted}
    alike: dict[tuple[Any, ...], list[Any]] = {}
    for element in live:
        alike.setdefault(identity(element, keys), []).append(element)
    for ref, same in alike.items():
        ours = _ours(stated[ref], same) if ref in stated else None
        if ref in stated or not all(ref):
            yield from ((*path, whole(element)) for element in same if element is not ours)
        if all(ref):
            inner = same[0] if ours is None else ours
            step = ("k", tuple(zip(keys, ref, strict=True)))
            yield from _below(stated.get(ref), inner, (*path, step), (*names, "[]"))


def _ours(wanted: Any, same: list[Any]) -> Any:
    """The one that is as we want it and has the least beside that, else the first."""
    if len(same) == 1:
        return same[0]
    as_wanted = (element for element in same if difference(wanted, element) is None)
    return min(as_wanted, key=lambda element: len(json.dumps(element)), default=same[0])
