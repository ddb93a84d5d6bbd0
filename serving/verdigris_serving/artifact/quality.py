"""How good a packed model is on rows that it was not trained on. Used by packing only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    adjusted_rand_score,
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

#: What is true of one row.
Truth = Label | float | list[float]


@dataclass(frozen=True)
class Holdout:
    """Rows that the model was not trained on (any table), and what is true of each: a class, a number, or several."""

    rows: Any
    labels: Sequence[Truth]


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
        metrics = _of_regression(holdout, scores)
    elif manifest.task == "clusters":
        # Which cluster has which number is chance: it counts which rows are together.
        metrics = {"adjusted_rand": adjusted_rand_score([str(_single(label)) for label in holdout.labels], labels)}
    else:
        truth = [_position(manifest, _single(label)) for label in holdout.labels]
        metrics = _of_classification(manifest, truth, scores, labels or [])
    return Quality(rows=len(holdout.rows), metrics={name: float(value) for name, value in metrics.items()})


def _single(label: Truth) -> Label | float:
    if isinstance(label, list):
        raise InvalidModel(f"y has {len(label)} values a row; one label a row is needed")
    return label


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


def _of_regression(holdout: Holdout, values: list[list[float]]) -> dict[str, float]:
    """Of several values a row the means over them."""
    try:
        truth = [[float(v) for v in (label if isinstance(label, list) else [label])] for label in holdout.labels]
    except ValueError as error:
        raise InvalidModel("the holdout has a label that is no number, and the model is a regression") from error
    width = len(values[0])
    other = next((len(row) for row in truth if len(row) != width), None)
    if other is not None:
        raise InvalidModel(f"y has {other} values a row, and the model answers {width}: give one for each")
    metrics = {"mae": mean_absolute_error(truth, values)}
    return metrics if len(truth) < 2 else metrics | {"r2": r2_score(truth, values)}


def _of_classification(
    manifest: Manifest, truth: list[int], scores: list[list[float]], labels: list[int]
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
