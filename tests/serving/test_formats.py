"""Formats ``onnx`` and ``sklearn``: from a fitted pipeline to answers, and what makes packing take which format."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import DBSCAN
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler
from sklearn.svm import LinearSVC

from tests.serving.reference import reference_scores, slightly_off
from tests.serving.support import server
from tests.serving.test_pack import as_rows, packed, sample
from verdigris_serving.artifact.archive import read_archive, write_archive
from verdigris_serving.artifact.pack import PackingRefused
from verdigris_serving.artifact.verify import Expectation, load_verified, verify_bytes
from verdigris_serving.model.linear import NonFiniteScore
from verdigris_serving.model.loaded import LoadedModel
from verdigris_serving.protocol.service import InferenceService
from verdigris_serving.reasons import Reason, ServingError

FOREST = RandomForestClassifier(5, random_state=0)


def fitted(pipeline: Any, *, classes: int = 3, missing: bool = False) -> Any:
    values, labels = sample(missing=missing)
    return pipeline.fit(values, np.minimum(labels, classes - 1))


def loaded(pipeline: Any, out: Path, **options: Any) -> LoadedModel:
    """Pack, then verify and load as the server does."""
    result = packed(pipeline, out, **options)
    return load_verified(result.path, Expectation(result.sha256, "m", "1.0.0"), max_bytes=10**8)


ONNX = [
    pytest.param(FOREST, id="forest"),
    pytest.param(GradientBoostingClassifier(n_estimators=3), id="gradient boosting"),
    pytest.param(make_pipeline(StandardScaler(), PolynomialFeatures(2), LogisticRegression()), id="polynomial"),
    pytest.param(CalibratedClassifierCV(LinearSVC()), id="calibrated"),
    pytest.param(GaussianNB(), id="naive Bayes"),
]
SKLEARN = [
    *ONNX,
    pytest.param(HistGradientBoostingClassifier(max_iter=3), id="histogram gradient boosting"),
    pytest.param(make_pipeline(FunctionTransformer(np.log1p), FOREST), id="function"),
    pytest.param(VotingClassifier([("a", GaussianNB()), ("b", FOREST)], voting="soft"), id="vote"),
]


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    ("form", "pipeline"), [("onnx", p.values[0]) for p in ONNX] + [("sklearn", p.values[0]) for p in SKLEARN]
)
def test_a_packed_classifier_answers_as_its_pipeline_does(
    form: str, pipeline: Any, classes: int, tmp_path: Path
) -> None:
    fitted(pipeline, classes=classes)
    rows = as_rows(sample()[0])

    model = loaded(pipeline, tmp_path, format=form)

    expected = reference_scores(pipeline, rows)
    assert (model.manifest.format, model.manifest.fallback, model.golden_rows) == (form, None, 16)
    assert np.abs(np.array(model.predictor.scores_many(rows)) - expected).max() <= 1e-6
    assert model.predictor.scores(rows[20]) == pytest.approx(expected[20], abs=1e-6)
    assert model.predictor.blocking
    assert all(0 <= value <= 1 for row in model.predictor.scores_many(rows) for value in row)


@pytest.mark.parametrize("form", ["onnx", "sklearn"])
def test_a_packed_regression_answers_as_its_pipeline_does(form: str, tmp_path: Path) -> None:
    pipeline = fitted(make_pipeline(StandardScaler(), RandomForestRegressor(5, random_state=0)))
    rows = as_rows(sample()[0])

    model = loaded(pipeline, tmp_path, format=form)

    assert (model.manifest.task, model.manifest.classes) == ("regression", [])
    assert np.array(model.predictor.scores_many(rows)) == pytest.approx(
        np.array(reference_scores(pipeline, rows)), abs=1e-6
    )


@pytest.mark.parametrize("form", ["onnx", "sklearn"])
def test_it_is_served_over_the_protocol(form: str, tmp_path: Path) -> None:
    pipeline = fitted(make_pipeline(SimpleImputer(), FOREST), missing=True)
    service = InferenceService(loaded(pipeline, tmp_path, format=form))
    tensor = {"name": "x", "shape": [2, 3], "datatype": "FP64", "data": [1.5, None, 2.0, 4.0, 0.5, 3.0]}

    answer = service.infer(msgspec.json.encode({"inputs": [tensor]}), "id")

    assert answer.status == 200
    probabilities = msgspec.json.decode(answer.body)["outputs"][1]["data"]
    expected = reference_scores(pipeline, [[1.5, None, 2.0], [4.0, 0.5, 3.0]])
    assert probabilities == pytest.approx([value for row in expected for value in row], abs=1e-6)


@pytest.mark.parametrize("form", ["onnx", "sklearn"])
def test_a_server_process_serves_it(form: str, tmp_path: Path) -> None:
    pipeline = fitted(FOREST)
    sha256 = packed(pipeline, tmp_path, format=form).sha256
    tensor = {"name": "x", "shape": [1, 3], "datatype": "FP64", "data": [4.0, 0.5, 3.0]}

    with server(tmp_path, sha256=sha256, artifact="m.vmodel", VERDIGRIS_MODEL_FORMAT=form) as running:
        status, _, body = running.get("/v2/models/m/infer", "POST", msgspec.json.encode({"inputs": [tensor]}))

    assert status == 200
    assert msgspec.json.decode(body)["outputs"][1]["data"] == pytest.approx(
        reference_scores(pipeline, [[4.0, 0.5, 3.0]])[0], abs=1e-6
    )


@pytest.mark.parametrize("form", ["onnx", "sklearn"])
def test_a_feature_may_be_missing_where_the_pipeline_and_its_packed_form_agree_on_it(form: str, tmp_path: Path) -> None:
    imputing = loaded(fitted(make_pipeline(SimpleImputer(), FOREST), missing=True), tmp_path, format=form)
    strict = loaded(fitted(make_pipeline(PolynomialFeatures(2), FOREST)), tmp_path, format=form)

    assert [feature.nullable for feature in imputing.manifest.features] == [True] * 3
    assert [feature.nullable for feature in strict.manifest.features] == [False] * 3


def test_what_folds_is_linear_without_any_fallback(tmp_path: Path) -> None:
    manifest = packed(fitted(LogisticRegression()), tmp_path).manifest

    assert (manifest.format, manifest.fallback) == ("linear", None)


def test_what_does_not_fold_falls_back_to_onnx_and_says_why(tmp_path: Path) -> None:
    manifest = packed(fitted(FOREST), tmp_path).manifest

    assert manifest.format == "onnx"
    assert (
        manifest.fallback == 'not linear, because step "model" (RandomForestClassifier) is no linear model that folds'
    )
    assert {"numpy", "scikit-learn", "onnx", "onnxruntime"} == set(manifest.libraries)
    assert manifest.equivalence.largest_difference <= 1e-6


@pytest.mark.parametrize(
    ("pipeline", "says"),
    [
        pytest.param(KNeighborsClassifier(3), "KNeighborsClassifier has no graph", id="a label by votes"),
        pytest.param(KNeighborsRegressor(3), "KNeighborsRegressor has no graph", id="no graph"),
        pytest.param(
            make_pipeline(PCA(2), RandomForestClassifier(3, random_state=0)),
            "compares with thresholds what an earlier part does not give bit for bit",
            id="thresholds behind a rotation",
        ),
    ],
)
def test_what_has_no_graph_that_is_the_same_falls_back_to_sklearn(pipeline: Any, says: str, tmp_path: Path) -> None:
    fitted(pipeline, classes=2)

    manifest = packed(pipeline, tmp_path).manifest

    assert (manifest.format, manifest.equivalence.largest_difference) == ("sklearn", 0.0)
    assert manifest.fallback is not None
    assert "not onnx, because " in manifest.fallback
    assert says in manifest.fallback


def test_a_difference_beyond_the_tolerance_falls_back_through_every_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slightly_off(monkeypatch)

    with pytest.raises(PackingRefused) as refused:
        packed(fitted(LogisticRegression()), tmp_path)
    for form in ("linear", "onnx", "sklearn"):
        assert f"not {form}, because" in str(refused.value)
    assert str(refused.value).count("differs from the pipeline by 2e-06, more than 1e-06") == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("pipeline", "says"),
    [
        (DBSCAN(), r'step "model" \(DBSCAN\) has no predict'),
        (make_pipeline(StandardScaler(), DBSCAN()), r'step "dbscan" \(DBSCAN\) has no predict'),
        (make_pipeline(StandardScaler()), "has no predict; a pipeline ends with what predicts"),
    ],
)
def test_what_no_format_could_serve_is_refused_at_once(pipeline: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(PackingRefused, match=says):
        packed(fitted(pipeline), tmp_path)


@pytest.mark.parametrize(
    ("form", "says"), [("onnx", "onnxruntime cannot load model.onnx"), ("sklearn", "model.skops is no skops file")]
)
def test_a_model_that_cannot_be_read_is_an_invalid_artifact(form: str, says: str, tmp_path: Path) -> None:
    contents = read_archive(packed(fitted(FOREST), tmp_path, format=form).path.read_bytes())
    assert isinstance(contents.model, bytes)
    data = write_archive(replace(contents, model=contents.model[: len(contents.model) // 2]))

    with pytest.raises(ServingError, match=says) as raised:
        verify_bytes(data, Expectation(), where="m.vmodel")
    assert raised.value.reason is Reason.ARTIFACT_INVALID


@pytest.mark.parametrize("form", ["onnx", "sklearn"])
def test_a_model_of_other_features_than_the_manifest_says_is_refused(form: str, tmp_path: Path) -> None:
    contents = read_archive(packed(fitted(FOREST), tmp_path, format=form).path.read_bytes())
    features = contents.manifest.features[:2]
    manifest = msgspec.structs.replace(contents.manifest, features=features)
    golden = msgspec.structs.replace(contents.golden, rows=[row[:2] for row in contents.golden.rows])

    with pytest.raises(ServingError) as raised:
        verify_bytes(write_archive(replace(contents, manifest=manifest, golden=golden)), Expectation(), where="m")
    assert raised.value.reason in {Reason.ARTIFACT_INVALID, Reason.GOLDEN_ROWS_FAILED}


@pytest.mark.parametrize(
    ("form", "package"),
    [("onnx", "onnxruntime"), ("sklearn", "skops.io"), ("onnx", "numpy"), ("sklearn", "sklearn.exceptions")],
)
def test_an_image_without_the_formats_packages_names_the_one_that_has_them(
    form: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = packed(fitted(FOREST), tmp_path, format=form).path.read_bytes()
    for name in ("arrays", "onnx_model", "sklearn_model"):
        monkeypatch.delitem(sys.modules, f"verdigris_serving.model.{name}", raising=False)
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(ServingError, match=f'format "{form}" is not served by this image') as raised:
        verify_bytes(data, Expectation(), where="m.vmodel")
    assert f"use verdigris/serving-{form}" in raised.value.message
    assert raised.value.reason is Reason.MODEL_MISMATCH


@pytest.mark.parametrize("form", ["onnx", "sklearn"])
def test_the_golden_rows_are_asked_before_serving(form: str, tmp_path: Path) -> None:
    contents = read_archive(packed(fitted(FOREST), tmp_path, format=form).path.read_bytes())
    wrong = [[*row[1:], row[0]] for row in contents.golden.expected]
    golden = msgspec.structs.replace(contents.golden, expected=wrong)

    with pytest.raises(ServingError, match="golden row") as raised:
        verify_bytes(write_archive(replace(contents, golden=golden)), Expectation(), where="m.vmodel")
    assert raised.value.reason is Reason.GOLDEN_ROWS_FAILED


@pytest.mark.parametrize("form", ["onnx", "sklearn"])
def test_a_row_without_a_finite_answer_is_the_models_fault_and_repeats_no_value(form: str, tmp_path: Path) -> None:
    pipeline = fitted(make_pipeline(PolynomialFeatures(2), LogisticRegression()))
    model = loaded(pipeline, tmp_path, format=form)

    with pytest.raises(NonFiniteScore) as fault:
        model.predictor.scores([1e200, 1e200, 1e200])
    assert "200" not in str(fault.value)


def test_a_forest_is_served_by_one_thread_whatever_it_was_trained_with(tmp_path: Path) -> None:
    many = fitted(RandomForestClassifier(3, n_jobs=4, random_state=0))

    model: Any = loaded(many, tmp_path, format="sklearn").predictor

    assert model._last.n_jobs is None


def test_a_row_goes_through_the_steps_once_for_its_scores_and_its_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = make_pipeline("passthrough", PCA(2), LogisticRegression())
    model = loaded(fitted(make_pipeline(StandardScaler(), inner)), tmp_path, format="sklearn")
    assert model.manifest.label_from == "model"
    passed: list[str] = []
    for kind in (StandardScaler, PCA):
        true = kind.transform

        def counted(self: Any, table: Any, true: Any = true) -> Any:
            passed.append(type(self).__name__)
            return true(self, table)

        monkeypatch.setattr(kind, "transform", counted)

    answer = InferenceService(model).infer(b'{"rows": [[1.0, 2.0, 3.0]]}', "id")

    assert [output["name"] for output in msgspec.json.decode(answer.body)["outputs"]] == ["label", "probabilities"]
    assert passed == ["StandardScaler", "PCA"]
