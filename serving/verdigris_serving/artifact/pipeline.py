"""What packing has to know of a fitted pipeline, whatever format it will have. Nothing that serves imports this."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
from sklearn.base import is_classifier, is_outlier_detector, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier
from sklearn.utils.validation import check_is_fitted

from verdigris_serving.model.schema import InvalidModel, Label, Task
from verdigris_serving.model.sklearn_parts import gives_several_labels

#: Libraries whose models are no estimators, or not ones that any format holds.
_FOREIGN = ("catboost", "keras", "tensorflow", "torch")
#: Libraries of which the estimators of scikit-learn's kind are packed, and nothing else.
_BOOSTING = {"lightgbm": "LGBMClassifier and LGBMRegressor", "xgboost": "XGBClassifier and XGBRegressor"}
#: Their ``predict`` is by definition the first largest of their probabilities.
_BY_SCORES = (
    BaggingClassifier,
    CalibratedClassifierCV,
    DecisionTreeClassifier,
    ExtraTreeClassifier,
    ExtraTreesClassifier,
    RandomForestClassifier,
    VotingClassifier,
)


@dataclass(frozen=True)
class Unwrapped:
    """What is packed of what was given: the ``model`` itself, a ``threshold`` tuned for it, and what to say."""

    model: Any
    threshold: float | None = None
    told: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """What a pipeline answers, in the manifest's words. ``classes`` is empty for a regression."""

    task: Task
    classes: list[Label]
    scores: Literal["probabilities", "decision", "none"] = "probabilities"


def unwrapped(model: Any) -> Unwrapped:
    """The pipeline that a search found, or that a threshold was tuned for; also as the last step of a pipeline.

    Raises InvalidModel when a search has not been fitted.
    """
    if isinstance(model, Pipeline) and model.steps:
        name, last = model.steps[-1]
        inner = unwrapped(last)
        if inner.model is last:
            return Unwrapped(model)
        return replace(inner, model=Pipeline([*model.steps[:-1], (name, inner.model)]))
    if hasattr(model, "param_distributions") or hasattr(model, "param_grid"):
        return _of_search(model)
    if type(model) in (FixedThresholdClassifier, TunedThresholdClassifierCV):
        return _of_threshold(model)
    return Unwrapped(model)


def _of_search(search: Any) -> Unwrapped:
    kind = type(search).__name__
    found = getattr(search, "best_estimator_", None)
    if found is None:
        raise InvalidModel(f"{kind} has no best_estimator_: fit it, with refit=True")
    inner = unwrapped(found)
    return replace(inner, told=(f"{kind}: its best estimator is packed", *inner.told))


def _of_threshold(model: Any) -> Unwrapped:
    """The estimator inside, where the manifest's own threshold says the same: by the second class's probability."""
    try:
        check_is_fitted(model)
    except NotFittedError as error:
        raise InvalidModel("the pipeline has not been fitted; call fit first") from error
    inside = getattr(model, "estimator_", model.estimator)
    if type(model) is TunedThresholdClassifierCV:
        tuned, positive = model.best_threshold_, model._curve_scorer._get_pos_label()
    else:
        tuned, positive = model.threshold, model.pos_label
    by_probability = hasattr(inside, "predict_proba") and model.response_method in {"auto", "predict_proba"}
    if not by_probability or positive not in (None, model.classes_[1]):
        return Unwrapped(model)
    threshold = 0.5 if tuned == "auto" else float(tuned)
    if not 0 < threshold < 1:
        raise InvalidModel(
            f"{type(model).__name__} decides at {threshold:g}, which always gives the same label; tune it on other data"
        )
    inner = unwrapped(inside)
    return Unwrapped(
        inner.model, threshold, (f"{type(model).__name__}: its threshold {threshold:g} is kept", *inner.told)
    )


def examine(pipeline: Any) -> Facts:
    """Raises InvalidModel when no format could serve the pipeline."""
    last = pipeline.steps[-1] if isinstance(pipeline, Pipeline) and pipeline.steps else ("model", pipeline)
    step = f'step "{last[0]}" ({type(last[1]).__name__})'
    check_kind(last[1])
    try:
        check_is_fitted(last[1])
    except (NotFittedError, TypeError) as error:
        raise InvalidModel("the pipeline has not been fitted; call fit first") from error
    if not hasattr(pipeline, "predict"):
        raise InvalidModel(f"{step} has no predict; a pipeline ends with what predicts: add the estimator as last step")
    if is_regressor(pipeline):
        return Facts("regression", [])
    if is_outlier_detector(pipeline):
        return Facts("outliers", [-1, 1], "decision" if hasattr(pipeline, "decision_function") else "none")
    if not is_classifier(pipeline):
        return Facts("clusters", list(range(_clusters(step, last[1]))), "none")
    task: Task = "multilabel" if gives_several_labels(pipeline) else "classification"
    classes = (
        _labels(step, pipeline.classes_)
        if task == "multilabel"
        else [_label(value) for value in np.asarray(pipeline.classes_).tolist()]
    )
    if hasattr(pipeline, "predict_proba"):
        return Facts(task, classes)
    return Facts(task, classes, "decision" if hasattr(pipeline, "decision_function") else "none")


def _clusters(step: str, model: Any) -> int:
    """How many clusters a model tells apart. Raises InvalidModel when it is no clusterer."""
    mixture = isinstance(model, GaussianMixture | BayesianGaussianMixture)
    centers = getattr(model, "means_" if mixture else "cluster_centers_", None)
    if centers is None:
        raise InvalidModel(
            f"{step} is no classifier, regressor, outlier detector or clusterer with centers; only these have an "
            "answer to serve"
        )
    return len(centers)


def check_kind(model: Any) -> None:
    """Raise InvalidModel, saying what to do, when ``model`` is not an estimator of scikit-learn's kind at all."""
    kind = type(model).__name__
    library = type(model).__module__.partition(".")[0]
    if isinstance(model, type):
        raise InvalidModel(f"{model.__name__} is a class, and no fitted pipeline: make one, and fit it")
    if isinstance(model, str | bytes | os.PathLike):
        raise InvalidModel(f"the pipeline is a {kind}: give the fitted pipeline itself (joblib.load reads it)")
    if library in _FOREIGN:
        raise InvalidModel(
            f"models of {library} are not packed; HistGradientBoostingClassifier and HistGradientBoostingRegressor of "
            "scikit-learn boost trees in the same way, and are"
        )
    if library in _BOOSTING and not hasattr(model, "get_params"):
        raise InvalidModel(f"a {kind} of {library} is not packed; its {_BOOSTING[library]} are: fit one of these")
    if model is None or not hasattr(model, "get_params"):
        raise InvalidModel(f"a {kind} is no estimator of scikit-learn: give a fitted Pipeline, classifier or regressor")


def _labels(step: str, classes: Any) -> list[Label]:
    """Several labels by their numbers. Raises InvalidModel where one is more than there or not there."""
    for number, known in enumerate(classes if isinstance(classes, list) else ()):
        values = np.asarray(known).tolist()
        if not set(values) <= {0, 1}:
            raise InvalidModel(
                f"{step} predicts several labels a row, and number {number} is {' or '.join(map(str, values[:5]))}; "
                "only labels of 0 or 1, not there or there, are served together: fit and pack one model for each label"
            )
    return list(range(len(classes)))


def _label(value: Any) -> Label:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool | int | str):
        return value
    raise InvalidModel(f"class {value!r} is neither a whole number, a string nor a boolean")


def decides_by_scores(pipeline: Any) -> bool:
    """Whether what ``predict`` says is, by definition, the first largest of the probabilities."""
    last = pipeline.steps[-1][1] if isinstance(pipeline, Pipeline) else pipeline
    return type(last) in _BY_SCORES and hasattr(last, "predict_proba")


def columns(pipeline: Any) -> Sequence[str]:
    """The names of the columns that the pipeline was fitted on; empty when it was fitted on arrays."""
    names = [str(name) for name in getattr(pipeline, "feature_names_in_", ())]
    # What lightgbm calls the columns of an array, which have no names.
    return [] if names == [f"Column_{number}" for number in range(len(names))] else names


def versions(*more: str) -> dict[str, str]:
    """The libraries that made the model, and those of ``more``, for the manifest."""
    return {name: version(name) for name in ("numpy", "scikit-learn", *more)}
