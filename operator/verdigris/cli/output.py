"""`-o json|yaml|name`: the views' values as documents. Their schema is `docs/cli-schema.json`. PURE."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

API_VERSION = "cli.verdigris.dev/v1alpha1"
"""Of every document. A field of it may be added; none changes its meaning or goes without another version."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*\Z")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def document(published: Any) -> dict[str, Any]:
    """The document of one of `published.KINDS`: its members in camelCase; values that are None are left out."""
    return {"apiVersion": API_VERSION, "kind": type(published).__name__, **dumped(published)}


def dumped(value: Any) -> Any:
    """A dataclass, or a list of such, as JSON values."""
    if is_dataclass(value) and not isinstance(value, type):
        members = ((one.name, getattr(value, one.name)) for one in fields(value))
        return {camel(name): dumped(member) for name, member in members if member is not None}
    if isinstance(value, (list, tuple)):
        return [dumped(one) for one in value]
    if isinstance(value, Mapping):
        return {name: dumped(inner) for name, inner in value.items()}
    return value


def camel(name: str) -> str:
    """`score_at` as `scoreAt`."""
    head, *others = name.split("_")
    return head + "".join(one.capitalize() for one in others)


def written(made: Mapping[str, Any], form: str, *, compact: bool = False) -> str:
    """As `json` or `yaml`. `compact`: JSON on one line, for a stream of documents."""
    if form == "json":
        return json.dumps(made, ensure_ascii=False) if compact else json.dumps(made, ensure_ascii=False, indent=2)
    return ("---\n" if compact else "") + "\n".join(_yaml(made, 0))


def _yaml(value: Any, depth: int) -> list[str]:
    """Block style; texts in double quotes as JSON has them, which YAML reads alike, unless they are plain words."""
    lines: list[str] = []
    items = value.items() if isinstance(value, Mapping) else ((None, one) for one in value)
    for name, inner in items:
        lead = "  " * depth + ("-" if name is None else f"{name}:")
        if isinstance(inner, (Mapping, list)) and inner:
            nested = _yaml(inner, depth + 1)
            if name is None:
                # The first member stands beside the dash.
                lines += [f"{lead} {nested[0].lstrip()}", *nested[1:]]
            else:
                lines += [lead, *nested]
        else:
            lines.append(f"{lead} {_scalar(inner)}")
    return lines


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.match(value) and value.lower() not in _WORDS:
        return value
    # Also the empty object and list.
    return json.dumps(value, ensure_ascii=False)
