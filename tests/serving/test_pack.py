"""Packing: what folds computes the same as scikit-learn; what does not is refused with a sentence."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
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
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from tests.serving.reference import reference_scores, slightly_off
from verdigris_serving.artifact.pack import Packed, PackingRefused, pack
from verdigris_serving.artifact.sklearn_fold import fold
from verdigris_serving.artifact.verify import Expectation, load_verified
from verdigris_serving.model.golden import difference
from verdigris_serving.model.linear import LinearModel
from verdigris_serving.model.schema import Feature, Row

NAMES = ("a", "b", "c")


def sample(count: int = 200, *, missing: bool = False) -> tuple[Any, Any]:
    """Positive values and three balanced classes that depend on them."""
    source = np.random.default_rng(7)
    values = source.gamma(2.0, 2.0, size=(count, 3))
    noisy = values @ np.array([1.0, -0.7, 0.4]) + source.normal(size=count)
    if missing:
        values[source.random(values.shape) < 0.2] = np.nan
    return values, np.searchsorted(np.quantile(noisy, [1 / 3, 2 / 3]), noisy)


def as_rows(values: Any) -> list[Row]:
    return [[None if np.isnan(value) else float(value) for value in row] for row in values]


def packed(pipeline: Any, out: Path, *, rows: list[Row] | None = None, **options: Any) -> Packed:
    features = [Feature(name) for name in NAMES]
    rows = as_rows(sample(missing=False)[0]) if rows is None else rows
    return pack(
        pipeline, out / "m.vmodel", **{"name": "m", "version": "1.0.0", "features": features, "rows": rows, **options}
    )


COMPLETE = [
    pytest.param(make_pipeline(LogisticRegression()), id="classifier alone"),
    pytest.param(make_pipeline(StandardScaler(), LogisticRegression()), id="standard scaler"),
    pytest.param(make_pipeline(StandardScaler(with_mean=False), LogisticRegression()), id="without mean"),
    pytest.param(make_pipeline(StandardScaler(with_std=False), LogisticRegression()), id="without deviation"),
    pytest.param(make_pipeline(MinMaxScaler((-1, 3)), LogisticRegression()), id="min-max scaler"),
    pytest.param(make_pipeline(MaxAbsScaler(), RobustScaler(), LogisticRegression()), id="two scalers"),
    pytest.param(make_pipeline(FunctionTransformer(np.sqrt), StandardScaler(), LogisticRegression()), id="square root"),
    pytest.param(make_pipeline("passthrough", FunctionTransformer(), LogisticRegression()), id="steps that do nothing"),
    pytest.param(
        make_pipeline(
            ColumnTransformer(
                [("log", FunctionTransformer(np.log), [2]), ("scaled", make_pipeline(RobustScaler()), slice(0, 1))],
                remainder="passthrough",
            ),
            LogisticRegression(),
        ),
        id="columns treated differently and reordered",
    ),
    pytest.param(
        make_pipeline(
            ColumnTransformer([("twice", StandardScaler(), [0, 0]), ("gone", "drop", [1])]), LogisticRegression()
        ),
        id="a column used twice and two dropped",
    ),
]
WITH_MISSING = [
    pytest.param(make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()), id="imputed first"),
    pytest.param(
        make_pipeline(MinMaxScaler(), SimpleImputer(strategy="median"), LogisticRegression()), id="imputed last"
    ),
    pytest.param(
        make_pipeline(SimpleImputer(), FunctionTransformer(np.log1p), StandardScaler(), LogisticRegression()),
        id="imputed before a function",
    ),
    pytest.param(
        make_pipeline(FunctionTransformer(np.log1p), SimpleImputer(), LogisticRegression()),
        id="imputed after a function",
    ),
]


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    ("pipeline", "missing"), [(p.values[0], False) for p in COMPLETE] + [(p.values[0], True) for p in WITH_MISSING]
)
def test_a_packed_classifier_answers_as_its_pipeline_does(
    pipeline: Pipeline, missing: bool, classes: int, tmp_path: Path
) -> None:
    values, labels = sample(missing=missing)
    pipeline.fit(values, np.minimum(labels, classes - 1))

    result = packed(pipeline, tmp_path, rows=as_rows(values))

    model = load_verified(result.path, Expectation(result.sha256, "m", "1.0.0"), max_bytes=10**6)
    assert result.manifest.equivalence.rows == 200
    assert result.manifest.equivalence.largest_difference < 1e-12
    assert model.golden_rows == 16
    assert [feature.nullable for feature in model.manifest.features if missing] == [True] * 3 * missing
    row = as_rows(values)[20]
    assert model.predictor.scores(row) == pytest.approx(reference_scores(pipeline, [row])[0], abs=1e-12)


@pytest.mark.parametrize(
    "estimator",
    [
        LinearRegression(),
        Ridge(alpha=2.0),
        RidgeCV(),
        Lasso(0.1),
        LassoCV(),
        ElasticNet(0.1),
        ElasticNetCV(),
        SGDRegressor(random_state=0),
    ],
)
def test_a_packed_regression_answers_as_its_pipeline_does(estimator: Any, tmp_path: Path) -> None:
    values, target = sample()
    pipeline = make_pipeline(StandardScaler(), estimator).fit(values, target * 10.0)

    result = packed(pipeline, tmp_path, format="linear")

    assert (result.manifest.task, result.manifest.classes, result.manifest.threshold) == ("regression", [], None)
    assert result.manifest.equivalence.largest_difference < 1e-11


@pytest.mark.parametrize(
    ("estimator", "classes"),
    [
        (LogisticRegressionCV(Cs=2, use_legacy_attributes=False, l1_ratios=(0,), scoring="accuracy"), 2),
        (LogisticRegressionCV(Cs=2, use_legacy_attributes=False, l1_ratios=(0,), scoring="accuracy"), 3),
        (SGDClassifier(loss="log_loss", random_state=0), 2),
    ],
)
def test_other_linear_classifiers_fold_too(estimator: Any, classes: int, tmp_path: Path) -> None:
    values, labels = sample()
    pipeline = make_pipeline(StandardScaler(), estimator).fit(values, np.minimum(labels, classes - 1))

    assert packed(pipeline, tmp_path, format="linear").manifest.equivalence.largest_difference < 1e-12


ELEMENTWISE = st.sampled_from([FunctionTransformer(np.log1p), FunctionTransformer(np.sqrt), "passthrough"])
SCALERS = st.sampled_from(
    [StandardScaler(), StandardScaler(with_mean=False), MinMaxScaler((-2, 3)), MaxAbsScaler(), RobustScaler()]
)
IMPUTERS = st.sampled_from([SimpleImputer(), SimpleImputer(strategy="median"), SimpleImputer(strategy="constant")])
COLUMNS = st.lists(st.integers(0, 2), min_size=1, max_size=4)
PARTS = st.lists(st.tuples(ELEMENTWISE, st.lists(SCALERS, max_size=2), COLUMNS), min_size=1, max_size=3)
ESTIMATORS = st.sampled_from(
    [
        LogisticRegression(),
        LogisticRegression(fit_intercept=False, C=0.01),
        SGDClassifier(loss="log_loss", random_state=0),
        LinearRegression(),
        Ridge(),
        ElasticNet(0.01),
    ]
)


@settings(max_examples=40, deadline=None)
@given(IMPUTERS, PARTS, st.lists(SCALERS, max_size=2), ESTIMATORS, st.tuples(st.booleans(), st.booleans()))
def test_whatever_pipeline_is_built_of_what_folds_its_weights_answer_the_same(
    imputer: Any, parts: Any, scalers: list[Any], estimator: Any, choices: tuple[bool, bool]
) -> None:
    imputed_first, many = choices
    values, labels = sample(60, missing=True)
    split = ColumnTransformer(
        [(f"part{n}", make_pipeline(*map(clone_step, [f, *scale])), cols) for n, (f, scale, cols) in enumerate(parts)]
    )
    steps = [clone_step(imputer), split] if imputed_first else [split, clone_step(imputer)]
    labels = labels if many and not isinstance(estimator, SGDClassifier) else np.minimum(labels, 1)
    pipeline = make_pipeline(*steps, *map(clone_step, scalers), clone_step(estimator)).fit(values, labels)
    rows = as_rows(values)

    folded = fold(pipeline, [Feature(name) for name in NAMES])
    model = LinearModel(folded.spec)

    expected = reference_scores(pipeline, rows)
    assert max(difference(got, wanted) for got, wanted in zip(model.scores_many(rows), expected, strict=True)) < 1e-9


def clone_step(step: Any) -> Any:
    return step if isinstance(step, str) else clone(step)


def test_classes_keep_their_names_and_order(tmp_path: Path) -> None:
    values, labels = sample()
    pipeline = make_pipeline(LogisticRegression()).fit(values, np.array(["well", "ill", "unsure"])[labels])

    assert packed(pipeline, tmp_path).manifest.classes == ["ill", "unsure", "well"]


def test_the_same_pipeline_gives_the_same_checksum(tmp_path: Path) -> None:
    values, labels = sample()
    first, second = (
        packed(make_pipeline(StandardScaler(), LogisticRegression()).fit(values, labels), tmp_path) for _ in range(2)
    )

    assert first.sha256 == second.sha256 == hashlib.sha256(first.path.read_bytes()).hexdigest()


class Doubled(LogisticRegression):  # type: ignore[misc]
    """Looks like a LogisticRegression and answers something else."""


def fitted(*steps: Any) -> Pipeline:
    values, labels = sample()
    return make_pipeline(*steps).fit(values, np.minimum(labels, 1))


@pytest.mark.parametrize(
    ("pipeline", "says"),
    [
        pytest.param(make_pipeline(StandardScaler(), LogisticRegression()), "has not been fitted", id="not fitted"),
        pytest.param(fitted(PCA(2), LogisticRegression()), r'step "pca" \(PCA\) does not fold', id="unknown step"),
        pytest.param(fitted(RandomForestClassifier(2)), "is no linear model that folds", id="not linear"),
        pytest.param(fitted(Doubled()), r"\(Doubled\) is no linear model", id="a subclass"),
        pytest.param(fitted(SGDClassifier(loss="modified_huber")), 'folds with loss="log_loss"', id="other loss"),
        pytest.param(
            make_pipeline(SGDClassifier(loss="log_loss")).fit(*sample()), "and two classes only", id="one against rest"
        ),
        pytest.param(fitted(MinMaxScaler(clip=True), LogisticRegression()), "clip=True does not fold", id="clip"),
        pytest.param(
            fitted(FunctionTransformer(np.expm1), LogisticRegression()),
            "not one of numpy.log, numpy.log1p",
            id="function",
        ),
        pytest.param(
            fitted(MinMaxScaler(), FunctionTransformer(np.log1p), LogisticRegression()), "put it first", id="order"
        ),
        pytest.param(
            fitted(SimpleImputer(add_indicator=True), LogisticRegression()), "without add_indicator", id="indicator"
        ),
        pytest.param(
            fitted(SimpleImputer(strategy="constant", fill_value=0), FunctionTransformer(np.log), LogisticRegression()),
            "log of the imputed value 0 is not finite",
            id="imputed value outside the function's domain",
        ),
    ],
)
def test_what_does_not_fold_is_refused_and_leaves_no_file(pipeline: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(PackingRefused, match=says):
        packed(pipeline, tmp_path, format="linear")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"version": "1"}, "not a semantic version"),
        ({"name": "a/b"}, "name"),
        ({"threshold": 1.0}, "not between 0 and 1"),
        ({"golden": 0}, "give at least one"),
        ({"rows": [[1.0, 2.0]], "golden": 1}, "row 0 has 2 values for 3 features"),
        ({"rows": [[1.0, None, 2.0]], "golden": 1}, "the pipeline itself refuses the given rows"),
        ({"features": [Feature("a", minimum=100.0), Feature("b"), Feature("c")]}, 'feature "a" is not a value'),
        ({"features": [Feature("a"), Feature("a"), Feature("c")]}, "two features have the same name"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(options: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(PackingRefused, match=says):
        packed(fitted(LogisticRegression()), tmp_path, **options)


def test_a_model_that_differs_from_its_pipeline_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slightly_off(monkeypatch)

    with pytest.raises(PackingRefused, match="differs from the pipeline by 2e-06, more than 1e-06"):
        packed(fitted(StandardScaler(), LogisticRegression()), tmp_path, format="linear")
