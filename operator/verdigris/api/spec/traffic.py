"""`spec.traffic`: which requests meet a version on trial."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from verdigris.api.schema.fields import ApiModel, pattern
from verdigris.api.schema.values import NO_NUL

_Header = Annotated[
    str,
    Field(max_length=128),
    pattern("[A-Za-z0-9][-A-Za-z0-9_.]*", "must be the name of an HTTP header, for example x-user-id"),
]


class UnitSpec(ApiModel):
    """Whose requests belong together."""

    header: _Header = Field(
        description="Requests with the same value of this header always meet the same version, in every pod. "
        "A growing share only adds values. Requests without it are assigned by chance."
    )


class TestersSpec(ApiModel):
    """Who always meets the version on trial, from its first weight on; nobody meets it in a shadow."""

    header: _Header
    value: Annotated[str, Field(min_length=1, max_length=256), NO_NUL]


class TrafficSpec(ApiModel):
    """Which requests meet a version on trial. It follows a change at once."""

    unit: UnitSpec | None = None
    testers: TestersSpec | None = None
