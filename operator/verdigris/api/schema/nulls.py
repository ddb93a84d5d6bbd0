"""Nulls, as the API server takes them: in a member that it knows a null is nothing, anywhere else it is a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def without_nulls(value: Any, schema: Mapping[str, Any]) -> Any:
    """The JSON value without those members that its (pydantic) JSON schema knows and that are null.

    What the schema does not know stays as it is: the members of a pass-through object, the items of a list, and
    unknown members, which are refused later.
    """
    return _cleaned(value, schema, schema.get("$defs", {}))


def _cleaned(value: Any, node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    node = resolved(node, definitions)
    if isinstance(value, Mapping):
        members = {key: _member(node, key) for key in value}
        return {
            key: member if (inner := members[key]) is None else _cleaned(member, inner, definitions)
            for key, member in value.items()
            if member is not None or members[key] is None
        }
    if isinstance(value, list):
        return [_cleaned(item, node.get("items", {}), definitions) for item in value]
    return value


def _member(node: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    found = node.get("properties", {}).get(key, node.get("additionalProperties"))
    return found if isinstance(found, Mapping) else None


def resolved(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """The (pydantic) JSON schema that a reference, or a choice between it and null, stands for."""
    for choice in node.get("anyOf", ()):
        if choice != {"type": "null"}:
            return resolved(choice, definitions)
    name = node.get("$ref")
    return node if name is None else resolved(definitions[name.removeprefix("#/$defs/")], definitions)
