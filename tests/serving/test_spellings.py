"""Other ways to write rows and answers, without a transport: rows, KServe V1's instances, CSV."""

import csv
import io
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serving.support import FEATURES, ROW, request_body, service
from verdigris_serving.model.schema import Feature, Row
from verdigris_serving.protocol.csv_table import CsvReader
from verdigris_serving.protocol.messages import CallerFault, decode_request
from verdigris_serving.protocol.service import Answer
from verdigris_serving.protocol.tensors import InputReader

SERVICE = service()
CLAMPING = service(features=[Feature("glucose", nullable=True, maximum=200.0, out_of_range="clamp"), *FEATURES[1:]])
NAMES = [feature.name for feature in FEATURES]

#: Writes rows as the body of a request.
Spelling = Callable[[list[Row]], bytes]


def as_rows(rows: list[Row]) -> bytes:
    return json.dumps({"rows": [dict(zip(NAMES, row, strict=True)) for row in rows]}).encode()


def as_instances(rows: list[Row]) -> bytes:
    return json.dumps({"instances": rows}).encode()


def as_csv(rows: list[Row], names: list[str] = NAMES) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, names)
    writer.writeheader()
    writer.writerows(dict(zip(NAMES, row, strict=True)) for row in rows)
    return out.getvalue().encode()


def read(answer: Answer) -> list[dict[str, str]]:
    assert (answer.status, answer.content_type) == (200, b"text/csv"), answer.body
    return list(csv.DictReader(io.StringIO(answer.body.decode())))


def error(answer: Answer) -> str:
    assert answer.status == 400, answer.body
    return str(json.loads(answer.body)["error"])


NUMBERS = st.one_of(
    st.none(), st.floats(allow_nan=False, allow_infinity=False), st.integers(-10, 10**6), st.floats(0, 1_000)
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS).map(list), min_size=1, max_size=4))
def test_every_spelling_of_the_same_rows_gets_the_same_answer_or_the_same_refusal(rows: list[Row]) -> None:
    wanted = CLAMPING.infer(request_body(rows), "id")

    for body in (as_rows(rows), as_instances(rows)):
        assert CLAMPING.infer(body, "id") == wanted
    table = CLAMPING.infer_csv(as_csv(rows), "id")
    assert table.status == wanted.status
    if wanted.status != 200:
        assert table.body == wanted.body
        return
    outputs = {output["name"]: output["data"] for output in json.loads(wanted.body)["outputs"]}
    lines = read(table)
    assert [int(line["label"]) for line in lines] == outputs["label"]
    assert [float(line[f"probability_{c}"]) for line in lines for c in (0, 1)] == outputs["probabilities"]
    assert json.loads(CLAMPING.predict(as_instances(rows), "id").body)["predictions"] == outputs["label"]


def test_rows_may_be_asked_for_outputs_by_name_and_have_an_id() -> None:
    body = {**json.loads(as_rows([ROW])), "id": "r-7", "outputs": [{"name": "label"}]}

    answer = json.loads(SERVICE.infer(json.dumps(body).encode(), "made-up").body)
    assert answer["id"] == "r-7"
    assert [output["name"] for output in answer["outputs"]] == ["label"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"rows": []}, "there is no row in the request"),
        ({"rows": {}}, "Expected `array`"),
        ({"instances": 7}, "Expected `array`"),
        ({"rows": [7]}, "row 0: an object by feature name is needed, or a list"),
        ({"rows": [ROW, ROW[:2]]}, "row 1: 2 values; 3 are needed"),
        ({"rows": [{"glucose": 1, "insulin": 2}]}, 'row 0: "age" is not there; send every feature, null for'),
        ({"rows": [{"age": 1}]}, 'row 0: "glucose", "insulin" are not there'),
        ({"rows": [{"glucose": 1, "insulin": 2, "age": 3, "hight": 4}]}, 'row 0: "hight" is no feature of this model'),
        ({"rows": [{"glucose": 1, "insulin": 2, "Age": 3}]}, '"Age" is no feature of this model, and "age" is not'),
        ({"rows": [ROW], "instances": [ROW]}, "both rows and instances"),
        ({"rows": [ROW], "inputs": []}, "both inputs and rows"),
        ({"rows": [["high", 1, 2]]}, 'feature "glucose", row 0: a number or null is needed, not a string'),
        ({"rows": [[True, 1, 2]]}, 'feature "glucose", row 0: a number or null is needed, not a boolean'),
        ({"rows": [[[1], 1, 2]]}, 'a number or null is needed, not a list'),
        ({"rows": [[1, 1, math.nan]]}, 'feature "age", row 0: NaN and Infinity are no numbers in JSON'),
        ({"rows": [{"glucose": 1, "insulin": 2, "age": math.nan}]}, 'feature "age", row 0: NaN and Infinity'),
        ({"rows": [ROW], "id": math.nan}, "NaN and Infinity are no numbers there"),
        ({"rows": [[1, 1, 1.5]]}, 'feature "age", row 0: a whole number is needed (INT64)'),
        ({"rows": [[1, None, 1]]}, 'feature "insulin", row 0: a value is needed'),
        ({"rows": [ROW], "outputs": [{"name": "odds"}]}, 'no output "odds"'),
        ({"hello": 1}, "missing required field `inputs`"),
    ],
)  # fmt: skip
def test_a_row_that_is_none_of_this_models_is_named(body: Any, says: str) -> None:
    assert says in error(SERVICE.infer(json.dumps(body).encode(), "id"))


def test_a_complete_request_that_has_rows_besides_is_refused() -> None:
    both = {**json.loads(request_body()), "rows": [ROW]}

    assert "both inputs and rows" in error(SERVICE.infer(json.dumps(both).encode(), "id"))


def test_a_name_that_stands_twice_in_a_row_is_refused() -> None:
    body = b'{"rows": [{"glucose": 1, "glucose": 2, "insulin": 2, "age": 3}]}'

    assert '"glucose" stands twice' in error(SERVICE.infer(body, "id"))


def test_rows_have_no_binary_part() -> None:
    body = as_rows([ROW])

    assert "belong to no input" in error(SERVICE.infer(body + b"12345678", "id", len(body)))


def test_v1_says_which_values_were_clamped() -> None:
    answer = json.loads(CLAMPING.predict(as_instances([[900.0, 80.0, 40.0]]), "id").body)

    assert answer["parameters"] == {"clamped": ['feature "glucose", row 0']}


def test_v1_answers_a_label_a_row_whatever_outputs_are_named() -> None:
    body = {"instances": [ROW], "outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}]}

    assert json.loads(SERVICE.predict(json.dumps(body).encode(), "id").body) == {"predictions": [1]}


def test_csv_columns_may_stand_in_any_order_and_begin_with_a_byte_order_mark() -> None:
    rows: list[Row] = [[120.0, 80.0, 40.0], [None, 80.0, 41.0]]
    wanted = SERVICE.infer_csv(as_csv(rows), "id")

    for body in (as_csv(rows, NAMES[::-1]), b"\xef\xbb\xbf" + as_csv(rows), as_csv(rows) + b"\r\n\r\n"):
        assert SERVICE.infer_csv(body, "id") == wanted
    assert list(read(wanted)[0]) == ["label", "probability_0", "probability_1"]


def test_csv_says_in_each_row_which_values_were_clamped() -> None:
    rows: list[Row] = [[900.0, 80.0, 40.0], [None, 80.0, 40.0], [100.0, 80.0, 40.0]]

    assert [line["clamped"] for line in read(CLAMPING.infer_csv(as_csv(rows), "id"))] == ["glucose", "", ""]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", 'the header lacks "glucose", "insulin", "age"'),
        (b"glucose,insulin,age\n", "no row below the header"),
        (b"glucose,insulin\n1,2\n", 'the header lacks "age"'),
        (b"glucose,insulin,age,outcome\n1,2,3,1\n", '"outcome", which is no feature'),
        (b"glucose,insulin,age,age\n1,2,3,3\n", 'the header has "age" twice'),
        (b"glucose,insulin,age\n1,2,3\n1,2\n", "row 1: 2 cells; the header has 3"),
        (b"glucose,insulin,age\n1,2,three\n", 'feature "age", row 0: a number is needed'),
        (b"glucose,insulin,age\n1,2,NaN\n", 'feature "age", row 0: a number is needed'),
        (b"glucose,insulin,age\n1,2,1_000\n", 'feature "age", row 0: a number is needed'),
        (b"glucose,insulin,age\n1,2,1e999\n", 'feature "age", row 0: the number is too large'),
        (b"glucose,insulin,age\n1,,3\n", 'feature "insulin", row 0: a value is needed'),
        (b'glucose,insulin,age\n1,"2"x,3\n', "line 2: this is no CSV"),
        (b"glucose,insulin,age\n1,2,\xff\n", "no UTF-8"),
        (b"glucose,insulin,age\n" + b"1" * 200_000, "no CSV"),
    ],
)
def test_csv_that_is_no_table_of_this_models_rows_is_refused_in_a_sentence(body: bytes, says: str) -> None:
    assert says in error(SERVICE.infer_csv(body, "id"))


@pytest.mark.parametrize(
    ("datatype", "nullable", "as_json", "as_csv"),
    [
        ("BOOL", True, "true, false or null is needed, not a string", "true, false or an empty cell is needed"),
        ("BOOL", False, "true or false is needed, not a string", "true or false is needed"),
        ("FP64", True, "a number or null is needed, not a string", "a number or an empty cell is needed"),
        ("FP64", False, "a number is needed, not a string", "a number is needed"),
    ],
)
def test_what_is_needed_is_said_of_the_feature_and_null_only_where_it_may_be(
    datatype: Any, nullable: bool, as_json: str, as_csv: str
) -> None:
    features = [Feature("smokes", datatype, nullable=nullable)]
    sent = {"inputs": [{"name": "smokes", "shape": [1], "datatype": datatype, "data": ["high"]}]}

    with pytest.raises(CallerFault) as by_json:
        InputReader(features).rows(decode_request(json.dumps(sent).encode()))
    with pytest.raises(CallerFault) as by_csv:
        CsvReader(features, ["smokes"]).tensors([["high"]])

    assert by_json.value.message == f'feature "smokes", row 0: {as_json}'
    assert by_csv.value.message == f'feature "smokes", row 0: {as_csv}'


def test_an_empty_line_of_one_column_is_not_skipped_in_silence() -> None:
    one = service(features=[Feature("glucose", nullable=True), *FEATURES[1:]])
    assert one.infer_csv(b"glucose,insulin,age\n1,2,3\n\n4,5,6\n", "id").status == 200
    alone = CsvReader([Feature("glucose", nullable=True)], ["glucose"])
    with pytest.raises(CallerFault, match='row 1: 0 cells; the header has 1; a missing value is ""'):
        alone.tensors([["1"], [], ["2"]])
    assert alone.tensors([["1"], [""]])[0].data == [1.0, None]
