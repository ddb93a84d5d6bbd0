"""The Open Inference Protocol over gRPC without a transport: a stranger's messages in, and out."""

import json
import struct
from typing import Any

import pytest
from tritonclient.grpc import service_pb2 as theirs

from tests.serving.support import ROW, request_body, service
from verdigris_serving.grpc import open_inference_pb2 as wire
from verdigris_serving.grpc.calls import Calls
from verdigris_serving.grpc.messages import answer_of, request_of
from verdigris_serving.protocol.messages import InferResponse, OutputTensor
from verdigris_serving.protocol.service import ModelFault

SERVICE = service()
CALLS = Calls(SERVICE)
RAW = struct.pack("<3d", 120.0, 80.0, 40.0)


def tensor(name: str = "features", datatype: str = "FP64", shape: tuple[int, ...] = (1, 3), **contents: Any) -> Any:
    made = theirs.ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=shape)
    for field, values in contents.items():
        getattr(made.contents, field).extend(values)
    return made


def message(*tensors: Any, raw: tuple[bytes, ...] = (), outputs: tuple[str, ...] = (), **fields: str) -> bytes:
    whole = theirs.ModelInferRequest(
        **{"model_name": "demo", **fields}, inputs=tensors or [tensor()], raw_input_contents=raw
    )
    for name in outputs:
        whole.outputs.add(name=name)
    return whole.SerializeToString()


def answer(body: bytes) -> Any:
    given = CALLS.infer(body, "made-up")
    assert given.status == 200, given.body
    return theirs.ModelInferResponse.FromString(given.body)


def refusal(body: bytes) -> tuple[int, str]:
    given = CALLS.infer(body, "made-up")
    return given.status, json.loads(given.body)["error"]


def by_http() -> list[dict[str, Any]]:
    outputs: list[dict[str, Any]] = json.loads(SERVICE.infer(request_body(), "made-up").body)["outputs"]
    return outputs


COLUMNS = [
    tensor("age", "INT64", (1, 1), int64_contents=[40]),
    tensor("glucose", "FP32", (1,), fp32_contents=[120.0]),
    tensor("insulin", "UINT8", (1, 1), uint_contents=[80]),
]
SPELLINGS = [
    pytest.param(message(tensor(fp64_contents=ROW)), id="doubles"),
    pytest.param(message(tensor(datatype="FP32", fp32_contents=ROW)), id="floats"),
    pytest.param(message(tensor(datatype="INT16", int_contents=[120, 80, 40])), id="small integers"),
    pytest.param(message(tensor(datatype="UINT64", uint64_contents=[120, 80, 40])), id="large integers"),
    pytest.param(message(*COLUMNS), id="a tensor a feature"),
    pytest.param(message(tensor(fp64_contents=ROW), model_version="1.0.0"), id="with a version"),
]


@pytest.mark.parametrize("body", SPELLINGS)
def test_typed_values_are_answered_typed_and_as_over_http(body: bytes) -> None:
    given = answer(body)

    label, probabilities = by_http()
    assert (given.model_name, given.model_version, given.id) == ("demo", "1.0.0", "made-up")
    assert [(o.name, o.datatype, list(o.shape)) for o in given.outputs] == [
        (o["name"], o["datatype"], o["shape"]) for o in (label, probabilities)
    ]
    assert list(given.outputs[0].contents.int64_contents) == label["data"]
    assert list(given.outputs[1].contents.fp64_contents) == probabilities["data"]
    assert not given.raw_output_contents


def test_bytes_are_answered_as_bytes() -> None:
    given = answer(message(raw=(RAW,), outputs=("probabilities",), id="mine"))

    assert given.id == "mine"
    assert [output.name for output in given.outputs] == ["probabilities"]
    assert list(given.raw_output_contents) == [struct.pack("<2d", *by_http()[1]["data"])]
    assert not given.outputs[0].HasField("contents")


def test_nan_is_a_missing_value_however_it_comes() -> None:
    missing = [float("nan"), 80.0, 40.0]
    typed = answer(message(tensor(fp64_contents=missing))).outputs[1].contents.fp64_contents
    raw = answer(message(raw=(struct.pack("<3d", *missing),))).raw_output_contents[1]
    expected = json.loads(SERVICE.infer(request_body([[None, 80.0, 40.0]]), "").body)["outputs"][1]["data"]
    assert list(typed) == list(struct.unpack("<2d", raw)) == expected


def test_texts_and_truths_go_in_and_out() -> None:
    request = request_of(
        wire.ModelInferRequest.FromString(
            message(
                tensor("town", "BYTES", (2,), bytes_contents=["Köln".encode(), b""]),
                tensor("smokes", "BOOL", (2,), bool_contents=[True, False]),
            )
        )
    )
    outputs = [OutputTensor("label", "BYTES", [2], ["jä", "no"]), OutputTensor("flag", "BOOL", [2], [True, False])]
    response = InferResponse("demo", "1.0.0", "x", outputs, {"clamped": ['feature "age", row 0']})
    typed = theirs.ModelInferResponse.FromString(answer_of(response, raw=False))
    raw = theirs.ModelInferResponse.FromString(answer_of(response, raw=True))

    assert [given.data for given in request.inputs] == [["Köln", ""], [1.0, 0.0]]
    assert list(typed.outputs[0].contents.bytes_contents) == ["jä".encode(), b"no"]
    assert list(typed.outputs[1].contents.bool_contents) == [True, False]
    assert list(raw.raw_output_contents) == [b"\3\0\0\0j\xc3\xa4\2\0\0\0no", b"\1\0"]
    assert json.loads(typed.parameters["clamped"].string_param) == ['feature "age", row 0']


REFUSALS = [
    (b"\xff\xff", 400, "no ModelInferRequest"),
    (message(tensor(fp64_contents=ROW), model_name="other"), 404, 'no model "other"; this server has model "demo"'),
    (message(tensor(fp64_contents=ROW), model_version="9"), 404, 'no version "9"'),
    (message(tensor(fp64_contents=ROW), id="i" * 257), 400, "id: at most 256 characters"),
    (message(tensor(fp64_contents=ROW[:2])), 400, "2 values, but its shape says 3"),
    (message(tensor(fp64_contents=[120.0, -1.0, 40.0])), 400, 'feature "insulin", row 0: below 0'),
    (message(tensor(shape=(3,), fp64_contents=ROW)), 400, "[rows, 3] is needed"),
    (message(tensor(fp32_contents=ROW)), 400, "the values of FP64 are needed in fp64_contents"),
    (message(tensor(fp64_contents=ROW, fp32_contents=ROW)), 400, "needed in fp64_contents, and in no other"),
    (message(tensor()), 400, "needed in fp64_contents"),
    (message(tensor(datatype="FP16")), 400, "have no field of their own; send raw_input_contents"),
    (message(tensor(datatype="COMPLEX")), 400, 'datatype "COMPLEX" is not numeric'),
    (message(tensor(fp64_contents=ROW), raw=(RAW,)), 400, "one of them is needed"),
    (message(tensor(), tensor(), raw=(RAW,)), 400, "raw_input_contents has 1 entries for 2 inputs"),
    (message(raw=(RAW[:-1],)), 400, "23 bytes are no whole number of FP64 values"),
    (message(tensor(fp64_contents=ROW), outputs=("odds",)), 400, 'no output "odds"'),
    (message(tensor("age", "BYTES", bytes_contents=[b"\xff"])), 400, "text 0 is no UTF-8"),
    (message(tensor(fp64_contents=[120.0, float("inf"), 40.0])), 400, 'feature "insulin", row 0: a finite number'),
]


@pytest.mark.parametrize(("body", "status", "sentence"), REFUSALS)
def test_what_cannot_be_answered_gets_a_sentence(body: bytes, status: int, sentence: str) -> None:
    code, said = refusal(body)
    assert code == status
    assert sentence in said


def test_what_the_model_has_no_answer_to_is_its_own_fault() -> None:
    with pytest.raises(ModelFault):
        Calls(service(function="log")).infer(message(tensor(fp64_contents=[120.0, 0.0, 40.0])), "x")
