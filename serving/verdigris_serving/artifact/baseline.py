"""What packing keeps of the training rows: how each feature was distributed, and the mean of each term. No rows."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import msgspec

from verdigris_serving.model.linear import LinearModel
from verdigris_serving.model.schema import Baseline, FeatureBaseline, LinearSpec, Row, Value, bins_of, measured

#: Bins for a feature with many values, each with about as many training rows.
BINS = 10
#: A feature with at most this many distinct whole values gets a bin for each: an edge half-way between neighbours.
MOST_CATEGORIES = 20


def baseline(names: Sequence[str], rows: Sequence[Row]) -> Baseline:
    """The distribution of each feature over ``rows`` (one value a name, None for a missing one)."""
    columns = zip(*rows, strict=True)
    return Baseline(len(rows), [_feature(name, column) for name, column in zip(names, columns, strict=True)])


def _feature(name: str, column: Sequence[Value]) -> FeatureBaseline:
    values = sorted(map(float, measured(column)))
    edges = _edges(values)
    counts = [0] * (len(edges) + 1)
    for place in bins_of(edges, values):
        counts[place] += 1
    mean = math.fsum(values) / len(values) if values else 0.0
    variance = math.fsum((value - mean) ** 2 for value in values) / len(values) if values else 0.0
    return FeatureBaseline(
        name=name,
        count=len(values),
        missing=len(column) - len(values),
        mean=mean,
        deviation=math.sqrt(variance),
        edges=edges,
        counts=counts,
    )


def _edges(values: Sequence[float]) -> list[float]:
    """Ascending edges for sorted ``values``: between categories, else the inner deciles without repetition."""
    distinct = sorted(set(values))
    if len(distinct) <= MOST_CATEGORIES and all(value.is_integer() for value in distinct):
        return [(low + high) / 2 for low, high in pairwise(distinct)]
    return sorted({values[len(values) * part // BINS] for part in range(1, BINS)})


def centered(spec: LinearSpec, rows: Sequence[Row]) -> LinearSpec:
    """The same model with the mean of each term over ``rows``. Raises NonFiniteScore when a row has no score."""
    sums: list[list[float]] = [[] for _ in spec.terms]
    for number, term in enumerate(spec.terms):
        alone = LinearModel(LinearSpec("identity", [0.0], [msgspec.structs.replace(term, weights=[1.0])]))
        # What is linear has no texts without categories.
        sums[number] = [alone.scores(cast(Sequence[float | None], row))[0] for row in rows]
    return msgspec.structs.replace(
        spec,
        terms=[
            msgspec.structs.replace(term, center=math.fsum(values) / len(values))
            for term, values in zip(spec.terms, sums, strict=True)
        ],
    )
