"""Tables as a notebook holds them (data frames, arrays, lists) as rows, with None for what is missing.

No library of frames is imported: what has columns by name is asked for each of them.
"""

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from verdigris_serving.model.schema import Datatype, Feature, InvalidModel, Label

#: Kinds of missing values that are neither None nor NaN.
_NOTHING = {"NAType", "NaTType"}


@dataclass(frozen=True)
class Frame:
    """``names`` is empty where the data has none; ``datatypes`` are those of the columns, by the types of their values.

    Rows hold numbers, texts, and None for what is missing. ``what`` is what messages call the table.
    """

    names: list[str]
    datatypes: list[Datatype]
    rows: list[list[float | str | None]]
    what: str

    def features(self, known: Sequence[str]) -> list[Feature]:
        """A feature a column, by the frame's names, else by the ``known`` ones, else x0, x1, …"""
        width = len(self.datatypes)
        names = self.names or (list(known) if len(known) == width else [f"x{number}" for number in range(width)])
        # What a text is among, is not known yet.
        return [
            Feature(name, datatype="FP64" if datatype == "BYTES" else datatype)
            for name, datatype in zip(names, self.datatypes, strict=True)
        ]


def frame(data: Any, what: str) -> Frame:
    """The table in ``data``, which is called ``what`` in messages. Raises InvalidModel, naming column and row."""
    if hasattr(data, "collect") and hasattr(data, "lazy"):
        raise InvalidModel(f"{what} is a lazy frame: call collect() on it first")
    if hasattr(data, "columns") and hasattr(data, "__getitem__"):
        return _by_name(data, [str(name) for name in data.columns], list(data.columns), what)
    if hasattr(data, "toarray"):
        data = data.toarray()
    if hasattr(data, "tolist"):
        data = data.tolist()
    if isinstance(data, str | bytes) or not isinstance(data, Sequence):
        raise InvalidModel(f"{what} is a {type(data).__name__}; a data frame, an array or a list of rows is needed")
    if data and all(isinstance(row, dict) for row in data):
        return _of_records(data, what)
    return _of_rows(data, what)


def one_column(data: Any) -> Any:
    """A series, an array or a list of texts as a table of one column, by the series' name; what is a table as it is."""
    listed = data if hasattr(data, "columns") or hasattr(data, "toarray") else _listed(data)
    if not isinstance(listed, list) or any(isinstance(value, list | tuple | dict) for value in listed):
        return data
    name = getattr(data, "name", None)
    return [{name if isinstance(name, str) and name else "text": value} for value in listed]


def _refuse_twice(names: Sequence[str], what: str) -> None:
    twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if twice is not None:
        raise InvalidModel(f'{what} has two columns "{twice}"; each needs a name of its own')


def _by_name(data: Any, names: list[str], keys: Sequence[Any], what: str) -> Frame:
    _refuse_twice(names, what)
    columns = [_listed(data[key]) for key in keys]
    if not columns or not columns[0]:
        raise InvalidModel(f"{what} has no {'row' if columns else 'column'}; at least one is needed")
    return _of_columns(names, columns, what)


def _of_columns(names: list[str], columns: list[list[Any]], what: str) -> Frame:
    read = [_column(column, f'{what}, column "{name}"') for name, column in zip(names, columns, strict=True)]
    return Frame(names, list(map(_datatype, columns)), [list(row) for row in zip(*read, strict=True)], what)


def _of_records(data: Sequence[dict[Any, Any]], what: str) -> Frame:
    names = list(data[0])
    for number, record in enumerate(data):
        if record.keys() != data[0].keys():
            raise InvalidModel(f"{what}, row {number} has other names than row 0; every row needs the same")
    return _of_columns([str(name) for name in names], [[record[name] for record in data] for name in names], what)


def _of_rows(data: Sequence[Any], what: str) -> Frame:
    if not data:
        raise InvalidModel(f"{what} has no row; at least one is needed")
    rows = [_listed(row) if not isinstance(row, str | bytes | dict) else row for row in data]
    if not all(isinstance(row, list) for row in rows):
        raise InvalidModel(f"{what} has one dimension; rows of features are needed (of one feature: X.reshape(-1, 1))")
    width = len(rows[0])
    for number, row in enumerate(rows):
        if len(row) != width:
            raise InvalidModel(f"{what}, row {number} has {len(row)} values, and row 0 has {width}")
    if not width:
        raise InvalidModel(f"{what} has no column; at least one is needed")
    if any(isinstance(value, list) for value in rows[0]):
        raise InvalidModel(f"{what} has more than two dimensions; rows of features are needed")
    columns = [list(column) for column in zip(*rows, strict=True)]
    read = [_column(column, f"{what}, column {number}") for number, column in enumerate(columns)]
    datatypes: list[Datatype] = ["BYTES" if any(isinstance(v, str) for v in column) else "FP64" for column in read]
    return Frame([], datatypes, [list(row) for row in zip(*read, strict=True)], what)


def _listed(values: Any) -> Any:
    for method in ("to_list", "tolist", "to_pylist"):
        if hasattr(values, method):
            return getattr(values, method)()
    return list(values) if isinstance(values, tuple) else values


def _datatype(column: Sequence[Any]) -> Datatype:
    if any(isinstance(value, str) for value in column):
        return "BYTES"
    present = [value for value in column if value is not None and type(value).__name__ not in _NOTHING]
    if present and all(isinstance(value, bool) for value in present):
        return "BOOL"
    if len(present) == len(column) and all(isinstance(value, numbers.Integral) for value in column):
        return "INT64"
    return "FP64"


def _column(column: Sequence[Any], where: str) -> list[float | str | None]:
    return [_value(value, where, row) for row, value in enumerate(column)]


def _value(value: Any, where: str, row: int) -> float | str | None:
    if value is None or type(value).__name__ in _NOTHING:
        return None
    if isinstance(value, str):
        if not value.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise InvalidModel(f"{where}, row {row} holds half a surrogate pair, which is no text that could be sent")
        return str(value)
    if hasattr(value, "isoformat"):
        raise InvalidModel(
            f"{where}, row {row} holds a date, which is no feature: put a number in its place before the pipeline is "
            'fitted (days: (column - pandas.Timestamp("2020-01-01")).dt.days), and callers send that'
        )
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidModel(f"{where}, row {row} holds a {type(value).__name__}, which is no number") from error
    return None if math.isnan(number) else number


def _target(value: Any, what: str, row: int) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise InvalidModel(f"{what}, row {row} has several values, and one is no number") from error
    if math.isnan(number):
        raise InvalidModel(f"{what}, row {row} is missing; leave out rows of which nobody knows what is true")
    return number


def labels(data: Any, what: str) -> list[Label | float | list[float]]:
    """One label a row, or several numbers, from a series, an array, a frame, or a list. Raises InvalidModel."""
    if hasattr(data, "columns") and hasattr(data, "__getitem__"):
        _refuse_twice(list(map(str, data.columns)), what)
        columns = [_listed(data[name]) for name in data.columns]
        data = columns[0] if len(columns) == 1 else [list(row) for row in zip(*columns, strict=True)]
    listed = _listed(data)
    if isinstance(listed, str | bytes | dict) or not isinstance(listed, Sequence):
        raise InvalidModel(f"{what} is a {type(data).__name__}; one label a row is needed, as a series, array or list")
    return [_label(value, what, row) for row, value in enumerate(listed)]


def _label(value: Any, what: str, row: int) -> Label | float | list[float]:
    value = _listed(value) if not isinstance(value, str) else value
    if isinstance(value, list):
        if len(value) != 1:
            return [_target(each, what, row) for each in value]
        value = _listed(value[0])
    if value is None or type(value).__name__ in _NOTHING or (isinstance(value, float) and math.isnan(value)):
        raise InvalidModel(f"{what}, row {row} is missing; leave out rows of which nobody knows what is true")
    if not isinstance(value, bool | int | float | str):
        raise InvalidModel(f"{what}, row {row} is a {type(value).__name__}; a class or a number is needed")
    return value
