"""Features that are texts: which columns a pipeline encodes, and their values as positions among the categories."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline

from verdigris_serving.artifact.frames import Frame
from verdigris_serving.artifact.graph.compose import columns_of
from verdigris_serving.model.schema import Feature, InvalidModel, Row


def encoded(model: Any, width: int) -> dict[int, list[Any]]:
    """For each column of the input that an encoder takes, the values that any encoder knows, none for a missing one."""
    found: dict[int, list[Any]] = {}
    for place, values in _known(model, list(range(width))):
        own = found.setdefault(place, [])
        own += [value for value in values if value not in own]
    return found


def text_categories(model: Any, width: int) -> dict[int, set[str]]:
    """For each column of the input that an encoder takes texts of, the texts that any encoder knows."""
    found = {
        place: {value for value in values if isinstance(value, str)} for place, values in encoded(model, width).items()
    }
    return {place: texts for place, texts in found.items() if texts}


def _known(step: Any, columns: Sequence[int]) -> Iterator[tuple[int, list[Any]]]:
    if isinstance(step, Pipeline):
        for _, part in step.steps:
            yield from _known(part, columns)
            # Behind anything else the columns are no longer those of the input.
            if part not in (None, "passthrough") and not isinstance(part, SimpleImputer):
                return
    elif isinstance(step, ColumnTransformer):
        for _, part, indices in columns_of(step):
            yield from _known(part, [columns[index] for index in indices])
    elif isinstance(step, FeatureUnion):
        for _, part in step.transformer_list:
            yield from _known(part, columns)
    else:
        for place, known in zip(columns, getattr(step, "categories_", ()), strict=False):
            yield place, [value for value in np.asarray(known, dtype=object).tolist() if _is_value(value)]


def _is_value(category: Any) -> bool:
    """Whether a category is a text, a truth or a number, and not what stands for a missing one."""
    return isinstance(category, str | bool | int | float) and category == category  # noqa: PLR0124 - NaN is not itself


def described(features: Sequence[Feature], tables: Sequence[Frame], known: dict[int, set[str]]) -> list[Feature]:
    """The features, those that hold texts with datatype BYTES and their categories.

    ``tables`` have their columns in the features' order. Raises InvalidModel when a column holds texts that no encoder
    of the pipeline takes.
    """
    return [_described(feature, place, tables, known.get(place)) for place, feature in enumerate(features)]


def _described(feature: Feature, place: int, tables: Sequence[Frame], known: set[str] | None) -> Feature:
    texts = set(known or ())
    for table in tables:
        for row, values in enumerate(table.rows):
            value = values[place]
            where = f'{table.what}, column "{feature.name}", row {row}'
            if isinstance(value, str):
                if known is None:
                    raise InvalidModel(
                        f"{where} holds text, and the pipeline encodes no text there: put a OneHotEncoder or "
                        "OrdinalEncoder for this column into it (ColumnTransformer)"
                    )
                texts.add(value)
            elif known is not None and value is not None:
                raise InvalidModel(f"{where} holds a number, and the pipeline encodes texts there")
    if known is None:
        return feature
    return msgspec.structs.replace(feature, datatype="BYTES", categories=sorted(texts), minimum=None, maximum=None)


def coded(rows: Sequence[Sequence[Any]], features: Sequence[Feature]) -> list[Row]:
    """The rows with the position of each text among its feature's categories."""
    codes = {
        place: {text: float(number) for number, text in enumerate(feature.categories or ())}
        for place, feature in enumerate(features)
        if feature.datatype == "BYTES"
    }
    if not codes:
        return [list(row) for row in rows]
    return [[codes[n].get(v, v) if n in codes else v for n, v in enumerate(row)] for row in rows]
