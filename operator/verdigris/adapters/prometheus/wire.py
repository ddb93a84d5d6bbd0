"""Prometheus' HTTP answers, read strictly: either what was asked for, or an `Unusable` with the reason. No I/O here.

The format: https://prometheus.io/docs/prometheus/latest/querying/api/
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from verdigris.core.facts.evidence import Series, Usage
from verdigris.core.words import plain

Sample = tuple[float, float]
COUNTABLE = 2.0**53
"""Beyond it a float loses whole requests: no server has counted so many. NaN is not below it either."""


class Unusable(Exception):
    """The answer cannot be used. The text completes the sentence "Prometheus at <address> ..."."""

    def __init__(self, words: str) -> None:
        super().__init__(plain(words))


class _Matrix(BaseModel):
    metric: dict[str, str]
    values: list[Sample] = []


class _Vector(BaseModel):
    metric: dict[str, str]
    value: Sample | None = None


class _MatrixData(BaseModel):
    result_type: Literal["matrix"] = Field(alias="resultType")
    result: list[_Matrix]


class _VectorData(BaseModel):
    result_type: Literal["vector"] = Field(alias="resultType")
    result: list[_Vector]


class _ScalarData(BaseModel):
    result_type: Literal["scalar"] = Field(alias="resultType")
    result: Sample


class _OtherData(BaseModel):
    result_type: Literal["string", "streams"] = Field(alias="resultType")


_Data = _MatrixData | _VectorData | _ScalarData | _OtherData


class _Answer(BaseModel):
    """`warnings` mean that the data may be incomplete; `infos`, which we ignore, only comment on the query."""

    model_config = ConfigDict(extra="ignore")
    status: Literal["success", "error"]
    error: str = ""
    warnings: list[str] = []
    data: Annotated[_Data, Field(discriminator="result_type")] | None = None


_ANSWER: TypeAdapter[_Answer] = TypeAdapter(_Answer)


def _read(body: bytes) -> _Data:
    try:
        answer = _ANSWER.validate_json(body)
    except ValidationError:
        raise Unusable("answered with something that is not Prometheus' JSON: is the address right?") from None
    if answer.status == "error":
        raise Unusable(f"refused the query: {_short(answer.error)}")
    if answer.warnings:
        raise Unusable(f"warned that its answer may be incomplete: {_short(answer.warnings[0])}")
    if answer.data is None:
        raise Unusable("answered without data")
    return answer.data


def error_of(body: bytes) -> str | None:
    """The reason that Prometheus itself gives in an error's body; None when the body is not Prometheus'."""
    try:
        answer = _ANSWER.validate_json(body)
    except ValidationError:
        return None
    return _short(answer.error) or None


def read_number(body: bytes) -> float:
    """The one finite number of a check. Raises Unusable for anything else, saying what came instead."""
    data = _read(body)
    if isinstance(data, _ScalarData):
        return _finite(data.result[1])
    if not isinstance(data, _VectorData):
        raise Unusable(f"answered with a {data.result_type} instead of one number: change the query")
    if not data.result:
        raise Unusable("has no data for the query")
    if len(data.result) > 1:
        raise Unusable(
            f"answered with {len(data.result)} series instead of one: aggregate them, for example with sum()"
        )
    sample = data.result[0].value
    if sample is None:
        raise Unusable("answered with a histogram instead of a number: change the query")
    return _finite(sample[1])


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise Unusable(f"answered {value:g}, which is no number to judge by (often: nothing divided by nothing)")
    return value


def read_counters(
    samples: bytes, basis: bytes, basis_at: float, step: float = 0.0, *, label: str = "code", prefix: str = ""
) -> tuple[Series, ...]:
    """Raw samples of every series, each led by its value at `basis_at` (unix seconds) if it existed then.

    A series that ended before the window has that value alone: its counter may go on under other labels. `samples` is
    the answer to a range selector, or to a subquery of this `step`, `basis` to `last_over_time` at `basis_at`. `label`
    tells the series of one pod apart; behind `prefix` it is their code. Raises Unusable.
    """
    window, before = _read(samples), _read(basis)
    if not isinstance(window, _MatrixData) or not isinstance(before, _VectorData):
        raise Unusable("answered with something else than samples: is the address right?")
    known = {_key(one.metric): one.value for one in before.result}
    found = [_series(one, known.pop(_key(one.metric), None), basis_at, step, label) for one in window.result]
    ended = (_Matrix(metric=one.metric) for one in before.result if _key(one.metric) in known)
    last = (_series(one, known[_key(one.metric)], basis_at, step, label) for one in ended)
    series = (*found, *(replace(one, ended=True) for one in last if one.samples))
    return tuple(replace(one, code=prefix + one.code) for one in series)


def read_usage(cpu: bytes, memory: bytes) -> Usage:
    """`cpu` is the answer to an aggregated subquery, `memory` to an aggregated number; either may be empty.

    Raises Unusable.
    """
    cores, most = _read(cpu), _read(memory)
    if not isinstance(cores, _MatrixData) or not isinstance(most, _VectorData):
        raise Unusable("answered with something else than samples: is the address right?")
    samples = tuple(sample for one in cores.result for sample in one.values)
    peak = max((one.value[1] for one in most.result if one.value), default=0.0)
    if not all(math.isfinite(value) and value >= 0 for value in (peak, *(value for _, value in samples))):
        raise Unusable("has a usage of CPU or memory that is not a number")
    return Usage(cpu=samples, memory=peak)


def _key(metric: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset(metric.items())


def _series(one: _Matrix, basis: Sample | None, basis_at: float, step: float, label: str) -> Series:
    pod, code = one.metric.get("pod"), one.metric.get(label)
    if not pod or not code:
        raise Unusable(
            f"has request counters without the label pod or {label}: scrape the model by its own ServiceMonitor"
        )
    samples = tuple(one.values)
    if basis is not None and (not samples or samples[0][0] > basis_at):
        samples = ((basis_at, basis[1]), *samples)
    if not all(0 <= value <= COUNTABLE for _, value in samples):
        raise Unusable(f"has a request counter of pod {pod} that is not a number of requests")
    return Series(pod=pod, code=code, samples=samples, step=step)


def _short(text: str, size: int = 200) -> str:
    line = " ".join(text.split())
    return line if len(line) <= size else line[: size - 1] + "…"
