"""Folds a fitted scikit-learn pipeline into a LinearSpec, for format ``linear``. Used by packing only.

A column on its way through the pipeline is ``scale * function(row[source]) + offset``, or ``missing`` when the
input is missing. Every supported step maps such columns to such columns; the final weights then absorb the rest.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    ElasticNet,
    ElasticNetCV,
    Lasso,
    LassoCV,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    RidgeCV,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    RobustScaler,
    StandardScaler,
)

from verdigris_serving.artifact.fold_columns import CannotFold, Column, fill, is_nan, one_hot
from verdigris_serving.model.linear import FUNCTIONS
from verdigris_serving.model.schema import ElementwiseFunction, Feature, LinearSpec, Term

#: By exact type: a subclass may compute something else.
_CLASSIFIERS = (LogisticRegression, LogisticRegressionCV, SGDClassifier)
_REGRESSORS = (LinearRegression, Ridge, RidgeCV, Lasso, LassoCV, ElasticNet, ElasticNetCV, SGDRegressor)

Link = Literal["logistic", "softmax", "identity"]


@dataclass(frozen=True)
class Folded:
    """A pipeline as weights, and which of its features may be missing."""

    spec: LinearSpec
    nullable: list[bool]


def fold(pipeline: Any, features: Sequence[Feature]) -> Folded:
    """Fold a fitted Pipeline (or a bare estimator) over these features. Raises CannotFold."""
    steps = list(pipeline.steps) if isinstance(pipeline, Pipeline) else [("model", pipeline)]
    columns = [
        Column(source, texts=tuple(map(str, feature.categories or ())) if feature.datatype == "BYTES" else None)
        for source, feature in enumerate(features)
    ]
    for name, transformer in steps[:-1]:
        columns = _step(name, transformer, columns)
    name, estimator = steps[-1]
    if type(estimator) in _CLASSIFIERS:
        link = _classifier_link(name, estimator)
    elif type(estimator) in _REGRESSORS:
        link = "identity"
    else:
        raise CannotFold(f'step "{name}" ({type(estimator).__name__}) is no linear model that folds')
    weights = np.asarray(estimator.coef_, dtype=float)
    weights = np.atleast_2d(weights)
    intercepts = np.broadcast_to(np.atleast_1d(estimator.intercept_), len(weights))  # 0.0 for all, where it fits none
    return Folded(_spec(link, weights, intercepts, columns), _nullable(columns, len(features)))


def _classifier_link(name: str, estimator: Any) -> Link:
    classes = len(estimator.classes_)
    if classes < 2:
        raise CannotFold(f'step "{name}" knows only one class')
    if type(estimator) is SGDClassifier and (estimator.loss != "log_loss" or classes > 2):
        raise CannotFold(f'step "{name}" (SGDClassifier) folds with loss="log_loss" and two classes only')
    return "logistic" if classes == 2 else "softmax"


def _spec(link: Link, weights: Any, intercepts: Any, columns: list[Column]) -> LinearSpec:
    if weights.shape != (len(intercepts), len(columns)):
        raise CannotFold(f"the model has weights {weights.shape} for {len(columns)} columns")
    terms = []
    constants = [float(value) for value in intercepts]
    for number, column in enumerate(columns):
        if column.texts is not None:
            raise CannotFold("a text comes to where a number is needed")
        raw = [float(value) for value in weights[:, number]]
        constants = [total + weight * column.offset for total, weight in zip(constants, raw, strict=True)]
        missing = None if column.missing is None else (column.missing - column.offset) / column.scale
        terms.append(
            Term(
                column.source,
                column.function,
                [weight * column.scale for weight in raw],
                missing,
                None,
                column.argument,
            )
        )
    return LinearSpec(link, constants, terms)


def _nullable(columns: list[Column], width: int) -> list[bool]:
    strict = {column.source for column in columns if column.missing is None}
    return [source not in strict for source in range(width)]


def _step(name: str, transformer: Any, columns: list[Column]) -> list[Column]:
    """The columns after one step. Raises CannotFold."""
    if transformer is None or (isinstance(transformer, str) and transformer == "passthrough"):
        return columns
    if isinstance(transformer, str) and transformer == "drop":
        return []
    known = _STEPS.get(type(transformer))
    if known is None:
        raise CannotFold(f'step "{name}" ({type(transformer).__name__}) does not fold')
    return known(name, transformer, columns)


def _pipeline(_name: str, pipeline: Any, columns: list[Column]) -> list[Column]:
    for name, transformer in pipeline.steps:
        columns = _step(name, transformer, columns)
    return columns


def _column_transformer(name: str, transformer: Any, columns: list[Column]) -> list[Column]:
    if transformer.transformer_weights:
        raise CannotFold(f'step "{name}": transformer_weights does not fold')
    every = np.arange(len(columns))
    names = list(getattr(transformer, "feature_names_in_", []))
    result = []
    for part, inner, chosen in transformer.transformers_:
        picked = [chosen] if isinstance(chosen, int | str) else chosen
        if not isinstance(picked, slice) and any(isinstance(item, str) for item in picked):
            picked = [names.index(item) for item in picked]
        indices = every[picked if isinstance(picked, slice) else np.asarray(picked, dtype=_index_type(picked))]
        result += _step(f"{name}.{part}", inner, [columns[index] for index in indices])
    return result


def _index_type(picked: Sequence[Any]) -> type:
    return bool if len(picked) and isinstance(picked[0], bool | np.bool_) else int


def _imputer(name: str, imputer: Any, columns: list[Column]) -> list[Column]:
    if imputer.add_indicator or not is_nan(imputer.missing_values):
        raise CannotFold(f'step "{name}": only missing_values=nan without add_indicator folds')
    fills = [fill(name, value, column) for value, column in zip(imputer.statistics_, columns, strict=True)]
    if not all(map(math.isfinite, fills)):
        raise CannotFold(f'step "{name}": a column had no value at all to impute from')
    return [c if c.missing is not None else replace(c, missing=fill) for c, fill in zip(columns, fills, strict=True)]


def _function(name: str, transformer: Any, columns: list[Column]) -> list[Column]:
    if transformer.func is None:
        return columns
    function = _FUNCTION_NAMES.get(transformer.func)
    if function is None or transformer.kw_args:
        allowed = ", ".join(sorted(f"numpy.{known.__name__}" for known in _FUNCTION_NAMES))
        raise CannotFold(f'step "{name}": its function is not one of {allowed}, without arguments')
    if any((c.function, c.scale, c.offset) != ("identity", 1.0, 0.0) for c in columns):
        raise CannotFold(f'step "{name}": a function after a scaling or another function does not fold; put it first')
    return [replace(c, function=function, missing=_of_missing(name, function, c.missing)) for c in columns]


def _of_missing(name: str, function: ElementwiseFunction, missing: float | None) -> float | None:
    apply = FUNCTIONS[function]
    if missing is None or apply is None:
        return missing
    try:
        return apply(missing)
    except ValueError as error:
        raise CannotFold(f'step "{name}": {function} of the imputed value {missing:g} is not finite') from error


def _affine(columns: list[Column], factors: Any, shifts: Any) -> list[Column]:
    """``factor * column + shift``; None stands for all ones or all zeros."""
    ones = [1.0] * len(columns) if factors is None else [float(value) for value in factors]
    zeros = [0.0] * len(columns) if shifts is None else [float(value) for value in shifts]
    return [
        replace(
            c,
            scale=c.scale * factor,
            offset=c.offset * factor + shift,
            missing=None if c.missing is None else c.missing * factor + shift,
        )
        for c, factor, shift in zip(columns, ones, zeros, strict=True)
    ]


def _standard(_name: str, scaler: Any, columns: list[Column]) -> list[Column]:
    factors = None if scaler.scale_ is None else 1.0 / scaler.scale_
    means = None if scaler.mean_ is None or not scaler.with_mean else scaler.mean_
    return _centred(columns, means, factors)


def _robust(_name: str, scaler: Any, columns: list[Column]) -> list[Column]:
    return _centred(columns, scaler.center_, None if scaler.scale_ is None else 1.0 / scaler.scale_)


def _centred(columns: list[Column], centres: Any, factors: Any) -> list[Column]:
    centred = _affine(columns, None, None if centres is None else -np.asarray(centres))
    return _affine(centred, factors, None)


def _min_max(name: str, scaler: Any, columns: list[Column]) -> list[Column]:
    if scaler.clip:
        raise CannotFold(f'step "{name}": clip=True does not fold')
    return _affine(columns, scaler.scale_, scaler.min_)


def _max_abs(name: str, scaler: Any, columns: list[Column]) -> list[Column]:
    if scaler.clip:
        raise CannotFold(f'step "{name}": clip=True does not fold')
    return _affine(columns, 1.0 / scaler.scale_, None)


#: By exact type: a subclass may compute something else.
_STEPS: dict[type, Callable[[str, Any, list[Column]], list[Column]]] = {
    Pipeline: _pipeline,
    ColumnTransformer: _column_transformer,
    SimpleImputer: _imputer,
    FunctionTransformer: _function,
    OneHotEncoder: one_hot,
    StandardScaler: _standard,
    RobustScaler: _robust,
    MinMaxScaler: _min_max,
    MaxAbsScaler: _max_abs,
}
_FUNCTION_NAMES: dict[Any, ElementwiseFunction] = {np.log: "log", np.log1p: "log1p", np.sqrt: "sqrt"}
