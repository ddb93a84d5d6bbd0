"""Artifacts that cost far more to load than they are large: each a file that somebody could hand to a server."""

import io
import json
import zipfile
from typing import Any

import numpy as np
import skops.io
from onnx import TensorProto, helper
from sklearn.linear_model import LogisticRegression

from tests.serving.support import contents
from verdigris_serving.artifact.archive import write_archive, write_zip

WIDTH = 3
SCHEMA = "schema.json"


def _members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _artifact(form: str, member: str, model: bytes) -> bytes:
    """An artifact of two classes and three features in that format, with the member as its model."""
    whole = _members(write_archive(contents()))
    manifest = {**json.loads(whole["manifest.json"]), "format": form, "threshold": None}
    del whole["model.json"]
    return write_zip({**whole, "manifest.json": json.dumps(manifest).encode(), member: model})


def _skops(change: Any) -> bytes:
    fitted = LogisticRegression().fit(np.eye(WIDTH), [0, 1, 0])
    whole = _members(skops.io.dumps(fitted))
    schema = json.loads(whole[SCHEMA])
    change(schema, whole)
    whole[SCHEMA] = json.dumps(schema).encode()
    return _artifact("sklearn", "model.skops", write_zip(whole))


def rows_of_millions() -> bytes:
    """One golden row of 16 MB: 8,000,000 numbers, each a float and its place in a list."""
    whole = _members(write_archive(contents()))
    row = b"[" + b"1," * 8_000_000 + b"1]"
    return write_zip({**whole, "golden.json": b'{"rows":[' + row + b'],"expected":[[1]],"tolerance":1e-6}'})


def nested_documents() -> bytes:
    """A manifest of a million open brackets."""
    return write_zip({**_members(write_archive(contents())), "manifest.json": b'{"more":' + b"[" * 1_000_000})


def claimed_array() -> bytes:
    """An array whose header claims 10^12 numbers, and that holds none."""

    def change(schema: Any, whole: dict[str, bytes]) -> None:
        name = schema["content"]["content"]["coef_"]["file"]
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "<f8", "fortran_order": False, "shape": (1_000_000, 1_000_000)}
        )
        whole[name] = header.getvalue()

    return _skops(change)


def array_many_times() -> bytes:
    """An array of 4 MB that the pipeline holds 200 times."""

    def change(schema: Any, whole: dict[str, bytes]) -> None:
        fields = schema["content"]["content"]
        data = io.BytesIO()
        np.save(data, np.ones(500_000))
        whole["large.npy"] = data.getvalue()
        fields |= {f"a{number}": {**fields["coef_"], "file": "large.npy", "__id__": number} for number in range(200)}

    return _skops(change)


def many_nodes() -> bytes:
    """A schema of 12 MB: 4,000,000 empty lists."""

    def change(schema: Any, _whole: dict[str, bytes]) -> None:
        schema["more"] = [[]] * 4_000_000

    return _skops(change)


def _onnx(nodes: list[Any], initializers: list[Any] = []) -> bytes:  # noqa: B006 - never changed
    inputs = [helper.make_tensor_value_info("features", TensorProto.DOUBLE, [None, WIDTH])]
    outputs = [helper.make_tensor_value_info("probabilities", TensorProto.DOUBLE, [None, 2])]
    graph = helper.make_graph(nodes, "bomb", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return _artifact("onnx", "model.onnx", model.SerializeToString())


def claimed_initializer() -> bytes:
    """A graph whose initializer claims 10^12 numbers, and that holds none."""
    claimed = TensorProto(name="w", data_type=TensorProto.DOUBLE, dims=[1_000_000, 1_000_000], raw_data=b"")
    return _onnx([helper.make_node("MatMul", ["features", "w"], ["probabilities"])], [claimed])


def _filled(count: int) -> bytes:
    shape = helper.make_tensor("shape", TensorProto.INT64, [1], [count])
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    zero = helper.make_tensor("zero", TensorProto.DOUBLE, [1], [1.0])
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["large"], value=zero),
        helper.make_node("ReduceMax", ["large"], ["one"], keepdims=0),
        helper.make_node("ReduceSum", ["features", "axes"], ["sum"], keepdims=1),
        helper.make_node("Mul", ["sum", "one"], ["product"]),
        helper.make_node("Concat", ["product", "product"], ["probabilities"], axis=1),
    ]
    return _onnx(nodes, [shape, axes])


def filled_tensor() -> bytes:
    """A graph of a few hundred bytes that makes 10^8 numbers, 800 MB."""
    return _filled(100_000_000)


def impossible_tensor() -> bytes:
    """The same of 10^14 numbers."""
    return _filled(10**14)


def endless_loop() -> bytes:
    """A graph that counts to 2^62."""
    often = helper.make_tensor("often", TensorProto.INT64, [], [2**62])
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    true = helper.make_tensor("true", TensorProto.BOOL, [], [True])
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Identity", ["before"], ["after"])],
        "body",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.DOUBLE, [None, 1]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.DOUBLE, [None, 1]),
        ],
    )
    nodes = [
        helper.make_node("ReduceSum", ["features", "axes"], ["sum"], keepdims=1),
        helper.make_node("Loop", ["often", "true", "sum"], ["end"], body=body),
        helper.make_node("Concat", ["end", "end"], ["probabilities"], axis=1),
    ]
    return _onnx(nodes, [often, axes, true])
