"""From the bytes of a message to the request that HTTP's spellings become, and from the answer to bytes.

Values come typed, in a tensor's ``contents``, or as bytes behind all tensors, in ``raw_input_contents``; they are
answered in the way they came. A missing value is NaN in either, as in binary over HTTP.
"""

import json
import math
from collections.abc import Sequence
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message
from msgspec import UNSET

from verdigris_serving.grpc import open_inference_pb2 as wire
from verdigris_serving.protocol import binary
from verdigris_serving.protocol.messages import (
    FLOAT_DATATYPES,
    MAX_ID,
    CallerFault,
    InferRequest,
    InferResponse,
    OutputTensor,
    RequestedOutput,
    Tensor,
)

_Message = TypeVar("_Message", bound=Message)
#: The field of ``InferTensorContents`` for the values of each datatype. FP16 has none: its values come as bytes.
_FIELDS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def read(kind: type[_Message], body: bytes) -> _Message:
    """The message of a call. Raises CallerFault."""
    try:
        return kind.FromString(body)
    except DecodeError as error:
        raise CallerFault(f"the message is no {kind.__name__} of the Open Inference Protocol") from error


def request_of(message: wire.ModelInferRequest) -> InferRequest:
    """The request that a message is. Raises CallerFault."""
    if len(message.id) > MAX_ID:
        raise CallerFault(f"id: at most {MAX_ID} characters are allowed")
    raw: Sequence[bytes] = message.raw_input_contents
    if raw and len(raw) != len(message.inputs):
        raise CallerFault(
            f"raw_input_contents has {len(raw)} entries for {len(message.inputs)} inputs; one for each is needed"
        )
    tensors = [
        Tensor(given.name, list(given.shape), given.datatype, None, _values(given, raw[place] if raw else None))
        for place, given in enumerate(message.inputs)
    ]
    outputs = [RequestedOutput(wanted.name) for wanted in message.outputs] or None
    return InferRequest(message.id or None, outputs, inputs=tensors)


def _values(given: wire.ModelInferRequest.InferInputTensor, raw: bytes | None) -> Any:
    """A tensor's values as numbers (None: missing) or texts. Raises CallerFault."""
    where, datatype = f'input "{given.name[:100]}"', given.datatype
    filled = [field.name for field, _ in given.contents.ListFields()]
    if raw is not None:
        if filled:
            raise CallerFault(f"{where}: it has contents, and the message raw_input_contents; one of them is needed")
        return binary.unpack(given.name, datatype, raw)
    field = _FIELDS.get(datatype)
    if field is None:
        # FP16, or none of the protocol's, which is refused by the sentence that any port has for it.
        binary.unpack(given.name, datatype, b"")
        raise CallerFault(f"{where}: the values of {datatype} have no field of their own; send raw_input_contents")
    if filled != [field]:
        raise CallerFault(f"{where}: the values of {datatype} are needed in {field}, and in no other of its contents")
    values = getattr(given.contents, field)
    if datatype == "BYTES":
        return [binary.text(given.name, place, value) for place, value in enumerate(values)]
    if datatype in FLOAT_DATATYPES:
        return [None if math.isnan(value) else value for value in values]
    return list(map(float, values))


def answer_of(response: InferResponse, *, raw: bool) -> bytes:
    """The message that answers; ``raw``: its values in ``raw_output_contents``."""
    message = wire.ModelInferResponse(
        model_name=response.model_name, model_version=response.model_version, id=response.id
    )
    if response.parameters is not UNSET:
        for name, value in response.parameters.items():
            # A parameter of this API is one value: a list is told as JSON.
            message.parameters[name].string_param = json.dumps(value)
    for output in response.outputs:
        made = message.outputs.add(name=output.name, datatype=output.datatype, shape=output.shape)
        if raw:
            message.raw_output_contents.append(binary.pack(output))
        else:
            getattr(made.contents, _FIELDS[output.datatype]).extend(_typed(output))
    return message.SerializeToString()


def _typed(output: OutputTensor) -> list[Any]:
    data = output.data
    if not isinstance(data, list):
        raise AssertionError("an output has been packed already")
    return [text.encode() for text in data] if output.datatype == "BYTES" else data
