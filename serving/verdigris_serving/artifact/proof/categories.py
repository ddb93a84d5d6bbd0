"""Which features take certain values only: a pipeline with a strict encoder refuses every other."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np

from verdigris_serving.artifact.proof.reference import Reference
from verdigris_serving.model.schema import Feature, Row, allows, is_free_text
from verdigris_serving.model.sklearn_parts import parts

#: A feature with more values than this is no category.
_MOST = 1_000


def restricted(model: Any, reference: Reference, features: Sequence[Feature], rows: Sequence[Row]) -> list[Feature]:
    """The features, with ``categories`` where the pipeline refuses any other value: asked of it, not read off it."""
    encoded = sorted({value for value in _encoded(model) if np.isfinite(value)})[:_MOST]
    described = []
    for place, feature in enumerate(features):
        if feature.datatype == "BYTES":
            described.append(feature if is_free_text(feature) else _text(reference, feature, place, rows[0]))
            continue
        known = sorted({float(row[place] or 0.0) for row in rows if row[place] is not None})

        def taken(values: Sequence[float], place: int = place, feature: Feature = feature) -> list[float]:
            tried = [value for value in values if allows(feature, value)]
            return [value for value in tried if _takes(reference, rows[0], place, value)]

        others = [value for value in _others(known) if allows(feature, value)]
        only = taken(sorted({*known, *encoded})) if others and len(known) <= _MOST and not taken(others) else []
        described.append(msgspec.structs.replace(feature, categories=only) if only else feature)
    return described


def _text(reference: Reference, feature: Feature, place: int, row: Row) -> Feature:
    """Whether the pipeline takes a text that is none of the categories, and which of them it takes."""
    if _takes(reference, row, place, -1.0):
        return msgspec.structs.replace(feature, unknown="ignore")
    return feature


def _takes(reference: Reference, row: Row, place: int, value: float) -> bool:
    return reference.takes([value if n == place else v for n, v in enumerate(row)])


def _others(known: Sequence[float]) -> list[float]:
    """Values that are none of the known: between two of them, and beyond the last."""
    if not known:
        return []
    between = [(a + b) / 2 for a, b in pairwise(known[:4])]
    return [value for value in (*between, known[-1] + 1.0, known[-1] * 2 + 0.5) if value not in known]


def _encoded(model: Any) -> Iterator[float]:
    """The numbers that any encoder within the model knows."""
    for part in parts(model):
        for known in getattr(part, "categories_", ()):
            yield from (float(value) for value in known if isinstance(value, int | float | np.number))
