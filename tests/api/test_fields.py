"""The base classes: strict, closed, immutable, null is nothing; and rules that both sides share."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from tests.api.manifests import changed, good_spec
from verdigris.api.schema.fields import (
    MAX_TEXT,
    ApiModel,
    ListMap,
    Passthrough,
    Rule,
    StatusModel,
    Text,
    pattern,
    portable,
)
from verdigris.api.schema.fields import Time as Instant
from verdigris.api.spec import ModelDeploymentSpec


class Part(ApiModel):
    """A part."""

    name: str
    count: int | None = None


class Whole(ApiModel):
    """Parts, by name."""

    rules = (Rule("size(self.parts) > 0", "give a part", lambda whole: len(whole.parts) > 0, field="parts"),)
    parts: Annotated[tuple[Part, ...], Field(max_length=4), ListMap("name")] = ()
    labels: Annotated[dict[str, str], Field(max_length=4)] = {}
    other: Passthrough = {}
    is_open: bool = True


class Seen(StatusModel):
    """A status."""

    message: Text = ""
    at: Instant | None = None


def parsed(**raw: Any) -> Whole:
    return Whole.parse({"parts": [{"name": "a"}], **raw})


def test_names_are_camel_case_outside() -> None:
    assert parsed(isOpen=False).is_open is False
    assert parsed().dump()["isOpen"] is True


def test_a_null_member_counts_as_absent() -> None:
    whole = parsed(isOpen=None, labels={"a": None, "b": "c"}, parts=[{"name": "a", "count": None}])
    assert whole == parsed(labels={"b": "c"})


def test_a_null_stays_where_the_schema_knows_nothing() -> None:
    assert parsed(other={"a": None}).other == {"a": None}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"unknown": None}, "Extra inputs are not permitted"),
        ({"isOpen": "true"}, "valid boolean"),
        ({"isOpen": 1}, "valid boolean"),
        ({"parts": [{"name": "a", "count": "3"}]}, "valid integer"),
        ({"parts": [{"name": "a", "count": True}]}, "valid integer"),
        ({"parts": [None]}, "object"),
        ({"labels": {"a": 1}}, "valid string"),
        ({"other": []}, "object"),
        ({"parts": []}, "give a part"),
        ({"parts": [{"name": "a"}, {"name": "a"}]}, "name a is there twice"),
    ],
)
def test_types_are_strict_and_rules_hold(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        parsed(**raw)


def test_an_object_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        parsed().is_open = False  # type: ignore[misc]


def test_a_number_without_end_is_refused() -> None:
    spec = changed(good_spec(), {"analysis.metrics": [{"name": "a", "query": "up", "max": float("inf")}]})
    with pytest.raises(ValidationError, match="finite"):
        ModelDeploymentSpec.parse(spec)


def test_a_status_of_a_newer_operator_can_be_read() -> None:
    assert Seen.parse({"message": "ok", "mood": "good"}) == Seen(message="ok")


def test_a_sentence_that_is_too_long_is_cut_not_refused() -> None:
    message = Seen(message="x" * 5000).message
    assert len(message) == MAX_TEXT
    assert message.endswith("x…")


def test_a_time_is_written_in_utc_to_the_millisecond() -> None:
    assert Seen.parse({"at": "2026-11-23T12:00:00.123456+02:00"}).dump()["at"] == "2026-11-23T10:00:00.123Z"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="a time needs a zone"):
        Seen.parse({"at": "2026-11-23T12:00:00"})


@pytest.mark.parametrize("text", ["aa", "a\n", "\na", "", "b"])
def test_a_pattern_wants_the_whole_text(text: str) -> None:
    with pytest.raises(ValidationError, match="write an a"):
        TypeAdapter(Annotated[str, pattern("a", "write an a")]).validate_python(text)


@pytest.mark.parametrize(
    "regex", [r"\s", r"\d+", "a$", "^a", "(?=a)", "(?i)a", "(?P<x>a)", "a*?", "a++", "it's", r"\1"]
)
def test_a_regex_that_means_different_things_to_python_and_re2_is_refused(regex: str) -> None:
    with pytest.raises(ValueError, match="not portable between Python and RE2"):
        portable(regex)


@pytest.mark.parametrize("regex", ["[^a]", r"a\.b", r"\[a\]", "(?:a|b)+", "a{1,3}"])
def test_a_regex_that_means_the_same_to_both_is_taken(regex: str) -> None:
    assert portable(regex) == regex
