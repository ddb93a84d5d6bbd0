"""Packing with training rows and a holdout: the baseline, the centers, the quality report."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from tests.serving.test_pack import as_rows, fitted, packed, sample
from verdigris_serving.artifact.archive import read_archive
from verdigris_serving.artifact.pack import Holdout, PackingRefused
from verdigris_serving.model.schema import Feature, LinearSpec


def test_training_rows_become_a_baseline_and_centers(tmp_path: Path) -> None:
    rows = as_rows(sample(missing=True)[0])
    values, labels = sample(missing=True)
    pipeline = make_pipeline(SimpleImputer(), LogisticRegression()).fit(values, labels)

    contents = read_archive(packed(pipeline, tmp_path, rows=rows, training=rows).path.read_bytes())

    assert contents.baseline is not None
    assert isinstance(contents.model, LinearSpec)
    means = pipeline.steps[0][1].transform(values).mean(axis=0)
    assert [term.center for term in contents.model.terms] == pytest.approx(list(means))
    assert [entry.missing for entry in contents.baseline.features] == [
        sum(r[n] is None for r in rows) for n in range(3)
    ]


@pytest.mark.parametrize(
    ("estimator", "classes", "names"),
    [
        (LogisticRegression(), 2, {"auc", "accuracy", "brier", "log_loss"}),
        (LogisticRegression(), 3, {"accuracy", "log_loss"}),
        (RandomForestClassifier(5, random_state=0), 2, {"auc", "accuracy", "brier", "log_loss"}),
        (Ridge(), 0, {"r2", "mae"}),
    ],
)
def test_the_holdout_becomes_a_quality_report_that_agrees_with_scikit_learn(
    estimator: Any, classes: int, names: set[str], tmp_path: Path
) -> None:
    values, labels = sample()
    truth = np.minimum(labels, classes - 1) if classes else labels * 1.5
    estimator.fit(values[:100], truth[:100])

    result = packed(estimator, tmp_path, rows=[], holdout=Holdout(as_rows(values[100:]), truth[100:].tolist()))

    assert result.manifest.equivalence.rows == 100  # no rows of their own: the holdout's
    assert set(result.quality) == names
    if classes == 2:
        probabilities = estimator.predict_proba(values[100:])[:, 1]
        assert result.quality["auc"] == pytest.approx(roc_auc_score(truth[100:], probabilities), abs=1e-6)
        assert result.quality["brier"] == pytest.approx(np.mean((probabilities - truth[100:]) ** 2), abs=1e-6)
    score = "accuracy" if classes else "r2"
    assert result.quality[score] == pytest.approx(estimator.score(values[100:], truth[100:]), abs=1e-6)


@pytest.mark.parametrize(("threshold", "accuracy"), [(0.01, 2 / 3), (0.99, 1 / 3)])
def test_the_accuracy_is_that_of_the_labels_that_are_served(threshold: float, accuracy: float, tmp_path: Path) -> None:
    values, labels = sample(300)
    model = LogisticRegression(C=1e-9).fit(values, np.minimum(labels, 1))
    holdout = Holdout(as_rows(values), np.minimum(labels, 1).tolist())

    quality = packed(model, tmp_path, rows=[], holdout=holdout, threshold=threshold).quality

    assert quality["accuracy"] == pytest.approx(accuracy)


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([0, 1], "2 labels; give one a row"),
        ([7] * 5, "no class of the model; its classes are 0, 1"),
        (["yes"] * 5, "no class"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: list[Any], says: str, tmp_path: Path) -> None:
    rows = as_rows(sample(5)[0])

    with pytest.raises(PackingRefused, match=says):
        packed(fitted(LogisticRegression()), tmp_path, rows=rows, golden=1, holdout=Holdout(rows, labels))


@pytest.mark.parametrize("what", ["holdout", "training"])
def test_a_row_that_the_model_has_no_answer_to_is_refused(what: str, tmp_path: Path) -> None:
    logarithm = fitted(FunctionTransformer(np.log), LogisticRegression())
    reports = {"holdout": Holdout([[0.0, 1.0, 1.0]], [1]), "training": [[0.0, 1.0, 1.0]]}

    with pytest.raises(PackingRefused, match=f"no answer to a {what} row: the model's log"):
        packed(logarithm, tmp_path, **{what: reports[what]})


@pytest.mark.parametrize("options", [{"training": [[1.0]]}, {"holdout": Holdout([[1.0]], [1])}])
def test_rows_of_another_width_are_refused(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(PackingRefused, match="row 0 has 1 values for 3 features"):
        packed(fitted(LogisticRegression()), tmp_path, **options)


@pytest.mark.parametrize(
    "options", [{"rows": [[1.0, float("inf"), 2.0]], "golden": 1}, {"training": [[float("inf")] * 3]}]
)
def test_a_value_that_is_no_number_is_refused(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(PackingRefused, match="row 0 has an infinite value; leave such rows out"):
        packed(fitted(LogisticRegression()), tmp_path, **options)


def test_what_happens_beyond_a_range_is_kept(tmp_path: Path) -> None:
    features = [Feature("a", maximum=99.0, out_of_range="clamp"), Feature("b"), Feature("c")]

    packed_features = packed(fitted(LogisticRegression()), tmp_path, features=features).manifest.features

    assert [feature.out_of_range for feature in packed_features] == ["clamp", "reject", "reject"]
