"""Rows to arrays and back, for the formats that compute with numpy. Imported only by them."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from verdigris_serving.model.linear import NonFiniteScore
from verdigris_serving.model.schema import Feature, Row, is_free_text

#: Stands for a text that is none of the categories: no text of a caller's, which cannot hold half a surrogate pair.
NO_CATEGORY = "\udc00"


def table(rows: Sequence[Row], dtype: Any = np.float64) -> Any:
    """An array of shape (rows, features) of rows without free texts; None becomes NaN."""
    return np.array([[math.nan if value is None else value for value in row] for row in rows], dtype=dtype)


def inputs(rows: Sequence[Row], features: Sequence[Feature]) -> Any:
    """What a pipeline is asked with: floats, or, where a feature is a text, objects: texts, truths and floats."""
    free = [place for place, feature in enumerate(features) if is_free_text(feature)]
    if not free:
        return decoded(table(rows), features)
    columns = decoded(table([[None if isinstance(value, str) else value for value in row] for row in rows]), features)
    for place in free:
        columns[:, place] = [math.nan if row[place] is None else row[place] for row in rows]
    return columns


def asked(rows: Sequence[Row], features: Sequence[Feature], *, documents: bool) -> Any:
    """The same, or only the texts of the one feature, where the pipeline takes ``documents`` and no table."""
    columns = inputs(rows, features)
    return columns[:, 0] if documents else columns


def decoded(numbers: Any, features: Sequence[Feature]) -> Any:
    """The same for an array of shape (rows, features): positions among categories become the texts."""
    if all(feature.datatype != "BYTES" for feature in features):
        return numbers
    columns = np.empty(numbers.shape, dtype=object)
    for place, feature in enumerate(features):
        column = numbers[:, place]
        columns[:, place] = column
        known = np.isfinite(column)
        if feature.datatype == "BYTES":
            texts = np.array([*(feature.categories or ()), NO_CATEGORY], dtype=object)
            columns[known, place] = texts[column[known].astype(np.int64)]
        elif feature.datatype == "BOOL":
            columns[known, place] = column[known].astype(bool)
    return columns


def scores(answer: Any, rows: int, outputs: int) -> list[list[float]]:
    """Plain lists of shape (rows, outputs). Raises NonFiniteScore unless each is there and is a number."""
    array = np.asarray(answer, dtype=np.float64)
    if array.size != rows * outputs:
        raise NonFiniteScore(f"the model answered {array.size} scores where {rows * outputs} were due")
    if not np.isfinite(array).all():
        raise NonFiniteScore("the model produced a score that is not finite")
    plain: list[list[float]] = array.reshape(rows, outputs).tolist()
    return plain


def places(classes: Any, labels: Any) -> Any:
    """Where each label is among the classes, which ascend; -1 where it is none of them."""
    known, said = np.asarray(classes), np.asarray(labels)
    found = np.minimum(np.searchsorted(known, said), len(known) - 1)
    return np.where(known[found] == said, found, -1)


def flags(answer: Any, rows: int, labels: int) -> list[list[int]]:
    """Plain ones and zeros of shape (rows, labels). Raises NonFiniteScore unless each is there and is one of them."""
    array = np.asarray(answer)
    if array.shape != (rows, labels) or not ((array == 0) | (array == 1)).all():
        raise NonFiniteScore("the model answered labels that are not each there or not there")
    plain: list[list[int]] = array.astype(np.int64).tolist()
    return plain


def positions(answer: Any, rows: int, classes: int) -> list[int]:
    """Plain positions among the classes, one a row. Raises NonFiniteScore unless each is there and is one."""
    array = np.asarray(answer).reshape(-1)
    if array.size != rows or not ((array >= 0) & (array < classes)).all():
        raise NonFiniteScore("the model answered a label that is none of its classes")
    plain: list[int] = array.astype(np.int64).tolist()
    return plain
