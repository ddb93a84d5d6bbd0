"""The binary tensor data extension, byte by byte; ``test_clients.py`` has published clients speak it."""

import json
import struct
from typing import Any

import msgspec
import pytest

from tests.serving.support import ROW, request_body, service
from verdigris_serving.protocol.service import Answer

SERVICE = service()
RAW = struct.pack("<3d", *[120.0, 80.0, 40.0])


def tensor(size: int | None = 24, **changes: Any) -> dict[str, Any]:
    parameters = {} if size is None else {"parameters": {"binary_data_size": size}}
    return {"name": "features", "shape": [1, 3], "datatype": "FP64", **parameters, **changes}


def ask(tail: bytes, *tensors: dict[str, Any], header: int | None = None, **fields: Any) -> Answer:
    head = msgspec.json.encode({"inputs": list(tensors), **fields})
    return SERVICE.infer(head + tail, "made-up", len(head) if header is None else header)


def outputs_in_json() -> Any:
    return json.loads(SERVICE.infer(request_body(), "made-up").body)["outputs"]


@pytest.mark.parametrize(
    ("datatype", "code"),
    [
        *[("FP16", "e"), ("FP32", "f"), ("FP64", "d"), ("INT8", "b"), ("INT16", "h"), ("INT32", "i"), ("INT64", "q")],
        *[("UINT8", "B"), ("UINT16", "H"), ("UINT32", "I"), ("UINT64", "Q")],
    ],
)
def test_bytes_of_every_datatype_are_the_numbers_they_stand_for(datatype: str, code: str) -> None:
    values = [120, 80, 40]
    tail = struct.pack(f"<3{code}", *values)
    answer = ask(tail, tensor(len(tail), datatype=datatype))

    assert (answer.status, answer.header_length, answer.content_type) == (200, None, b"application/json")
    assert json.loads(answer.body)["outputs"] == outputs_in_json()


def test_a_feature_in_json_and_others_in_binary_go_together() -> None:
    columns = [
        tensor(8, name="glucose", shape=[1, 1]),
        tensor(None, name="age", shape=[1], data=[40]),
        tensor(1, name="insulin", shape=[1], datatype="UINT8"),
    ]
    answer = ask(struct.pack("<dB", 120.0, 80), *columns)

    assert json.loads(answer.body)["outputs"] == outputs_in_json()


def test_nan_is_how_a_missing_value_is_written() -> None:
    missing = ask(struct.pack("<3d", float("nan"), 80.0, 40.0), tensor())
    assert (
        json.loads(missing.body)["outputs"]
        == json.loads(SERVICE.infer(request_body([[None, 80.0, 40.0]]), "x").body)["outputs"]
    )


def test_outputs_are_answered_in_binary_when_all_are_asked_for_so() -> None:
    answer = ask(RAW, tensor(), parameters={"binary_data_output": True})
    assert answer.header_length is not None
    head, tail = json.loads(answer.body[: answer.header_length]), answer.body[answer.header_length :]

    label, probabilities = outputs_in_json()
    assert answer.content_type == b"application/octet-stream"
    assert [output["parameters"] for output in head["outputs"]] == [{"binary_data_size": 8}, {"binary_data_size": 16}]
    assert all("data" not in output for output in head["outputs"])
    assert struct.unpack("<q2d", tail) == (*label["data"], *probabilities["data"])


def test_one_output_in_binary_leaves_the_other_in_json() -> None:
    wanted = [{"name": "label"}, {"name": "probabilities", "parameters": {"binary_data": True}}]
    answer = SERVICE.infer(request_body(outputs=wanted), "x")
    assert answer.header_length is not None
    head, tail = json.loads(answer.body[: answer.header_length]), answer.body[answer.header_length :]

    label, probabilities = outputs_in_json()
    assert head["outputs"][0] == label
    assert list(struct.unpack("<2d", tail)) == probabilities["data"]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (ask(RAW, tensor(), header=-1), "Inference-Header-Content-Length must be a number from 0"),
        (ask(RAW, tensor(), header=10_000), "Inference-Header-Content-Length must be a number from 0"),
        (ask(RAW, tensor(), header=20), "not JSON"),
        (ask(RAW[:-1], tensor()), "binary_data_size does not fit the 23 bytes"),
        (ask(RAW, tensor(-1)), "binary_data_size does not fit"),
        (ask(RAW, tensor(2**70)), "binary_data_size does not fit"),
        (ask(RAW + b"x", tensor()), "1 bytes behind the JSON belong to no input"),
        (ask(RAW, tensor(None)), "24 bytes behind the JSON belong to no input"),
        (ask(b"", tensor(None)), "data must be a list of numbers (or, in binary,"),
        (ask(RAW, tensor(data=ROW)), "has both data and binary_data_size"),
        (ask(RAW[:23], tensor(23)), "23 bytes are no whole number of FP64 values"),
        (ask(RAW[:16], tensor(16)), "2 values, but its shape says 3"),
        (ask(RAW, tensor(datatype="BYTES")), "its texts are cut off"),
        (ask(struct.pack("<3d", 120.0, float("nan"), 40.0), tensor()), 'feature "insulin", row 0: a value is needed'),
        (ask(struct.pack("<3d", 120.0, float("inf"), 40.0), tensor()), 'feature "insulin", row 0: a finite number'),
        (ask(b"\2\1\1", tensor(3, datatype="BOOL")), 'feature "glucose", row 0: beyond what BOOL'),
    ],
)
def test_bytes_that_do_not_fit_get_a_400_that_says_why(answer: Answer, says: str) -> None:
    assert answer.status == 400
    assert says in json.loads(answer.body)["error"]
