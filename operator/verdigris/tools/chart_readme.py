"""The table of values in charts/verdigris/README.md. `python -m verdigris.tools.chart_readme --write` (or `--check`).

The defaults are those of values.yaml, the words those of values.schema.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

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


def is_stale(chart: Path = CHART) -> bool:
    """Whether the README says something else than the values."""
    return (chart / "README.md").read_text(encoding="utf-8") != written(chart)


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the table, or check it: 0 when it is up to date, 1 and a sentence when it is not."""
    parser = argparse.ArgumentParser(prog="python -m verdigris.tools.chart_readme", description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="write the table")
    action.add_argument("--check", action="store_true", help="fail when the table is not what the values say")
    parser.add_argument("--chart", type=Path, default=CHART, help="the chart's folder (default: charts/verdigris)")
    options = parser.parse_args(arguments)
    if options.write:
        text = written(options.chart)
        (options.chart / "README.md").write_text(text, encoding="utf-8")
    elif is_stale(options.chart):
        print(
            f"{options.chart / 'README.md'}: not what the values say. "
            "Run `python -m verdigris.tools.chart_readme --write`.",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
