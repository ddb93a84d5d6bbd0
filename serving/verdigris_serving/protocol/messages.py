"""The protocol's messages as typed structures, and the one way to decode a request's body.

Parameters that this server does not know are skipped, unknown fields too. A name that stands twice in one object is
refused: which of the two was meant is not ours to guess.
"""

import json
import math
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

#: Datatypes of the protocol that a feature's values may be sent as, with what each can hold.
FLOAT_DATATYPES = {"FP16": (-65504.0, 65504.0), "FP32": (-3.4028235e38, 3.4028235e38), "FP64": (-math.inf, math.inf)}
INTEGER_DATATYPES = {
    "BOOL": (0.0, 1.0),
    **{f"INT{bits}": (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": (0.0, 2.0**bits - 1) for bits in (8, 16, 32, 64)},
}

#: A row, or a column, of a tensor that holds no texts.
Numbers = list[float | None]

#: The fields of a body that can hold its rows: as tensors, one by one, and one by one as KServe V1 calls it.
SPELLINGS = ("inputs", "rows", "instances")

#: Most characters of a request's id.
MAX_ID = 256
RequestId = Annotated[str, Meta(max_length=MAX_ID)]


class CallerFault(Exception):
    """The request cannot be answered as sent. ``message`` says what is wrong and where, without any value of it."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class TensorParameters(Struct, frozen=True, gc=False):
    """``binary_data_size`` (an input's): bytes after the JSON. ``binary_data`` (an output's): answer it so."""

    binary_data_size: int | None = None
    binary_data: bool | None = None


class RequestParameters(Struct, frozen=True, gc=False):
    """``binary_data_output``: answer every output in binary that does not say otherwise itself."""

    binary_data_output: bool | None = None


class RequestedOutput(Struct, frozen=True, gc=False):
    """One output the caller wants."""

    name: str
    parameters: TensorParameters | None = None


class _Input(Struct, frozen=True, gc=False):
    name: str
    shape: list[int]
    datatype: str
    parameters: TensorParameters | None = None


class Tensor(_Input, frozen=True, gc=False):
    """One input; ``data`` flat in row-major order, or None while it is still in the binary part."""

    data: Numbers | None = None


class NestedTensor(_Input, frozen=True, gc=False):
    """One input of shape [rows, columns], ``data`` a list a row."""

    data: list[Numbers] | None = None


class LooseTensor(_Input, frozen=True):
    """An input as the caller wrote it: ``data`` is whatever JSON it was."""

    data: Any = None


class _Request(Struct, frozen=True):
    id: RequestId | None = None
    outputs: list[RequestedOutput] | None = None
    parameters: RequestParameters | None = None


class InferRequest(_Request, frozen=True, kw_only=True):
    """The body of ``POST …/infer``."""

    inputs: list[Tensor]


class NestedRequest(_Request, frozen=True, kw_only=True):
    """The same, its data nested."""

    inputs: list[NestedTensor]


class LooseRequest(_Request, frozen=True, kw_only=True):
    """A body that the strict decoders refused: a value is no number, or data is nested more deeply."""

    inputs: list[LooseTensor]


class RowsRequest(_Request, frozen=True, kw_only=True):
    """A body that has its rows one by one, each whatever JSON it was: ``rows``, or ``instances`` in KServe V1."""

    rows: list[Any]


AnyTensor = Tensor | NestedTensor | LooseTensor
AnyRequest = InferRequest | NestedRequest | LooseRequest


class OutputTensor(Struct, frozen=True):
    """One output; ``data`` is unset when it follows the JSON in binary."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | UnsetType = UNSET
    parameters: dict[str, Any] | UnsetType = UNSET


class InferResponse(Struct, frozen=True):
    """The body of an answer. ``id`` is always there: the caller's, or one made for it."""

    model_name: str
    model_version: str
    id: str
    outputs: list[OutputTensor]
    parameters: dict[str, Any] | UnsetType = UNSET


_STRICT = msgspec.json.Decoder(InferRequest)
_NESTED = msgspec.json.Decoder(NestedRequest)
_REFUSED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode_request(body: bytes) -> AnyRequest | RowsRequest:
    """Decode ``body``. Raises CallerFault.

    The strict decoders make floats of flat or nested data in one pass. What they refuse is read once more,
    carefully: either it is sound after all, or the refusal gets the name and place that a person needs.
    """
    request: AnyRequest
    try:
        request = _STRICT.decode(body)
    except _REFUSED:
        try:
            request = _NESTED.decode(body)
        except _REFUSED:
            return _decode_carefully(body)
    # Every name has a colon. As many colons as there are different names: none stands twice, none is unknown.
    if body.count(b":") != _names(request):
        _spelling(_plain(body))
    return request


def _names(request: InferRequest | NestedRequest) -> int:
    """How many different names the decoder has seen for certain."""
    count = 1 + (request.id is not None)
    for tensor in request.inputs:
        count += 3 + (tensor.data is not None)
        if tensor.parameters is not None:
            count += 1 + (tensor.parameters.binary_data_size is not None)
    if request.outputs is not None:
        count += 1 + len(request.outputs)
        for output in request.outputs:
            if output.parameters is not None:
                count += 1 + (output.parameters.binary_data is not None)
    if request.parameters is not None:
        count += 1 + (request.parameters.binary_data_output is not None)
    return count


def _decode_carefully(body: bytes) -> LooseRequest | RowsRequest:
    found = _plain(body, mark_constants=True)
    spelling = _spelling(found)
    try:
        if spelling == "inputs":
            return msgspec.convert(found, LooseRequest)
        return msgspec.convert({**found, "rows": found[spelling]}, RowsRequest)
    except msgspec.ValidationError as error:
        raise CallerFault(f"the body is no inference request: {error}") from error


def _spelling(found: Any) -> str:
    """Which of SPELLINGS the body has; the first when it has none. Raises CallerFault when it has two."""
    given = [name for name in SPELLINGS if isinstance(found, dict) and name in found]
    if len(given) > 1:
        raise CallerFault(f"the body has both {given[0]} and {given[1]}; one is needed")
    return given[0] if given else SPELLINGS[0]


class NotJson(float):
    """NaN or Infinity, which people write and JSON does not have. Kept until its feature and row are known."""


def _plain(body: bytes, *, mark_constants: bool = False) -> Any:
    """``body`` as plain objects. Raises CallerFault, also when a name stands twice in one object."""
    constants: list[str] = []

    def constant(text: str) -> float:
        constants.append(text)
        return NotJson("nan")

    try:
        text = body.decode()
        found = json.loads(text, object_pairs_hook=_distinct, parse_int=_integer, parse_constant=constant)
        if "\\u" in text:
            # Half a surrogate pair is no character: nothing could repeat such a name, not even to refuse it.
            json.dumps(found, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise CallerFault(f"the body is not JSON: byte {error.start} is no UTF-8") from error
    except UnicodeEncodeError as error:
        raise CallerFault("the body is not JSON: an escape stands for half a surrogate pair") from error
    except json.JSONDecodeError as error:
        raise CallerFault(f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise CallerFault("the body is nested too deeply") from error
    if constants and not (mark_constants and _only_in_data(found, len(constants))):
        raise CallerFault("the body is not JSON: NaN and Infinity are no numbers there; null is a missing value")
    return found


def _only_in_data(found: Any, count: int) -> bool:
    """Whether all the constants are where values are, so that reading those will refuse them by place."""
    if not isinstance(found, dict):
        return False
    whole = found.get(_spelling(found))
    items = whole if isinstance(whole, list) else []
    if "inputs" in found:
        data = [tensor.get("data") for tensor in items if isinstance(tensor, dict)]
    else:
        data = [list(row.values()) if isinstance(row, dict) else row for row in items]
    while data and count:
        value = data.pop()
        count -= isinstance(value, NotJson)
        if isinstance(value, list):
            data.extend(value)
    return not count


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    whole = dict(pairs)
    if len(whole) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        name = twice[:100].encode(errors="replace").decode()
        raise CallerFault(f'the name "{name}" stands twice in one object of the body')
    return whole


def _integer(text: str) -> int | float:
    # Python refuses to read integers of thousands of digits; as a number for a model they are infinite anyway.
    return int(text) if len(text) < 400 else float(text)
