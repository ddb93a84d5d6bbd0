"""Rows as CSV, and answers as CSV: a header of names, a line a row, an empty cell for a missing value.

The columns may stand in any order. UTF-8, with or without a byte order mark; quotes as in RFC 4180.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from verdigris_serving.model.headers import other_separator, quoted
from verdigris_serving.model.schema import Feature, Label, Row, is_free_text
from verdigris_serving.protocol.messages import CallerFault, LooseTensor, OutputTensor
from verdigris_serving.protocol.spellings import tensors
from verdigris_serving.protocol.tensors import needed, place

CSV = b"text/csv"
#: Python would also read 1_000, NaN and the digits of other scripts.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_TRUTH = {"true": True, "false": False, "1": True, "0": False}


def read_lines(body: bytes) -> Iterator[list[str]]:
    """The cells of each line, the header's first, none of an empty one. Raises CallerFault."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CallerFault(f"the body is no CSV: byte {error.start} is no UTF-8") from error
    return cells(io.StringIO(text, newline=""))


def cells(lines: Iterable[str]) -> Iterator[list[str]]:
    """The same for text. Raises CallerFault as it goes."""
    reader = csv.reader(lines, strict=True)
    try:
        yield from reader
    except csv.Error as error:
        raise CallerFault(f"line {reader.line_num}: this is no CSV: {error}") from error


def check_lacking(features: Sequence[Feature], names: Sequence[str]) -> None:
    """Raise CallerFault where a header lacks a feature: with what it has instead, or what separates it instead."""
    known = [feature.name for feature in features]
    lacking = [name for name in known if name not in names]
    separator = other_separator(names)
    if lacking and separator:
        raise CallerFault(f"the header looks separated by {separator}; commas are needed")
    if lacking:
        foreign = [name for name in names if name and name not in known]
        instead = f" and has {quoted(foreign)}, no feature of this model" if foreign else ""
        raise CallerFault(f"the header lacks {quoted(lacking)}{instead}; its first line must name every feature")


class CsvReader:
    """Reads lines with this header as tensors of these features. Raises CallerFault when it is not theirs."""

    def __init__(self, features: Sequence[Feature], header: Sequence[str]) -> None:
        names = [name.strip() for name in header]
        if len(set(names)) != len(names):
            twice = next(name for number, name in enumerate(names) if name in names[:number])
            raise CallerFault(f'the header has "{twice[:100]}" twice')
        check_lacking(features, names)
        known = {feature.name for feature in features}
        foreign = next((name for name in names if name not in known), None)
        if foreign is not None:
            raise CallerFault(f'the header has "{foreign[:100]}", which is no feature of this model: leave it out')
        self._features = features
        self._width = len(names)
        self._places = [names.index(feature.name) for feature in features]

    def tensors(self, lines: Iterable[Sequence[str]]) -> list[LooseTensor]:
        """One tensor a feature. Raises CallerFault naming the row, counted from 0, and the feature."""
        # An empty line is no row; of one column it could be a missing value, so there it has to be said.
        full = (line for line in lines if line or self._width == 1)
        rows = [self._row(line, number) for number, line in enumerate(full)]
        if not rows:
            raise CallerFault("there is no row below the header; at least one is needed")
        return tensors(self._features, rows)

    def _row(self, line: Sequence[str], number: int) -> list[Any]:
        if len(line) != self._width:
            quoted = "" if line else '; a missing value is ""'
            raise CallerFault(f"row {number}: {len(line)} cells; the header has {self._width}{quoted}")
        return [_value(line[p], f, number) for p, f in zip(self._places, self._features, strict=True)]


def _value(cell: str, feature: Feature, row: int) -> Any:
    datatype: str = feature.datatype
    if datatype == "BYTES":
        # Of categories none is empty; an empty text without any is a text.
        return cell if is_free_text(feature) else cell or None
    cell = cell.strip()
    if not cell:
        return None
    if datatype == "BOOL":
        if cell.lower() not in _TRUTH:
            raise CallerFault(f"{place(feature.name, row)}: {needed(feature, 'true or false', 'an empty cell')}")
        return _TRUTH[cell.lower()]
    if not _NUMBER.fullmatch(cell):
        raise CallerFault(f"{place(feature.name, row)}: {needed(feature, 'a number', 'an empty cell')}")
    return float(cell)


class CsvWriter:
    """Writes the answers of one model: ``label`` and a probability a class (or its other scores), or ``value``; of
    several, a column for each.

    Where a feature clamps, a further column ``clamped`` names those whose value was beyond its range in that row.
    """

    def __init__(self, features: Sequence[Feature], classes: Sequence[Label]) -> None:
        self._clamping = [number for number, feature in enumerate(features) if feature.out_of_range == "clamp"]
        self._features = features
        self._classes = classes

    def header(self, outputs: Sequence[OutputTensor]) -> list[str]:
        """The columns' names."""
        names = [name for output in outputs for name in self._names(output)]
        return [*names, "clamped"] if self._clamping else names

    def _names(self, output: OutputTensor) -> list[str]:
        if len(output.shape) == 1:
            return [output.name]
        one = {"label": "label", "probabilities": "probability", "decision": "decision"}.get(output.name)
        if one and output.shape[1] == len(self._classes):
            return [f"{one}_{_text(label)}" for label in self._classes]
        return [f"{output.name}_{number}" for number in range(output.shape[1])]

    def lines(
        self, outputs: Sequence[OutputTensor], sent: Sequence[LooseTensor], rows: Sequence[Row]
    ) -> Iterator[list[str]]:
        """The cells of each row; ``sent`` is what came, ``rows`` what the model saw of it."""
        columns = [column for output in outputs for column in _columns(output)]
        if self._clamping:
            columns.append([self._clamped(number, sent, row) for number, row in enumerate(rows)])
        for values in zip(*columns, strict=True):
            yield [_text(value) for value in values]

    def _clamped(self, number: int, sent: Sequence[LooseTensor], row: Row) -> str:
        return ";".join(self._features[c].name for c in self._clamping if sent[c].data[number] != row[c])


def write(lines: Iterable[Sequence[str]]) -> bytes:
    """The lines as bytes of CSV, each ended by a line feed."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(lines)
    return out.getvalue().encode()


def _columns(output: OutputTensor) -> list[list[Any]]:
    data = output.data
    if not isinstance(data, list):
        raise AssertionError("an output that is binary already was to become CSV")
    width = 1 if len(output.shape) == 1 else output.shape[1]
    return [data[start::width] for start in range(width)]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
