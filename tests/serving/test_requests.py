"""The Open Inference Protocol without a transport: a body in, a status and a body out."""

import json
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serving.support import ROW, request_body, service
from verdigris_serving.model.schema import Feature, Row
from verdigris_serving.protocol.service import ModelFault

SERVICE = service()


def infer(body: bytes) -> tuple[int, Any]:
    answer = SERVICE.infer(body, "made-up")
    return answer.status, json.loads(answer.body)


def tensor(**changes: Any) -> dict[str, Any]:
    return {"name": "features", "shape": [1, 3], "datatype": "FP64", "data": ROW, **changes}


def columns(**changes: dict[str, Any]) -> list[dict[str, Any]]:
    values = dict(zip(("glucose", "insulin", "age"), ROW, strict=True))
    whole = {n: {"name": n, "shape": [1, 1], "datatype": "FP64", "data": [v]} for n, v in values.items()}
    return [{**column, **changes.get(name, {})} for name, column in whole.items()]


def body(*inputs: Any, **fields: Any) -> bytes:
    return msgspec.json.encode({"inputs": list(inputs), **fields})


def test_a_row_is_answered_with_its_label_and_probabilities() -> None:
    status, answer = infer(request_body(id="r-1"))

    assert status == 200
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("demo", "1.0.0", "r-1")
    label, probabilities = answer["outputs"]
    assert label == {"name": "label", "datatype": "INT64", "shape": [1], "data": [int(probabilities["data"][1] >= 0.5)]}
    assert probabilities["shape"] == [1, 2]
    assert sum(probabilities["data"]) == pytest.approx(1.0)


def test_an_id_is_made_when_the_caller_sends_none() -> None:
    assert infer(request_body())[1]["id"] == "made-up"


SPELLINGS = [
    pytest.param([tensor()], id="one tensor"),
    pytest.param([tensor(name="input-0", datatype="FP32")], id="another name and datatype"),
    pytest.param([tensor(data=[ROW])], id="nested"),
    pytest.param([tensor(data=[120, 80, 40], datatype="INT64")], id="integers"),
    pytest.param([tensor(parameters={"content_type": "np"}, extra=[{}])], id="fields that are not used"),
    pytest.param(columns(), id="one tensor a feature"),
    pytest.param([tensor(data=[120, 80, 40], datatype="UINT8")], id="small integers"),
    pytest.param([tensor(datatype="FP16")], id="half precision"),
    pytest.param([tensor(data=[[120, 80, 40.0]])], id="nested and mixed"),
    pytest.param(columns()[::-1], id="in any order"),
    pytest.param(columns(age={"shape": [1]}, insulin={"data": [[80.0]]}), id="flat or nested columns"),
]


@pytest.mark.parametrize("inputs", SPELLINGS)
def test_every_spelling_of_a_row_gets_the_same_answer(inputs: list[dict[str, Any]]) -> None:
    status, answer = infer(body(*inputs))

    assert status == 200
    assert answer["outputs"] == infer(request_body())[1]["outputs"]


def test_true_and_false_are_one_and_nothing() -> None:
    said = infer(body(*columns(age={"data": [True], "datatype": "BOOL"})))
    assert said[0] == 200
    assert said[1]["outputs"] == infer(request_body([[120.0, 80.0, 1.0]]))[1]["outputs"]


def test_a_bad_value_in_a_batch_is_named_with_its_row() -> None:
    rows: list[Row] = [list(ROW) for _ in range(1_000)]
    rows[700][1] = None
    rows[800][0] = -1.0

    assert infer(request_body(rows))[1]["error"].startswith('feature "insulin", row 700: a value is needed')


def test_who_observes_is_told_the_rows_and_scores_of_what_succeeded() -> None:
    seen: list[tuple[list[Row], list[list[float]]]] = []
    observed = service(observe=lambda rows, scores: partial(seen.append, (rows, scores)))

    asked: list[list[Row]] = [[[None, 80.0, 40.0]], [[None, -1.0, 40.0]], [ROW, ROW]]
    answers = [observed.infer(request_body(rows), "x") for rows in asked]
    assert not seen, "it counts once the client has its answer"
    for each in answers:
        if each.count is not None:
            each.count()
    answer = json.loads(answers[2].body)
    assert [rows for rows, _ in seen] == [[[None, 80.0, 40.0]], [ROW, ROW]]
    assert [value for row in seen[1][1] for value in row] == answer["outputs"][1]["data"]


CLAMPING = [
    Feature("glucose", nullable=True, minimum=0.0, maximum=1_000.0, out_of_range="clamp"),
    Feature("insulin", minimum=0.0, maximum=2_000.0),
    Feature("age", datatype="INT64", minimum=17.5, maximum=120.0, out_of_range="clamp"),
]


def test_a_value_out_of_range_is_clamped_and_flagged_where_the_manifest_says_so() -> None:
    seen: list[list[Row]] = []
    clamping = service(features=CLAMPING, observe=lambda rows, _scores: partial(seen.append, rows))

    answered = clamping.infer(request_body([ROW, [5_000.0, 80.0, 3.0], [None, 80.0, 40.0]]), "x")
    assert answered.count is not None
    answered.count()
    answer = json.loads(answered.body)
    assert answer["parameters"] == {"clamped": ['feature "glucose", row 1', 'feature "age", row 1']}
    assert seen == [[ROW, [1_000.0, 80.0, 18.0], [None, 80.0, 40.0]]]
    assert "parameters" not in json.loads(clamping.infer(request_body(), "x").body)


def test_a_clamped_answer_names_a_hundred_places_and_counts_the_rest() -> None:
    answer = service(features=CLAMPING).infer(request_body([[-1.0, 80.0, 40.0]] * 150), "x")
    clamped = json.loads(answer.body)["parameters"]["clamped"]

    assert (len(clamped), clamped[99], clamped[100]) == (101, 'feature "glucose", row 99', "and 50 more")


def test_what_may_not_be_clamped_is_refused_although_its_neighbour_is() -> None:
    answer = service(features=CLAMPING).infer(request_body([[5_000.0, -1.0, 3.0]]), "x")

    assert answer.status == 400
    assert 'feature "insulin", row 0: below 0' in answer.body.decode().replace("\\", "")


def test_a_batch_is_answered_row_by_row_in_order() -> None:
    rows: list[Row] = [[float(glucose), 80.0, 40.0] for glucose in (60, 120, 240)]
    status, answer = infer(request_body(rows))

    alone = [infer(request_body([row]))[1]["outputs"][1]["data"] for row in rows]
    assert status == 200
    assert answer["outputs"][1]["data"] == [value for pair in alone for value in pair]


def test_a_missing_value_is_imputed_where_the_model_can() -> None:
    missing, imputed = infer(request_body([[None, 80.0, 40.0]])), infer(request_body([[115.0, 80.0, 40.0]]))

    assert missing[0] == 200
    assert missing[1]["outputs"][1]["data"] == pytest.approx(imputed[1]["outputs"][1]["data"])


def test_only_the_outputs_that_were_asked_for_are_answered() -> None:
    answer = infer(request_body(outputs=[{"name": "label"}]))[1]

    assert [output["name"] for output in answer["outputs"]] == ["label"]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (request_body().replace(b"[120.0,", b"[" * 100_000 + b"120.0,"), "nested too deeply"),
        (request_body().replace(b"[1,3]", b"[" + b"9" * 9_000 + b",3]"), "shape"),
        (b"[]", "Expected `object`"),
        (b"{}", "missing required field `inputs`"),
        (b'{"inputs": 1}', "Expected `array`"),
        (body(), 'no input for "glucose", "insulin", "age"'),
        (body(tensor(name=7)), "$.inputs[0].name"),
        (request_body(id=7), "$.id"),
        (request_body(id="x" * 257), "$.id"),
        (request_body(outputs=[{"name": "odds"}]), 'no output "odds"; this model gives label, probabilities'),
        (body(tensor(shape=[3])), "[rows, 3] is needed"),
        (body(tensor(shape=[1, 4])), "[rows, 3] is needed"),
        (body(tensor(shape=[0, 3], data=[])), "[rows, 3] is needed"),
        (body(tensor(shape=[-1, 3])), "[rows, 3] is needed"),
        (body(tensor(shape=[2, 3])), "3 values, but its shape says 6"),
        (body(tensor(data=[[1.0, 2.0], [3.0]])), "nesting of its data"),
        (body(tensor(data="120")), "must be a list of numbers"),
        (body(tensor(datatype="BYTES")), '"BYTES" is not numeric'),
        (body(tensor(shape=[2, 3], data=[*ROW, 100.0, "80", 40.0])), 'feature "insulin", row 1: a number is needed'),
        (body(tensor(data=[120.0, True, 40.0])), 'feature "insulin", row 0: a number is needed, not a boolean'),
        (body(tensor(data=[120.0, None, 40.0])), 'feature "insulin", row 0: a value is needed'),
        (body(tensor(data=[120.0, -1.0, 40.0])), 'feature "insulin", row 0: below 0'),
        (body(tensor(data=[120.0, 2001.0, 40.0])), 'feature "insulin", row 0: above 2000'),
        (body(tensor(data=[120.0, 80.0, 1e31])), 'feature "age", row 0: above 1e+30'),
        (body(tensor(data=[120.0, 80.0, 40.5])), 'feature "age", row 0: a whole number'),
        (body(tensor(data=[120.5, 80.0, 40.0], datatype="INT32")), 'feature "glucose", row 0: a whole number'),
        (request_body().replace(b"80.0", b"NaN"), 'feature "insulin", row 0: NaN and Infinity are no numbers'),
        (request_body().replace(b"80.0", b"-Infinity"), 'feature "insulin", row 0: NaN and Infinity are no numbers'),
        (request_body(parameters={"a": "b"}).replace(b'"b"', b"NaN"), "not JSON: NaN"),
        (request_body(id="b").replace(b'"b"', b"NaN"), "not JSON: NaN"),
        (request_body().replace(b"80.0", b"1e999"), 'feature "insulin", row 0: the number is too large'),
        (request_body().replace(b"80.0", b"9" * 9_000), 'feature "insulin", row 0: the number is too large'),
        (b'{"inputs":[],' + request_body()[1:], 'the name "inputs" stands twice'),
        (request_body().replace(b'"shape"', b'"name":"x","shape"'), 'the name "name" stands twice'),
        (request_body().replace(b'"shape"', b'"n\\u0061me":"x","shape"'), 'the name "name" stands twice'),
        (request_body(parameters={"a": 1, "b": 2}).replace(b'"b"', b'"a"'), 'the name "a" stands twice'),
        (request_body(extra="\u00fc").replace("\u00fc".encode(), b"\xff"), "is no UTF-8"),
        (request_body(extra="ud800").replace(b"ud800", b"\\ud800"), "half a surrogate pair"),
        (request_body(outputs=[{"name": "label"}] * 2), "asked for twice"),
        (request_body(outputs=[{"name": "explanation"}]), "pack the model again with its training rows (--training)"),
        (body(tensor(shape=[250_001, 3])), "more than 250000 rows"),
        (body(tensor(data=None)), "data must be a list of numbers"),
        (body(tensor(data=[ROW, ROW])), "nesting of its data"),
        (body(tensor(data=[[[[[1]]]]])), "nesting of its data"),
        (body(tensor(data=[128, 80, 40], datatype="INT8")), 'feature "glucose", row 0: beyond what INT8 can hold'),
        (body(tensor(data=[120, -1, 40], datatype="UINT64")), 'feature "insulin", row 0: beyond what UINT64'),
        (body(tensor(data=[120.0, 80.0, 7e4], datatype="FP16")), 'feature "age", row 0: beyond what FP16'),
        (body(*columns(age={"data": [2], "datatype": "BOOL"})), 'feature "age", row 0: beyond what BOOL'),
        (body(tensor(parameters={"binary_data_size": 24})), "Inference-Header-Content-Length"),
        (body(tensor(parameters=7)), "$.inputs[0].parameters"),
        (request_body().replace(b"80.0", b"9" * 400), 'feature "insulin", row 0: the number is too large'),
        (body(*columns()[:2]), 'no input for "age"'),
        (body(*columns(), columns()[0]), 'feature "glucose" is given twice'),
        (body(*columns(), tensor(name="bmi")), '"bmi" is no feature of this model; it has "glucose", "insulin", "age"'),
        (body(*columns(age={"shape": [2], "data": [1, 2]})), "different numbers of rows"),
        (body(*columns(age={"shape": [1, 2], "data": [1, 2]})), 'feature "age": shape [1, 2]'),
        (body(*columns(age={"data": ["old"]})), 'feature "age", row 0: a number is needed, not a string'),
    ],
)
def test_a_bad_request_gets_a_400_that_says_what_and_where(bad: bytes, says: str) -> None:
    status, answer = infer(bad)

    assert status == 400
    assert says in answer["error"]


def test_no_value_of_a_patient_is_repeated_in_an_error() -> None:
    for value in (-87.25, 98765.5):
        assert str(abs(value)) not in infer(body(tensor(data=[120.0, value, 40.0])))[1]["error"]


def test_a_score_that_is_not_finite_is_the_models_fault_and_carries_the_id() -> None:
    broken = service(function="log")

    assert broken.infer(request_body(), "x").status == 200
    with pytest.raises(ModelFault, match="log has no finite value") as raised:
        broken.infer(request_body([[120.0, 0.0, 40.0]], id="r-9"), "x")
    assert raised.value.request_id == "r-9"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(["features", "glucose", "insulin", "age", ""]) | st.text(max_size=5)
TENSORS = st.fixed_dictionaries(
    {
        "name": NAMES | JSON,
        "shape": st.lists(st.integers(-2, 4), max_size=3) | JSON,
        "datatype": st.sampled_from(["FP64", "INT64", "BOOL", "BYTES"]) | JSON,
        "data": st.lists(st.none() | st.floats() | st.integers(), max_size=9) | st.lists(st.lists(st.floats())) | JSON,
    }
)
REQUESTS = st.fixed_dictionaries(
    {"inputs": st.lists(TENSORS, max_size=4) | JSON}, optional={"id": JSON, "outputs": JSON}
)


@settings(max_examples=600, deadline=None)
@given(
    st.one_of(st.binary(max_size=64), JSON.map(json.dumps).map(str.encode), REQUESTS.map(json.dumps).map(str.encode))
)
def test_whatever_the_caller_sends_the_fault_is_never_the_servers(sent: bytes) -> None:
    status, answer = infer(sent)

    assert status in {200, 400}
    assert status == 200 or (set(answer) == {"error"} and answer["error"])


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.none() | st.floats(0, 1000), st.floats(0, 2000), st.integers(-(10**9), 10**9)), min_size=1)
)
def test_whatever_the_manifest_allows_is_answered(rows: list[tuple[float | None, float, int]]) -> None:
    status, answer = infer(request_body([[glucose, insulin, float(age)] for glucose, insulin, age in rows]))

    assert status == 200
    assert answer["outputs"][0]["shape"] == [len(rows)]
