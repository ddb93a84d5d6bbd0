"""What packing has to know of a fitted pipeline, whatever format it will have. Nothing that serves imports this."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from verdigris_serving.model import arrays
from verdigris_serving.model.schema import InvalidModel, Label, Row


@dataclass(frozen=True)
class Facts:
    """What a pipeline answers. ``classes`` is empty for a regression."""

    task: Literal["classification", "regression"]
    classes: list[Label]


def examine(pipeline: Any) -> Facts:
    """Raises InvalidModel when no format could serve the pipeline."""
    last = pipeline.steps[-1] if isinstance(pipeline, Pipeline) else ("model", pipeline)
    step = f'step "{last[0]}" ({type(last[1]).__name__})'
    try:
        check_is_fitted(last[1])
    except (NotFittedError, TypeError) as error:
        raise InvalidModel("the pipeline has not been fitted; call fit first") from error
    if is_regressor(pipeline):
        return Facts("regression", [])
    if not is_classifier(pipeline):
        raise InvalidModel(f"{step} is neither a classifier nor a regressor; only these have an answer to serve")
    if not hasattr(pipeline, "predict_proba"):
        raise InvalidModel(
            f"{step} gives no probabilities, which are what a classifier is served for; "
            "CalibratedClassifierCV around it does"
        )
    return Facts("classification", [_label(value) for value in pipeline.classes_.tolist()])


def _label(value: Any) -> Label:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool | int | str):
        return value
    raise InvalidModel(f"class {value!r} is neither a whole number, a string nor a boolean")


def reference_scores(pipeline: Any, rows: Sequence[Row]) -> list[list[float]]:
    """What scikit-learn itself answers: probabilities by class, or the value. Raises ValueError as it does."""
    table = arrays.table(rows)
    if hasattr(pipeline, "predict_proba"):
        answer = pipeline.predict_proba(table)
    else:
        answer = np.asarray(pipeline.predict(table)).reshape(len(rows), 1)
    plain: list[list[float]] = np.asarray(answer, dtype=float).tolist()
    return plain


def versions(*more: str) -> dict[str, str]:
    """The libraries that made the model, and those of ``more``, for the manifest."""
    return {name: version(name) for name in ("numpy", "scikit-learn", *more)}
