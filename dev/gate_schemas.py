"""Writes the schemas of the gates' documents (docs/gates), or says that they are not what the code says."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from verdigris_serving.gate.config import KINDS
from verdigris_serving.gate.result import Result

FOLDER = Path(__file__).parents[1] / "docs" / "gates"


def documents() -> Iterator[tuple[Path, str]]:
    """Each file and what it is to hold: a schema for what each gate is asked, and one for what all answer."""
    kinds: dict[str, type[Any]] = {**KINDS, "result": Result}
    for name, kind in kinds.items():
        schema = msgspec.json.schema(kind)
        whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
        yield FOLDER / f"{name}.schema.json", json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or check them: 0 when they are up to date, 1 and a sentence when they are not."""
    parser = argparse.ArgumentParser(prog="python -m dev.gate_schemas", description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="write the files")
    action.add_argument("--check", action="store_true", help="fail when they are not what the code says")
    if parser.parse_args(arguments).write:
        FOLDER.mkdir(exist_ok=True)
        for path, text in documents():
            path.write_text(text, encoding="utf-8")
        return 0
    old = [path.name for path, text in documents() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if old:
        print(f"docs/gates: {', '.join(old)} is not what the code says. Run `make gate-schemas`.", file=sys.stderr)
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main())
