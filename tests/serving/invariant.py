"""What holds for any request whatsoever, and sound requests to start mutating from."""

import json
import struct

import msgspec

from tests.serving.support import FEATURES, ROW, request_body, service

SERVICE = service(centers=(115.0, 4.0, 35.0))


def check(body: bytes, header_length: int | None) -> int:
    """Ask; the status is 200 or a 4xx and the body is the JSON that belongs to it. Returns the status."""
    answer = SERVICE.infer(body, "made-up", header_length)
    head = json.loads(answer.body[: answer.header_length])
    if answer.status == 200:
        assert head["id"]
        assert head["outputs"]
    else:
        assert 400 <= answer.status < 500
        assert set(head) == {"error"}
        assert head["error"]
    return answer.status


def seeds() -> list[tuple[bytes, int | None]]:
    """Sound requests in every spelling, each with the length of its JSON where a binary part follows."""
    outputs = [{"name": "explanation"}, {"name": "label", "parameters": {"binary_data": True}}]
    columns = [
        {"name": feature.name, "shape": [1], "datatype": feature.datatype, "data": [value]}
        for feature, value in zip(FEATURES, ROW, strict=True)
    ]
    nested = {"name": "x", "shape": [2, 3], "datatype": "FP32", "data": [ROW, [None, 80, 4e1]]}
    packed = {"name": "x", "shape": [1, 3], "datatype": "FP32", "parameters": {"binary_data_size": 12}}
    head = msgspec.json.encode({"inputs": [packed], "parameters": {"binary_data_output": True}})
    whole: list[tuple[bytes, int | None]] = [
        (request_body(), None),
        (request_body([ROW, ROW], id="r", outputs=outputs), None),
        (msgspec.json.encode({"inputs": columns}), None),
        (msgspec.json.encode({"inputs": [nested], "parameters": {"binary_data_output": True}}), None),
        (head + struct.pack("<3f", 120, 80, 40), len(head)),
    ]
    return whole
