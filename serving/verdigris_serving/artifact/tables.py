"""CSV files as rows: a header of names, an empty cell for a missing value, texts where a column is not of numbers."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class UnreadableTable(ValueError):
    """The file is no table of numbers, or not of the columns that are needed; the message says where and why."""


@dataclass(frozen=True)
class Table:
    """``rows`` have one value a name: numbers, or, in a column that has others, texts; None is missing.

    ``target`` has the cells of the target column as text, when there is one.
    """

    names: list[str]
    rows: list[list[float | str | None]]
    target: list[str]


def read_table(path: Path, *, target: str = "", names: Sequence[str] = (), unused: str = "") -> Table:
    """The columns ``names`` of a CSV file in that order; when none are given, all but ``target`` and ``unused``.

    ``unused`` may be there and is not read; any other column is an error. Raises UnreadableTable.
    """
    header, lines = _lines(path)
    wanted = list(names) or [name for name in header if name not in {target, unused}]
    lacking = [name for name in (*wanted, *([target] if target else [])) if name not in header]
    if lacking:
        raise UnreadableTable(f"{path} has no column {lacking[0]}; it has {', '.join(header)}")
    unknown = [name for name in header if name not in (*wanted, target, unused)]
    if unknown:
        raise UnreadableTable(
            f"{path} has a column {unknown[0]} that is no feature; the features are {', '.join(wanted)}"
        )
    places = [header.index(name) for name in wanted]
    columns = [_column([line[place] for line in lines]) for place in places]
    return Table(
        wanted,
        [list(row) for row in zip(*columns, strict=True)],
        [line[header.index(target)] for line in lines] if target else [],
    )


def _lines(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.reader(file))
    except OSError as error:
        raise UnreadableTable(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnreadableTable(f"{path} is no CSV file: {error}") from error
    if len(lines) < 2:
        raise UnreadableTable(f"{path} needs a header of feature names and at least one row")
    for number, line in enumerate(lines, start=1):
        if len(line) != len(lines[0]):
            raise UnreadableTable(f"{path}, line {number}: {len(line)} cells for {len(lines[0])} columns")
    return lines[0], lines[1:]


def _column(cells: Sequence[str]) -> list[float | str | None]:
    """Numbers where all cells that are not empty are such, else the texts as they stand."""
    try:
        return [float(cell) if cell.strip() else None for cell in cells]
    except ValueError:
        return [cell or None for cell in cells]
