"""The model less the active one, on the very same rows: what it gains, or, below zero, loses.

By DeLong for the AUC, Tango for shares of rows (his test of no difference is McNemar's), ABC for all else. Of losses
(brier, rmse, …) the gain is how much smaller they are.
"""

from dataclasses import replace

from verdigris_serving.gate.config import LOSSES
from verdigris_serving.gate.metrics import by_class, picked, row_terms
from verdigris_serving.gate.refusals import Refusal
from verdigris_serving.gate.rows import Answers
from verdigris_serving.gate.statistics.binomial import paired_difference
from verdigris_serving.gate.statistics.estimate import Estimate
from verdigris_serving.gate.statistics.means import Vector, of_means
from verdigris_serving.gate.statistics.ranking import auc_difference

#: Metrics of labels alone: on few rows two models may have the same by chance.
_OF_LABELS = frozenset({"balanced_accuracy", "f1", "precision"})


def gain(metric: str, model: Answers, active: Answers) -> Estimate:
    """How much better the model is than the active one. Raises Refusal where the metric is not defined here.

    Given the very same answers it is nothing, for certain.
    """
    if model is active:
        return Estimate(0.0, model.rows, lambda _: (0.0, 0.0))
    if metric == "auc":
        positives, negatives = by_class(model)
        first, second = ((picked(a.scores, positives), picked(a.scores, negatives)) for a in (model, active))
        return auc_difference(first, second)
    if metric in {"accuracy", "recall"}:
        rows = [row for row, truth in enumerate(model.truths) if metric == "accuracy" or truth == 1]
        if not rows:
            raise Refusal("DataInvalid", "recall is not defined: the data has no row of the second class")
        right = [[a.labels[row] == a.truths[row] for row in rows] for a in (model, active)]
        pairs = list(zip(*right, strict=True))
        return paired_difference(pairs.count((True, False)), pairs.count((False, True)), len(rows))
    if metric in _OF_LABELS:
        limits = _of_terms(metric, *_with_disagreement(model, active)).limits
        return replace(_of_terms(metric, model, active), limits=limits)
    return _of_terms(metric, model, active)


def _of_terms(metric: str, model: Answers, active: Answers) -> Estimate:
    own, function = row_terms(metric, model)
    other, _ = row_terms(metric, active)
    width = len(own[0])
    sign = -1 if metric in LOSSES else 1

    def difference(means: Vector) -> float:
        return sign * (function(means[:width]) - function(means[width:]))

    return of_means([(*a, *b) for a, b in zip(own, other, strict=True)], difference)


def _with_disagreement(model: Answers, active: Answers) -> tuple[Answers, Answers]:
    """The labels with one row more of each kind on which the two may disagree.

    Two models that never disagree on a few rows may do so on others: without these rows such a difference would be
    known to be 0 for certain. (Agresti and Min 2005 add half of that to a comparison of two shares.)
    """
    classes = range(len(model.manifest.classes))
    kinds = [(truth, (truth + 1) % len(classes), right) for truth in classes for right in (True, False)]
    truths = [float(truth) for truth, _, _ in kinds]
    own = [truth if right else wrong for truth, wrong, right in kinds]
    other = [wrong if right else truth for truth, wrong, right in kinds]
    rows = model.rows + len(kinds)
    return (
        Answers(model.manifest, [*model.truths, *truths], [*model.labels, *own], rows=rows),
        Answers(active.manifest, [*active.truths, *truths], [*active.labels, *other], rows=rows),
    )
