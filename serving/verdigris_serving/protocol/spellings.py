"""The other ways to write rows: ``{"rows": [{feature: value, …}, …]}`` and KServe V1's ``{"instances": […]}``.

Both become one tensor a feature, so whatever holds for tensors holds for them, and is refused in the same words.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from verdigris_serving.model.schema import Feature
from verdigris_serving.protocol.messages import CallerFault, LooseRequest, LooseTensor, OutputTensor, RowsRequest

#: Datatypes whose values are no numbers: a column of them is declared as such.
_NO_NUMBERS = {"BOOL", "BYTES"}
_encode = msgspec.json.Encoder().encode


def as_tensors(request: RowsRequest, features: Sequence[Feature]) -> LooseRequest:
    """The same request with one tensor a feature. Raises CallerFault naming the row that is none of this model's.

    A row is an object by feature name, or a list in the features' order.
    """
    if not request.rows:
        raise CallerFault("there is no row in the request; at least one is needed")
    names = [feature.name for feature in features]
    known = set(names)
    rows = [_values(row, number, names, known) for number, row in enumerate(request.rows)]
    return LooseRequest(request.id, request.outputs, request.parameters, inputs=tensors(features, rows))


def tensors(features: Sequence[Feature], rows: Sequence[Sequence[Any]]) -> list[LooseTensor]:
    """One tensor of shape [rows] a feature; each row has one value a feature, and there is at least one row."""
    return [
        # Numbers are declared as the widest: the manifest's own datatype is looked at with its range.
        LooseTensor(feature.name, [len(rows)], feature.datatype if feature.datatype in _NO_NUMBERS else "FP64", None, c)
        for feature, c in zip(features, map(list, zip(*rows, strict=True)), strict=True)
    ]


def _values(row: Any, number: int, names: list[str], known: set[str]) -> Sequence[Any]:
    if isinstance(row, list):
        if len(row) != len(names):
            raise CallerFault(
                f"row {number}: {len(row)} values; {len(names)} are needed, in the order of the model's metadata"
            )
        return row
    if not isinstance(row, dict):
        raise CallerFault(f"row {number}: an object by feature name is needed, or a list of values")
    if row.keys() != known:
        raise CallerFault(f"row {number}: {_difference(row, names, known)}")
    return [row[name] for name in names]


def _difference(row: dict[str, Any], names: list[str], known: set[str]) -> str:
    lacking = [f'"{name}"' for name in names if name not in row]
    lacks = f"{', '.join(lacking[:20])} {'is' if len(lacking) == 1 else 'are'} not there"
    foreign = next((name for name in row if name not in known), None)
    if foreign is None:
        return f"{lacks}; send every feature, null for a missing value"
    no_feature = f'"{foreign[:100]}" is no feature of this model'
    return f"{no_feature}, and {lacks}" if lacking else no_feature


def predictions(first: OutputTensor, clamped: list[str]) -> bytes:
    """The body of KServe V1's answer: a label a row, or a value, a list where there are several of them.

    ``clamped`` is told beside them, if there is any.
    """
    data: Any = first.data
    if len(first.shape) > 1:
        width = first.shape[1]
        data = [data[start : start + width] for start in range(0, len(data), width)]
    answer: dict[str, Any] = {"predictions": data}
    if clamped:
        answer["parameters"] = {"clamped": clamped}
    return _encode(answer)
