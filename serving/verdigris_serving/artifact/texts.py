"""Features that are texts: which columns a pipeline encodes, and their values as positions among the categories."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline

from verdigris_serving.artifact.frames import Frame
from verdigris_serving.artifact.graph.compose import columns_of
from verdigris_serving.artifact.pipeline import columns, unwrapped
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


def text_names(pipeline: Any, names: Sequence[str]) -> set[str]:
    """Which features an encoder of the ``pipeline`` takes texts of; ``names`` hold where it was fitted without any.

    None where it is not fitted, or no pipeline: packing says so.
    """
    try:
        model = unwrapped(pipeline).model
        own = list(columns(model)) or list(names)
        return {own[place] for place in text_categories(model, len(own))}
    except (AttributeError, NotFittedError, InvalidModel):
        return set()


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


def described(features: Sequence[Feature], tables: Sequence[Frame], known: dict[int, list[Any]]) -> list[Feature]:
    """The features, those that hold texts with datatype BYTES and their categories.

    ``tables`` have their columns in the features' order; ``known`` are the values that encoders know of a column.
    Raises InvalidModel when a column holds texts that no encoder of the pipeline takes.
    """
    return [_described(feature, place, tables, known.get(place, ())) for place, feature in enumerate(features)]


def _described(feature: Feature, place: int, tables: Sequence[Frame], known: Sequence[Any]) -> Feature:
    texts = {value for value in known if isinstance(value, str)}
    takes_texts = bool(texts)
    for table in tables:
        for row, values in enumerate(table.rows):
            value = values[place]
            where = f'{table.what}, column "{feature.name}", row {row}'
            if isinstance(value, str):
                if not takes_texts:
                    raise InvalidModel(f"{where} holds text, and {_instead(known)}")
                texts.add(value)
            elif takes_texts and value is not None:
                raise InvalidModel(f"{where} holds a number, and the pipeline encodes texts there")
    if not takes_texts:
        return feature
    return msgspec.structs.replace(feature, datatype="BYTES", categories=sorted(texts), minimum=None, maximum=None)


def _instead(known: Sequence[Any]) -> str:
    """What the pipeline does with a column that holds text and may not, and what to do."""
    if not known:
        return (
            "the pipeline encodes no text there: put a OneHotEncoder or OrdinalEncoder for this column into it "
            "(ColumnTransformer)"
        )
    kind = "true and false" if all(isinstance(value, bool) for value in known) else "numbers"
    return f"the pipeline's encoder knows {kind} there: give the column as it was when the pipeline was fitted"


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
