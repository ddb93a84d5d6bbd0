"""Several labels, or values, a row: each one is scikit-learn's, in every spelling and report."""

from pathlib import Path
from typing import Any

import joblib
import jsonschema
import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.metrics import accuracy_score, f1_score, hamming_loss, roc_auc_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, RegressorChain
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tests.serving.test_answers import outputs
from tests.serving.test_pack import sample
from verdigris_serving.artifact.archive import Contents, InvalidArchive, read_archive, write_archive
from verdigris_serving.artifact.cli import main
from verdigris_serving.artifact.pack import Packed, PackingRefused, pack
from verdigris_serving.artifact.proof.boundaries import sites
from verdigris_serving.artifact.verify import Expectation, load_verified
from verdigris_serving.http.observations import Observations
from verdigris_serving.model.schema import GoldenRows, Manifest
from verdigris_serving.protocol.service import InferenceService

VALUES, CLASSES = sample(100)
NAMES = ["urgent", "paid", "foreign"]
LABELS = np.column_stack([CLASSES > 0, VALUES[:, 0] > VALUES[:, 1], CLASSES == 1]).astype(int)
FRAME = pd.DataFrame(LABELS, columns=NAMES)
TARGETS = np.column_stack([CLASSES + VALUES[:, 0], VALUES[:, 1] - 2.0 * CLASSES])


def served(model: Any, folder: Path, y: Any = FRAME, **options: Any) -> tuple[Packed, InferenceService]:
    result = pack(model, folder / "m.vmodel", X=pd.DataFrame(VALUES, columns=["a", "b", "c"]), y=y, **options)
    return result, InferenceService(load_verified(result.path, Expectation(result.sha256), max_bytes=10**8))


def asked(service: InferenceService) -> dict[str, Any]:
    return outputs(service, VALUES[:40])


def likely(model: Any) -> Any:
    """How likely each label is there, as scikit-learn says it: one table, or one a label."""
    said = model.predict_proba(VALUES[:40])
    return np.column_stack([table[:, 1] for table in said]) if isinstance(said, list) else said


WITH_PROBABILITIES = [
    ("onnx", MultiOutputClassifier(LogisticRegression())),
    ("onnx", make_pipeline(StandardScaler(), MultiOutputClassifier(RandomForestClassifier(3, random_state=0)))),
    ("onnx", OneVsRestClassifier(LogisticRegression())),
    ("onnx", OneVsRestClassifier(GaussianNB())),
    ("onnx", ClassifierChain(LogisticRegression(), order=[2, 0, 1])),
    ("onnx", ClassifierChain(LogisticRegression(), order=[1, 2, 0], chain_method="predict_proba")),
    ("onnx", ClassifierChain(DecisionTreeClassifier(max_depth=3, random_state=0))),
    ("onnx", DecisionTreeClassifier(max_depth=3, random_state=0)),
    ("onnx", ExtraTreesClassifier(4, max_depth=4, random_state=0)),
    ("onnx", MLPClassifier((3,), max_iter=30, random_state=0)),
    ("sklearn", KNeighborsClassifier(4)),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("form", "model"), WITH_PROBABILITIES)
def test_each_label_is_what_predict_says_with_its_own_probability(form: str, model: Any, tmp_path: Path) -> None:
    model.fit(VALUES, LABELS)

    result, service = served(model, tmp_path)
    found = asked(service)

    assert (result.manifest.format, result.manifest.classes) == (form, NAMES)
    assert found["label"].tolist() == model.predict(VALUES[:40]).tolist()
    assert found["probabilities"] == pytest.approx(likely(model), abs=1e-6)
    assert service._writer.metadata == [
        {"name": "label", "datatype": "INT64", "shape": [-1, 3]},
        {"name": "probabilities", "datatype": "FP64", "shape": [-1, 3]},
    ]


@pytest.mark.parametrize("model", [RidgeClassifier(), OneVsRestClassifier(LinearSVC()), ClassifierChain(LinearSVC())])
def test_without_probabilities_each_label_comes_with_its_decision(model: Any, tmp_path: Path) -> None:
    model.fit(VALUES, LABELS)

    found = asked(served(model, tmp_path)[1])

    assert found.keys() == {"label", "decision"}
    assert found["label"].tolist() == model.predict(VALUES[:40]).tolist()
    assert found["decision"] == pytest.approx(model.decision_function(VALUES[:40]), abs=1e-6)


def test_a_model_without_any_scores_answers_its_labels_alone(tmp_path: Path) -> None:
    model = MultiOutputClassifier(LinearSVC()).fit(VALUES, LABELS)

    found = asked(served(model, tmp_path)[1])

    assert {name: each.tolist() for name, each in found.items()} == {"label": model.predict(VALUES[:40]).tolist()}


def test_a_label_that_no_training_row_has_is_never_there(tmp_path: Path) -> None:
    never = LABELS * [1, 1, 0]
    model = DecisionTreeClassifier(max_depth=3, random_state=0).fit(VALUES, never)

    result, service = served(model, tmp_path, y=None)

    assert result.manifest.format == "sklearn"
    assert "a label that all training rows have, or none" in str(result.manifest.fallback)
    assert asked(service)["probabilities"][:, 2].tolist() == [0.0] * 40
    assert asked(service)["label"].tolist() == model.predict(VALUES[:40]).tolist()


def test_the_quality_is_that_of_the_labels(tmp_path: Path) -> None:
    model = OneVsRestClassifier(LogisticRegression()).fit(VALUES, LABELS)

    result, _ = served(model, tmp_path)

    said = model.predict(VALUES)
    assert result.quality == pytest.approx(
        {
            "accuracy": accuracy_score(LABELS, said),
            "hamming_loss": hamming_loss(LABELS, said),
            "f1": f1_score(LABELS, said, average="macro"),
            "auc": roc_auc_score(LABELS, model.predict_proba(VALUES), average="macro"),
        }
    )


def test_labels_are_answered_by_name_in_every_spelling(tmp_path: Path) -> None:
    model = OneVsRestClassifier(LogisticRegression()).fit(VALUES, LABELS)
    result, service = served(model, tmp_path)
    rows = VALUES[:2]

    predictions = msgspec.json.decode(service.predict(msgspec.json.encode({"instances": rows.tolist()}), "id").body)
    assert predictions == {"predictions": model.predict(rows).tolist()}
    table = service.infer_csv(b"a,b,c\n%f,%f,%f\n" % tuple(rows[0]), "id").body.decode().splitlines()
    assert table[0] == ",".join([f"label_{name}" for name in NAMES] + [f"probability_{name}" for name in NAMES])
    assert [int(cell) for cell in table[1].split(",")[:3]] == model.predict(rows)[0].tolist()
    assert "a row has each or not, as the model says with its probabilities" in result._repr_html_()


def test_the_openapi_document_names_the_labels_and_holds_for_the_answers(tmp_path: Path) -> None:
    _, service = served(OneVsRestClassifier(LogisticRegression()).fit(VALUES, LABELS), tmp_path)
    document = msgspec.json.decode(service.openapi())
    body = msgspec.json.encode({"rows": VALUES[:2].tolist()})

    for answer, schema in (
        (service.infer(body, "id").body, "InferResponse"),
        (service.predict(body, "id").body, "Predictions"),
    ):
        whole = {**document["components"]["schemas"][schema], "components": document["components"]}
        jsonschema.Draft202012Validator(whole).validate(msgspec.json.decode(answer))
    assert b"in this order: urgent, paid, foreign" in service.openapi()


def test_the_command_line_takes_a_target_for_each_label(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    joblib.dump(MultiOutputClassifier(LogisticRegression()).fit(VALUES, LABELS), tmp_path / "m.joblib")
    table = pd.concat([pd.DataFrame(VALUES, columns=["a", "b", "c"]), FRAME], axis=1)
    table.to_csv(tmp_path / "holdout.csv", index=False)
    words = ["pack", str(tmp_path / "m.joblib"), "--trust-pickle", "--name", "m", "--version", "1.0.0"]
    words += ["--out", str(tmp_path / "m.vmodel"), "--holdout", str(tmp_path / "holdout.csv")]

    assert main([*words, *(word for name in NAMES for word in ("--target", name))]) == 0
    assert "on the holdout: accuracy" in capsys.readouterr().out
    assert main(["inspect", str(tmp_path / "m.vmodel")]) == 0
    assert "labels       urgent, paid, foreign  (a row has each or not" in capsys.readouterr().out
    assert main([*words, "--target", "urgent", "--unused", "paid", "--unused", "foreign"]) == 1
    assert "y is not 3 values of 0 or 1 a row, one for each label" in capsys.readouterr().err


def test_scores_of_several_labels_are_not_counted_as_one(tmp_path: Path) -> None:
    result, _ = served(OneVsRestClassifier(LogisticRegression()).fit(VALUES, LABELS), tmp_path)
    loaded = load_verified(result.path, Expectation(result.sha256), max_bytes=10**8)

    assert not Observations(loaded).counts_scores


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"label_from": "scores"}, "several labels a row are the model's own"),
        ({"threshold": 0.4, "label_from": "scores"}, "here a row has several labels; leave it out"),
        ({"task": "classification"}, "not one position among the classes a row, or a 0 or 1 for each"),
    ],
)
def test_a_manifest_that_contradicts_itself_about_labels_is_refused(
    change: dict[str, Any], says: str, tmp_path: Path
) -> None:
    result, _ = served(RandomForestClassifier(2, random_state=0).fit(VALUES, LABELS), tmp_path)
    contents = read_archive(result.path.read_bytes())

    with pytest.raises(InvalidArchive, match=says):
        _again(contents, manifest=msgspec.structs.replace(contents.manifest, **change))


@pytest.mark.parametrize("label", [[1, 0], [1, 0, 2], 1])
def test_golden_rows_with_labels_that_cannot_be_are_refused(label: Any, tmp_path: Path) -> None:
    result, _ = served(RandomForestClassifier(2, random_state=0).fit(VALUES, LABELS), tmp_path)
    contents = read_archive(result.path.read_bytes())
    labels = [label, *(contents.golden.labels or [])[1:]]

    with pytest.raises(InvalidArchive, match="or a 0 or 1 for each"):
        _again(contents, golden=msgspec.structs.replace(contents.golden, labels=labels))


def _again(contents: Contents, *, manifest: Manifest | None = None, golden: GoldenRows | None = None) -> Contents:
    return read_archive(
        write_archive(Contents(manifest or contents.manifest, contents.model, golden or contents.golden))
    )


def test_a_threshold_is_refused(tmp_path: Path) -> None:
    model = MultiOutputClassifier(LogisticRegression()).fit(VALUES, LABELS)

    with pytest.raises(PackingRefused, match="a threshold decides between two classes, and here a row has several"):
        served(model, tmp_path, threshold=0.4)


@pytest.mark.parametrize("model", [RegressorChain(DecisionTreeRegressor(max_depth=3)), RandomForestRegressor(3)])
def test_trees_of_several_values_are_a_graph(model: Any, tmp_path: Path) -> None:
    model.fit(VALUES, TARGETS)

    result, service = served(model, tmp_path, TARGETS)

    assert result.manifest.format == "onnx"
    assert asked(service)["value"] == pytest.approx(model.predict(VALUES[:40]), rel=1e-12)


def test_the_thresholds_of_every_link_of_a_chain_are_found() -> None:
    model = RegressorChain(DecisionTreeRegressor(max_depth=2, random_state=0), order=[1, 0]).fit(VALUES, TARGETS)

    first, second = sites(model)

    assert first.through(VALUES).shape == (100, 3)
    assert second.through(VALUES)[:, 3].tolist() == model.predict(VALUES)[:, 1].tolist()
    assert not second.direct


def test_a_linear_model_explains_each_of_several_values(tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(), Ridge()).fit(VALUES, TARGETS)
    result, service = served(model, tmp_path, TARGETS, training=VALUES)
    wanted = [{"name": name} for name in ("value", "explanation", "base_value")]

    answer = service.infer(msgspec.json.encode({"rows": VALUES[:5].tolist(), "outputs": wanted}), "id")

    found = {t["name"]: np.reshape(t["data"], t["shape"]) for t in msgspec.json.decode(answer.body)["outputs"]}
    assert result.manifest.format == "linear"
    assert found["value"] == pytest.approx(model.predict(VALUES[:5]))
    assert found["explanation"].shape == (5, 2, 3)
    assert found["base_value"] + found["explanation"].sum(axis=2) == pytest.approx(found["value"])
    assert found["base_value"] == pytest.approx(TARGETS.mean(axis=0))


def test_a_linear_model_of_several_values_without_intercepts_folds(tmp_path: Path) -> None:
    model = LinearRegression(fit_intercept=False).fit(VALUES, TARGETS)

    result, service = served(model, tmp_path, TARGETS)

    assert result.manifest.format == "linear"
    assert asked(service)["value"] == pytest.approx(model.predict(VALUES[:40]))


def test_what_is_sampled_from_training_rows_is_not_promised_without_them(tmp_path: Path) -> None:
    _, service = served(OneVsRestClassifier(LogisticRegression()).fit(VALUES, LABELS), tmp_path)

    answer = service.infer(
        msgspec.json.encode({"rows": VALUES[:1].tolist(), "outputs": [{"name": "explanation"}]}), "i"
    )

    assert answer.status == 400
    assert b"the artifact says nothing of its training rows; pack the model again with them" in answer.body
