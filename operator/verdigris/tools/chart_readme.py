"""The table of values in charts/verdigris/README.md. `python -m verdigris.tools.chart_readme --write` (or `--check`).

The defaults are those of values.yaml, the words those of values.schema.json.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from verdigris.tools import generated

CHART = Path(__file__).resolve().parents[3] / "charts" / "verdigris"
BEGIN = "<!-- Made by `python -m verdigris.tools.chart_readme --write` from values.yaml and values.schema.json. -->\n"
END = "<!-- End of what is made. -->\n"

_HEAD = "| value | default | what it is |\n|---|---|---|\n"
_NOT_OURS = ("global",)


def table(chart: Path) -> str:
    """The table of every value of the chart in this folder. Raises KeyError for one that has no default."""
    values = yaml.safe_load((chart / "values.yaml").read_text(encoding="utf-8"))
    schema = json.loads((chart / "values.schema.json").read_text(encoding="utf-8"))
    rows = (f"| `{path}` | {_code(default)} | {words} |\n" for path, default, words in _rows(schema, values))
    return _HEAD + "".join(rows)


def written(chart: Path) -> str:
    """The README with the table as it is to be. Raises ValueError when it has no place for it."""
    before, begin, rest = (chart / "README.md").read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{chart / 'README.md'} has no place for the table: put these two lines there:\n{BEGIN}{END}")
    return f"{before}{BEGIN}\n{table(chart)}\n{END}{after}"


def _rows(schema: Mapping[str, Any], values: Any, path: str = "") -> Iterator[tuple[str, Any, str]]:
    """Dotted path, default and description of every value, in the order of the schema."""
    for name, part in schema["properties"].items():
        if name in _NOT_OURS:
            continue
        if "properties" in part:
            yield from _rows(part, values[name], f"{path}{name}.")
        else:
            yield f"{path}{name}", values[name], part["description"].replace("|", "\\|")


def _code(default: Any) -> str:
    return f"`{json.dumps(default)}`"


def files(chart: Path | None = None) -> dict[Path, str]:
    """The README of the chart, or of the one in this folder, with its table. Raises ValueError, KeyError."""
    folder = chart or CHART
    return {folder / "README.md": written(folder)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the table, or check it."""
    return generated.main("verdigris.tools.chart_readme", __doc__, "the values say", files, arguments)


if __name__ == "__main__":
    sys.exit(main())
