"""The OpenAPI document: sound in itself, and true. Requests are made from it, and answers are held against it."""

import json
import re
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serving.support import FEATURES, contents, service
from verdigris_serving.http.routes import Routes
from verdigris_serving.protocol.openapi import Document

SERVICE = service(centers=(115.0, 4.0, 35.0))
DOCUMENT: Document = json.loads(SERVICE.openapi())
INFER = DOCUMENT["paths"]["/v2/models/demo/infer"]["post"]


def references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [found for item in node for found in references(item)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"]] if "$ref" in node else []
    return own + [found for item in node.values() for found in references(item)]


def whole(schema: Document) -> Document:
    """The schema with the document's components where its references look for them."""
    return {**schema, "components": DOCUMENT["components"]}


def check(value: Any, schema: Document) -> None:
    jsonschema.Draft202012Validator(whole(schema)).validate(value)


def test_the_document_has_what_openapi_asks_of_one() -> None:
    assert re.fullmatch(r"3\.1\.\d+", DOCUMENT["openapi"])
    assert set(DOCUMENT["info"]) >= {"title", "version"}
    operations = [operation for path in DOCUMENT["paths"].values() for operation in path.values()]
    identifiers = [operation["operationId"] for operation in operations]
    assert len(set(identifiers)) == len(identifiers) == 12
    for operation in operations:
        assert operation["responses"]
        assert all(response["description"] for response in operation["responses"].values())


def test_every_reference_leads_to_a_schema_and_every_schema_is_one() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert {reference.removeprefix("#/components/schemas/") for reference in references(DOCUMENT)} == set(schemas)
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_path_that_is_documented_is_answered_as_documented() -> None:
    routes = Routes(SERVICE)
    for path, item in DOCUMENT["paths"].items():
        if "get" not in item:
            assert path in routes.infer
            continue
        answer, _ = routes.look_up("GET", path)
        assert answer.status == 200
        check(json.loads(answer.body), item["get"]["responses"]["200"]["content"]["application/json"]["schema"])


def test_the_document_itself_is_answered() -> None:
    answer, _ = Routes(SERVICE).look_up("GET", "/v2/openapi.json")
    assert (answer.status, json.loads(answer.body)) == (200, DOCUMENT)


def test_the_features_are_described_by_name_and_range() -> None:
    insulin = DOCUMENT["components"]["schemas"]["Feature1"]["properties"]
    assert insulin["name"] == {"const": "insulin"}
    assert insulin["data"]["items"] == {"type": ["number", "boolean"], "minimum": 0.0, "maximum": 2_000.0}
    assert [feature.name for feature in contents().manifest.features] == [feature.name for feature in FEATURES]


NUMBERS = st.floats(-10, 3_000) | st.integers(-10, 3_000) | st.floats(allow_nan=False, allow_infinity=False)


def made_from(schema: Document) -> st.SearchStrategy[Any]:
    """Values that a schema of the document allows, ranges of numbers aside: those are for the server to refuse."""
    if "$ref" in schema:
        return made_from(DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
    if "anyOf" in schema:
        return st.one_of([made_from(choice) for choice in schema["anyOf"]])
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return _OF_TYPE["array" if schema["type"] == "array" else str(schema["type"])](schema)


def _object(schema: Document) -> st.SearchStrategy[Any]:
    properties = {name: made_from(part) for name, part in schema["properties"].items()}
    required = set(schema.get("required", ()))
    return st.fixed_dictionaries(
        {name: part for name, part in properties.items() if name in required},
        optional={name: part for name, part in properties.items() if name not in required},
    )


def _array(schema: Document) -> st.SearchStrategy[Any]:
    if "prefixItems" in schema:
        return st.tuples(*map(made_from, schema["prefixItems"])).map(list)
    low = schema.get("minItems", 0)
    return st.lists(made_from(schema["items"]), min_size=low, max_size=min(schema.get("maxItems", 9), 9))


_OF_TYPE: dict[str, Any] = {
    "object": _object,
    "array": _array,
    "string": lambda schema: st.text(min_size=schema.get("minLength", 0), max_size=schema.get("maxLength", 20)),
    "integer": lambda schema: st.integers(schema.get("minimum", -5), min(schema.get("maximum", 5), 5)),
    "boolean": lambda _schema: st.booleans(),
    "number": lambda _schema: NUMBERS,
    "['number', 'null']": lambda _schema: NUMBERS | st.none(),
    "['number', 'boolean']": lambda _schema: NUMBERS | st.booleans(),
    "['number', 'boolean', 'null']": lambda _schema: NUMBERS | NUMBERS | st.booleans() | st.none(),
}
REQUEST = INFER["requestBody"]["content"]["application/json"]["schema"]


@settings(max_examples=400, deadline=None)
@given(made_from(REQUEST), st.booleans())
def test_a_request_made_from_the_document_is_answered_as_documented(request: Any, one_row: bool) -> None:
    if (
        one_row and "inputs" in request
    ):  # a schema cannot say that the data has as many values as the shape; half of the time it does
        for tensor in request["inputs"]:
            tensor["shape"] = [1, 3] if len(request["inputs"]) == 1 else [1]
            tensor["data"] = [*tensor["data"], 60, 60, 60][: 3 if len(request["inputs"]) == 1 else 1]
    answer = SERVICE.infer(json.dumps(request).encode(), "made-up")

    documented = INFER["responses"][str(answer.status)]["content"]
    assert answer.status in {200, 400}
    assert answer.content_type.decode() in documented
    head = json.loads(answer.body[: answer.header_length])
    check(head, documented["application/json"]["schema"])
    if answer.status == 200:
        sizes = [output.get("parameters", {}).get("binary_data_size", 0) for output in head["outputs"]]
        assert answer.header_length is None or len(answer.body) == answer.header_length + sum(sizes)


def test_a_sound_request_is_one_by_the_document_too() -> None:
    for name, datatype in (("features", "FP64"), ("input-0", "FP32")):
        tensor = {"name": name, "shape": [1, 3], "datatype": datatype, "data": [120.0, None, 40]}
        check({"inputs": [tensor], "id": "r-1"}, REQUEST)


@pytest.mark.parametrize(
    "row",
    [
        [None, 80, 40],
        {"age": 40, "insulin": 80, "glucose": None},
        [120, None, 40],  # no value for a feature that needs one
        [120, 80],
        [120, 80, 1.5],
        [120, 2_001, 40],
        ["120", 80, 40],
        {"age": 40, "insulin": 80},
        {"age": 40, "insulin": 80, "glucose": 120, "hight": 2},
    ],
)
@pytest.mark.parametrize("spelling", ["rows", "instances"])
def test_a_row_is_sound_by_the_document_when_it_is_answered(row: Any, spelling: str) -> None:
    request = {spelling: [row]}
    status = SERVICE.infer(json.dumps(request).encode(), "made-up").status

    assert jsonschema.Draft202012Validator(whole(REQUEST)).is_valid(request) == (status == 200)
