"""Every classifier, regressor, outlier detector and clusterer of scikit-learn with its default settings, and those that
give several labels or values a row once more so: packed, asked, and how fast each answers."""

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from sklearn.covariance import EllipticEnvelope
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LogisticRegression, Ridge, SGDOneClassSVM
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM
from sklearn.utils import all_estimators, get_tags
from threadpoolctl import threadpool_limits

from benchmarks.pack.trial import compare, rows_of
from verdigris_serving.artifact.pack import PackingRefused, pack
from verdigris_serving.artifact.verify import Expectation, load_verified
from verdigris_serving.model.loaded import LoadedModel
from verdigris_serving.model.schema import Feature, allows
from verdigris_serving.protocol.service import InferenceService

#: What those get that cannot be made without an argument.
_GIVEN: dict[str, dict[str, Any]] = {
    "SelfTrainingClassifier": {"estimator": LogisticRegression(max_iter=1_000)},
    "StackingClassifier": {"estimators": [("a", LogisticRegression(max_iter=1_000)), ("b", LogisticRegression(C=0.1))]},
    "StackingRegressor": {"estimators": [("a", Ridge()), ("b", Ridge(10.0))]},
    "VotingClassifier": {"estimators": [("a", LogisticRegression(max_iter=1_000)), ("b", LogisticRegression(C=0.1))]},
    "VotingRegressor": {"estimators": [("a", Ridge()), ("b", Ridge(10.0))]},
}
#: Those whose kind scikit-learn has no list of.
_OUTLIERS = [(factory.__name__, factory) for factory in (EllipticEnvelope, IsolationForest, OneClassSVM)] + [
    ("LocalOutlierFactor(novelty=True)", partial(LocalOutlierFactor, novelty=True)),
    ("SGDOneClassSVM", SGDOneClassSVM),
]
#: Their training data needs two classes, several values, or several labels.
_BINARY = ("FixedThresholdClassifier", "TunedThresholdClassifierCV")
_VALUES = (
    "CCA",
    "MultiOutputRegressor",
    "MultiTaskElasticNet",
    "MultiTaskElasticNetCV",
    "MultiTaskLasso",
    "MultiTaskLassoCV",
    "PLSCanonical",
    "RegressorChain",
)
_LABELS = ("ClassifierChain", "MultiOutputClassifier")


@dataclass(frozen=True)
class Line:
    """One estimator. ``format`` is None when it was not packed, and ``sentence`` says why.

    ``largest_difference`` is over ``rows`` fresh rows; ``requests_per_s`` of one row each, through the protocol,
    without a network.
    """

    name: str
    kind: str
    format: str | None
    sentence: str
    rows: int
    wrong_labels: int
    largest_difference: float | None
    requests_per_s: float | None


def lines(folder: Path) -> Iterator[Line]:
    """One line an estimator, in the order of their names."""
    for kind in ("classifier", "regressor", "outliers", "cluster", "labels", "values"):
        for name, factory in _factories(kind):
            with warnings.catch_warnings(), np.errstate(all="ignore"), threadpool_limits(limits=1):
                warnings.simplefilter("ignore")
                yield _line(name, kind, factory, folder)


def _factories(kind: str) -> list[tuple[str, Any]]:
    if kind == "outliers":
        return _OUTLIERS
    if kind == "labels":
        found = all_estimators("classifier")
        return [
            (name, f)
            for name, f in found
            if name not in _LABELS and get_tags(_made(name, f)).classifier_tags.multi_label
        ]
    if kind == "values":
        found = all_estimators("regressor")
        return [
            (name, f) for name, f in found if name not in _VALUES and get_tags(_made(name, f)).target_tags.multi_output
        ]
    return list(all_estimators(kind))


def _made(name: str, factory: Any) -> Any:
    try:
        return factory(**_GIVEN.get(name, {}))
    except TypeError:
        return factory(Ridge() if "Regressor" in name else LogisticRegression(max_iter=1_000))


def _line(name: str, kind: str, factory: Any, folder: Path) -> Line:
    try:
        made, values = _fitted(name, kind, factory)
    except (TypeError, ValueError) as error:
        return Line(name, kind, None, f"it was not fitted: {str(error).splitlines()[0]}", 0, 0, None, None)
    features = [Feature(f"f{number}") for number in range(values.shape[1])]
    try:
        result = pack(made, folder / "one.vmodel", name="one", version="1.0.0", features=features, rows=rows_of(values))
    except PackingRefused as refusal:
        sentence = str(refusal).removeprefix("one 1.0.0 was not packed: ")
        return Line(name, kind, None, sentence, 0, 0, None, None)
    model = load_verified(result.path, Expectation(result.sha256), max_bytes=2**31)
    asked = _fresh(model, values)
    wrong, _, worst = compare(made, model, asked)
    return Line(name, kind, model.manifest.format, "", len(asked), wrong, worst, _speed(model, values))


def _fitted(name: str, kind: str, factory: Any) -> tuple[Any, Any]:
    made = _made(name, factory)
    values, target = (load_diabetes if kind in {"regressor", "values"} else load_iris)(return_X_y=True)
    if name in _BINARY:
        values, target = values[:100], target[:100]
    if kind == "values" or name in _VALUES:
        target = np.column_stack([target, target * 2 + values[:, 0]])
    elif kind == "labels" or name in _LABELS:
        target = np.column_stack([target > 0, target > 1, values[:, 1] > 3]).astype(int)
    if name == "CategoricalNB":
        values = np.round(values)
    if name == "IsotonicRegression":
        values = values[:, :1]
    if "Radius" in name:
        made.set_params(radius=100.0)
    if name == "SelfTrainingClassifier":
        target = np.where(np.arange(len(target)) % 5 == 0, -1, target)
    return made.fit(values, target), values


def _fresh(model: LoadedModel, values: Any, count: int = 2_000) -> Any:
    source = np.random.default_rng(5)
    table = np.column_stack([source.choice(column, size=count) for column in values.T])
    moved = np.abs(table + source.normal(size=table.shape) * values.std(axis=0) * 0.2)
    asked = np.where(source.random((count, 1)) < 0.5, table, moved)
    features = model.manifest.features
    good = [all(allows(f, v) for f, v in zip(features, row, strict=True)) for row in rows_of(asked)]
    return asked[np.array(good, dtype=bool)]


def _speed(model: LoadedModel, values: Any, seconds: float = 0.3) -> float:
    """Requests of one row a second of processor time."""
    service = InferenceService(model)
    bodies = [msgspec.json.encode({"rows": [row]}) for row in values[:50].tolist()]
    count, began = 0, time.process_time()
    while time.process_time() - began < seconds:
        answer = service.infer(bodies[count % len(bodies)], "bench")
        if answer.status != 200:
            raise AssertionError(answer.body)
        count += 1
    return count / (time.process_time() - began)
