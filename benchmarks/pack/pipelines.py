"""Random pipelines over the estimators and steps that packing supports."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, Matern, RationalQuadratic
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    BayesianRidge,
    ElasticNet,
    HuberRegressor,
    LinearRegression,
    LogisticRegression,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC, SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from benchmarks.pack import several

Source = np.random.Generator
Make = Callable[[Source], Any]


def _seed(source: Source) -> int:
    return int(source.integers(0, 2**31))


def _few(source: Source) -> int:
    return int(source.choice([1, 2, 3, 4, 5, 8, 10]))


def _depth(source: Source) -> Any:
    return (None, 1, 2, 4, 8)[int(source.integers(0, 5))]


def _trees(kind: Any) -> Make:
    return lambda s: kind(n_estimators=_few(s), max_depth=_depth(s), random_state=_seed(s))


def _boosted(kind: Any) -> Make:
    return lambda s: kind(n_estimators=_few(s), max_depth=int(s.integers(1, 4)), random_state=_seed(s))


def _histogram(kind: Any) -> Make:
    return lambda s: kind(max_iter=_few(s), min_samples_leaf=int(s.choice([2, 5, 20])), random_state=_seed(s))


def _adaptive(kind: Any, tree: Any) -> Make:
    return lambda s: kind(
        tree(max_depth=int(s.integers(1, 4)), random_state=_seed(s)), n_estimators=_few(s), random_state=_seed(s)
    )


_MOST = 20_000
"""Iterations of a support vector machine: on data that is not scaled it may never come to an end by itself."""
_KERNELS = ("rbf", "linear", "poly", "sigmoid")
#: Estimators that make no ensemble of others; NaN goes into those of the second list.
CLASSIFIERS: tuple[Make, ...] = (
    lambda s: LogisticRegression(C=10.0 ** s.integers(-3, 3)),
    lambda s: SGDClassifier(loss=str(s.choice(["log_loss", "modified_huber"])), random_state=_seed(s)),
    lambda _: LinearDiscriminantAnalysis(),
    lambda _: GaussianNB(),
    lambda _: BernoulliNB(),
    lambda _: QuadraticDiscriminantAnalysis(reg_param=0.1),
    lambda s: KNeighborsClassifier(_few(s), weights=str(s.choice(["uniform", "distance"]))),
    lambda s: SVC(kernel=str(s.choice(_KERNELS)), probability=True, random_state=_seed(s), max_iter=_MOST),
    lambda s: MLPClassifier((4,), activation=str(s.choice(["relu", "tanh"])), max_iter=20, random_state=_seed(s)),
    _boosted(GradientBoostingClassifier),
    _adaptive(AdaBoostClassifier, DecisionTreeClassifier),
)
MISSING_CLASSIFIERS: tuple[Make, ...] = (
    lambda s: DecisionTreeClassifier(max_depth=_depth(s), random_state=_seed(s)),
    _trees(RandomForestClassifier),
    _trees(ExtraTreesClassifier),
    _histogram(HistGradientBoostingClassifier),
)
REGRESSORS: tuple[Make, ...] = (
    lambda _: LinearRegression(),
    lambda s: Ridge(alpha=10.0 ** s.integers(-3, 3)),
    lambda _: ElasticNet(0.1),
    lambda _: BayesianRidge(),
    lambda _: HuberRegressor(),
    lambda _: TransformedTargetRegressor(Ridge(), transformer=StandardScaler()),
    lambda s: KNeighborsRegressor(_few(s)),
    lambda s: SVR(kernel=str(s.choice(_KERNELS)), max_iter=_MOST),
    lambda s: GaussianProcessRegressor(
        (RBF, Matern, RationalQuadratic)[s.integers(0, 3)](2.0), alpha=0.1, normalize_y=True, optimizer=None
    ),
    lambda s: MLPRegressor((4,), max_iter=20, random_state=_seed(s)),
    _boosted(GradientBoostingRegressor),
    _adaptive(AdaBoostRegressor, DecisionTreeRegressor),
)
#: Classifiers without probabilities: they are no part of an ensemble.
DECIDING: tuple[Make, ...] = (
    lambda s: SVC(
        kernel=str(s.choice(_KERNELS)), decision_function_shape=str(s.choice(["ovr", "ovo"])), max_iter=_MOST
    ),
    lambda _: LinearSVC(),
    lambda _: RidgeClassifier(),
    lambda s: SGDClassifier(random_state=_seed(s)),
)
MISSING_REGRESSORS: tuple[Make, ...] = (
    lambda s: DecisionTreeRegressor(max_depth=_depth(s), random_state=_seed(s)),
    _trees(RandomForestRegressor),
    _trees(ExtraTreesRegressor),
    _histogram(HistGradientBoostingRegressor),
)

#: Steps that let a missing value pass, and those that do not.
_PASSING: tuple[Make, ...] = (
    lambda s: StandardScaler(with_mean=bool(s.integers(0, 2))),
    lambda s: MinMaxScaler((-1, 2), clip=bool(s.integers(0, 2))),
    lambda _: MaxAbsScaler(),
    lambda _: RobustScaler(),
    lambda _: "passthrough",
)
_STRICT: tuple[Make, ...] = (
    lambda s: PolynomialFeatures(2, interaction_only=bool(s.integers(0, 2))),
    lambda _: Normalizer(),
    lambda s: Binarizer(threshold=float(s.normal())),
    lambda s: KBinsDiscretizer(
        3, encode=str(s.choice(["ordinal", "onehot-dense"])), quantile_method="averaged_inverted_cdf"
    ),
    lambda _: PCA(2),
    lambda _: PowerTransformer(),
    lambda _: FunctionTransformer(np.square),
)
_ENCODERS: tuple[Make, ...] = (
    lambda s: OneHotEncoder(handle_unknown=str(s.choice(["ignore", "error"])), sparse_output=bool(s.integers(0, 2))),
    lambda _: OneHotEncoder(drop="first", handle_unknown="ignore"),
    lambda _: OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    lambda _: OrdinalEncoder(),
    lambda s: TargetEncoder(random_state=_seed(s), cv=2),
)
_POSITIVE: tuple[Make, ...] = (lambda _: FunctionTransformer(np.log1p), lambda _: FunctionTransformer(np.sqrt))


def _one(source: Source, makers: Sequence[Make]) -> Any:
    return makers[int(source.integers(0, len(makers)))](source)


def estimator(source: Source, *, classes: int, missing: bool, depth: int = 0) -> Any:
    """A classifier, or a regressor for 0 classes; at depth 0 and 1 it may be an ensemble of others."""
    if depth < 2 and source.random() < (0.35, 0.15)[depth]:
        return _ensemble(source, classes=classes, missing=missing, depth=depth)
    simple, tolerant = (CLASSIFIERS, MISSING_CLASSIFIERS) if classes else (REGRESSORS, MISSING_REGRESSORS)
    return _one(source, tolerant if missing or source.random() < 0.4 else simple)


def _ensemble(source: Source, *, classes: int, missing: bool, depth: int) -> Any:
    def inner() -> Any:
        made = estimator(source, classes=classes, missing=missing, depth=depth + 1)
        return make_pipeline(_one(source, _PASSING), made) if source.random() < 0.4 else made

    kind = int(source.integers(0, 5 if classes else 3))
    named = [("a", inner()), ("b", inner())]
    weights = [1.0, float(source.choice([1.0, 0.5, 2.0]))]
    size = int(source.integers(2, 5))
    if not classes:
        return (
            VotingRegressor(named, weights=weights),
            BaggingRegressor(named[0][1], size, max_features=0.7, random_state=_seed(source)),
            StackingRegressor(named, _one(source, REGRESSORS[:2] + MISSING_REGRESSORS), cv=2),
        )[kind]
    return (
        VotingClassifier(named, voting="soft", weights=weights),
        BaggingClassifier(named[0][1], size, max_features=0.7, random_state=_seed(source)),
        StackingClassifier(named, _one(source, CLASSIFIERS[:1] + MISSING_CLASSIFIERS), cv=2),
        CalibratedClassifierCV(
            named[0][1] if missing or source.random() < 0.7 else LinearSVC(),
            method=str(source.choice(["sigmoid", "isotonic"])),
            cv=2,
        ),
        OneVsRestClassifier(named[0][1]),
    )[kind]


def steps(source: Source, *, width: int, missing: bool, positive: bool) -> tuple[list[Any], bool]:
    """Up to three steps, and whether a missing value still gets through them."""
    still = missing
    made = [_one(source, _PASSING) for _ in range(int(source.integers(0, 3)))]
    if missing and source.random() < 0.5:
        made.insert(
            int(source.integers(0, len(made) + 1)),
            SimpleImputer(
                strategy=str(source.choice(["mean", "median", "most_frequent"])),
                add_indicator=bool(source.random() < 0.3),
            ),
        )
        missing = False
    if not missing:
        if positive and not made and source.random() < 0.5:
            made.append(_one(source, _POSITIVE))
        if source.random() < 0.3:
            made.append(_one(source, _STRICT))
    if source.random() < 0.3:
        made.insert(0, _split(source, width, missing=still))
    return made, missing


def _split(source: Source, width: int, *, missing: bool) -> Any:
    order = source.permutation(width)
    cut = int(source.integers(1, width))
    first, second = [int(n) for n in order[:cut]], [int(n) for n in order[cut:]]
    if source.random() < 0.2:
        return FeatureUnion([("a", StandardScaler()), ("b", MinMaxScaler())])
    encoded = not missing and source.random() < 0.5
    return ColumnTransformer(
        [("a", _one(source, _ENCODERS if encoded else _PASSING[:4]), first), ("b", _one(source, _PASSING), second)],
        remainder=str(source.choice(["drop", "passthrough"])),
    )


def pipeline(source: Source, *, classes: int, targets: int, width: int, missing: bool, positive: bool) -> Any:
    """A random pipeline, not yet fitted; sometimes within a search. ``targets``: labels, or values, a row."""
    made, still_missing = steps(source, width=width, missing=missing, positive=positive)
    if targets > 1:
        inner = partial(estimator, source, classes=classes, missing=still_missing, depth=2)
        last = several.estimator(source, inner, labels=bool(classes))
    elif classes and not still_missing and source.random() < 0.1:
        last = _one(source, DECIDING)
    else:
        last = estimator(source, classes=classes, missing=still_missing)
    whole = Pipeline([(f"step{number}", step) for number, step in enumerate([*made, last])])
    return GridSearchCV(whole, {}, cv=2) if source.random() < 0.05 else whole
