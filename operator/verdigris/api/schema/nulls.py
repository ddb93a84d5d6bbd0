"""Nulls, as the API server takes them: in a member that it knows a null is nothing, anywhere else it is a value."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any


class Words:
    """What a (pydantic) JSON schema has words for, looked up once: an object of it is read at each look at a model."""

    def __init__(self, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> None:
        self._schema = resolved(schema, definitions)
        self._definitions = definitions

    @cached_property
    def members(self) -> Mapping[str, Words] | None:
        """Those of an object by their names; None: it may have any."""
        found = self._schema.get("properties")
        return None if found is None else {name: Words(node, self._definitions) for name, node in found.items()}

    @cached_property
    def others(self) -> Words | None:
        """What every member of an object is that has no name of its own; None: the schema does not say."""
        found = self._schema.get("additionalProperties")
        return Words(found, self._definitions) if isinstance(found, Mapping) else None

    @cached_property
    def items(self) -> Words:
        """What the items of a list are."""
        return Words(self._schema.get("items", {}), self._definitions)

    def member(self, name: str) -> Words | None:
        """What the member of this name is; None: there is no word for it."""
        return (self.members or {}).get(name, self.others)


def without_nulls(value: Any, words: Words) -> Any:
    """The JSON value without those members that are known and null.

    What the schema does not know stays as it is: the members of a pass-through object, the items of a list, and
    unknown members, which are refused later.
    """
    if isinstance(value, Mapping):
        kept = {}
        for name, member in value.items():
            known = words.member(name)
            if member is not None or known is None:
                kept[name] = member if known is None else without_nulls(member, known)
        return kept
    if isinstance(value, list):
        return [without_nulls(item, words.items) for item in value]
    return value


def resolved(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """The (pydantic) JSON schema that a reference, or a choice between it and null, stands for."""
    for choice in node.get("anyOf", ()):
        if choice != {"type": "null"}:
            return resolved(choice, definitions)
    name = node.get("$ref")
    return node if name is None else resolved(definitions[name.removeprefix("#/$defs/")], definitions)
