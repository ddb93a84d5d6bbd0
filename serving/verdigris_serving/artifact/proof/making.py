"""Rows that are built to differ: where a packed model would answer otherwise than its pipeline if it did anywhere.

They are made of the given rows, with one or more features moved to a threshold or an ulp beside it, to a bin's edge,
to a category and to none, to nothing at all, to zero, the smallest and the largest numbers, to the ends of the range;
a text without categories to another one (``documents``).
Seeded: the same pipeline and rows make the same ones.
"""

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from verdigris_serving.artifact.proof import boundaries
from verdigris_serving.artifact.proof.documents import Pools
from verdigris_serving.artifact.proof.reference import Reference
from verdigris_serving.model import arrays
from verdigris_serving.model.schema import Feature, Row, allows, bounds, is_integral

#: Most rows that are made, and most values in them.
MOST_ROWS, MOST_VALUES = 8_192, 4_000_000
_SEED = 20261127
#: Given rows that the others are made of.
_BASES = 2_048
#: Zeros, the least numbers of float64 and float32, numbers where one of them loses whole ones, and large ones.
_ODD = (
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    1e-310,
    1e-45,
    1.2e-38,
    1e-8,
    0.5,
    1.0,
    -1.0,
    2.5,
    16_777_217.0,
    9_007_199_254_740_993.0,
)
_LARGE = (1e6, -1e6, 1e12, -1e12, 3.4e38, -3.4e38, 1e30, -1e30)


def takes_missing(reference: Reference, features: Sequence[Feature], rows: Sequence[Row]) -> list[bool]:
    """Whether the pipeline answers when a feature is missing, in each of the first few rows."""
    tried = rows[:8]
    return [
        all(reference.takes([None if n == place else v for n, v in enumerate(row)]) for row in tried)
        for place in range(len(features))
    ]


def made_rows(model: Any, features: Sequence[Feature], rows: Sequence[Row], missing: Sequence[bool]) -> list[Row]:
    """At most MOST_ROWS rows that a caller may send; ``missing`` says which features may be missing in them."""
    texts = Pools(features, rows, _SEED)
    # Only scikit-learn itself serves such texts: its thresholds are the model's own, whatever stands before them.
    found = [] if texts.places else boundaries.merged(boundaries.sites(model, *_asked(features)))
    most = min(MOST_ROWS, texts.most_rows) if texts.places else MOST_ROWS
    return texts.decoded(_made(found, texts.features, texts.coded(rows), missing, most))


def _made(
    found: Sequence[boundaries.Site],
    features: Sequence[Feature],
    rows: Sequence[Row],
    missing: Sequence[bool],
    most: int,
) -> list[Row]:
    source = np.random.default_rng(_SEED)
    width = len(features)
    count = max(64, min(most, MOST_VALUES // width))
    table = arrays.table(rows)
    base = table[source.choice(len(table), min(_BASES, len(table)), replace=False)]
    values = _values(found, features, base, source)
    made = base[source.integers(0, len(base), count)].copy()
    _move(made, values, missing, source)
    allowed = [msgspec.structs.replace(feature, nullable=may) for feature, may in zip(features, missing, strict=True)]
    plain: list[Row] = [[None if math.isnan(value) else value for value in row] for row in made.tolist()]
    return [row for row in plain if all(allows(f, v) for f, v in zip(allowed, row, strict=True))]


def _move(made: Any, values: list[Any], missing: Sequence[bool], source: Any) -> None:
    """In each row: one feature moved (half of the rows), or each with a chance; then some of them are missing."""
    count, width = made.shape
    alone = source.integers(0, width, count)
    many = source.random(count) < 0.5
    chance = source.random(count) * 0.6
    for feature, known in enumerate(values):
        moved = np.where(many, source.random(count) < chance, alone == feature)
        drawn = known[source.integers(0, len(known), count)]
        made[moved, feature] = drawn[moved]
    may = np.flatnonzero(np.asarray(missing, dtype=bool))
    if len(may):
        gone = source.random((count, len(may))) < (source.random((count, 1)) < 0.35) * source.random((count, 1)) * 0.7
        for number, feature in enumerate(may.tolist()):
            made[gone[:, number], feature] = np.nan


def _values(sites: Sequence[boundaries.Site], features: Sequence[Feature], base: Any, source: Any) -> list[Any]:
    """For each feature the values that it is moved to."""
    low, high = _ends(features, base)
    found: list[list[float]] = [[] for _ in features]
    fullest = base[np.argmin(np.isnan(base).sum(axis=1))]
    start = np.where(np.isnan(fullest), (low + high) / 2, fullest)
    for site in sites:
        for place, value in boundaries.around(site, start, low, high, source):
            found[place].append(value)
    return [
        _mixed(
            feature,
            [
                np.asarray(found[place], dtype=np.float64),
                _own(base[:, place], source),
                source.uniform(low[place], high[place], 256),
                np.array([*_ODD, *_LARGE, low[place], high[place], *bounds(feature)]),
            ],
            source,
        )
        for place, feature in enumerate(features)
    ]


def _asked(features: Sequence[Feature]) -> tuple[boundaries.Through, bool]:
    """How rows of numbers become what the pipeline is asked with, and whether they are that already."""
    if all(feature.datatype != "BYTES" for feature in features):
        return lambda table: table, True
    return lambda table: arrays.decoded(table, features), False


def _ends(features: Sequence[Feature], base: Any) -> tuple[Any, Any]:
    """The ends between which thresholds are looked for: beyond what the rows have, within what may be sent."""
    with np.errstate(all="ignore"):
        low, high = np.nanmin(base, axis=0, initial=np.inf), np.nanmax(base, axis=0, initial=-np.inf)
    low, high = np.where(np.isfinite(low), low, -1.0), np.where(np.isfinite(high), high, 1.0)
    reach = np.maximum(high - low, 1.0)
    limits = np.array([bounds(feature) for feature in features])
    return np.clip(low - reach, limits[:, 0], limits[:, 1]), np.clip(high + reach, limits[:, 0], limits[:, 1])


def _own(column: Any, source: Any) -> Any:
    """What the rows have, half-way between two of them, and an ulp beside them."""
    own = np.unique(column[np.isfinite(column)])
    if len(own) > 256:
        own = np.sort(own[source.choice(len(own), 256, replace=False)])
    between = (own[1:] + own[:-1]) / 2
    return np.concatenate([own, between, np.nextafter(own, -np.inf), np.nextafter(own, np.inf)])


def _mixed(feature: Feature, groups: Sequence[Any], source: Any) -> Any:
    """As many values of each group that has any; a category's own values and nothing else."""
    if feature.datatype == "BYTES":
        low, high = bounds(feature)
        return np.arange(low, high + 1)
    if feature.categories is not None:
        return np.asarray(feature.categories, dtype=np.float64)
    allowed = [_allowed(feature, group) for group in groups]
    parts = [group[source.integers(0, len(group), 1_024)] for group in allowed if len(group)]
    return np.concatenate(parts) if parts else np.array([np.nan])


def _allowed(feature: Feature, values: Any) -> Any:
    low, high = bounds(feature)
    if is_integral(feature):
        values = np.concatenate([np.floor(values), np.ceil(values)])
    return values[(values >= low) & (values <= high)]
