"""How good a model is on rows whose truth is known: one estimate a metric, with limits.

| metric | of | limits by |
|---|---|---|
| auc | two classes | DeLong, on the logit; Newcombe where the ranking is perfect |
| accuracy, precision, recall | classes (precision, recall: the second of two) | Clopper-Pearson, exact |
| f1 | the second of two classes | Clopper-Pearson of the share it rises with |
| balanced_accuracy | classes | Zou and Donner, from Wilson's limits by class |
| brier, log_loss | probabilities | ABC |
| calibration | probabilities; of more than two classes, of the label's | bounds (``statistics/calibration.py``) |
| r2, mae, rmse | values | ABC |
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

from verdigris_serving.gate.refusals import Refusal
from verdigris_serving.gate.rows import Answers
from verdigris_serving.gate.statistics import binomial
from verdigris_serving.gate.statistics.calibration import GROUPS, calibration_error
from verdigris_serving.gate.statistics.estimate import Estimate
from verdigris_serving.gate.statistics.means import Function, Vector, of_means
from verdigris_serving.gate.statistics.ranking import auc
from verdigris_serving.model.schema import Manifest, score_count

#: A probability of 0 for what happened has no logarithm: scikit-learn's bound for float64.
_LEAST_PROBABILITY = 2.220446049250313e-16
_OF_TWO = frozenset({"auc", "f1", "precision", "recall"})
_OF_CLASSES = frozenset({"accuracy", "balanced_accuracy"})
_OF_PROBABILITIES = frozenset({"brier", "log_loss", "calibration"})
_OF_VALUES = frozenset({"r2", "mae", "rmse"})


def check_defined(metric: str, manifest: Manifest) -> None:
    """Raises Refusal where a metric is not defined for this kind of model, with those that are."""
    defined = defined_for(manifest)
    if metric in defined:
        return
    if not defined:
        raise Refusal(
            "MetricUndefined",
            f"the quality gate judges classifications of one label and regressions of one value; this model is of the "
            f"kind {manifest.task} with {score_count(manifest)} scores a row: judge it with a gate of your own",
        )
    kind = f"{len(manifest.classes)} classes" if manifest.classes else "a value"
    given = f" with {manifest.scores} for scores" if manifest.classes and manifest.scores != "probabilities" else ""
    raise Refusal(
        "MetricUndefined",
        f"{metric} is not defined for this model, which predicts {kind}{given}: ask for {', '.join(sorted(defined))}",
    )


def defined_for(manifest: Manifest) -> frozenset[str]:
    """The metrics that are defined for a kind of model."""
    if manifest.task == "regression":
        return _OF_VALUES if score_count(manifest) == 1 else frozenset()
    if manifest.task != "classification":
        return frozenset()
    two = len(manifest.classes) == 2
    found = _OF_CLASSES | (_OF_TWO if two else frozenset())
    if manifest.scores == "probabilities":
        return found | _OF_PROBABILITIES
    ranked = two and manifest.scores == "decision" and score_count(manifest) == 1
    return found if ranked else found - {"auc"}


def estimate(metric: str, answers: Answers) -> Estimate:
    """The metric on these rows. Raises Refusal where it is not defined on them."""
    return _METRICS[metric](answers)


def row_terms(metric: str, answers: Answers) -> tuple[list[Vector], Function]:
    """A metric as a function of the means of what each row adds to it: for comparing two models row by row."""
    return _TERMS[metric](answers)


def by_class(answers: Answers) -> tuple[list[int], list[int]]:
    """The rows of the second of two classes, and of the first. Raises Refusal where one has fewer than two."""
    positives = [row for row, truth in enumerate(answers.truths) if truth == 1]
    negatives = [row for row, truth in enumerate(answers.truths) if truth == 0]
    for rows, place in ((positives, 1), (negatives, 0)):
        if len(rows) < 2:
            label = answers.manifest.classes[place]
            raise Refusal(
                "DataInvalid",
                f"the data has {len(rows)} rows of class {label}, and auc compares rows of one class with rows of the "
                "other: use data with at least two of each, and many more to decide on",
            )
    return positives, negatives


def picked(values: Sequence[float], rows: Sequence[int]) -> list[float]:
    """The values of these rows."""
    return [values[row] for row in rows]


def _auc(answers: Answers) -> Estimate:
    positives, negatives = by_class(answers)
    return auc(picked(answers.scores, positives), picked(answers.scores, negatives))


def _accuracy(answers: Answers) -> Estimate:
    return binomial.exact(sum(map(_same, answers.labels, answers.truths)), answers.rows)


def _same(label: float, truth: float) -> bool:
    return label == truth


def _balanced_accuracy(answers: Answers) -> Estimate:
    return binomial.mean_of_shares(_recalls(answers))


def _recalls(answers: Answers) -> list[tuple[int, int]]:
    """Of each class the rows with the right label, and all. Raises Refusal where a class has none."""
    right = [0] * len(answers.manifest.classes)
    all_rows = list(right)
    for label, truth in zip(answers.labels, map(int, answers.truths), strict=True):
        all_rows[truth] += 1
        right[truth] += label == truth
    missing = [str(answers.manifest.classes[place]) for place, rows in enumerate(all_rows) if not rows]
    if missing:
        raise Refusal(
            "DataInvalid",
            f"the data has no row of class {', '.join(missing)}, and balanced_accuracy is a mean over all classes: use "
            "data with rows of each",
        )
    return list(zip(right, all_rows, strict=True))


def _counts(answers: Answers) -> tuple[int, int, int]:
    """Of the second class: hits, false alarms, misses."""
    pairs = list(zip(answers.labels, answers.truths, strict=True))
    return pairs.count((1, 1)), pairs.count((1, 0)), pairs.count((0, 1))


def _share_of(successes: int, trials: int, nothing: str) -> Estimate:
    if not trials:
        raise Refusal("DataInvalid", f"{nothing}: use data with some, or ask for another metric")
    return binomial.exact(successes, trials)


def _precision(answers: Answers) -> Estimate:
    hits, alarms, _ = _counts(answers)
    label = answers.manifest.classes[1]
    return _share_of(hits, hits + alarms, f"precision is not defined: no row of the data got the label {label}")


def _recall(answers: Answers) -> Estimate:
    hits, _, misses = _counts(answers)
    label = answers.manifest.classes[1]
    return _share_of(hits, hits + misses, f"recall is not defined: no row of the data is of class {label}")


def _f1(answers: Answers) -> Estimate:
    hits, alarms, misses = _counts(answers)
    label = answers.manifest.classes[1]
    share = _share_of(hits, hits + alarms + misses, f"f1 is not defined: no row is of class {label} or got that label")
    return binomial.transformed(share, lambda each: 2 * each / (1 + each))


def _calibration(answers: Answers) -> Estimate:
    if answers.rows < GROUPS:
        raise Refusal("DataInvalid", f"calibration is looked at in {GROUPS} groups of rows: use data with more of them")
    if len(answers.manifest.classes) == 2:
        return calibration_error(answers.scores, [int(truth) for truth in answers.truths])
    happened = [int(label == truth) for label, truth in zip(answers.labels, answers.truths, strict=True)]
    said = [row[label] for row, label in zip(answers.scores, answers.labels, strict=True)]
    return calibration_error(said, happened)


def _mean(values: Sequence[float]) -> tuple[list[Vector], Function]:
    return [(value,) for value in values], _first


def _first(means: Vector) -> float:
    return means[0]


def _root(means: Vector) -> float:
    return math.sqrt(max(means[0], 0.0))


def _brier_terms(answers: Answers) -> tuple[list[Vector], Function]:
    pairs = zip(answers.scores, answers.truths, strict=True)
    if len(answers.manifest.classes) == 2:
        return _mean([(score - truth) ** 2 for score, truth in pairs])
    return _mean([sum((p - (k == truth)) ** 2 for k, p in enumerate(row)) for row, truth in pairs])


def _log_loss_terms(answers: Answers) -> tuple[list[Vector], Function]:
    pairs = zip(answers.scores, answers.truths, strict=True)
    if len(answers.manifest.classes) == 2:
        chances = [score if truth else 1 - score for score, truth in pairs]
    else:
        chances = [row[int(truth)] / math.fsum(row) for row, truth in pairs]
    return _mean([-math.log(max(chance, _LEAST_PROBABILITY)) for chance in chances])


def _errors(answers: Answers) -> list[float]:
    return [score - truth for score, truth in zip(answers.scores, answers.truths, strict=True)]


def _mae_terms(answers: Answers) -> tuple[list[Vector], Function]:
    return _mean([abs(error) for error in _errors(answers)])


def _rmse_terms(answers: Answers) -> tuple[list[Vector], Function]:
    return [(error**2,) for error in _errors(answers)], _root


def _r2_terms(answers: Answers) -> tuple[list[Vector], Function]:
    truths = answers.truths
    # Around a value in the middle: squares of large values would lose their digits.
    middle = math.fsum(truths) / len(truths)
    if not any(truth != truths[0] for truth in truths):
        raise Refusal("DataInvalid", "r2 is not defined: the target is the same in all rows of the data")
    rows: list[Vector] = [(t - middle, (t - middle) ** 2, e**2) for t, e in zip(truths, _errors(answers), strict=True)]
    return rows, lambda means: 1 - means[2] / (means[1] - means[0] ** 2)


def _right_terms(answers: Answers) -> tuple[list[Vector], Function]:
    """By class: how often it is there, and is found there."""
    recalls = _recalls(answers)
    width = len(recalls)

    def row(label: int, truth: int) -> Vector:
        return [float(truth == k) for k in range(width)] + [float(label == truth == k) for k in range(width)]

    rows = [row(label, int(truth)) for label, truth in zip(answers.labels, answers.truths, strict=True)]
    return rows, lambda means: sum(means[width + k] / means[k] for k in range(width)) / width


def _hit_terms(answers: Answers, function: Function) -> tuple[list[Vector], Function]:
    rows: list[Vector] = [
        (float(label == truth == 1), float(label == 1), float(truth == 1))
        for label, truth in zip(answers.labels, answers.truths, strict=True)
    ]
    return rows, function


_Terms = Callable[[Answers], tuple[list[Vector], Function]]
_TERMS: dict[str, _Terms] = {
    "balanced_accuracy": _right_terms,
    "f1": lambda answers: _hit_terms(answers, lambda means: 2 * means[0] / (means[1] + means[2])),
    "precision": lambda answers: _hit_terms(answers, lambda means: means[0] / means[1]),
    "brier": _brier_terms,
    "log_loss": _log_loss_terms,
    "r2": _r2_terms,
    "mae": _mae_terms,
    "rmse": _rmse_terms,
}


def _by_terms(metric: str, answers: Answers) -> Estimate:
    return of_means(*_TERMS[metric](answers))


_METRICS: dict[str, Callable[[Answers], Estimate]] = {
    "auc": _auc,
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1": _f1,
    "precision": _precision,
    "recall": _recall,
    "calibration": _calibration,
    **{name: partial(_by_terms, name) for name in ("brier", "log_loss", "r2", "mae", "rmse")},
}
