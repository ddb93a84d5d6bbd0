"""How good a packed model is on rows that it was not trained on. Used by packing only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    log_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
)

from verdigris_serving.artifact.proof.comparing import answered
from verdigris_serving.model.linear import NonFiniteScore
from verdigris_serving.model.loaded import Predictor
from verdigris_serving.model.schema import InvalidModel, Label, Manifest, Quality


@dataclass(frozen=True)
class Holdout:
    """Rows that the model was not trained on (any table), and what is true of each: a class, or a number."""

    rows: Any
    labels: Sequence[Label | float]


def quality(predictor: Predictor, manifest: Manifest, holdout: Holdout) -> Quality:
    """The report of the packed model, by the scores and labels that it will be served with. Raises InvalidModel.

    A metric that is not defined on these rows (auc when all are of one class) is left out.
    """
    if not holdout.rows or len(holdout.rows) != len(holdout.labels):
        raise InvalidModel(f"the holdout has {len(holdout.rows)} rows and {len(holdout.labels)} labels; give one a row")
    try:
        scores, labels = answered(predictor, manifest, holdout.rows)
    except NonFiniteScore as fault:
        raise InvalidModel(f"the model has no answer to a holdout row: {fault}") from fault
    if manifest.task == "regression":
        metrics = _of_regression(holdout, [row[0] for row in scores])
    else:
        truth = [_position(manifest, label) for label in holdout.labels]
        metrics = _of_classification(manifest, truth, scores, labels or [])
    return Quality(rows=len(holdout.rows), metrics={name: float(value) for name, value in metrics.items()})


def _position(manifest: Manifest, label: Label | float) -> int:
    for position, candidate in enumerate(manifest.classes):
        if _is(label, candidate):
            return position
    known = ", ".join(map(str, manifest.classes))
    raise InvalidModel(f"the holdout has a label that is no class of the model; its classes are {known}")


def _is(label: Label | float, known: Label) -> bool:
    """Arrays hold the class itself; text spells it, maybe as the number 1.0."""
    if label == known or str(label) == str(known):
        return True
    try:
        return not isinstance(known, str) and float(label) == known
    except ValueError:
        return False


def _of_regression(holdout: Holdout, values: list[float]) -> dict[str, float]:
    try:
        truth = [float(label) for label in holdout.labels]
    except ValueError as error:
        raise InvalidModel("the holdout has a label that is no number, and the model is a regression") from error
    metrics = {"mae": mean_absolute_error(truth, values)}
    return metrics if len(truth) < 2 else metrics | {"r2": r2_score(truth, values)}


def _of_classification(
    manifest: Manifest, truth: list[int], scores: list[list[float]], labels: list[int]
) -> dict[str, float]:
    known = list(range(len(manifest.classes)))
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
