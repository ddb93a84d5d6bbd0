"""From pydantic's JSON schema to a CRD's structural schema: small, bounded, and refusing what it cannot express."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from verdigris.api.schema.nulls import resolved

Json = dict[str, Any]

_EVERYWHERE = {
    "description",
    "default",
    "x-kubernetes-validations",
}
_ALLOWED = {
    "object": {"properties", "required", "additionalProperties", "maxProperties", "minProperties"},
    "array": {"items", "maxItems", "minItems", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"},
    "string": {"enum", "format", "maxLength", "minLength"},
    "integer": {"minimum", "maximum", "format"},
    "number": {"minimum", "maximum", "format"},
    "boolean": set(),
    "int-or-string": {"x-kubernetes-int-or-string", "maxLength"},
    "anything": {"x-kubernetes-preserve-unknown-fields"},
}


class Inexpressible(ValueError):
    """The models say something that a CRD cannot say; the message names the place and what to do."""


def structural(
    schema: Mapping[str, Any], where: str, *, with_defaults: bool, defaulted: Collection[str] | None = None
) -> Json:
    """The structural schema of a pydantic JSON schema (validation mode, by alias); `where` is its path in the object.

    `$ref`s are put in place, titles dropped, and a field that may be None becomes an optional one: the API server
    drops nulls. `with_defaults` False leaves all defaults out (a status has none: absent means not known yet);
    `defaulted` are the paths that get one, None for all.
    Raises `Inexpressible` for what a structural schema has no words for, and for an unbounded text, list or map.
    """
    return _Converter(schema.get("$defs", {}), with_defaults, defaulted).convert(schema, where)


class _Converter:
    def __init__(self, definitions: Mapping[str, Any], with_defaults: bool, defaulted: Collection[str] | None) -> None:
        self._definitions = definitions
        self._with_defaults = with_defaults
        self._defaulted = defaulted
        self._open: list[str] = []

    def convert(self, node: Mapping[str, Any], where: str) -> Json:
        if name := _reference(node):
            return self._referenced(name, node, where)
        node = self._without_null(node, where)
        if _reference(node):
            return self.convert(node, where)
        kind = _kind(node, where)
        _require_known_words(node, kind, where)
        _require_bounds(node, kind, where)
        _require_whole_bounds(node, where)
        return self._write(node, kind, where)

    def _referenced(self, name: str, node: Mapping[str, Any], where: str) -> Json:
        if name in self._open:
            raise Inexpressible(f"{where}: {name} contains itself: a structural schema cannot, so unroll it")
        own = {key: value for key, value in node.items() if key != "$ref"}
        self._open.append(name)
        try:
            return self.convert({**self._definitions[name], **own}, where)
        finally:
            self._open.pop()

    def _without_null(self, node: Mapping[str, Any], where: str) -> Mapping[str, Any]:
        if "anyOf" not in node:
            return node
        choices = [choice for choice in node["anyOf"] if choice != {"type": "null"}]
        if len(choices) != 1:
            raise Inexpressible(f"{where}: a choice of types cannot be defaulted or pruned: give it one type")
        return {**choices[0], **{key: value for key, value in node.items() if key != "anyOf"}}

    def _write(self, node: Mapping[str, Any], kind: str, where: str) -> Json:
        written: Json = {} if kind == "int-or-string" else {"type": _json_type(kind)}
        if "description" in node:
            written = {"description": _first_paragraph(node["description"]), **written}
        for word in sorted(_ALLOWED[kind] - {"properties", "items", "additionalProperties"}):
            if word in node:
                written[word] = node[word]
        if "const" in node:
            written["enum"] = [node["const"]]
        if self._with_defaults and node.get("default") is not None and self._has_default(where):
            written["default"] = self._older(_without_nulls(node["default"]), node, where)
        if "x-kubernetes-validations" in node:
            written["x-kubernetes-validations"] = node["x-kubernetes-validations"]
        return {**written, **self._children(node, kind, where)}

    def _has_default(self, where: str) -> bool:
        return self._defaulted is None or where in self._defaulted

    def _older(self, default: Any, node: Mapping[str, Any], where: str) -> Any:
        """The default without those members that get none of their own."""
        node = resolved(node, self._definitions)
        if not isinstance(default, Mapping) or "properties" not in node:
            return default
        return {
            name: self._older(value, node["properties"][name], f"{where}.{name}")
            for name, value in default.items()
            if self._has_default(f"{where}.{name}")
        }

    def _children(self, node: Mapping[str, Any], kind: str, where: str) -> Json:
        if kind == "array":
            items = {"items": self.convert(node["items"], f"{where}[]")}
            return items if "x-kubernetes-list-type" in node else {"x-kubernetes-list-type": "atomic", **items}
        if kind == "object" and "properties" in node:
            members = node["properties"].items()
            return {"properties": {name: self.convert(member, f"{where}.{name}") for name, member in members}}
        if kind == "object" and isinstance(node.get("additionalProperties"), Mapping):
            return {"additionalProperties": self.convert(node["additionalProperties"], f"{where}.*")}
        return {}


def _without_nulls(default: Any) -> Any:
    """The default in full: the API server tries the rules on it before it fills in what its members default to."""
    if not isinstance(default, Mapping):
        return default
    return {name: _without_nulls(value) for name, value in default.items() if value is not None}


def _reference(node: Mapping[str, Any]) -> str | None:
    target: str | None = node.get("$ref")
    return None if target is None else target.removeprefix("#/$defs/")


def _kind(node: Mapping[str, Any], where: str) -> str:
    if node.get("x-kubernetes-int-or-string"):
        return "int-or-string"
    kind = node.get("type")
    if kind == "object" and node.get("x-kubernetes-preserve-unknown-fields"):
        return "anything"
    if not isinstance(kind, str) or kind not in _ALLOWED:
        raise Inexpressible(f"{where}: a structural schema needs one type here, and this has {kind}")
    return kind


def _json_type(kind: str) -> str:
    return "object" if kind == "anything" else kind


def _require_known_words(node: Mapping[str, Any], kind: str, where: str) -> None:
    known = _EVERYWHERE | _ALLOWED[kind] | {"type", "title", "const", "$defs"}
    if unknown := sorted(set(node) - known):
        hint = ": state it as fields.pattern, whose refusal is a sentence" if unknown == ["pattern"] else ""
        raise Inexpressible(f"{where}: a CRD has no room for {', '.join(unknown)} of a {kind}{hint}")


def _require_whole_bounds(node: Mapping[str, Any], where: str) -> None:
    if any(node.get(word, 0) != int(node.get(word, 0)) for word in ("minimum", "maximum")):
        raise Inexpressible(f"{where}: the API server cuts fractional bounds for whole values: use values.number")


def _require_bounds(node: Mapping[str, Any], kind: str, where: str) -> None:
    is_closed = "enum" in node or "const" in node
    if kind in {"string", "int-or-string"} and "maxLength" not in node and not is_closed:
        raise Inexpressible(f"{where}: a text without a bound: add max_length")
    if kind == "array" and "maxItems" not in node:
        raise Inexpressible(f"{where}: a list without a bound: add max_length")
    if kind == "object" and "properties" not in node and "maxProperties" not in node:
        raise Inexpressible(f"{where}: a map without a bound: add max_length")
    if kind == "object" and node.get("additionalProperties") is True:
        raise Inexpressible(f"{where}: an object of anything: say what is in it, or use fields.Passthrough")


def _first_paragraph(text: str) -> str:
    return " ".join(text.split("\n\n", maxsplit=1)[0].split())
