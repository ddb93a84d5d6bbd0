"""The patch of a stored object that leaves alone what this version of the models does not know.

A newer operator's fields, values and list entries are in the stored object, and not in what was read of it: a patch
between what was read and what is wanted must not write them away.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_origin

from annotated_types import MaxLen
from pydantic import ValidationError
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from verdigris.api.schema.fields import ApiModel, ListMap
from verdigris.api.schema.reading import read

Json = Mapping[str, Any]


def status_patch(model: type[ApiModel], raw: Json, old: Json, new: Json) -> dict[str, Any]:
    """The RFC 7386 patch that makes `raw` say `new` where it says `old` to this model; empty when those are equal.

    What the model does not know, or could not read, is not in `old` and stays. A list is patched as a whole, so its
    items keep what is theirs. An object that stands for something else than before (`ApiModel.identity`) loses what
    was said of the other.
    """
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        if key not in old or old[key] != value:
            patch[key] = _changed(model, key, raw.get(key), old.get(key), value)
    return patch


def _changed(model: type[ApiModel], key: str, stored: Any, before: Any, value: Any) -> Any:
    field = _field(model, key)
    part = _part(field.annotation) if field is not None else None
    if field is None or part is None:
        return _replaced(stored, value)
    if isinstance(value, list):
        return _items(field, part, stored if isinstance(stored, list) else [], value)
    return _object(part, stored if isinstance(stored, Mapping) else {}, before, value)


def _object(part: type[ApiModel], stored: Json, before: Any, value: Json) -> dict[str, Any]:
    if isinstance(before, Mapping) and all(before.get(name) == value.get(name) for name in part.identity):
        # What could not be read was replaced by something else: then all of it is said anew.
        unread = _readable(part, stored) is None
        return status_patch(part, stored, before, value) | (dict(value) if unread else {})
    replaced: dict[str, Any] = _replaced(stored, value)
    return replaced


def _replaced(stored: Any, value: Any) -> Any:
    """The patch that leaves `value` and nothing else: a merge patch would mix an object with what is there."""
    if not isinstance(stored, Mapping) or not isinstance(value, Mapping):
        return value
    gone = {key: None for key in stored if key not in value}
    return {**gone, **{key: _replaced(stored.get(key), inner) for key, inner in value.items()}}


def _items(field: FieldInfo, part: type[ApiModel], stored: list[Any], value: list[Any]) -> list[Any]:
    """The new items, each with what is stored of it and not known here; what could not be read stays in its place."""
    key = next((to_camel(mark.key) for mark in field.metadata if isinstance(mark, ListMap)), None)
    made = list(value)
    free, place, unread = set(range(len(value))), -1, list[tuple[int, Any]]()
    for item in stored:
        known = _readable(part, item)
        if known is None:
            if not any(key is not None and _has(item, key, other[key]) for other in value):
                unread.append((place, item))
            continue
        same = (at for at in sorted(free) if value[at] == known or (key and value[at][key] == known[key]))
        match = next(same, None)
        if match is not None:
            free.remove(match)
            place = match
            made[match] = _applied(item, status_patch(part, item, known, value[match]))
    for after, item in reversed(unread):
        made.insert(after + 1, item)
    most = next((mark.max_length for mark in field.metadata if isinstance(mark, MaxLen)), len(made))
    return made[-most:] if most else []


def _has(item: Any, key: str, value: Any) -> bool:
    return isinstance(item, Mapping) and item.get(key) == value


def _readable(part: type[ApiModel], item: Any) -> dict[str, Any] | None:
    if not isinstance(item, Mapping):
        return None
    try:
        found = read(part, item)
    except ValidationError:
        return None
    return None if found.faults else found.value.dump()


def _applied(item: Json, patch: Json) -> dict[str, Any]:
    """RFC 7386: what a list holds is not merged by the API server."""
    result = dict(item)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            inner = result.get(key)
            result[key] = _applied(inner if isinstance(inner, Mapping) else {}, value)
        else:
            result[key] = value
    return result


def _field(model: type[ApiModel], key: str) -> FieldInfo | None:
    return next((field for name, field in model.model_fields.items() if (field.alias or to_camel(name)) == key), None)


def _part(annotation: Any) -> type[ApiModel] | None:
    """The model of a field, or of the items of its list; None for plain values."""
    if get_origin(annotation) is None:
        is_model = isinstance(annotation, type) and issubclass(annotation, ApiModel)
        return annotation if is_model else None
    return next((found for inner in get_args(annotation) if (found := _part(inner)) is not None), None)
