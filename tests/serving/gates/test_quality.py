"""The quality gate: its metrics beside scikit-learn's, and its verdicts on whole files."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as wanted

from benchmarks.gates import drawn
from tests.serving.gates.asking import FEATURES, artifact, ask, file, table
from tests.serving.support import service, write_artifact
from verdigris_serving.gate.metrics import defined_for, estimate
from verdigris_serving.gate.paired import gain
from verdigris_serving.gate.rows import Answers
from verdigris_serving.model.schema import Manifest

SOURCE = np.random.default_rng(11)
N = 400


def patients(n: int, noise: float = 1.0, seed: int = 3) -> list[list[Any]]:
    """Rows of the test model with an outcome that its probability gives; a missing glucose here and there."""
    source = np.random.default_rng(seed)
    rows = []
    for number in range(n):
        row = [float(source.integers(60, 260)), float(source.integers(0, 300)), int(source.integers(20, 80))]
        odds = -3.0 + 0.02 * row[0] + 0.1 * math.log1p(row[1]) + 0.01 * row[2]
        truth = int(source.random() < 1 / (1 + math.exp(-3 * odds / noise)))
        rows.append(["" if number % 17 == 0 else row[0], row[1], row[2], truth, f"patient {number}"])
    return rows


HEADER = [*FEATURES, "outcome", "who"]


def asked(folder: Path, rows: list[list[Any]] | None = None, **more: Any) -> dict[str, Any]:
    """A document of the quality gate."""
    data = table(folder / "data.csv", HEADER, rows if rows is not None else patients(N))
    return {"model": artifact(folder / "m.vmodel"), "data": {**data, "target": "outcome"}, **more}


def classified() -> tuple[Answers, Any, Any, Any]:
    """Answers of two classes, and what scikit-learn wants of them."""
    answers = drawn.likely(SOURCE, N)
    truths, labels, scores = map(np.array, (answers.truths, answers.labels, answers.scores))
    return answers, truths, labels, scores


def test_the_metrics_of_two_classes_are_scikit_learns() -> None:
    answers, truths, labels, scores = classified()
    expected = {
        "auc": wanted.roc_auc_score(truths, scores),
        "accuracy": wanted.accuracy_score(truths, labels),
        "balanced_accuracy": wanted.balanced_accuracy_score(truths, labels),
        "f1": wanted.f1_score(truths, labels),
        "precision": wanted.precision_score(truths, labels),
        "recall": wanted.recall_score(truths, labels),
        "brier": wanted.brier_score_loss(truths, scores),
        "log_loss": wanted.log_loss(truths, scores),
    }
    assert {name: estimate(name, answers).value for name in expected} == pytest.approx(expected)
    assert {*expected, "calibration"} == defined_for(answers.manifest)


def test_the_metrics_of_values_are_scikit_learns() -> None:
    answers = drawn.valued(SOURCE, N, noise=0.5)
    truths, said = answers.truths, answers.scores
    expected = {
        "r2": wanted.r2_score(truths, said),
        "mae": wanted.mean_absolute_error(truths, said),
        "rmse": wanted.root_mean_squared_error(truths, said),
    }
    assert {name: estimate(name, answers).value for name in expected} == pytest.approx(expected)
    assert expected.keys() == defined_for(answers.manifest)


def three_classes() -> Answers:
    """Answers of three classes with their probabilities."""
    manifest: Manifest = drawn._manifest("classification", ["a", "b", "c"])
    chances = SOURCE.dirichlet([1.0, 1.0, 1.0], N)
    truths = [int(SOURCE.choice(3, p=row)) for row in chances]
    return Answers(manifest, truths, chances.argmax(axis=1).tolist(), chances.tolist(), {}, N)  # type: ignore[arg-type]


def test_the_metrics_of_three_classes_are_scikit_learns() -> None:
    answers = three_classes()
    truths, labels = answers.truths, answers.labels
    expected = {
        "accuracy": wanted.accuracy_score(truths, labels),
        "balanced_accuracy": wanted.balanced_accuracy_score(truths, labels),
        "log_loss": wanted.log_loss(truths, answers.scores),
        "brier": wanted.brier_score_loss(truths, answers.scores, scale_by_half=False),
    }
    assert {name: estimate(name, answers).value for name in expected} == pytest.approx(expected)
    assert {*expected, "calibration"} == defined_for(answers.manifest)
    assert estimate("calibration", answers).value < 0.15


@pytest.mark.parametrize("metric", ["auc", "accuracy", "balanced_accuracy", "recall", "precision", "f1"])
def test_a_gain_is_one_metric_less_the_other(metric: str) -> None:
    model, active = drawn.two_labelled(SOURCE, N, 0.02) if metric != "auc" else drawn.two_ranked(SOURCE, N, 0.8, 0.85)
    found = gain(metric, model, active)
    low, high = found.limits(0.05)
    assert found.value == pytest.approx(estimate(metric, model).value - estimate(metric, active).value)
    assert low < found.value < high
    assert found.n <= N


@pytest.mark.parametrize("metric", ["brier", "log_loss"])
def test_the_gain_in_a_loss_is_how_much_smaller_it_is(metric: str) -> None:
    model, active = drawn.two_likely(SOURCE, N, 0.02)
    assert gain(metric, model, active).value == pytest.approx(
        estimate(metric, active).value - estimate(metric, model).value
    )
    assert gain(metric, model, active).value < 0


def test_two_models_with_the_same_labels_are_not_the_same_for_certain() -> None:
    model = drawn.labelled(SOURCE, 60, 0.8, 0.1)
    for metric in ("accuracy", "f1", "auc"):
        model.scores = [float(label) for label in model.labels]
        low, high = gain(metric, model, replace(model)).limits(0.05)
        assert low < -0.01 < 0.01 < high, metric


def test_a_good_model_passes_with_everything_that_it_was_judged_on(tmp_path: Path) -> None:
    document = asked(tmp_path, patients(2_000), thresholds={"auc": {"min": 0.85}, "accuracy": {"min": 0.7}})
    answer = ask("quality", document)
    assert answer.told == ("Pass", "Passed", 0)
    assert [check.name for check in answer.result.checks] == ["auc", "accuracy"]
    assert answer.result.data.rows == 2_000  # type: ignore[union-attr]
    assert answer.result.data.sha256 == document["data"]["sha256"]  # type: ignore[union-attr]
    assert answer.result.artifact.sha256 == document["model"]["sha256"]  # type: ignore[union-attr]


def test_its_answers_are_the_servers(tmp_path: Path) -> None:
    rows = patients(200)
    document = asked(tmp_path, rows, thresholds={"accuracy": {"min": 0.5}}, confidence="point")
    server, right = service(), 0
    for glucose, insulin, age, truth, _ in rows:
        row = {"glucose": glucose or None, "insulin": insulin, "age": age}
        answer = json.loads(server.infer(json.dumps({"rows": [row]}).encode(), "test").body)
        right += answer["outputs"][0]["data"] == [truth]
    (check,) = ask("quality", document).result.checks
    assert check.value == pytest.approx(right / 200)


def test_a_bad_model_fails_and_says_by_how_much(tmp_path: Path) -> None:
    answer = ask("quality", asked(tmp_path, patients(2_000, noise=20), thresholds={"auc": {"min": 0.85}}))
    assert answer.told == ("Fail", "ThresholdMissed", 10)
    assert "at least 0.85 is missed" in answer.result.message
    assert "(2,000 rows)" in answer.result.message


def test_too_few_rows_decide_nothing_and_say_how_many_would(tmp_path: Path) -> None:
    answer = ask("quality", asked(tmp_path, patients(60), thresholds={"accuracy": {"min": 0.85}}))
    assert answer.told == ("Inconclusive", "NotDecided", 11)
    assert "rows would do" in answer.result.message


def test_against_itself_it_passes_and_names_what_it_was_compared_with(tmp_path: Path) -> None:
    document = asked(tmp_path)
    document["versusActive"] = {"metric": "auc", "margin": 0.01, "active": document["model"]}
    answer = ask("quality", document)
    assert answer.told == ("Pass", "Passed", 0)
    assert answer.result.active.sha256 == document["model"]["sha256"]  # type: ignore[union-attr]
    assert answer.result.checks[0].value == 0.0


def test_a_model_without_an_answer_to_a_row_fails_and_says_which(tmp_path: Path) -> None:
    rows = patients(300)
    for row in rows:
        row[1] += 1.0
    rows[211][1] = 0.0
    document = asked(tmp_path, rows, thresholds={"auc": {"min": 0.5}})
    write_artifact(tmp_path / "log.vmodel", function="log")
    document["model"] = file(tmp_path / "log.vmodel")
    answer = ask("quality", document)
    assert answer.told == ("Fail", "ModelHasNoAnswer", 10)
    assert "row 211" in answer.result.message


def test_an_active_version_that_cannot_answer_is_not_held_against_the_candidate(tmp_path: Path) -> None:
    document = asked(tmp_path, patients(300))
    write_artifact(tmp_path / "log.vmodel", function="log")
    rows = patients(300)
    rows[5][1] = 0.0
    document["data"] = {**table(tmp_path / "zero.csv", HEADER, rows), "target": "outcome"}
    document["versusActive"] = {"metric": "auc", "margin": 0.01, "active": file(tmp_path / "log.vmodel")}
    answer = ask("quality", document)
    assert answer.told == ("Inconclusive", "NotDecided", 11)
    assert "the active version" in answer.result.message
