"""CSV files as rows: a header of names, an empty cell for a missing value.

A column is of numbers where all its cells are, of truths where all are true or false (in any case), else of texts.
"""

import csv
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from verdigris_serving.model.headers import other_separator, quoted


class UnreadableTable(ValueError):
    """The file is no table of numbers, or not of the columns that are needed; the message says where and why."""


@dataclass(frozen=True)
class Table:
    """``rows`` have one value a name: numbers, truths, or, in a column that has others, texts; None is missing.

    ``targets`` has the cells of the target columns as text, a list a row. ``truths`` are the columns of truths.
    """

    names: list[str]
    rows: list[list[float | str | None]]
    targets: list[list[str]]
    truths: frozenset[str] = frozenset()


#: Which of the features with these names are texts, whatever stands in their cells, with what an empty cell is there.
Texts = Callable[[Sequence[str]], Mapping[str, str | None]]
_TRUTH = {"true": True, "false": False}


def read_table(
    path: Path,
    *,
    targets: Sequence[str] = (),
    names: Sequence[str] = (),
    unused: Collection[str] = (),
    texts: Texts = lambda _: {},
) -> Table:
    """The columns ``names`` of a CSV file in that order; when none are given, all but ``targets`` and ``unused``.

    ``unused`` may be there and is not read; any other column is an error. Raises UnreadableTable.
    """
    header, lines = _lines(path)
    wanted = list(names) or [name for name in header if name not in {*targets, *unused}]
    unknown = [name for name in header if name not in (*wanted, *targets, *unused)]
    separator = other_separator(header)
    if separator and header[0] not in names:
        raise UnreadableTable(f"{path} looks separated by {separator}: separate its cells by commas")
    lacking = [name for name in (*wanted, *targets) if name not in header]
    if lacking:
        instead = f" and has {quoted(unknown)}, which is none of them" if unknown and names else ""
        raise UnreadableTable(
            f"{path} has no column {', '.join(lacking[:20])}{instead}: name the columns as the features are named; it "
            f"has {', '.join(header)}"
        )
    if unknown:
        more = " ".join(f"--unused {shlex.quote(name)}" for name in unknown[:20])
        raise UnreadableTable(
            f"{path} has a column {unknown[0]} that is no feature: say {more}, or leave it out; the features are "
            f"{', '.join(wanted)}"
        )
    places = [header.index(name) for name in wanted]
    known = texts(wanted)
    columns = [
        [line[place] or known[name] for line in lines] if name in known else _column([line[place] for line in lines])
        for name, place in zip(wanted, places, strict=True)
    ]
    return Table(
        wanted,
        [list(row) for row in zip(*columns, strict=True)],
        [[line[header.index(name)] for name in targets] for line in lines],
        frozenset(
            name for name, column in zip(wanted, columns, strict=True) if any(isinstance(v, bool) for v in column)
        ),
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
        if len(line) != len(lines[0]) and not other_separator(lines[0]):
            raise UnreadableTable(f"{path}, line {number}: {len(line)} cells for {len(lines[0])} columns")
    return lines[0], lines[1:]


def _column(cells: Sequence[str]) -> list[float | str | None]:
    if are_truths(cells):
        return [_TRUTH[cell.strip().lower()] if cell.strip() else None for cell in cells]
    try:
        return [float(cell) if cell.strip() else None for cell in cells]
    except ValueError:
        return [cell or None for cell in cells]


def are_truths(cells: Sequence[str]) -> bool:
    """Whether all cells that are not empty are true or false, in any case, and there is one."""
    full = {cell.strip().lower() for cell in cells} - {""}
    return bool(full) and full <= _TRUTH.keys()
