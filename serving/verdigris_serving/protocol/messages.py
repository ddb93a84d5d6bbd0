"""The protocol's messages as typed structures, and the one way to decode a request's body.

Fields that the protocol has and this server does not use (``parameters``) are skipped, unknown ones too.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from verdigris_serving.model.schema import Row

#: Datatypes of the protocol that a feature's values may be sent as.
FLOAT_DATATYPES = frozenset({"FP16", "FP32", "FP64"})
INTEGER_DATATYPES = frozenset(f"{kind}{bits}" for kind in ("INT", "UINT") for bits in (8, 16, 32, 64))

RequestId = Annotated[str, Meta(max_length=256)]


class CallerFault(Exception):
    """The request cannot be answered as sent. ``message`` says what is wrong and where, without any value of it."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class Tensor(Struct, frozen=True, gc=False):
    """One input; ``data`` flat in row-major order once decoded."""

    name: str
    shape: list[int]
    datatype: str
    data: Row


class RequestedOutput(Struct, frozen=True, gc=False):
    """One output the caller wants."""

    name: str


class InferRequest(Struct, frozen=True):
    """The body of ``POST …/infer``."""

    inputs: list[Tensor]
    id: RequestId | None = None
    outputs: list[RequestedOutput] | None = None


class OutputTensor(Struct, frozen=True):
    """One output."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any]


class InferResponse(Struct, frozen=True):
    """The body of an answer. ``id`` is always there: the caller's, or one made for it."""

    model_name: str
    model_version: str
    id: str
    outputs: list[OutputTensor]


class LooseTensor(Struct):
    """An input as the caller wrote it: ``data`` is whatever JSON it was."""

    name: str
    shape: list[int]
    datatype: str
    data: Any


class LooseRequest(Struct):
    """A body that the strict decoder refused: nested data, or a value that is no number."""

    inputs: list[LooseTensor]
    id: RequestId | None = None
    outputs: list[RequestedOutput] | None = None


_STRICT = msgspec.json.Decoder(InferRequest)
_LOOSE = msgspec.json.Decoder(LooseRequest)


def decode_request(body: bytes) -> InferRequest | LooseRequest:
    """Decode ``body``. Raises CallerFault.

    The strict decoder makes floats of flat data in one pass. What it refuses is decoded once more, loosely:
    either the data is nested and all is well, or the refusal gets the name and place that a person needs.
    """
    try:
        return _STRICT.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return _LOOSE.decode(body)
    except msgspec.ValidationError as error:
        raise CallerFault(f"the body is no inference request: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CallerFault(f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise CallerFault("the body is nested too deeply") from error
