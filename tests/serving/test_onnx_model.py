"""Format ``onnx``: which graphs the server takes, made by hand."""

from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, helper

from tests.serving.test_allow_list import manifest
from verdigris_serving.model.linear import NonFiniteScore
from verdigris_serving.model.onnx_model import OnnxModel
from verdigris_serving.model.schema import InvalidModel

DOUBLE, FLOAT = TensorProto.DOUBLE, TensorProto.FLOAT


def graph(
    *, output: str = "probabilities", width: int = 3, kind: int = DOUBLE, weights: Any = None, operator: str = "Add"
) -> bytes:
    """``width`` features in, each plus its weight out."""
    weights = weights or helper.make_tensor("weights", kind, [1, width], [0.0, 0.25, 0.5, 0.75][:width])
    inner = helper.make_graph(
        [helper.make_node(operator, ["features", "weights"], [output])],
        "test",
        [helper.make_tensor_value_info("features", kind, [None, width])],
        [helper.make_tensor_value_info(output, kind, [None, width])],
        [weights],
    )
    made = helper.make_model(inner, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    data: bytes = made.SerializeToString()
    return data


@pytest.mark.parametrize("kind", [DOUBLE, FLOAT])
def test_a_graph_of_doubles_or_floats_answers_by_its_probabilities(kind: int) -> None:
    model = OnnxModel(manifest(), graph(kind=kind))

    assert model.scores([0.25, 0.25, 0.25]) == [0.25, 0.5, 0.75]
    assert model.scores_many([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]) == [[0.0, 0.25, 0.5], [0.5, 0.75, 1.0]]


def test_what_float32_sums_leave_beyond_a_probability_is_cut_off() -> None:
    assert OnnxModel(manifest(), graph()).scores([-1e-8, 0.0, 0.5 + 1e-8]) == [0.0, 0.25, 1.0]


def test_a_missing_value_without_an_answer_has_no_score() -> None:
    with pytest.raises(NonFiniteScore, match="not finite"):
        OnnxModel(manifest(), graph()).scores([0.0, None, 0.0])


def elsewhere(path: str) -> Any:
    """Weights that are to be read from another file."""
    tensor = TensorProto(name="weights", data_type=DOUBLE, dims=[1, 3], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", path), ("offset", "0"), ("length", "24")):
        tensor.external_data.add(key=key, value=value)
    return tensor


@pytest.mark.parametrize("where", ["absolute", "beside", "above"])
def test_a_graph_that_would_read_another_file_is_refused(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"\0" * 24)
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner" if where == "above" else tmp_path)
    path = {"absolute": str(secret), "beside": "secret", "above": "../secret"}[where]

    with pytest.raises(InvalidModel, match="onnxruntime cannot load"):
        OnnxModel(manifest(), graph(weights=elsewhere(path)))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(b"", "cannot load", id="nothing"),
        pytest.param(b"\x08\x09hello", "cannot load", id="no graph"),
        pytest.param(graph(operator="Surprise"), "cannot load", id="an operator that does not exist"),
        pytest.param(graph(width=4), r"of shape \[rows, 3\]", id="other features"),
        pytest.param(graph(output="answer"), "no output that answers a classification; it has answer", id="output"),
        pytest.param(
            graph(kind=TensorProto.INT64, weights=helper.make_tensor("weights", TensorProto.INT64, [1, 3], [1, 2, 3])),
            "double or float",
            id="integers",
        ),
    ],
)
def test_a_graph_that_does_not_fit_is_refused_with_a_sentence(data: bytes, says: str) -> None:
    with pytest.raises(InvalidModel, match=says):
        OnnxModel(manifest(), data)
