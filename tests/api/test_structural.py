"""From pydantic's JSON schema to a structural schema: what is written, and what is refused because it cannot be."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, create_model

from verdigris.api.schema.fields import ApiModel, ListMap, Passthrough, Rule, StatusModel
from verdigris.api.schema.structural import Inexpressible, structural

Short = Annotated[str, Field(max_length=8)]


def written(kind: Any, default: Any = ..., *, with_defaults: bool = True) -> dict[str, Any]:
    """What becomes of a field of this type."""
    model = create_model("Model", __base__=ApiModel, field=(kind, Field(default=default)))
    schema = structural(model.model_json_schema(), "spec", with_defaults=with_defaults)
    found: dict[str, Any] = schema["properties"]["field"]
    return found


class Inner(ApiModel):
    """An inner object.

    With more to say, which is not for the CRD.
    """

    rules = (Rule("self.size > 0", "size must be positive", lambda inner: inner.size != 0, field="size"),)
    long_name: Short = "x"
    size: int | None = None


class Endless(ApiModel):
    """A list of itself."""

    more: Annotated[tuple[Endless, ...], Field(max_length=2)] = ()


@pytest.mark.parametrize(
    ("kind", "default", "expected"),
    [
        (Short, ..., {"type": "string", "maxLength": 8}),
        (Short, "a", {"type": "string", "maxLength": 8, "default": "a"}),
        (Short | None, None, {"type": "string", "maxLength": 8}),
        (Literal["a", "b"], "a", {"type": "string", "enum": ["a", "b"], "default": "a"}),
        (Literal["a"], "a", {"type": "string", "enum": ["a"], "default": "a"}),
        (Annotated[int, Field(ge=1, le=9)], 3, {"type": "integer", "minimum": 1, "maximum": 9, "default": 3}),
        (float | None, None, {"type": "number"}),
        (bool, False, {"type": "boolean", "default": False}),
        (
            Annotated[dict[str, Short], Field(max_length=2)],
            {},
            {
                "type": "object",
                "maxProperties": 2,
                "default": {},
                "additionalProperties": {"type": "string", "maxLength": 8},
            },
        ),
        (
            Annotated[tuple[Short, ...], Field(max_length=2)],
            (),
            {
                "type": "array",
                "maxItems": 2,
                "default": [],
                "x-kubernetes-list-type": "atomic",
                "items": {"type": "string", "maxLength": 8},
            },
        ),
        (Passthrough | None, None, {"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
    ],
)
def test_a_field_becomes_what_a_crd_can_say(kind: Any, default: Any, expected: dict[str, Any]) -> None:
    assert written(kind, default) == expected


def test_an_object_is_put_in_place_with_its_rules_its_first_paragraph_and_its_default_in_full() -> None:
    assert written(Inner, Inner(long_name="y")) == {
        "description": "An inner object.",
        "type": "object",
        "default": {"longName": "y"},
        "x-kubernetes-validations": [
            {"rule": "self.size > 0", "message": "size must be positive", "fieldPath": ".size"}
        ],
        "properties": {
            "longName": {"type": "string", "maxLength": 8, "default": "x"},
            "size": {"type": "integer"},
        },
    }


def test_a_list_by_key_says_so() -> None:
    schema = written(Annotated[tuple[Inner, ...], Field(max_length=2), ListMap("long_name")], ())
    assert schema["x-kubernetes-list-type"] == "map"
    assert schema["x-kubernetes-list-map-keys"] == ["longName"]


def test_a_status_has_no_defaults() -> None:
    class Status(StatusModel):
        """A status."""

        inner: Inner = Inner()

    schema = structural(Status.model_json_schema(), "status", with_defaults=False)
    assert "default" not in str(schema)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (str, "spec.field: a text without a bound: add max_length"),
        (tuple[int, ...], "spec.field: a list without a bound: add max_length"),
        (dict[str, int], "spec.field: a map without a bound: add max_length"),
        (Annotated[tuple[str, ...], Field(max_length=2)], "spec.field\\[\\]: a text without a bound"),
        (Annotated[dict[str, str], Field(max_length=2)], "spec.field.\\*: a text without a bound"),
        (
            Annotated[str, Field(max_length=9, pattern="a")],
            "no room for pattern of a string: state it as fields.pattern",
        ),
        (int | bool, "a choice of types cannot be defaulted or pruned: give it one type"),
        (Any, "a structural schema needs one type here, and this has None"),
        (Annotated[int, Field(gt=1)], "no room for exclusiveMinimum of a integer"),
        (Annotated[float, Field(ge=1.5)], "cuts fractional bounds for whole values: use values.number"),
        (Annotated[int, Field(multiple_of=2)], "no room for multipleOf"),
        (Annotated[dict[str, Any], Field(max_length=1)], "an object of anything: say what is in it"),
        (Annotated[dict[Short, int], Field(max_length=1)], "no room for propertyNames"),
        (tuple[int, int], "no room for .*prefixItems"),
        (Endless, "Endless contains itself: a structural schema cannot, so unroll it"),
    ],
)
def test_what_a_crd_cannot_say_is_refused_with_its_place(kind: Any, sentence: str) -> None:
    with pytest.raises(Inexpressible, match=sentence):
        written(kind)


def test_a_choice_that_is_discriminated_is_refused() -> None:
    class A(BaseModel):
        kind: Literal["a"]

    class B(BaseModel):
        kind: Literal["b"]

    with pytest.raises(Inexpressible):
        written(Annotated[A | B, Field(discriminator="kind")])


class Younger(ApiModel):
    """A part with a field that is younger than the release."""

    old: Short = "a"
    young: Short = "b"


class Parts(ApiModel):
    """An old part, and one that is younger."""

    part: Younger = Younger()
    new: Younger = Younger()


def test_a_field_that_is_younger_than_the_release_gets_no_default_from_the_api_server() -> None:
    """The released operator takes an object with a field that nobody wrote for malformed."""
    schema = structural(Parts.model_json_schema(), "spec", with_defaults=True, defaulted={"spec.part", "spec.part.old"})
    part, new = schema["properties"]["part"], schema["properties"]["new"]
    assert part["default"] == {"old": "a"}
    assert "default" in part["properties"]["old"]
    assert "default" not in part["properties"]["young"]
    assert "default" not in new
    assert "default" not in new["properties"]["old"]
