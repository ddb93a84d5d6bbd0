"""docs/cli-schema.json: the JSON Schema of what `kubectl verdigris ... -o json` prints, made from its classes.

`python -m verdigris.tools.cli_schema --write` (or `--check`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from verdigris.cli.model.published import KINDS
from verdigris.cli.output import API_VERSION, camel
from verdigris.tools import generated

FILE = Path(__file__).resolve().parents[3] / "docs" / "cli-schema.json"

_SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean"}


def schema() -> dict[str, Any]:
    """The schema of every document, as one that is any of them."""
    definitions: dict[str, Any] = {}
    for kind in KINDS:
        made = _object(kind, definitions)
        head = {"apiVersion": {"const": API_VERSION}, "kind": {"const": kind.__name__}}
        made["properties"] = {**head, **made["properties"]}
        made["required"] = [*head, *made["required"]]
        definitions[kind.__name__] = made
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "kubectl verdigris -o json",
        "description": "Made by `python -m verdigris.tools.cli_schema --write` from operator/verdigris/cli/model.",
        "oneOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in KINDS],
        "$defs": dict(sorted(definitions.items())),
    }


def _object(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    members = fields(kind)
    # What is None is left out; whatever else has a default is always written.
    return {
        "type": "object",
        "description": " ".join((kind.__doc__ or "").split()),
        "properties": {camel(one.name): _type(hints[one.name], definitions) for one in members},
        "required": [camel(one.name) for one in members if NoneType not in get_args(hints[one.name])],
        "additionalProperties": False,
    }


def _type(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if hint in _SIMPLE:
        return {"type": _SIMPLE[hint]}
    if is_dataclass(hint) and isinstance(hint, type):
        if hint.__name__ not in definitions:
            definitions[hint.__name__] = {}
            definitions[hint.__name__] = _object(hint, definitions)
        return {"$ref": f"#/$defs/{hint.__name__}"}
    inner = [one for one in get_args(hint) if one not in (NoneType, Ellipsis)]
    if get_origin(hint) in (Union, UnionType) and len(inner) == 1:
        return _type(inner[0], definitions)
    if get_origin(hint) is tuple:
        return {"type": "array", "items": _type(inner[0], definitions)}
    if get_origin(hint) is Mapping or isinstance(get_origin(hint), type):
        return {"type": "object", "additionalProperties": _type(inner[1], definitions)}
    raise TypeError(f"{hint} has no schema yet: teach it to tools/cli_schema.py")


def render() -> str:
    """The text of the file."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def files(file: Path | None = None) -> dict[Path, str]:
    """The schema in its place, or in this one."""
    return {file or FILE: render()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the schema, or check it."""
    return generated.main("verdigris.tools.cli_schema", __doc__, "the classes say", files, arguments)


if __name__ == "__main__":
    sys.exit(main())
