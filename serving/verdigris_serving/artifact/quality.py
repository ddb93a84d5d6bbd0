"""How good a packed model is on rows that it was not trained on. Used by packing only."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    adjusted_rand_score,
    brier_score_loss,
    f1_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
)

from verdigris_serving.artifact.holdout import Holdout, Truth
from verdigris_serving.artifact.importance import importance
from verdigris_serving.artifact.pipeline import Facts
from verdigris_serving.artifact.proof.comparing import answered
from verdigris_serving.model.labels import position_of
from verdigris_serving.model.linear import NonFiniteScore
from verdigris_serving.model.loaded import Predictor
from verdigris_serving.model.schema import InvalidModel, Label, Manifest, Quality, Said


def named_labels(facts: Facts, holdout: Holdout | None) -> Facts:
    """The facts with the names of several labels, where the holdout has them."""
    names = holdout.names if holdout else ()
    if facts.task != "multilabel" or len(names) != len(facts.classes):
        return facts
    return replace(facts, classes=list(names))


def quality(predictor: Predictor, manifest: Manifest, holdout: Holdout) -> Quality:
    """The report of the packed model, by the scores and labels that it will be served with. Raises InvalidModel.

    A metric that is not defined on these rows (auc when all are of one class) is left out.
    """
    if not holdout.rows or len(holdout.rows) != len(holdout.labels):
        raise InvalidModel(f"the holdout has {len(holdout.rows)} rows and {len(holdout.labels)} labels; give one a row")
    metrics = _metrics(predictor, manifest, holdout)
    found = importance(manifest, holdout, partial(_metrics, predictor, manifest))
    return Quality(rows=len(holdout.rows), metrics=metrics, importance=found)


def _metrics(predictor: Predictor, manifest: Manifest, holdout: Holdout) -> dict[str, float]:
    try:
        scores, labels = answered(predictor, manifest, holdout.rows)
    except NonFiniteScore as fault:
        raise InvalidModel(f"the model has no answer to a holdout row: {fault}") from fault
    if manifest.task == "regression":
        metrics = _of_regression(holdout, scores)
    elif manifest.task == "multilabel":
        metrics = _of_labels(manifest, holdout, scores, labels or [])
    elif manifest.task == "clusters":
        # Which cluster has which number is chance: it counts which rows are together.
        metrics = {"adjusted_rand": adjusted_rand_score([str(_single(label)) for label in holdout.labels], labels)}
    else:
        truth = [position_of(manifest, _single(label)) for label in holdout.labels]
        metrics = _of_classification(manifest, truth, scores, labels or [])
    return {name: float(value) for name, value in metrics.items()}


def _values(label: Truth) -> list[float]:
    """Several values a row; one where there is one. Raises InvalidModel where one is no number."""
    try:
        return [float(value) for value in (label if isinstance(label, list) else [label])]
    except ValueError as error:
        raise InvalidModel("the holdout has a label that is no number, and numbers are what the model says") from error


def _single(label: Truth) -> Label | float:
    if isinstance(label, list):
        raise InvalidModel(f"y has {len(label)} values a row; one label a row is needed")
    return label


def _of_regression(holdout: Holdout, values: list[list[float]]) -> dict[str, float]:
    """Of several values a row the means over them."""
    truth = [_values(label) for label in holdout.labels]
    width = len(values[0])
    other = next((len(row) for row in truth if len(row) != width), None)
    if other is not None:
        raise InvalidModel(f"y has {other} values a row, and the model answers {width}: give one for each")
    metrics = {"mae": mean_absolute_error(truth, values)}
    return metrics if len(truth) < 2 else metrics | {"r2": r2_score(truth, values)}


def _of_labels(
    manifest: Manifest, holdout: Holdout, scores: list[list[float]], labels: Sequence[Said]
) -> dict[str, float]:
    """Of rows with every label right, of single labels that are wrong, and the means over the labels."""
    width = len(manifest.classes)
    rows = [_values(label) for label in holdout.labels]
    if not all(len(row) == width and set(row) <= {0, 1} for row in rows):
        raise InvalidModel(f"y is not {width} values of 0 or 1 a row, one for each label of the model: give these")
    truth, found = np.array(rows), np.array(labels)
    metrics = {
        "accuracy": np.mean((truth == found).all(axis=1)),
        "hamming_loss": np.mean(truth != found),
        "f1": np.mean([f1_score(*pair, zero_division=0) for pair in zip(truth.T, found.T, strict=True)]),
    }
    if manifest.scores == "probabilities" and (truth.min(axis=0) != truth.max(axis=0)).all():
        metrics["auc"] = np.mean([roc_auc_score(*pair) for pair in zip(truth.T, np.array(scores).T, strict=True)])
    return metrics


def _of_classification(
    manifest: Manifest, truth: list[int], scores: list[list[float]], labels: Sequence[Said]
) -> dict[str, float]:
    known = list(range(len(manifest.classes)))
    if manifest.scores != "probabilities":
        metrics = {"accuracy": accuracy_score(truth, labels)}
        if len(known) == 2 and manifest.outputs == 1 and len(set(truth)) == 2:
            metrics["auc"] = roc_auc_score(truth, [row[0] for row in scores])
        return metrics
    array = np.array(scores)
    array /= array.sum(axis=1, keepdims=True)  # scores add up to one only nearly, which log_loss minds
    metrics = {"log_loss": log_loss(truth, array, labels=known), "accuracy": accuracy_score(truth, labels)}
    if len(known) != 2:
        return metrics
    second = np.array(scores)[:, 1]
    metrics["brier"] = brier_score_loss(truth, second, pos_label=1)
    if len(set(truth)) == 2:
        metrics["auc"] = roc_auc_score(truth, second)
    return metrics
