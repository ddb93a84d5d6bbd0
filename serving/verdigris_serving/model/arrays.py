"""Rows to arrays and back, for the formats that compute with numpy. Imported only by them."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from verdigris_serving.model.linear import NonFiniteScore


def table(rows: Sequence[Sequence[float | None]], dtype: Any = np.float64) -> Any:
    """An array of shape (rows, features); None becomes NaN."""
    return np.array([[math.nan if value is None else value for value in row] for row in rows], dtype=dtype)


def scores(answer: Any, rows: int, outputs: int) -> list[list[float]]:
    """Plain lists of shape (rows, outputs). Raises NonFiniteScore unless each is there and is a number."""
    array = np.asarray(answer, dtype=np.float64)
    if array.size != rows * outputs:
        raise NonFiniteScore(f"the model answered {array.size} scores where {rows * outputs} were due")
    if not np.isfinite(array).all():
        raise NonFiniteScore("the model produced a score that is not finite")
    plain: list[list[float]] = array.reshape(rows, outputs).tolist()
    return plain
