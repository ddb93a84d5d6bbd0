"""The protocol's binary tensor data extension: values as little-endian bytes behind the JSON, in both directions.

A request says with ``Inference-Header-Content-Length`` how long its JSON is, and each tensor without ``data`` with
the parameter ``binary_data_size`` how many of the bytes behind it are its own. A missing value has no byte pattern
but one: NaN in a floating-point tensor is what null is in JSON.
"""

import math
import struct
from collections.abc import Sequence
from itertools import chain
from typing import Any

import msgspec

from verdigris_serving.protocol.messages import (
    FLOAT_DATATYPES,
    AnyRequest,
    CallerFault,
    InferRequest,
    OutputTensor,
    Tensor,
)

#: Name of the extension in the server's metadata.
EXTENSION = "binary_tensor_data"
#: The header that says how many bytes of a body are JSON, in lower case.
HEADER = b"inference-header-content-length"

_CODES = {
    "BOOL": "B",
    "FP16": "e",
    "FP32": "f",
    "FP64": "d",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
}


def split(body: bytes, header_length: int) -> tuple[bytes, bytes]:
    """The JSON and what follows it. Raises CallerFault."""
    if not 0 <= header_length <= len(body):
        raise CallerFault(f"Inference-Header-Content-Length must be a number from 0 to {len(body)}, the body's length")
    return body[:header_length], body[header_length:]


def attach(request: AnyRequest, tail: bytes) -> AnyRequest:
    """The request with the bytes of ``tail`` read into its tensors. Raises CallerFault.

    Every byte must belong to a tensor, and every tensor must have its values in one place.
    """
    at = 0
    tensors: list[Any] = []
    for tensor in request.inputs:
        size = None if tensor.parameters is None else tensor.parameters.binary_data_size
        if size is None or tensor.data is not None:
            if size is not None:
                raise CallerFault(f'input "{tensor.name[:100]}" has both data and binary_data_size; one is needed')
            tensors.append(tensor)
            continue
        if not 0 <= size <= len(tail) - at:
            raise CallerFault(
                f'input "{tensor.name[:100]}": binary_data_size does not fit the {len(tail) - at} bytes that are left; '
                "send the bytes behind the JSON, whose length Inference-Header-Content-Length says"
            )
        values = unpack(tensor.name, tensor.datatype, tail[at : at + size])
        tensors.append(Tensor(tensor.name, tensor.shape, tensor.datatype, None, values))
        at += size
    if at != len(tail):
        raise CallerFault(f"{len(tail) - at} bytes behind the JSON belong to no input: say binary_data_size")
    if not isinstance(request, InferRequest):
        return msgspec.structs.replace(request, inputs=tensors)
    return InferRequest(request.id, request.outputs, request.parameters, inputs=tensors)


def unpack(name: str, datatype: str, data: bytes) -> list[Any]:
    """The values of input ``name`` in ``data``: numbers (None: missing) or texts. Raises CallerFault."""
    if datatype == "BYTES":
        return _texts(name, data)
    code = _CODES.get(datatype)
    if code is None:
        raise CallerFault(f'input "{name[:100]}": datatype "{datatype[:100]}" is not numeric; FP64 is the usual one')
    size = struct.calcsize(code)
    if len(data) % size:
        raise CallerFault(f'input "{name[:100]}": {len(data)} bytes are no whole number of {datatype} values')
    values = struct.unpack(f"<{len(data) // size}{code}", data)
    if datatype in FLOAT_DATATYPES:
        return [None if math.isnan(value) else value for value in values]
    return list(map(float, values))


def _texts(name: str, data: bytes) -> list[str]:
    """Texts, each behind its length in four bytes. Raises CallerFault."""
    found: list[str] = []
    at = 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "little")
        if end > len(data) or at + 4 > len(data):
            raise CallerFault(f'input "{name[:100]}": its texts are cut off; before each stands its length, in 4 bytes')
        found.append(text(name, len(found), data[at + 4 : end]))
        at = end
    return found


def text(name: str, place: int, data: bytes) -> str:
    """One text of input ``name``, at ``place`` among its texts. Raises CallerFault."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise CallerFault(f'input "{name[:100]}": text {place} is no UTF-8') from error


def detach(outputs: Sequence[OutputTensor], binary: Sequence[bool]) -> tuple[list[OutputTensor], bytes]:
    """The outputs, those marked ``binary`` without their data, and that data as bytes."""
    kept, parts = [], []
    for output, packed in zip(outputs, binary, strict=True):
        if not packed:
            kept.append(output)
            continue
        data = pack(output)
        parts.append(data)
        kept.append(
            OutputTensor(output.name, output.datatype, output.shape, parameters={"binary_data_size": len(data)})
        )
    return kept, b"".join(parts)


def pack(output: OutputTensor) -> bytes:
    """The output's data as bytes."""
    data = output.data
    if not isinstance(data, list):
        raise AssertionError("an output was to be packed twice")
    if output.datatype == "BYTES":
        texts = [text.encode() for text in data]
        return b"".join(chain.from_iterable((struct.pack("<I", len(text)), text) for text in texts))
    return struct.pack(f"<{len(data)}{_CODES[output.datatype]}", *data)
