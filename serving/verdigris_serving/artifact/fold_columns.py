"""A column on its way through a pipeline that folds into weights, and what encoders make of it."""

import math
from dataclasses import dataclass
from typing import Any

from verdigris_serving.model.schema import LARGEST_VALUE, ElementwiseFunction

#: More columns than this are faster in a graph.
MOST_CATEGORIES = 200


class CannotFold(ValueError):
    """The pipeline is not of format ``linear``; the message names the step and what would do."""


@dataclass(frozen=True)
class Column:
    """One column between two steps; ``missing`` None: a missing input stays missing.

    ``texts``: the categories that the input's numbers stand for, when it is a text. ``argument``: that of ``equals``.
    """

    source: int
    function: ElementwiseFunction = "identity"
    scale: float = 1.0
    offset: float = 0.0
    missing: float | None = None
    texts: tuple[str, ...] | None = None
    argument: float | None = None


def one_hot(name: str, encoder: Any, columns: list[Column]) -> list[Column]:
    """A column a category: 1 where the input is it."""
    if sum(map(len, encoder.categories_)) > MOST_CATEGORIES:
        raise CannotFold(f'step "{name}": more than {MOST_CATEGORIES} categories do not fold')
    if any(found is not None for found in getattr(encoder, "_infrequent_indices", None) or ()):
        raise CannotFold(f'step "{name}": infrequent categories do not fold')
    dropped = encoder.drop_idx_ if encoder.drop_idx_ is not None else [None] * len(columns)
    result: list[Column] = []
    for column, known, gone in zip(columns, encoder.categories_, dropped, strict=True):
        if (column.function, column.scale, column.offset) != ("identity", 1.0, 0.0):
            raise CannotFold(f'step "{name}": an encoder after a scaling or a function does not fold; put it first')
        result += [
            _equal(column, value, strict=encoder.handle_unknown == "error", nothing=any(map(is_nan, known)))
            for place, value in enumerate(known)
            if place != gone
        ]
    return result


def _equal(column: Column, value: Any, *, strict: bool, nothing: bool) -> Column:
    """The column of one category. ``nothing``: a missing value is a category, too; ``strict``: others are refused."""
    if is_nan(value):
        number = 2 * LARGEST_VALUE  # no caller may send it: only what is missing is this category
    else:
        number = float(column.texts.index(value)) if column.texts is not None else float(value)
    missing: float | None = 1.0 if is_nan(value) else 0.0
    if column.missing is not None:
        missing = float(column.missing == number)
    elif strict and not nothing:
        missing = None
    return Column(column.source, "equals", missing=missing, argument=number)


def fill(name: str, value: Any, column: Column) -> float:
    """What an imputer puts in, as the column's number. Raises CannotFold."""
    if column.texts is None:
        return float(value)
    if value not in column.texts:
        raise CannotFold(f'step "{name}": it imputes a text that is no category')
    return float(column.texts.index(value))


def is_nan(value: Any) -> bool:
    """Whether a parameter of scikit-learn stands for a missing value."""
    return isinstance(value, float) and math.isnan(value)
