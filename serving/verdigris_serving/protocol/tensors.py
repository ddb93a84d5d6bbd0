"""From a request's tensors to rows that the model may see. Every refusal names the feature and the row.

Two spellings are understood: one tensor of shape [rows, features] under any name that is no feature's, or one
tensor a feature, of shape [rows] or [rows, 1]. No message repeats a value: it would be a patient's.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from verdigris_serving.model.schema import Feature, Row, bounds
from verdigris_serving.protocol.messages import (
    FLOAT_DATATYPES,
    INTEGER_DATATYPES,
    CallerFault,
    InferRequest,
    LooseRequest,
    LooseTensor,
    Tensor,
)

#: Turns a value's position in a tensor's flat data into words.
_Place = Callable[[int], str]


class InputReader:
    """Reads requests for one model."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self._features = list(features)
        self._index = {feature.name: number for number, feature in enumerate(features)}
        self._limits = [(*bounds(f), f.nullable, f.datatype in INTEGER_DATATYPES) for f in features]

    def rows(self, request: InferRequest | LooseRequest) -> list[Row]:
        """One list a row, one value a feature in the manifest's order. Raises CallerFault."""
        inputs = request.inputs
        if len(inputs) == 1 and inputs[0].name not in self._index:
            rows = self._from_one(inputs[0])
        else:
            rows = self._from_many(inputs)
        for number, row in enumerate(rows):
            if not self._acceptable(row):
                raise CallerFault(self._explain(row, number))
        return rows

    def _from_one(self, tensor: Tensor | LooseTensor) -> list[Row]:
        width = len(self._features)
        shape = tensor.shape
        if len(shape) != 2 or shape[1] != width or shape[0] < 1:
            raise CallerFault(
                f'input "{_short(tensor.name)}": shape {_short(shape)} does not fit; [rows, {width}] is needed, with '
                f"the features in the order of the model's metadata"
            )
        data = _flat(tensor, lambda position: self._place(self._features[position % width].name, position // width))
        if len(data) == width:
            return [data]
        return [data[start : start + width] for start in range(0, len(data), width)]

    def _from_many(self, tensors: Sequence[Tensor | LooseTensor]) -> list[Row]:
        columns: list[Row | None] = [None] * len(self._features)
        for tensor in tensors:
            number = self._index.get(tensor.name)
            if number is None:
                raise CallerFault(f'input "{_short(tensor.name)}" is no feature of this model; {self._known()}')
            if columns[number] is not None:
                raise CallerFault(f'feature "{tensor.name}" is given twice')
            columns[number] = self._column(tensor)
        missing = [f.name for f, column in zip(self._features, columns, strict=True) if column is None]
        if missing:
            names = ", ".join(f'"{name}"' for name in missing[:20])
            raise CallerFault(f"no input for {names}; send every feature, or one tensor [rows, {len(columns)}]")
        present = [column for column in columns if column is not None]
        lengths = {len(column) for column in present}
        if len(lengths) != 1:
            raise CallerFault(f"the features have different numbers of rows: {sorted(lengths)[:5]}")
        return [list(row) for row in zip(*present, strict=True)]

    def _column(self, tensor: Tensor | LooseTensor) -> Row:
        shape = tensor.shape
        if shape[1:] not in ([], [1]) or not shape or shape[0] < 1:
            raise CallerFault(
                f'feature "{tensor.name}": shape {_short(shape)} does not fit; [rows] or [rows, 1] is needed'
            )
        return _flat(tensor, lambda position: self._place(tensor.name, position))

    def _acceptable(self, row: Row) -> bool:
        for value, (low, high, nullable, integral) in zip(row, self._limits, strict=True):
            if value is None:
                if not nullable:
                    return False
            elif not low <= value <= high or (integral and value % 1):
                return False
        return True

    def _explain(self, row: Row, number: int) -> str:
        for value, feature, (low, high, nullable, integral) in zip(row, self._features, self._limits, strict=True):
            place = self._place(feature.name, number)
            if value is None and not nullable:
                return f"{place}: a value is needed; this model does not impute a missing one"
            if value is not None and value < low:
                return f"{place}: below {low:g}, the least that is allowed"
            if value is not None and value > high:
                return f"{place}: above {high:g}, the most that is allowed"
            if value is not None and integral and value % 1:
                return f"{place}: a whole number is needed ({feature.datatype})"
        raise AssertionError("an acceptable row was to be explained")

    @staticmethod
    def _place(name: str, row: int) -> str:
        return f'feature "{name}", row {row}'

    def _known(self) -> str:
        names = ", ".join(f'"{feature.name}"' for feature in self._features[:20])
        return f"it has {names}" + (", …" if len(self._features) > 20 else "")


def _short(thing: object) -> str:
    text = str(thing)
    return text if len(text) <= 100 else text[:100] + "…"


def _flat(tensor: Tensor | LooseTensor, place: _Place) -> Row:
    """The tensor's data, flat, checked against its shape and datatype. Raises CallerFault."""
    if tensor.datatype not in FLOAT_DATATYPES and tensor.datatype not in INTEGER_DATATYPES:
        raise CallerFault(
            f'input "{_short(tensor.name)}": datatype "{_short(tensor.datatype)}" is not numeric; FP64 is the usual one'
        )
    data = tensor.data if isinstance(tensor, Tensor) else _numbers(tensor, place)
    size = math.prod(tensor.shape)
    if len(data) != size:
        raise CallerFault(f'input "{_short(tensor.name)}": {len(data)} values, but its shape says {size}')
    if tensor.datatype in INTEGER_DATATYPES:
        for position, value in enumerate(data):
            if value is not None and value % 1:
                raise CallerFault(f"{place(position)}: a whole number is needed ({tensor.datatype})")
    return data


def _numbers(tensor: LooseTensor, place: _Place) -> Row:
    if not isinstance(tensor.data, list):
        raise CallerFault(f'input "{_short(tensor.name)}": data must be a list of numbers')
    flat: list[Any] = tensor.data
    if any(isinstance(item, list) for item in flat):
        flat = _unnest(flat, tensor.shape, tensor.name)
    return [_number(value, place, position) for position, value in enumerate(flat)]


def _unnest(data: list[Any], shape: Sequence[int], name: str) -> list[Any]:
    """Flatten lists that are nested as ``shape`` says, one level a dimension."""
    level = [data]
    for size in shape:
        if any(not isinstance(item, list) or len(item) != size for item in level):
            raise CallerFault(f'input "{_short(name)}": the nesting of its data is not that of its shape')
        level = [value for item in level for value in item]
    return level


def _number(value: Any, place: _Place, position: int) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CallerFault(f"{place(position)}: a number or null is needed, not {_JSON_KINDS.get(type(value), 'this')}")
    try:
        return float(value)
    except OverflowError as error:
        raise CallerFault(f"{place(position)}: the number is too large") from error


_JSON_KINDS: dict[type, str] = {bool: "a boolean", str: "a string", list: "a list", dict: "an object"}
