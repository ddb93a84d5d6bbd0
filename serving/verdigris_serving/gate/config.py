"""What a gate is asked: one JSON document a kind, each field with its unit. ``docs/gates.md`` explains them.

Every document refuses unknown fields. ``read`` then looks for what types cannot say: thresholds that contradict.
"""

import math
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Uri = Annotated[str, Meta(min_length=1, max_length=4_096)]
Share = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Name = Annotated[str, Meta(min_length=1, max_length=253)]
Metric = Literal[
    "auc",
    "accuracy",
    "balanced_accuracy",
    "f1",
    "precision",
    "recall",
    "brier",
    "log_loss",
    "calibration",
    "r2",
    "mae",
    "rmse",
]
#: Seconds that a gate may take unless its document says otherwise.
_DEADLINE = 900.0
#: Metrics of which less is better.
LOSSES = frozenset({"brier", "log_loss", "calibration", "mae", "rmse"})
#: Metrics that lie between 0 and 1.
_SHARES = frozenset({"auc", "accuracy", "balanced_accuracy", "f1", "precision", "recall", "calibration"})


class InvalidConfig(ValueError):
    """The document cannot be followed; the message says which field, why and what to write."""


class _Document(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What all documents have in common: names in camel case, as in a manifest."""


class Artifact(_Document, frozen=True):
    """A packed model, fetched and verified as a pod does. ``name``, ``version`` and ``format`` are checked if given."""

    uri: Uri
    sha256: Sha256
    name: str = ""
    version: str = ""
    format: str = ""


class Data(_Document, frozen=True):
    """A CSV file with a header: the model's features by name, the ``target`` (what is true of each row), others.

    At most ``max_bytes`` bytes.
    """

    uri: Uri
    sha256: Sha256
    target: str = ""
    max_bytes: Annotated[int, Meta(ge=1, le=2**32)] = 256 * 2**20


class Bounds(_Document, frozen=True):
    """The least and the most that a value may be; one of them at least."""

    min: float | None = None
    max: float | None = None


class VersusActive(_Document, frozen=True):
    """The model may be worse than ``active`` by at most ``margin``, on the same rows."""

    metric: Metric
    margin: Annotated[float, Meta(ge=0)]
    active: Artifact


Confidence = Annotated[float, Meta(gt=0.5, lt=1)] | Literal["point"]


class Quality(_Document, frozen=True):
    """How good the model is on held-out rows."""

    model: Artifact
    data: Data
    thresholds: dict[Metric, Bounds] = {}
    versus_active: VersusActive | None = None
    confidence: Confidence = 0.95
    deadline_seconds: Seconds = _DEADLINE


class Attribute(_Document, frozen=True):
    """A column that says who a row is of; no feature needs to be made of it.

    ``bins`` are ascending edges of a numeric column: up to the first, above it and up to the second, …, above the last.
    """

    name: Name
    privileged: str | None = None
    bins: Annotated[list[float], Meta(min_length=1, max_length=20)] | None = None


class DisparateImpact(_Document, frozen=True):
    """The least ratio of the selection rates of two groups."""

    min: Annotated[float, Meta(gt=0, le=1)] = 0.8


class EqualOpportunity(_Document, frozen=True):
    """The largest difference of the true positive rates of two groups."""

    max_difference: Share


class Fairness(_Document, frozen=True):
    """Whether the groups of each attribute are treated alike. ``favourable`` is the label that is good to get."""

    model: Artifact
    data: Data
    attributes: Annotated[list[Attribute], Meta(min_length=1, max_length=10)]
    disparate_impact: DisparateImpact | None = None
    equal_opportunity: EqualOpportunity | None = None
    favourable: int | str | bool | None = None
    min_group: Annotated[int, Meta(ge=2, le=1_000_000)] = 30
    confidence: Confidence = 0.95
    deadline_seconds: Seconds = _DEADLINE


class Smoke(_Document, frozen=True):
    """Whether the server at ``url`` answers what it should and refuses what it should.

    ``answer_seconds`` is how long one answer may take.
    """

    model: Artifact
    url: Uri
    rows: Annotated[int, Meta(ge=1, le=100_000)] = 200
    seed: int = 1
    answer_seconds: Seconds = 10.0
    deadline_seconds: Seconds = 600.0


class Guard(_Document, frozen=True):
    """The version that serves clients meanwhile: the load ends when its p95 is beyond ``p95_seconds``.

    None: twice what it was before the load, and at least 20 ms more.
    """

    url: Uri
    p95_seconds: Seconds | None = None


class Load(_Document, frozen=True):
    """How the server at ``url`` bears load: ``connections`` at once, for ``for_seconds``, ``rate`` requests a second.

    Without a rate each connection asks again when it is answered. The percentiles are limits; ``min_rate`` is the least
    number of answers a second, ``max_errors`` the most requests without a good answer.
    """

    model: Artifact
    url: Uri
    connections: Annotated[int, Meta(ge=1, le=10_000)] = 100
    for_seconds: Annotated[float, Meta(gt=0, le=3_600)] = 30.0
    rate: Annotated[float, Meta(gt=0, le=100_000)] | None = None
    p95_seconds: Seconds | None = None
    p99_seconds: Seconds | None = None
    min_rate: Annotated[float, Meta(gt=0)] | None = None
    max_errors: Annotated[int, Meta(ge=0)] = 0
    answer_seconds: Seconds = 10.0
    guard: Guard | None = None
    confidence: Confidence = 0.95
    seed: int = 1
    deadline_seconds: Seconds = 3_900.0


Config = Quality | Fairness | Smoke | Load
KINDS: dict[str, type[Config]] = {"quality": Quality, "fairness": Fairness, "smoke": Smoke, "load": Load}


def read(gate: str, document: bytes) -> Config:
    """The document for a gate of KINDS. Raises InvalidConfig."""
    try:
        config = msgspec.json.decode(document, type=KINDS[gate])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidConfig(f"the document of the {gate} gate cannot be read: {error}") from error
    if isinstance(config, Quality):
        _check_quality(config)
    elif isinstance(config, Fairness):
        _check_fairness(config)
    elif isinstance(config, Load):
        _check_load(config)
    return config


def _check_quality(config: Quality) -> None:
    if not config.thresholds and config.versus_active is None:
        raise InvalidConfig("the quality gate asks for nothing: give thresholds, versusActive or both")
    if not config.data.target:
        raise InvalidConfig("data.target is empty: name the column that says what is true of each row")
    for name, bounds in config.thresholds.items():
        _check_bounds(name, bounds)
    versus = config.versus_active
    if versus and versus.metric == "calibration":
        raise InvalidConfig(
            "versusActive.metric calibration cannot be compared row by row: compare brier or log_loss, which get worse "
            "with it"
        )


def _check_bounds(name: str, bounds: Bounds) -> None:
    given = [(side, value) for side, value in (("min", bounds.min), ("max", bounds.max)) if value is not None]
    if not given:
        raise InvalidConfig(f"thresholds.{name} has neither min nor max: give one")
    for side, value in given:
        if not math.isfinite(value) or (name in _SHARES and not 0 <= value <= 1):
            raise InvalidConfig(f"thresholds.{name}.{side} is {value:g}, and {name} lies between 0 and 1: correct it")
    if bounds.min is not None and bounds.max is not None and bounds.min > bounds.max:
        raise InvalidConfig(
            f"thresholds.{name} asks for at least {bounds.min:g} and at most {bounds.max:g}: no value is both; correct "
            "one"
        )


def _check_fairness(config: Fairness) -> None:
    if config.disparate_impact is None and config.equal_opportunity is None:
        raise InvalidConfig("the fairness gate asks for nothing: give disparateImpact, equalOpportunity or both")
    if config.equal_opportunity and not config.data.target:
        raise InvalidConfig(
            "equalOpportunity compares groups among the rows whose truth is favourable: name its column in data.target"
        )
    names = [attribute.name for attribute in config.attributes]
    if len(set(names)) != len(names):
        raise InvalidConfig("attributes has the same name twice: once is enough")
    for attribute in config.attributes:
        bins = attribute.bins
        if bins and (sorted(set(bins)) != bins or not all(map(math.isfinite, bins))):
            raise InvalidConfig(f"attribute {attribute.name}: bins must ascend, each a number of its own")


def _check_load(config: Load) -> None:
    if config.p95_seconds and config.p99_seconds and config.p99_seconds < config.p95_seconds:
        raise InvalidConfig(
            f"p99Seconds is {config.p99_seconds:g} and p95Seconds {config.p95_seconds:g}: no p99 is the smaller "
            "one; correct one"
        )
    if config.rate and config.min_rate and config.min_rate > config.rate:
        raise InvalidConfig(
            f"minRate is {config.min_rate:g} and rate {config.rate:g}: no more is answered than is asked; correct one"
        )


def deadline_of(gate: str, document: bytes) -> float:
    """The seconds that a gate may take; the default where the document cannot be read, which is told elsewhere."""
    try:
        return read(gate, document).deadline_seconds
    except InvalidConfig:
        return _DEADLINE
