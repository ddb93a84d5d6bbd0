"""Features that are texts: which columns a pipeline encodes, and their values as positions among the categories; and
which it takes the words of, whose values stay as they are."""

from collections.abc import Collection, Iterator, Mapping, Sequence
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
from verdigris_serving.model.schema import Feature, InvalidModel, Row, is_free_text
from verdigris_serving.model.sklearn_parts import VECTORIZERS, members, parts, takes_documents

#: What to do about a value that is no text, where a text is needed.
_REMEDY = {"is missing": 'no text is "", fillna("")', "is a number": "astype(str)"}


def encoded(model: Any, width: int) -> dict[int, list[Any]]:
    """For each column of the input that an encoder takes, the values that any encoder knows, none for a missing one."""
    found: dict[int, list[Any]] = {}
    for step, places in _reached(model, list(range(width))):
        for place, known in zip(places, getattr(step, "categories_", ()), strict=False):
            if place is None:
                continue
            own = found.setdefault(place, [])
            values = np.asarray(known, dtype=object).tolist()
            own += [value for value in values if _is_value(value) and value not in own]
    return found


def free_texts(model: Any, width: int) -> set[int]:
    """The columns of the input that a vectorizer takes the words of."""
    reached = _reached(model, list(range(width)))
    taken = (place for step, places in reached if isinstance(step, VECTORIZERS) for place in places)
    return {place for place in taken if place is not None}


def text_names(pipeline: Any, names: Sequence[str]) -> dict[str, str | None]:
    """Which features the ``pipeline`` takes as texts, with what an empty cell of a CSV is there: the empty text where
    it takes the words, a missing value where it encodes. ``names`` hold where it was fitted without any.

    None where it is not fitted, or no pipeline: packing says so.
    """
    try:
        model = unwrapped(pipeline).model
        own = list(columns(model)) or list(names)
        known = encoded(model, len(own))
        free = free_texts(model, len(own))
    except (AttributeError, NotFittedError, InvalidModel):
        return {}
    texts = [place for place, values in known.items() if any(isinstance(value, str) for value in values)]
    return {own[place]: None for place in texts} | {own[place]: "" for place in free}


def check_documents(model: Any, names: Sequence[str]) -> None:
    """Raise InvalidModel where a pipeline takes a list of texts and the given rows have more columns than that."""
    if takes_documents(model) and len(names) != 1:
        raise InvalidModel(
            f"the pipeline takes one column of texts, and what is given has {len(names)}: {', '.join(names[:10])}; "
            "give the column of texts alone"
        )


def check_missing(model: Any) -> None:
    """Raise InvalidModel where a pipeline takes None for a missing value: a table of numbers and texts has only NaN for
    it, and the two are not the same to scikit-learn."""
    for part in parts(model):
        known = getattr(part, "categories_", ())
        if getattr(part, "missing_values", np.nan) is None or any(value is None for each in known for value in each):
            raise InvalidModel(
                f"{type(part).__name__} takes None for a missing value, and a missing value that is sent is NaN: fit "
                'the pipeline on texts where NaN (numpy.nan), or a text of its own such as "none", stands for it'
            )


def _reached(step: Any, columns: Sequence[int | None]) -> Iterator[tuple[Any, Sequence[int | None]]]:
    """Every step that sees columns of the input as they are, with these; None for one that is not of the input."""
    if isinstance(step, Pipeline):
        yield from _in_turn(step, columns)
    elif isinstance(step, ColumnTransformer):
        for _, part, indices in columns_of(step):
            yield from _reached(part, [columns[index] for index in indices])
    elif isinstance(step, FeatureUnion):
        for _, part in step.transformer_list:
            yield from _reached(part, columns)
    elif getattr(step, "_preprocessor", None) is not None:
        # Histogram gradient boosting with categorical features encodes them itself.
        yield from _reached(step._preprocessor, columns)
    else:
        yield step, columns
        # What is inside of a selection (RFE) sees the columns that are left, and chose them.
        for part, own in () if hasattr(step, "get_support") else members(step):
            yield from _reached(part, columns if own is None else [columns[index] for index in own])


def _in_turn(pipeline: Pipeline, columns: Sequence[int | None]) -> Iterator[tuple[Any, Sequence[int | None]]]:
    for _, part in pipeline.steps:
        yield from _reached(part, columns)
        if isinstance(part, SimpleImputer):
            columns = _behind(part, columns)
        # Behind anything else the columns are no longer those of the input.
        elif part not in (None, "passthrough"):
            return


def _behind(imputer: SimpleImputer, columns: Sequence[int | None]) -> list[int | None]:
    """The columns behind an imputer: without those that were empty when it was fitted, and with what tells of gaps."""
    kept = list(columns)
    if imputer.strategy != "constant" and not imputer.keep_empty_features:
        empty = [value != value for value in imputer.statistics_]  # noqa: PLR0124 - NaN is not itself
        kept = [column for column, is_empty in zip(columns, empty, strict=False) if not is_empty]
    told = len(imputer.indicator_.features_) if imputer.add_indicator else 0
    return [*kept, *[None] * told]


def _is_value(category: Any) -> bool:
    """Whether a category is a text, a truth or a number, and not what stands for a missing one."""
    return isinstance(category, str | bool | int | float) and category == category  # noqa: PLR0124 - NaN is not itself


def described(
    features: Sequence[Feature], tables: Sequence[Frame], known: Mapping[int, Sequence[Any]], free: Collection[int]
) -> list[Feature]:
    """The features, those that hold texts with datatype BYTES and their categories, the ``free`` ones without any.

    ``tables`` have their columns in the features' order; ``known`` are the values that encoders know of a column.
    Raises InvalidModel when a column holds texts that no encoder of the pipeline takes.
    """
    return [
        _free(feature, place, tables) if place in free else _described(feature, place, tables, known.get(place, ()))
        for place, feature in enumerate(features)
    ]


def _free(feature: Feature, place: int, tables: Sequence[Frame]) -> Feature:
    for table in tables:
        for row, values in enumerate(table.rows):
            if not isinstance(values[place], str):
                what = "is missing" if values[place] is None else "is a number"
                raise InvalidModel(
                    f'{table.what}, column "{feature.name}", row {row} {what}, and the pipeline takes a text there '
                    f"({_REMEDY[what]})"
                )
    return msgspec.structs.replace(feature, datatype="BYTES", categories=None, minimum=None, maximum=None)


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
            "the pipeline encodes no text there: put a OneHotEncoder or OrdinalEncoder for this column into it, for "
            "its words a TfidfVectorizer (ColumnTransformer)"
        )
    kind = "true and false" if all(isinstance(value, bool) for value in known) else "numbers"
    return f"the pipeline's encoder knows {kind} there: give the column as it was when the pipeline was fitted"


def coded(rows: Sequence[Sequence[Any]], features: Sequence[Feature]) -> list[Row]:
    """The rows with the position of each text among its feature's categories."""
    codes = {
        place: {text: float(number) for number, text in enumerate(feature.categories or ())}
        for place, feature in enumerate(features)
        if feature.datatype == "BYTES" and not is_free_text(feature)
    }
    if not codes:
        return [list(row) for row in rows]
    return [[codes[n].get(v, v) if n in codes else v for n, v in enumerate(row)] for row in rows]
