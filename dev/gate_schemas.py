"""Writes the schemas of the gates' documents (docs/gates), or says that they are not what the code says."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from verdigris.tools import generated
from verdigris_serving.gate.config import KINDS
from verdigris_serving.gate.result import Result

FOLDER = Path(__file__).parents[1] / "docs" / "gates"


def files(folder: Path | None = None) -> dict[Path, str]:
    """Each file and what it is to hold: a schema for what each gate is asked, and one for what all answer."""
    kinds: dict[str, type[Any]] = {**KINDS, "result": Result}
    return {(folder or FOLDER) / f"{name}.schema.json": _schema(kind) for name, kind in kinds.items()}


def _schema(kind: type[Any]) -> str:
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(kind)}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or check them."""
    return generated.main("dev.gate_schemas", __doc__, "the code says", files, arguments)


if __name__ == "__main__":
    sys.exit(main())
