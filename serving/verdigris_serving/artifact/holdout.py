"""Rows that a model was not trained on, with what is true of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from verdigris_serving.model.schema import Label

#: What is true of one row.
Truth = Label | float | list[float]


@dataclass(frozen=True)
class Holdout:
    """Rows that the model was not trained on (any table), and what is true of each: a class, a number, or several.

    ``names`` are those of several; of labels, they become the names that are served.
    """

    rows: Any
    labels: Sequence[Truth]
    names: tuple[str, ...] = ()
