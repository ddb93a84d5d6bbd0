"""What is answered where there are no probabilities, or several values: what scikit-learn says, nothing invented."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest, RandomForestRegressor, VotingClassifier
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    MultiTaskLasso,
    PassiveAggressiveClassifier,
    Perceptron,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.metrics import accuracy_score, adjusted_rand_score, mean_absolute_error, r2_score, roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.multiclass import OneVsOneClassifier, OutputCodeClassifier
from sklearn.multioutput import MultiOutputRegressor, RegressorChain
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC, OneClassSVM

from tests.serving.test_pack import sample
from verdigris_serving.artifact.archive import InvalidArchive, read_archive, write_archive
from verdigris_serving.artifact.pack import Packed, pack
from verdigris_serving.artifact.verify import Expectation, load_verified
from verdigris_serving.http.observations import Observations
from verdigris_serving.protocol.service import InferenceService

VALUES, LABELS = sample(120)
NAMES = np.array(["low", "middle", "high"])
TARGETS = np.column_stack([LABELS + VALUES[:, 0], VALUES[:, 1] - 2.0 * LABELS])


def served(model: Any, out: Path, y: Any = None) -> tuple[Packed, InferenceService]:
    result = pack(model, out / "m.vmodel", X=VALUES, y=y)
    return result, InferenceService(load_verified(result.path, Expectation(result.sha256), max_bytes=10**8))


def outputs(service: InferenceService, rows: Any = VALUES) -> dict[str, Any]:
    """Each output by name, in the shape that it says."""
    answer = service.infer(msgspec.json.encode({"rows": rows.tolist()}), "id")
    assert answer.status == 200, answer.body
    tensors = msgspec.json.decode(answer.body)["outputs"]
    assert [t["name"] for t in tensors] == [t["name"] for t in service._writer.metadata]
    return {t["name"]: np.reshape(np.array(t["data"]), t["shape"]) for t in tensors}


WITH_DECISION = [
    LinearSVC(),
    RidgeClassifier(),
    Perceptron(),
    SGDClassifier(random_state=0),
    make_pipeline(StandardScaler(), SVC()),
    SVC(decision_function_shape="ovo"),
    pytest.param(PassiveAggressiveClassifier(), marks=pytest.mark.filterwarnings("ignore")),
    OneVsOneClassifier(LinearSVC()),
]


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("model", WITH_DECISION)
def test_a_classifier_without_probabilities_answers_its_label_and_its_decision(
    model: Any, classes: int, tmp_path: Path
) -> None:
    truth = NAMES[np.minimum(LABELS, classes - 1)]
    model.fit(VALUES, truth)

    result, service = served(model, tmp_path, truth)
    found = outputs(service)

    assert found.keys() == {"label", "decision"}
    assert found["label"].tolist() == model.predict(VALUES).tolist()
    assert found["decision"] == pytest.approx(model.decision_function(VALUES), abs=1e-6, rel=1e-6)
    expected = {"accuracy": accuracy_score(truth, model.predict(VALUES))}
    if classes == 2:
        expected["auc"] = roc_auc_score(truth == model.classes_[1], model.decision_function(VALUES))
    assert result.quality == pytest.approx(expected)


@pytest.mark.parametrize(
    "model",
    [
        VotingClassifier([("a", LogisticRegression()), ("b", RidgeClassifier())]),
        OutputCodeClassifier(LinearSVC(), random_state=0),
    ],
)
def test_a_classifier_without_any_scores_answers_its_label_alone(model: Any, tmp_path: Path) -> None:
    model.fit(VALUES, LABELS)

    result, service = served(model, tmp_path, LABELS)

    assert {name: found.tolist() for name, found in outputs(service).items()} == {
        "label": model.predict(VALUES).tolist()
    }
    assert result.quality == {"accuracy": model.score(VALUES, LABELS)}


@pytest.mark.parametrize(
    "model",
    [
        IsolationForest(n_estimators=5, random_state=0),
        OneClassSVM(),
        LocalOutlierFactor(novelty=True),
        EllipticEnvelope(random_state=0),
    ],
)
def test_an_outlier_detector_answers_its_label_and_its_score(model: Any, tmp_path: Path) -> None:
    model.fit(VALUES)
    rows = np.vstack([VALUES[:20], VALUES[:5] * 50.0])

    result, service = served(model, tmp_path)
    found = outputs(service, rows)

    assert result.manifest.task == "outliers"
    assert found["label"].tolist() == model.predict(rows).tolist()
    assert set(found["label"].tolist()) == {-1, 1}
    assert found["score"] == pytest.approx(model.decision_function(rows), abs=1e-6, rel=1e-6)


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), KMeans(3, n_init=1, random_state=0)),
        MiniBatchKMeans(3, n_init=1, random_state=0),
        GaussianMixture(3, random_state=0),
    ],
)
def test_a_clusterer_answers_the_cluster(model: Any, tmp_path: Path) -> None:
    model.fit(VALUES)

    result, service = served(model, tmp_path, NAMES[LABELS])

    assert result.manifest.task == "clusters"
    assert {name: found.tolist() for name, found in outputs(service).items()} == {
        "label": model.predict(VALUES).tolist()
    }
    assert result.quality == pytest.approx({"adjusted_rand": adjusted_rand_score(LABELS, model.predict(VALUES))})


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), LinearRegression()),
        MultiTaskLasso(0.1),
        MultiOutputRegressor(Ridge()),
        RegressorChain(Ridge()),
        RandomForestRegressor(3, random_state=0),
    ],
)
def test_a_regression_of_several_targets_answers_one_tensor_of_them(model: Any, tmp_path: Path) -> None:
    model.fit(VALUES, TARGETS)

    result, service = served(model, tmp_path, TARGETS)
    found = outputs(service)

    assert found["value"] == pytest.approx(model.predict(VALUES), rel=1e-6, abs=1e-6)
    assert service._writer.metadata == [{"name": "value", "datatype": "FP64", "shape": [-1, 2]}]
    expected = {
        "mae": mean_absolute_error(TARGETS, model.predict(VALUES)),
        "r2": r2_score(TARGETS, model.predict(VALUES)),
    }
    assert result.quality == pytest.approx(expected)


def test_several_values_and_decisions_are_answered_in_the_other_spellings_too(tmp_path: Path) -> None:
    two = LinearRegression().fit(VALUES, TARGETS)
    _, service = served(two, tmp_path)
    rows = msgspec.json.encode({"instances": VALUES[:2].tolist()})

    predictions = msgspec.json.decode(service.predict(rows, "id").body)["predictions"]
    assert predictions == pytest.approx(two.predict(VALUES[:2]))
    table = service.infer_csv(b"x0,x1,x2\n1,2,3\n", "id").body.decode().splitlines()
    assert table[0] == "value_0,value_1"
    assert [float(cell) for cell in table[1].split(",")] == pytest.approx(two.predict([[1.0, 2.0, 3.0]])[0])

    _, deciding = served(LinearSVC().fit(VALUES, LABELS), tmp_path)
    header = deciding.infer_csv(b"x0,x1,x2\n1,2,3\n", "id").body.decode().splitlines()[0]
    assert header == "label,decision_0,decision_1,decision_2"
    assert deciding.openapi()


@pytest.mark.parametrize(
    ("model", "y", "counted"),
    [
        (LinearSVC(), LABELS, True),
        (LinearSVC(), np.minimum(LABELS, 1), True),
        (IsolationForest(n_estimators=3, random_state=0), None, True),
        (KMeans(2, n_init=1, random_state=0), None, False),
        (LinearRegression(), TARGETS, False),
        (LinearRegression(), LABELS, True),
    ],
)
def test_only_a_score_of_one_scale_is_counted(model: Any, y: Any, counted: bool, tmp_path: Path) -> None:
    fitted = model.fit(VALUES) if y is None else model.fit(VALUES, y)
    result = pack(fitted, tmp_path / "m.vmodel", X=VALUES)
    loaded = load_verified(result.path, Expectation(result.sha256), max_bytes=10**8)
    seen = Observations(loaded)

    answer = InferenceService(loaded, seen.observe).infer(msgspec.json.encode({"rows": VALUES[:7].tolist()}), "id")
    assert answer.count is not None
    answer.count()
    seen.count()

    assert sum(seen.scores) == 7 * counted


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"scores": "none"}, "a model without scores has no outputs"),
        ({"label_from": "scores"}, "without probabilities the label is the model's own"),
        ({"outputs": 2}, "needs 3 values and 2 outputs"),
        ({"scores": "probabilities"}, "probabilities are one a class"),
        ({"task": "regression", "classes": [], "label_from": "scores"}, "a regression has values, and no other scores"),
    ],
)
def test_a_manifest_that_contradicts_itself_about_scores_is_refused(
    fields: dict[str, Any], says: str, tmp_path: Path
) -> None:
    result, _ = served(LinearSVC().fit(VALUES, LABELS), tmp_path)
    contents = read_archive(result.path.read_bytes())
    changed = msgspec.structs.replace(contents.manifest, **fields)

    with pytest.raises(InvalidArchive, match=says):
        read_archive(write_archive(type(contents)(changed, contents.model, contents.golden)))
