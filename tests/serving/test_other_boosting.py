"""xgboost's and lightgbm's boosted trees as graphs: the same sums to the last bit, the same labels, or a sentence."""

import sys
import warnings
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from verdigris_serving.artifact.archive import read_archive
from verdigris_serving.artifact.graph.convert import convert
from verdigris_serving.artifact.pack import PackingRefused, pack
from verdigris_serving.artifact.proof import boundaries
from verdigris_serving.model.formats import predictor
from verdigris_serving.model.schema import Feature

#: Its package without the libraries for GPUs is there for Linux only.
xgboost = pytest.importorskip("xgboost")

SOURCE = np.random.default_rng(20261127)
VALUES = np.round(SOURCE.normal(size=(400, 4)), 2)
VALUES[SOURCE.random(VALUES.shape) < 0.1] = np.nan
SCORE = np.nan_to_num(VALUES[:, 0]) * 2 - np.nan_to_num(VALUES[:, 1]) + SOURCE.normal(size=400) / 3
TWO, THREE = (SCORE > 0).astype(int), np.digitize(SCORE, [-1, 1])
COUNTS = np.floor(np.exp(SCORE / 2))
#: 31 times as many as were fitted on, of the same kind and of any other.
FRESH = np.concatenate([VALUES, np.round(SOURCE.normal(size=(6_000, 4)) * 2, 2), SOURCE.normal(size=(6_000, 4)) * 1e6])
FRESH[SOURCE.random(FRESH.shape) < 0.1] = np.nan


def xgb(kind: str = "Classifier", **parameters: Any) -> Any:
    return getattr(xgboost, f"XGB{kind}")(n_estimators=30, max_depth=4, n_jobs=1, **parameters)


def lgbm(kind: str = "Classifier", **parameters: Any) -> Any:
    return getattr(lightgbm, f"LGBM{kind}")(n_estimators=30, num_leaves=12, n_jobs=1, verbose=-1, **parameters)


def stopped_early() -> Any:
    model = xgboost.XGBClassifier(n_estimators=200, n_jobs=1, early_stopping_rounds=3, learning_rate=1.0)
    return model.fit(VALUES[:200], TWO[:200], eval_set=[(VALUES[200:], TWO[200:])], verbose=False)


def stopped_early_too() -> Any:
    model = lgbm(learning_rate=1.0).set_params(n_estimators=200)
    return model.fit(
        VALUES[:200],
        TWO[:200],
        eval_set=[(VALUES[200:], TWO[200:])],
        callbacks=[lightgbm.early_stopping(3, verbose=False)],
    )


MODELS = [
    pytest.param(lambda: xgb().fit(VALUES, TWO), id="xgboost, two classes"),
    pytest.param(lambda: xgb().fit(VALUES, THREE), id="xgboost, three classes"),
    pytest.param(lambda: xgb("Regressor").fit(VALUES, SCORE), id="xgboost, a value"),
    pytest.param(lambda: xgb("Regressor").fit(VALUES, SCORE * 1e4 + 3e5), id="xgboost, a large value"),
    pytest.param(lambda: xgb("Regressor", objective="count:poisson").fit(VALUES, COUNTS), id="xgboost, counts"),
    pytest.param(lambda: xgb(num_parallel_tree=3, subsample=0.5).fit(VALUES, THREE), id="xgboost, forests"),
    pytest.param(stopped_early, id="xgboost, stopped early"),
    pytest.param(lambda: make_pipeline(StandardScaler(), xgb()).fit(VALUES, TWO), id="xgboost behind a scaler"),
    pytest.param(lambda: lgbm().fit(VALUES, TWO), id="lightgbm, two classes"),
    pytest.param(lambda: lgbm().fit(VALUES, THREE), id="lightgbm, three classes"),
    pytest.param(lambda: lgbm().fit(VALUES, TWO.astype(str)), id="lightgbm, texts as classes"),
    pytest.param(lambda: lgbm().fit(np.nan_to_num(VALUES), TWO), id="lightgbm, nothing missing in training"),
    pytest.param(lambda: lgbm("Regressor").fit(VALUES, SCORE), id="lightgbm, a value"),
    pytest.param(lambda: lgbm("Regressor", objective="tweedie").fit(VALUES, COUNTS), id="lightgbm, counts"),
    pytest.param(lambda: lgbm(boosting_type="dart").fit(VALUES, TWO), id="lightgbm, dart"),
    pytest.param(stopped_early_too, id="lightgbm, stopped early"),
    pytest.param(lambda: make_pipeline(StandardScaler(), lgbm()).fit(VALUES, TWO), id="lightgbm behind a scaler"),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fitted", MODELS)
def test_it_is_a_graph_that_answers_the_same_for_thousands_of_rows_it_never_saw(fitted: Any, tmp_path: Path) -> None:
    model = fitted()

    found = pack(model, tmp_path / "m.vmodel", X=VALUES)

    assert found.manifest.format == "onnx"
    assert found.manifest.equivalence.made > 1_000
    assert all(feature.nullable for feature in found.manifest.features)
    contents = read_archive(found.path.read_bytes())
    served = predictor(contents.manifest, contents.model)
    rows = [[None if np.isnan(value) else value for value in row] for row in FRESH.tolist()]
    if contents.manifest.classes:
        scores, labels = served.labelled(rows)  # type: ignore[attr-defined]
        assert np.allclose(scores, model.predict_proba(FRESH), rtol=0, atol=3e-7)
        assert [contents.manifest.classes[place] for place in labels] == model.predict(FRESH).tolist()
    else:
        assert np.allclose(np.ravel(served.scores_many(rows)), model.predict(FRESH), rtol=3e-7, atol=1e-12)


@pytest.mark.parametrize("target", [SCORE, SCORE * 1e4 + 3e5])
@pytest.mark.parametrize("make", [xgb, lgbm])
def test_the_sum_of_the_leaves_is_the_same_to_the_last_bit(make: Any, target: Any) -> None:
    model = make("Regressor").fit(VALUES, target)

    got = ask(model, FRESH, "value")

    assert np.array_equal(got.ravel(), np.asarray(model.predict(FRESH), dtype=np.float64))


def ask(model: Any, rows: Any, output: str) -> Any:
    import onnxruntime  # noqa: PLC0415 - only here

    data = convert(model, [Feature(f"x{number}") for number in range(rows.shape[1])], output).data
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return session.run([output], {"features": rows})[0]


@pytest.mark.parametrize(("make", "single"), [(xgb, True), (lgbm, False)])
def test_rows_on_every_threshold_and_beside_it_end_in_the_same_leaves(make: Any, single: bool) -> None:
    model = make("Regressor").fit(VALUES, SCORE)
    (site,) = boundaries.sites(model)
    assert site.single is single
    low, high = np.full(4, -9.0), np.full(4, 9.0)
    pairs = boundaries.around(site, np.zeros(4), low, high, np.random.default_rng(0))

    rows = np.repeat(VALUES[:1], len(pairs), axis=0)
    for row, (feature, value) in zip(rows, pairs, strict=True):
        row[feature] = value

    assert len(pairs) > 500
    assert np.array_equal(ask(model, rows, "value").ravel(), np.asarray(model.predict(rows), dtype=np.float64))


@pytest.mark.parametrize("make", [xgb, lgbm])
def test_a_tie_is_the_first_class(make: Any) -> None:
    model = make().set_params(n_estimators=1).fit(np.zeros((10, 1)), [0, 1] * 5)
    if make is xgb:
        model.set_params(base_score=0.5).fit(np.zeros((10, 1)), [0, 1] * 5)

    assert ask(model, np.zeros((1, 1)), "label").tolist() == [[float(model.predict(np.zeros((1, 1)))[0])]]


def test_what_lightgbm_takes_for_zero_goes_where_zero_goes() -> None:
    model = lgbm("Regressor").fit(np.round(np.nan_to_num(VALUES)), SCORE)
    near = float(np.float32(1e-35))
    moved = [
        0.0,
        near,
        -near,
        np.nextafter(near, 1),
        np.nextafter(-near, -1),
        1e-36,
        -1e-36,
        5e-324,
        -5e-324,
        1e-34,
        -1e-34,
    ]
    rows = np.array(
        [[value if place == feature else 1.0 for place in range(4)] for feature in range(4) for value in moved]
    )

    assert np.array_equal(ask(model, rows, "value").ravel(), model.predict(rows))


CATEGORIES = np.column_stack([SOURCE.integers(0, 6, 400).astype(float), VALUES[:, 0]])
BY_CATEGORY = (np.isin(CATEGORIES[:, 0], [0, 3, 5])).astype(int)


def categorical_xgboost() -> Any:
    import pandas as pd  # noqa: PLC0415 - the only way to tell xgboost of categories

    frame = pd.DataFrame({"a": pd.Series(CATEGORIES[:, 0].astype(int), dtype="category"), "b": CATEGORIES[:, 1]})
    model = xgb(enable_categorical=True, tree_method="hist").fit(frame, BY_CATEGORY)
    model.get_booster().feature_types = None
    model.get_booster().feature_names = None
    return model


REFUSED = [
    pytest.param(categorical_xgboost, r"XGBClassifier with categorical splits has no graph; put an encoder", id="xgb"),
    pytest.param(
        lambda: lgbm(min_data_per_group=1, cat_smooth=1).fit(CATEGORIES, BY_CATEGORY, categorical_feature=[0]),
        r"LGBMClassifier with categorical splits has no graph; put an encoder \(OneHotEncoder",
        id="lightgbm",
    ),
    pytest.param(
        lambda: xgb().fit(VALUES, np.column_stack([TWO, SCORE > 1]).astype(int)),
        "it predicts 2 labels a row, where 1 is known: put the estimator into a MultiOutputClassifier",
        id="several labels",
    ),
    pytest.param(
        lambda: xgb("Regressor").fit(VALUES, np.column_stack([SCORE, -SCORE])),
        "XGBRegressor of several values a row has no graph; put it in a MultiOutputRegressor",
        id="several values",
    ),
    pytest.param(lambda: xgb(booster="dart").fit(VALUES, TWO), "with booster dart has no graph; gbtree has", id="dart"),
    pytest.param(lambda: xgb(booster="gblinear").fit(VALUES, TWO), "with booster gblinear has no graph", id="gblinear"),
    pytest.param(lambda: xgb(missing=0.0).fit(VALUES, TWO), "takes 0 for a missing value has no graph", id="missing"),
    pytest.param(lambda: xgb(objective="binary:hinge").fit(VALUES, TWO), "with objective binary:hinge", id="hinge"),
    pytest.param(
        lambda: lgbm(boosting_type="rf", bagging_freq=1, bagging_fraction=0.5).fit(VALUES, TWO),
        r"averages its trees \(boosting_type rf\) has no graph; gbdt has",
        id="rf",
    ),
    pytest.param(lambda: lgbm(zero_as_missing=True).fit(VALUES, TWO), "with zero_as_missing has no graph", id="zeros"),
    pytest.param(
        lambda: lgbm("Regressor", linear_tree=True).fit(VALUES, SCORE), "linear_tree has no graph", id="linear"
    ),
    pytest.param(lambda: lgbm(objective="multiclassova").fit(VALUES, THREE), "with objective multiclassova", id="ova"),
    pytest.param(
        lambda: lgbm("Ranker").fit(VALUES, TWO, group=[400]),
        "is no classifier, regressor, outlier detector or clusterer",
        id="ranker",
    ),
    pytest.param(lambda: xgb().fit(VALUES, TWO).get_booster(), "a Booster of xgboost is not packed; its", id="booster"),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("fitted", "says"), REFUSED)
def test_what_has_no_graph_is_refused_in_a_sentence(fitted: Any, says: str, tmp_path: Path) -> None:
    model = fitted()
    with pytest.raises(PackingRefused, match=says) as refused:
        pack(model, tmp_path / "m.vmodel", X=np.nan_to_num(VALUES[:, : getattr(model, "n_features_in_", 4)]))

    assert "\n" not in str(refused.value)


def test_lightgbms_names_for_the_columns_of_an_array_are_no_names(tmp_path: Path) -> None:
    model = lgbm().fit(VALUES, TWO)

    names = [feature.name for feature in pack(model, tmp_path / "m.vmodel", X=VALUES).manifest.features]
    assert names == ["x0", "x1", "x2", "x3"]


def test_neither_is_needed_to_pack_anything_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("xgboost.sklearn", "lightgbm.sklearn"):
        monkeypatch.delitem(sys.modules, name)
    good = LogisticRegression().fit(np.nan_to_num(VALUES), TWO)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pack(good, tmp_path / "m.vmodel", X=np.nan_to_num(VALUES)).manifest.format == "linear"
