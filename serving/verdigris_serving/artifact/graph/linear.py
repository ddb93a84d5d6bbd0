"""Linear models: a weighted sum, and what each of them makes of it."""

from typing import Any

import numpy as np
from sklearn.cross_decomposition import CCA, PLSCanonical, PLSRegression
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    ElasticNet,
    ElasticNetCV,
    GammaRegressor,
    HuberRegressor,
    Lars,
    LarsCV,
    Lasso,
    LassoCV,
    LassoLars,
    LassoLarsCV,
    LassoLarsIC,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    MultiTaskElasticNet,
    MultiTaskElasticNetCV,
    MultiTaskLasso,
    MultiTaskLassoCV,
    OrthogonalMatchingPursuit,
    OrthogonalMatchingPursuitCV,
    PassiveAggressiveClassifier,
    Perceptron,
    PoissonRegressor,
    QuantileRegressor,
    RANSACRegressor,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
    SGDClassifier,
    SGDRegressor,
    TheilSenRegressor,
    TweedieRegressor,
)
from sklearn.svm import LinearSVC, LinearSVR

from verdigris_serving.artifact.graph.builder import Answer, Ask, CannotGraph, Graph, Value, finite
from verdigris_serving.model.sklearn_parts import gives_several_labels


def sums(graph: Graph, model: Any, value: Value) -> Value:
    """``x @ coef + intercept``, [rows, sums]."""
    name = type(model).__name__
    weights = np.atleast_2d(finite(model.coef_, name))
    if weights.shape[1] != value.width:
        raise CannotGraph(f"{name} has weights for {weights.shape[1]} columns, not for {value.width}")
    total = graph.matmul(value, weights.T)
    return graph.plus(total, np.atleast_1d(finite(model.intercept_, name)).reshape(1, -1))


def regression(graph: Graph, model: Any, value: Value) -> Answer:
    """The sum itself, or a sum a target."""
    return Answer(sums(graph, model, value))


def exponential(graph: Graph, model: Any, value: Value) -> Answer:
    """A generalised linear model: the inverse of its link of the sum."""
    link = type(model._base_loss.link).__name__
    total = sums(graph, model, value)
    if link == "IdentityLink":
        return Answer(total)
    if link != "LogLink":
        raise CannotGraph(f"{type(model).__name__} with {link} has no graph")
    return Answer(graph.node("Exp", total, width=1))


def partial_least_squares(graph: Graph, model: Any, value: Value) -> Answer:
    """Centred, then the sum."""
    value = graph.node("Sub", value, graph.constant(model._x_mean), width=value.width)
    return Answer(sums(graph, model, value))


def inliers(graph: Graph, model: Any, value: Value) -> Answer:
    """RANSAC answers by the estimator that it fitted on the inliers."""
    return graph.ask(model.estimator_, value)


def above(graph: Graph, value: Value, limit: float) -> Value:
    """1.0 where a number is above the limit, 0.0 at it and below."""
    return graph.double(graph.node("Greater", value, graph.constant(limit), width=value.width))


def positive(graph: Graph, decision: Value) -> Value:
    """The label by the sign: the second class above zero, the first at zero."""
    return above(graph, decision, 0.0)


def label_of(graph: Graph, decision: Value) -> Value:
    """The label of a linear classifier: by the sign of one sum, else the largest of several."""
    return positive(graph, decision) if decision.width == 1 else graph.position(decision)


def both(graph: Graph, second: Value) -> Value:
    """[1 - p, p] of the second class's probability."""
    first = graph.node("Sub", graph.constant([[1.0]]), second, width=1)
    return graph.beside([first, second])


def logistic(graph: Graph, model: Any, value: Value) -> Answer:
    """Logistic regression and linear discriminants: logistic of one sum, softmax of several."""
    decision = sums(graph, model, value)
    if decision.width == 1:
        scores = both(graph, graph.sigmoid(decision))
    else:
        scores = graph.node("Softmax", decision, width=decision.width, axis=1)
    return Answer(scores, label_of(graph, decision), decision)


def stochastic(graph: Graph, model: Any, value: Value) -> Answer:
    """SGDClassifier: one class against the rest, with probabilities by the losses that have them."""
    decision = sums(graph, model, value)
    label = label_of(graph, decision)
    if model.loss == "log_loss":
        each = graph.sigmoid(decision)
    elif model.loss == "modified_huber":
        cut = graph.node("Clip", decision, graph.constant(-1.0), graph.constant(1.0), width=decision.width)
        each = graph.by(graph.plus(cut, 1.0), 2.0)
    else:
        return Answer(None, label, decision)
    return Answer(both(graph, each) if each.width == 1 else shares(graph, each), label, decision)


def shares(graph: Graph, each: Value) -> Value:
    """Numbers divided by their sum; equal shares where the sum is zero."""
    total = graph.node("ReduceSum", each, graph.constant([1], np.int64), width=1, exact=False, keepdims=1)
    nothing = graph.node("Equal", total, graph.constant(0.0), width=1)
    divisor = graph.node("Where", nothing, graph.constant(1.0), total, width=1)
    parts = graph.node("Div", each, divisor, width=each.width)
    return graph.node("Where", nothing, graph.constant(1.0 / each.width), parts, width=each.width)


def decided(graph: Graph, model: Any, value: Value) -> Answer:
    """A linear classifier without probabilities: for what asks its decision, such as a calibration."""
    decision = sums(graph, model, value)
    if gives_several_labels(model):
        return Answer(None, positive(graph, decision), decision)
    return Answer(None, label_of(graph, decision), decision)


ESTIMATORS: dict[type, Ask] = {
    **dict.fromkeys(
        (
            ARDRegression,
            BayesianRidge,
            ElasticNet,
            ElasticNetCV,
            HuberRegressor,
            Lars,
            LarsCV,
            Lasso,
            LassoCV,
            LassoLars,
            LassoLarsCV,
            LassoLarsIC,
            LinearRegression,
            LinearSVR,
            MultiTaskElasticNet,
            MultiTaskElasticNetCV,
            MultiTaskLasso,
            MultiTaskLassoCV,
            OrthogonalMatchingPursuit,
            OrthogonalMatchingPursuitCV,
            QuantileRegressor,
            Ridge,
            RidgeCV,
            SGDRegressor,
            TheilSenRegressor,
        ),
        regression,
    ),
    **dict.fromkeys((GammaRegressor, PoissonRegressor, TweedieRegressor), exponential),
    **dict.fromkeys((LinearDiscriminantAnalysis, LogisticRegression, LogisticRegressionCV), logistic),
    **dict.fromkeys((LinearSVC, PassiveAggressiveClassifier, Perceptron, RidgeClassifier, RidgeClassifierCV), decided),
    **dict.fromkeys((CCA, PLSCanonical, PLSRegression), partial_least_squares),
    RANSACRegressor: inliers,
    SGDClassifier: stochastic,
}
