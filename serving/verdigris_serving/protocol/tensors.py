"""From a request's tensors to rows that the model may see. Every refusal names the feature and the row.

Two spellings are understood: one tensor of shape [rows, features] under any name that is no feature's, or one
tensor a feature, of shape [rows] or [rows, 1]. No message repeats a value: it would be a patient's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from verdigris_serving.model.schema import Feature, Row, is_free_text
from verdigris_serving.protocol.limits import Limits
from verdigris_serving.protocol.messages import (
    FLOAT_DATATYPES,
    INTEGER_DATATYPES,
    AnyRequest,
    AnyTensor,
    CallerFault,
    NestedTensor,
    NotJson,
    Numbers,
    Tensor,
)

#: Most rows of a request of the usual largest size: its answer must not be many times its size.
MAX_ROWS = 250_000


@dataclass(frozen=True)
class _Places:
    """Whose value is at a position in a tensor's flat data: rows of these ``features``."""

    features: Sequence[Feature]

    def __call__(self, position: int) -> str:
        """The place in words."""
        row, column = divmod(position, len(self.features))
        return place(self.features[column].name, row)

    def needed(self, position: int, what: str) -> str:
        """The place, and what is needed there: null only where a value may be missing."""
        return f"{self(position)}: {needed(self.features[position % len(self.features)], what, 'null')}"


class InputReader:
    """Reads requests of at most ``max_rows`` rows for one model."""

    def __init__(self, features: Sequence[Feature], max_rows: int = MAX_ROWS) -> None:
        self._max_rows = max_rows
        self._features = list(features)
        self._index = {feature.name: number for number, feature in enumerate(features)}
        #: For each text feature the position of each of its categories; None where it has none, and any text is one.
        self._codes = {
            feature.name: None
            if is_free_text(feature)
            else {str(text): float(place) for place, text in enumerate(feature.categories or ())}
            for feature in features
            if feature.datatype == "BYTES"
        }
        self._limits = Limits(features)

    def rows(self, request: AnyRequest) -> tuple[list[Row], list[str]]:
        """One list a row, one value a feature in the manifest's order, each as the manifest allows it; and the
        places whose values were clamped to become so. Raises CallerFault."""
        inputs = request.inputs
        if len(inputs) == 1 and inputs[0].name not in self._index:
            rows = self._from_one(inputs[0])
        else:
            rows = self._from_many(inputs)
        return rows, self._limits.apply(rows)

    def _from_one(self, tensor: AnyTensor) -> list[Row]:
        width = len(self._features)
        shape = tensor.shape
        if len(shape) != 2 or shape[1] != width or shape[0] < 1:
            raise CallerFault(
                f'input "{_short(tensor.name)}": shape {_short(shape)} does not fit; [rows, {width}] is needed, with '
                f"the features in the order of the model's metadata"
            )
        self._check_count(shape[0])
        if self._codes:
            raise CallerFault(
                f'input "{_short(tensor.name)}": this model has texts among its features; send a tensor a feature'
            )
        data = _flat(tensor, _Places(self._features))
        if len(data) == width:
            return [data]
        return [data[start : start + width] for start in range(0, len(data), width)]

    def _from_many(self, tensors: Sequence[AnyTensor]) -> list[Row]:
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

    def _column(self, tensor: AnyTensor) -> Row:
        shape = tensor.shape
        if shape[1:] not in ([], [1]) or not shape or shape[0] < 1:
            raise CallerFault(
                f'feature "{tensor.name}": shape {_short(shape)} does not fit; [rows] or [rows, 1] is needed'
            )
        self._check_count(shape[0])
        places = _Places([self._features[self._index[tensor.name]]])
        if tensor.name not in self._codes:
            return _flat(tensor, places)
        texts = _texts(tensor, places)
        known = self._codes[tensor.name]
        return texts if known is None else [None if text is None else known.get(text, -1.0) for text in texts]

    def _check_count(self, rows: int) -> None:
        if rows > self._max_rows:
            raise CallerFault(f"the request has more than {self._max_rows} rows; send them in several requests")

    def _known(self) -> str:
        names = ", ".join(f'"{feature.name}"' for feature in self._features[:20])
        return f"it has {names}" + (", …" if len(self._features) > 20 else "")


def place(name: str, row: int) -> str:
    """Where a value is, as every message says it."""
    return f'feature "{name}", row {row}'


def needed(feature: Feature, what: str, missing: str) -> str:
    """What is needed for a feature, and how a ``missing`` value is written where it may be missing."""
    if not feature.nullable:
        return f"{what} is needed"
    return f"{what.replace(' or ', ', ')} or {missing} is needed"


def _short(thing: object) -> str:
    text = str(thing)
    return text if len(text) <= 100 else text[:100] + "…"


def _flat(tensor: AnyTensor, place: _Places) -> Row:
    """The tensor's data, flat, checked against its shape and datatype. Raises CallerFault."""
    datatype = tensor.datatype
    if datatype not in FLOAT_DATATYPES and datatype not in INTEGER_DATATYPES:
        raise CallerFault(
            f'input "{_short(tensor.name)}": datatype "{_short(datatype)}" is not numeric; FP64 is the usual one'
        )
    data = _values(tensor, place)
    size = math.prod(tensor.shape)
    if len(data) != size:
        raise CallerFault(f'input "{_short(tensor.name)}": {len(data)} values, but its shape says {size}')
    if datatype != "FP64":
        _check_datatype(data, datatype, place)
    return data  # type: ignore[return-value]


def _texts(tensor: AnyTensor, place: _Places) -> list[Any]:
    """A text feature's values, None for a missing one. Raises CallerFault."""
    if tensor.datatype != "BYTES":
        raise CallerFault(f'feature "{tensor.name}": it is a text, of datatype BYTES, not "{_short(tensor.datatype)}"')
    data: Any = tensor.data
    if not isinstance(data, list):
        raise CallerFault(f'feature "{tensor.name}": data must be a list of texts')
    flat = [value for item in data for value in (item if isinstance(item, list) else [item])]
    if len(flat) != math.prod(tensor.shape):
        raise CallerFault(f'feature "{tensor.name}": {len(flat)} values, but its shape says {math.prod(tensor.shape)}')
    for row, value in enumerate(flat):
        if value is not None and not isinstance(value, str):
            raise CallerFault(place.needed(row, "a text"))
    return flat


def _check_datatype(data: Numbers, datatype: str, place: _Places) -> None:
    integral = datatype in INTEGER_DATATYPES
    low, high = INTEGER_DATATYPES[datatype] if integral else FLOAT_DATATYPES[datatype]
    for position, value in enumerate(data):
        if value is None:
            continue
        if integral and value % 1:
            raise CallerFault(f"{place(position)}: a whole number is needed ({datatype})")
        if not low <= value <= high:
            raise CallerFault(f"{place(position)}: beyond what {datatype} can hold; declare a wider datatype")


def _values(tensor: AnyTensor, place: _Places) -> Numbers:
    data: Any = tensor.data
    if tensor.parameters is not None and tensor.parameters.binary_data_size is not None:
        raise CallerFault(
            f'input "{_short(tensor.name)}": binary_data_size without the header Inference-Header-Content-Length, '
            "which says where the binary part begins"
        )
    if not isinstance(data, list):
        hint = " (or, in binary, the parameter binary_data_size)" if data is None else ""
        raise CallerFault(f'input "{_short(tensor.name)}": data must be a list of numbers{hint}')
    if isinstance(tensor, Tensor):
        return data
    if isinstance(tensor, NestedTensor):
        shape = tensor.shape
        if len(shape) == 2 and len(data) == shape[0] and all(len(row) == shape[1] for row in data):
            return list(chain.from_iterable(data))
    if any(isinstance(item, list) for item in data):
        data = _unnest(data, tensor.shape, tensor.name)
    return [_number(value, tensor.datatype, place, position) for position, value in enumerate(data)]


def _unnest(data: list[Any], shape: Sequence[int], name: str) -> list[Any]:
    """Flatten lists that are nested as ``shape`` says, one level a dimension."""
    level = [data]
    for size in shape:
        if any(not isinstance(item, list) or len(item) != size for item in level):
            raise CallerFault(f'input "{_short(name)}": the nesting of its data is not that of its shape')
        level = [value for item in level for value in item]
    return level


def _number(value: Any, datatype: str, place: _Places, position: int) -> float | None:
    if value is None:
        return None
    if datatype == "BOOL" and isinstance(value, bool):
        return float(value)
    if isinstance(value, NotJson):
        raise CallerFault(f"{place(position)}: NaN and Infinity are no numbers in JSON; null is a missing value")
    if isinstance(value, bool) or not isinstance(value, int | float):
        what = "true or false" if datatype == "BOOL" else "a number"
        raise CallerFault(f"{place.needed(position, what)}, not {_JSON_KINDS.get(type(value), 'this')}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isinf(number):
        raise CallerFault(f"{place(position)}: the number is too large")
    return number


_JSON_KINDS: dict[type, str] = {bool: "a boolean", str: "a string", list: "a list", dict: "an object"}
