"""What packing proves: one test for each kind of fault that a proof on training rows alone did not see."""

import itertools
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from tests.serving.test_pack import as_rows
from verdigris_serving.artifact.pack import Holdout, Packed, PackingRefused, pack
from verdigris_serving.artifact.proof import boundaries
from verdigris_serving.artifact.proof.comparing import Comparison, answered, compared
from verdigris_serving.artifact.proof.reference import Answers, Reference
from verdigris_serving.artifact.verify import Expectation, load_verified
from verdigris_serving.model.loaded import LoadedModel
from verdigris_serving.model.schema import Feature
from verdigris_serving.protocol.service import InferenceService

NAN = float("nan")


def named(values: Any) -> list[Feature]:
    return [Feature(f"f{number}") for number in range(np.shape(values)[1])]


def packed(pipeline: Any, values: Any, out: Path, **options: Any) -> tuple[Packed, LoadedModel]:
    """Pack on these rows, and load as the server does."""
    options = {"features": named(values), "rows": as_rows(values), **options}
    result = pack(pipeline, out / "m.vmodel", name="m", version="1.0.0", **options)
    return result, load_verified(result.path, Expectation(result.sha256), max_bytes=10**9)


def differing(pipeline: Any, model: LoadedModel, values: Any) -> int:
    """How many rows get another label, or a score that is not the pipeline's within 1e-6."""
    manifest = model.manifest
    answers = Reference(pipeline, classes=manifest.classes, scores=manifest.scores).answers(as_rows(values))
    scores, labels = answered(model.predictor, model.manifest, answers.rows)
    wrong = (np.abs(np.array(scores) - answers.scores) > 1e-6 * np.maximum(1.0, np.abs(answers.scores))).any(axis=1)
    if answers.labels is not None:
        wrong |= np.array(labels) != answers.labels
    return int(wrong.sum())


def iris() -> tuple[Any, Any]:
    values, labels = load_iris(return_X_y=True)
    return np.array(values), np.array(labels)


SCALED = [
    (load_breast_cancer, StandardScaler(), RandomForestClassifier(30, random_state=0)),
    (load_breast_cancer, RobustScaler(), ExtraTreesClassifier(10, random_state=0)),
    (load_iris, MinMaxScaler(), GradientBoostingClassifier(n_estimators=20, random_state=0)),
    (load_iris, StandardScaler(), HistGradientBoostingClassifier(max_iter=10)),
]


@pytest.mark.parametrize(("data", "scaler", "trees"), SCALED)
def test_trees_behind_a_scaler_answer_unseen_rows_as_scikit_learn_does(
    data: Any, scaler: Any, trees: Any, tmp_path: Path
) -> None:
    values, labels = data(return_X_y=True)
    known, unseen, truth, _ = train_test_split(values, labels, stratify=labels, random_state=0)
    pipeline = make_pipeline(scaler, trees).fit(known, truth)

    result, model = packed(pipeline, known, tmp_path)

    assert result.manifest.format == "onnx"
    assert result.manifest.equivalence.made > 4_000
    assert differing(pipeline, model, unseen) == 0


def test_the_thresholds_of_trees_behind_a_scaler_are_found_to_the_ulp() -> None:
    values, labels = iris()
    pipeline = make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0)).fit(values, labels)
    low, high = values.min(axis=0) - 1, values.max(axis=0) + 1
    (site,) = boundaries.merged(boundaries.sites(pipeline))

    found = boundaries.around(site, values[0], low, high, np.random.default_rng(0))

    tree, scaler = pipeline[-1].tree_, pipeline[0]
    assert len(found) == 2 * (tree.children_left >= 0).sum()
    for (feature, below), (_, above) in zip(found[::2], found[1::2], strict=True):
        assert above == np.nextafter(below, np.inf)
        scaled = [np.float32((v - scaler.mean_[feature]) / scaler.scale_[feature]) for v in (below, above)]
        assert any(scaled[0] <= t < scaled[1] for t in tree.threshold[tree.feature == feature])


@pytest.mark.parametrize(
    "trees",
    [
        DecisionTreeClassifier(max_depth=4, random_state=0),
        RandomForestClassifier(10, random_state=0),
        HistGradientBoostingClassifier(max_iter=10),
    ],
)
@pytest.mark.parametrize("share", [0.0, 0.3])
def test_a_missing_value_goes_where_scikit_learn_sends_it(trees: Any, share: float, tmp_path: Path) -> None:
    values, labels = iris()
    holes = np.random.default_rng(1).random(values.shape) < share
    pipeline = trees.fit(np.where(holes, np.nan, values), labels)

    _, model = packed(pipeline, values, tmp_path)

    assert [feature.nullable for feature in model.manifest.features] == [True] * 4
    for gone in itertools.product([True, False], repeat=4):
        assert differing(pipeline, model, np.where(gone, np.nan, values)) == 0


FRAME_LIKE = ("sl", "sw", "pl", "pw")


def by_name() -> tuple[Any, Any]:
    """A pipeline that knows its columns' names, and its training values in their order."""
    values, labels = iris()
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(values, labels)
    # What fitting on a frame leaves behind.
    pipeline[0].feature_names_in_ = np.array(FRAME_LIKE, dtype=object)
    return pipeline, values


def test_columns_are_taken_by_name(tmp_path: Path) -> None:
    pipeline, values = by_name()
    turned = [Feature(name) for name in reversed(FRAME_LIKE)]
    truth = [int(label) for label in iris()[1]]

    result, model = packed(
        pipeline,
        values,
        tmp_path,
        features=turned,
        rows=as_rows(values[:, ::-1]),
        holdout=Holdout(as_rows(values[:, ::-1]), truth),
    )

    assert [feature.name for feature in model.manifest.features] == list(FRAME_LIKE)
    assert differing(pipeline, model, values) == 0
    assert result.quality["accuracy"] > 0.9


def test_columns_that_do_not_match_are_refused_by_name(tmp_path: Path) -> None:
    pipeline, values = by_name()
    features = [Feature(name) for name in ("sl", "sw", "pl", "colour")]

    with pytest.raises(PackingRefused, match='has no "pw", and has "colour" instead; name the columns as they were'):
        packed(pipeline, values, tmp_path, features=features)


LABELS = [
    KNeighborsClassifier(4),
    RandomForestClassifier(10, max_depth=2, random_state=0),
    SVC(probability=True, random_state=0),
    GaussianNB(),
]


@pytest.mark.filterwarnings("ignore:The `probability` parameter")
@pytest.mark.parametrize("estimator", LABELS, ids=lambda each: type(each).__name__)
def test_the_label_is_what_predict_says(estimator: Any, tmp_path: Path) -> None:
    values, labels = iris()
    # Whole numbers: neighbours and leaves with equal votes.
    values = np.round(values)
    estimator.fit(values, labels)
    truth = [int(label) for label in labels]

    result, model = packed(estimator, values, tmp_path, rows=[], holdout=Holdout(as_rows(values), truth))

    body = msgspec.json.encode(
        {"rows": [dict(zip(("f0", "f1", "f2", "f3"), row, strict=True)) for row in values.tolist()]}
    )
    answer = msgspec.json.decode(InferenceService(model).infer(body, "id").body)
    assert answer["outputs"][0]["data"] == estimator.predict(values).tolist()
    assert result.quality["accuracy"] == pytest.approx(estimator.score(values, labels))


def test_a_tuned_threshold_is_kept_and_decides(tmp_path: Path) -> None:
    values, labels = load_breast_cancer(return_X_y=True)
    tuned = TunedThresholdClassifierCV(make_pipeline(StandardScaler(), LogisticRegression()), scoring="f1")
    tuned.fit(values, labels)

    result, model = packed(tuned, values, tmp_path)

    assert (result.manifest.format, result.manifest.threshold) == ("linear", tuned.best_threshold_)
    assert result.told == (f"TunedThresholdClassifierCV: its threshold {tuned.best_threshold_:g} is kept",)
    assert differing(tuned, model, values) == 0


def test_a_tie_of_two_classes_is_the_first_of_them(tmp_path: Path) -> None:
    values, labels = np.array([[0.0], [0.0], [1.0], [1.0]]), [0, 1, 0, 1]
    pipeline = LogisticRegression(fit_intercept=False).fit(values, labels)

    _, model = packed(pipeline, values, tmp_path, golden=1)

    assert differing(pipeline, model, [[0.0], [1.0]]) == 0


@pytest.mark.parametrize("constant", [True, False])
def test_a_threshold_at_infinity_is_packed_at_once(constant: bool, tmp_path: Path) -> None:
    values = np.array([[NAN, 3.0], [NAN, 3.0], [1.0, 3.0], [2.0, 3.0]] * 4)[:, : 1 + constant]
    tree = DecisionTreeClassifier().fit(values, [1, 1, 0, 0] * 4)

    result, model = packed(tree, values, tmp_path)

    assert np.isinf(tree.tree_.threshold).any()
    assert result.manifest.format == "onnx"
    assert differing(tree, model, values) == 0


CODES = np.array([[1.0, 0.0], [2.0, 1.0], [3.0, 0.0], [2.0, 5.0]] * 10)
CODE_LABELS = [0, 1, 0, 1] * 10


def asked(model: LoadedModel, *row: float) -> tuple[int, str]:
    """Status and body of one row."""
    body = msgspec.json.encode({"rows": [list(row)]})
    answer = InferenceService(model).infer(body, "id")
    return answer.status, answer.body.decode()


@pytest.mark.parametrize("encoder", [OneHotEncoder(), OrdinalEncoder()])
def test_what_a_strict_encoder_refuses_is_the_callers_fault_and_names_the_feature(encoder: Any, tmp_path: Path) -> None:
    pipeline = make_pipeline(encoder, RandomForestClassifier(3, random_state=0)).fit(CODES, CODE_LABELS)

    _, model = packed(pipeline, CODES, tmp_path)

    assert [feature.categories for feature in model.manifest.features] == [[1.0, 2.0, 3.0], [0.0, 1.0, 5.0]]
    assert asked(model, 2.0, 5.0)[0] == 200
    for row in ((2.5, 5.0), (4.0, 5.0)):
        status, text = asked(model, *row)
        assert status == 400
        assert 'feature \\"f0\\", row 0: none of the values that the model knows: 1, 2, 3' in text


@pytest.mark.parametrize(
    "encoder",
    [
        OneHotEncoder(handle_unknown="ignore"),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        Normalizer(),
    ],
)
def test_what_an_encoder_takes_is_answered_as_it_says(encoder: Any, tmp_path: Path) -> None:
    pipeline = make_pipeline(encoder, LogisticRegression()).fit(CODES, CODE_LABELS)

    _, model = packed(pipeline, CODES, tmp_path)

    assert [feature.categories for feature in model.manifest.features] == [None, None]
    assert differing(pipeline, model, [[2.5, 5.0], [0.0, 0.0], [9.0, -1.0], [2.0, 1.0]]) == 0


@pytest.mark.parametrize(
    "regressor", [RandomForestRegressor(20, random_state=0), HistGradientBoostingRegressor(max_iter=20)]
)
def test_a_regression_of_large_values_needs_no_slower_format(regressor: Any, tmp_path: Path) -> None:
    values, target = load_diabetes(return_X_y=True)
    pipeline = make_pipeline(SimpleImputer(), regressor).fit(values, target * 1e6)

    result, model = packed(pipeline, values, tmp_path)

    assert result.manifest.format == "onnx"
    assert differing(pipeline, model, values * 1.1) == 0


def test_the_best_of_a_search_is_packed_and_said_so(tmp_path: Path) -> None:
    values, labels = iris()
    search = GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression()), {"logisticregression__C": [0.1, 1.0]})
    search.fit(values, labels)

    result, model = packed(search, values, tmp_path)

    assert (result.manifest.format, result.told) == ("linear", ("GridSearchCV: its best estimator is packed",))
    assert differing(search, model, values) == 0


def test_a_search_that_was_not_fitted_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackingRefused, match="GridSearchCV has no best_estimator_: fit it, with refit=True"):
        packed(GridSearchCV(LogisticRegression(), {}), iris()[0], tmp_path)


def test_the_comparison_sees_a_label_a_score_and_a_row_without_an_answer(tmp_path: Path) -> None:
    values, labels = iris()
    pipeline = LogisticRegression().fit(values, labels)
    _, model = packed(pipeline, values, tmp_path)
    right = Reference(pipeline, classes=pipeline.classes_).answers(as_rows(values))
    other = right.labels.copy()
    other[3] = (other[3] + 1) % 3

    def seen(answers: Answers) -> Comparison:
        return compared(model.predictor, model.manifest, answers, 1.0)

    assert seen(right).wrong_labels == 0
    assert seen(Answers(right.rows, right.scores, other)).wrong_labels == 1
    assert seen(Answers(right.rows, right.scores + 0.5, other)).largest > 0.4
    infinite = [[1e308, 1e308, -1e308, 1e308], *right.rows[1:]]
    assert seen(Answers(infinite, right.scores, other)).unanswered


def test_rows_that_the_pipeline_refuses_are_left_out_and_the_time_is_bounded() -> None:
    values, labels = iris()
    reference = Reference(LogisticRegression().fit(values, labels), classes=[0, 1, 2])
    rows = as_rows(values)
    rows[70] = [None, 1.0, 1.0, 1.0]

    answers, refused = reference.kept(rows, seconds=60)
    assert (len(answers), refused) == (149, [rows[70]])
    assert len(reference.kept(rows * 20, seconds=0)[0]) < 1_100
