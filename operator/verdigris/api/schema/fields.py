"""The building blocks of the API models: the base classes, and constraints whose Python check and CRD schema agree.

Every constraint is stated once and read twice: pydantic enforces it in the operator, and `schema.crd` writes it
into the CRD, so that `kubectl apply` refuses what the operator could not use, with the same sentence.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from verdigris.api.schema import durations
from verdigris.api.schema.durations import parse_duration, spell_duration
from verdigris.api.schema.nulls import Words, without_nulls
from verdigris.api.schema.text import clip, plain

__all__ = [
    "DURATION",
    "MAX_TEXT",
    "VALIDATIONS",
    "ApiModel",
    "ListMap",
    "Name",
    "Passthrough",
    "Rule",
    "StatusModel",
    "Text",
    "Time",
    "parse_duration",
    "pattern",
    "portable",
    "spell_duration",
    "words_of",
]

VALIDATIONS = "x-kubernetes-validations"


@dataclass(frozen=True)
class Rule:
    """A check, once as CEL for the API server and once as Python for the operator.

    Stands in `ApiModel.rules` (a check across fields) or as an annotation of one field's type. `cel` is evaluated
    with `self` bound to the object or value; `holds` gets the parsed one. `message` is what a person reads when it
    is broken: what is wrong and what to do. `field` is the member that the API server blames, as a camelCase path.
    One that is `younger` than objects that break it holds for what is written from now on: of `ApiModel.rules` only.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool]
    field: str | None = None
    younger: bool = False

    def check(self, value: Any) -> Any:
        """The value. Raises ValueError with the message when the rule is broken."""
        if not self.holds(value):
            raise ValueError(self.message)
        return value

    def validation(self) -> dict[str, str]:
        """The entry of x-kubernetes-validations."""
        entry = {"rule": self.cel, "message": self.message}
        return entry if self.field is None else {**entry, "fieldPath": f".{self.field}"}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        json_schema = handler(schema)
        return {**json_schema, VALIDATIONS: [*json_schema.get(VALIDATIONS, ()), self.validation()]}


_NOT_PORTABLE = re.compile(r"\\[A-Za-z0-9]|['\n$]|\(\?(?!:)|(?<!\[)\^|[*+?}][+?]")


def portable(regex: str) -> str:
    """The regex itself. Raises ValueError unless it means the same in Python and in RE2.

    Escapes such as \\s and \\d differ in what they call a space or a digit, `$` differs before a final newline,
    and RE2 has no look-around and no possessive repeats: write character classes.
    """
    if found := _NOT_PORTABLE.search(regex):
        raise ValueError(f"the regex {regex} is not portable between Python and RE2: avoid {found.group()!r}")
    return regex


DURATION = portable(durations.DURATION)


def pattern(regex: str, message: str) -> Rule:
    """The rule that the whole text matches. A CEL rule and no `pattern`, whose refusal would show only the regex."""
    compiled = re.compile(portable(regex))
    return Rule(f"self.matches(r'^({regex})$')", message, lambda text: compiled.fullmatch(text) is not None)


@dataclass(frozen=True)
class ListMap:
    """Marks a list as a map by one field (its Python name) of its items: no two items have the same value there."""

    key: str

    def check(self, items: Sequence[Any]) -> Sequence[Any]:
        """The items. Raises ValueError when two of them have the same key."""
        keys = [getattr(item, self.key) for item in items]
        if twice := {key for key in keys if keys.count(key) > 1}:
            raise ValueError(f"{self.key} {sorted(twice)[0]} is there twice: each {self.key} may be given once")
        return items

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [to_camel(self.key)]}


@functools.cache
def words_of(model: type[BaseModel]) -> Words:
    """What the model's (pydantic) JSON schema has words for, made once: that is too dear for each look at an object."""
    schema = model.model_json_schema()
    return Words(schema, schema.get("$defs", {}))


STORED: Mapping[str, Any] = {"stored": True}
"""The context in which what the API server has accepted before is validated."""


class ApiModel(BaseModel):
    """Base of everything in `spec`: camelCase outside, strict types, unknown fields refused, immutable."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
    )
    rules: ClassVar[tuple[Rule, ...]] = ()
    identity: ClassVar[tuple[str, ...]] = ()
    """The members (camelCase) that say what an object stands for: with another value there it is another one."""

    @model_validator(mode="after")
    def _rules_hold(self, info: ValidationInfo) -> Self:
        for rule in type(self).rules:
            if not (rule.younger and info.context is STORED):
                rule.check(self)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        json_schema = handler(schema)
        if cls.rules:
            handler.resolve_ref_schema(json_schema)[VALIDATIONS] = [rule.validation() for rule in cls.rules]
        return json_schema

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self:
        """Validate a JSON object as the API server gives it. Raises `pydantic.ValidationError`.

        A member that is null counts as absent, as it does in the API server.
        """
        return cls.model_validate_json(json.dumps(without_nulls(raw, words_of(cls))))

    def dump(self) -> dict[str, Any]:
        """The JSON object, camelCase, without fields that are None."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class StatusModel(ApiModel):
    """Base of everything in `status`. Unknown fields are ignored: an older operator must read a newer one's status."""

    model_config = ConfigDict(extra="ignore")


_FIRST_YEAR, _LAST_YEAR = 1900, 9000
"""So that any duration of a spec can be added to a time, or taken from it."""


def _to_utc(value: Any) -> Any:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise ValueError("a time needs a zone, for example 2026-11-23T10:00:00Z")
    if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        raise ValueError(f"a time is in the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return value.astimezone(UTC)


def _rfc3339(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Time = Annotated[
    datetime,
    BeforeValidator(_to_utc),
    PlainSerializer(_rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "maxLength": 64}),
]
"""A wall-clock instant, written as RFC 3339 in UTC to the millisecond."""


Passthrough = Annotated[
    dict[str, Any],
    WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
]
"""An object of another API, handed on as it is and checked by its owner."""

MAX_TEXT = 1024


def told(text: Any) -> Any:
    """The text as a status holds it: plain, and cut to `MAX_TEXT`: a long sentence must not cost the whole status."""
    return clip(plain(text), MAX_TEXT) if isinstance(text, str) else text


Text = Annotated[str, Field(max_length=MAX_TEXT), BeforeValidator(told)]
"""A sentence for people, made `plain`; one that is too long is cut, not refused."""
Name = Annotated[str, Field(min_length=1, max_length=253)]
