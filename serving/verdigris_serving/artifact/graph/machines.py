"""What answers by kernels of the rows that it keeps: support vector machines, Gaussian processes."""

from typing import Any

import numpy as np
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM

from verdigris_serving.artifact.graph import kernels
from verdigris_serving.artifact.graph.builder import Answer, Ask, CannotGraph, Graph, Value, finite
from verdigris_serving.artifact.graph.coupling import Coupling
from verdigris_serving.artifact.graph.linear import both, positive

#: libsvm keeps each probability this far from 0 and 1 (``svm_predict_probability`` in svm.cpp).
_LEAST = 1e-7


def _weighted(graph: Graph, model: Any, value: Value, weights: Any, intercept: Any) -> Value:
    """``kernel @ weights + intercept``, a column a sum."""
    name = type(model).__name__
    if model.kernel in {"rbf", "sigmoid"}:
        kernels.check_noise(weights, name)
    kernel = kernels.vector_machine(graph, model, value, _dense(model.support_vectors_))
    return graph.plus(graph.matmul(kernel, finite(weights, name)), finite(intercept, name).reshape(1, -1))


def _dense(table: Any) -> Any:
    """What was fitted on a sparse table keeps its rows and weights as one."""
    return table.toarray() if hasattr(table, "toarray") else table


def vector_regression(graph: Graph, model: Any, value: Value) -> Answer:
    """The weighted sum of the kernels."""
    return Answer(_weighted(graph, model, value, _dense(model._dual_coef_).T, model._intercept_))


def one_class(graph: Graph, model: Any, value: Value) -> Answer:
    """The weighted sum of the kernels; above zero is no outlier."""
    decision = _weighted(graph, model, value, _dense(model._dual_coef_).T, model._intercept_)
    return Answer(None, positive(graph, decision), decision)


def vector_classifier(graph: Graph, model: Any, value: Value) -> Answer:
    """One sum for each pair of classes; the label is the class that wins most of them, the first of equal ones."""
    count = len(model.classes_)
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    sums = _weighted(graph, model, value, _pair_weights(model, pairs), model._intercept_)
    label, ranks = _won(graph, model, sums, pairs)
    if count == 2:
        decision = graph.node("Neg", sums, width=1)
    else:
        decision = ranks if model.decision_function_shape == "ovr" else sums
    return Answer(_probabilities(graph, model, sums), label, decision)


def _pair_weights(model: Any, pairs: list[tuple[int, int]]) -> Any:
    """[kept, pairs]: in ``_dual_coef_`` each class has a row against each other class."""
    starts = np.concatenate([[0], np.cumsum(model._n_support)])
    known, weights = _dense(model._dual_coef_), np.zeros((starts[-1], len(pairs)))
    for number, (i, j) in enumerate(pairs):
        first, second = slice(starts[i], starts[i + 1]), slice(starts[j], starts[j + 1])
        weights[first, number] = known[j - 1, first]
        weights[second, number] = known[i, second]
    return weights


def _won(graph: Graph, model: Any, sums: Value, pairs: list[tuple[int, int]]) -> tuple[Value, Value]:
    """The label, and the decision of one class against the rest: its votes, and within a vote how clearly.

    (``_ovr_decision_function`` in scikit-learn's ``utils/multiclass.py``.)
    """
    count = len(model.classes_)
    for_first, for_second = np.zeros((len(pairs), count)), np.zeros((len(pairs), count))
    for number, (i, j) in enumerate(pairs):
        for_first[number, i] = for_second[number, j] = 1.0
    zero = graph.constant(0.0)

    def votes(operator: str) -> Value:
        first = graph.double(graph.node(operator, sums, zero, width=sums.width))
        second = graph.plus(graph.times(first, -1.0), 1.0)
        return graph.node("Add", graph.matmul(first, for_first), graph.matmul(second, for_second), width=count)

    clear = graph.matmul(sums, for_first - for_second)
    divisor = graph.times(graph.plus(graph.node("Abs", clear, width=count), 1.0), 3.0)
    share = graph.node("Div", clear, divisor, width=count)
    # A tie of a pair is the second class's to ``predict``, and the first one's to ``decision_function``.
    ranks = graph.node("Add", votes("GreaterOrEqual"), share, width=count)
    by_ranks = model.break_ties and model.decision_function_shape == "ovr" and count > 2
    return graph.position(ranks if by_ranks else votes("Greater")), ranks


def _probabilities(graph: Graph, model: Any, sums: Value) -> Value | None:
    """By a logistic of the sum (Platt), for two classes; None: the model was fitted without."""
    if not model._probA.size:
        return None
    if sums.width > 1:
        raise CannotGraph(
            f"{type(model).__name__} finds the probabilities of more than two classes by many iterations, which have "
            "no graph; CalibratedClassifierCV around it has one"
        )
    line = graph.plus(graph.times(sums, float(model._probA[0])), float(model._probB[0]))
    first = graph.sigmoid(graph.node("Neg", line, width=1))
    first = graph.node("Clip", first, graph.constant(_LEAST), graph.constant(1.0 - _LEAST), width=1)
    return both(graph, Coupling(graph, first).second())


def gaussian_process(graph: Graph, model: Any, value: Value) -> Answer:
    """The mean of the process: kernels of the training rows, weighted, on the scale of the target."""
    weights = finite(getattr(model, "alpha_", np.nan), "GaussianProcessRegressor")
    if weights.ndim > 1 and weights.shape[1] > 1:
        raise CannotGraph("GaussianProcessRegressor of several values a row has no graph")
    spread, mean = float(np.squeeze(model._y_train_std)), float(np.squeeze(model._y_train_mean))
    kernels.check_noise(weights * spread, "GaussianProcessRegressor")
    kernel = kernels.process(graph, model.kernel_, value, model.X_train_)
    return Answer(graph.plus(graph.times(graph.matmul(kernel, weights.reshape(-1, 1)), spread), mean))


ESTIMATORS: dict[type, Ask] = {
    **dict.fromkeys((NuSVC, SVC), vector_classifier),
    **dict.fromkeys((NuSVR, SVR), vector_regression),
    GaussianProcessRegressor: gaussian_process,
    OneClassSVM: one_class,
}
