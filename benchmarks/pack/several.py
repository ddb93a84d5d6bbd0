"""Random estimators of several labels or values a row."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge, RidgeClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor


def estimator(source: np.random.Generator, inner: Callable[[], Any], *, labels: bool) -> Any:
    """One that takes several targets itself, or one for each of them; ``inner`` makes those of one."""
    seed, count = int(source.integers(0, 2**31)), int(source.integers(1, 6))
    makers = _labels(source, inner, seed, count) if labels else _values(inner, seed, count)
    return makers[int(source.integers(0, len(makers)))]()


def _labels(source: np.random.Generator, inner: Callable[[], Any], seed: int, count: int) -> list[Callable[[], Any]]:
    method = str(source.choice(["predict", "predict_proba"]))
    return [
        lambda: MultiOutputClassifier(inner()),
        lambda: MultiOutputClassifier(LinearSVC()),
        lambda: OneVsRestClassifier(inner()),
        lambda: OneVsRestClassifier(LinearSVC()),
        lambda: ClassifierChain(inner(), order="random", chain_method=method, random_state=seed),
        lambda: DecisionTreeClassifier(max_depth=count, random_state=seed),
        lambda: RandomForestClassifier(count, random_state=seed),
        lambda: ExtraTreesClassifier(count, max_depth=4, random_state=seed),
        lambda: KNeighborsClassifier(count),
        lambda: MLPClassifier((4,), max_iter=20, random_state=seed),
        RidgeClassifier,
    ]


def _values(inner: Callable[[], Any], seed: int, count: int) -> list[Callable[[], Any]]:
    return [
        lambda: MultiOutputRegressor(inner()),
        lambda: RegressorChain(inner(), order="random", random_state=seed),
        LinearRegression,
        Ridge,
        lambda: DecisionTreeRegressor(max_depth=count, random_state=seed),
        lambda: RandomForestRegressor(count, random_state=seed),
        lambda: KNeighborsRegressor(count),
        lambda: MLPRegressor((4,), max_iter=20, random_state=seed),
    ]
