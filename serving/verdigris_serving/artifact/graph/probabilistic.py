"""Classifiers by likelihood (naive Bayes, quadratic discriminants), networks, and models that answer a constant."""

import math
from typing import Any

import numpy as np
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier, MLPRegressor

from verdigris_serving.artifact.graph.builder import Answer, Ask, CannotGraph, Graph, Value, finite, needs_exact
from verdigris_serving.artifact.graph.linear import above, both
from verdigris_serving.model.sklearn_parts import gives_several_labels

_ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid", "softmax": "Softmax"}


def _likeliest(graph: Graph, likelihoods: Value) -> Answer:
    """Of the joint log-likelihoods, a column a class."""
    scores = graph.node("Softmax", likelihoods, width=likelihoods.width, exact=False, axis=1)
    return Answer(scores, graph.position(likelihoods))


def gaussian(graph: Graph, model: Any, value: Value) -> Answer:
    """A normal distribution a class and feature."""
    parts = []
    for number in range(len(model.classes_)):
        centred = graph.node("Sub", value, graph.constant(model.theta_[number]), width=value.width)
        squares = graph.by(graph.node("Mul", centred, centred, width=value.width), model.var_[number])
        constant = -0.5 * np.sum(np.log(2.0 * math.pi * model.var_[number]))
        distance = graph.times(_row_sum(graph, squares), 0.5)
        inner = graph.node("Sub", graph.constant(float(constant)), distance, width=1)
        parts.append(graph.plus(inner, float(np.log(model.class_prior_[number]))))
    return _likeliest(graph, graph.beside(parts))


def _row_sum(graph: Graph, value: Value) -> Value:
    return graph.node("ReduceSum", value, graph.constant([1], np.int64), width=1, exact=False, keepdims=1)


def quadratic(graph: Graph, model: Any, value: Value) -> Answer:
    """A normal distribution a class, each with a covariance of its own."""
    parts = []
    for number in range(len(model.classes_)):
        centred = graph.node("Sub", value, graph.constant(model.means_[number]), width=value.width)
        rotation = model.rotations_[number] * model.scalings_[number] ** (-0.5)
        turned = graph.matmul(centred, finite(rotation, "QuadraticDiscriminantAnalysis"))
        distance = _row_sum(graph, graph.node("Mul", turned, turned, width=turned.width))
        size = float(np.sum(np.log(model.scalings_[number])))
        parts.append(graph.plus(graph.times(graph.plus(distance, size), -0.5), float(np.log(model.priors_[number]))))
    likelihoods = graph.beside(parts)
    answer = _likeliest(graph, likelihoods)
    if len(parts) > 2:
        return Answer(answer.scores, answer.label, likelihoods)
    difference = graph.node("Sub", graph.take(likelihoods, [1]), graph.take(likelihoods, [0]), width=1)
    return Answer(answer.scores, answer.label, difference)


def _counted(graph: Graph, value: Value, weights: Any, constants: Any) -> Answer:
    total = graph.matmul(value, finite(weights, "naive Bayes").T)
    return _likeliest(graph, graph.plus(total, finite(constants, "naive Bayes").reshape(1, -1)))


def bernoulli(graph: Graph, model: Any, value: Value) -> Answer:
    """Each feature is there or not."""
    if model.binarize is not None:
        needs_exact(value, model)
        above = graph.node("Greater", value, graph.constant(float(model.binarize)), width=value.width)
        value = graph.double(above)
    absent = np.log(1 - np.exp(model.feature_log_prob_))
    return _counted(graph, value, model.feature_log_prob_ - absent, model.class_log_prior_ + absent.sum(axis=1))


def multinomial(graph: Graph, model: Any, value: Value) -> Answer:
    """Counts of features."""
    return _counted(graph, value, model.feature_log_prob_, model.class_log_prior_)


def complement(graph: Graph, model: Any, value: Value) -> Answer:
    """Counts of features, against the other classes."""
    return _counted(graph, value, model.feature_log_prob_, np.zeros(len(model.classes_)))


def _forward(graph: Graph, model: Any, value: Value) -> Value:
    last = len(model.coefs_) - 1
    for number, (weights, biases) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        value = graph.plus(graph.matmul(value, finite(weights, "a network")), finite(biases, "a network"))
        name = model.out_activation_ if number == last else model.activation
        if name == "identity":
            continue
        if name not in _ACTIVATIONS:
            raise CannotGraph(f"a network with {name} has no graph")
        axis: dict[str, Any] = {"axis": 1} if name == "softmax" else {}
        value = graph.node(_ACTIVATIONS[name], value, width=value.width, **axis)
    return value


def network_classifier(graph: Graph, model: Any, value: Value) -> Answer:
    """The label of two classes is the second above one half, and so is each of several labels a row."""
    out = _forward(graph, model, value)
    if model.out_activation_ == "softmax":
        return Answer(out)
    label = above(graph, out, 0.5)
    return Answer(out, label) if gives_several_labels(model) else Answer(both(graph, out), label)


def network_regressor(graph: Graph, model: Any, value: Value) -> Answer:
    """The last layer's values."""
    return Answer(_forward(graph, model, value))


def _constant(graph: Graph, value: Value, numbers: Any) -> Value:
    """The same numbers for every row."""
    array = np.asarray(numbers, dtype=np.float64).reshape(1, -1)
    missing = graph.node("IsNaN", graph.take(value, [0]), width=1)
    ones = graph.double(graph.node("Equal", missing, missing, width=1))
    return graph.node("Mul", ones, graph.constant(array), width=array.shape[1])


def dummy_classifier(graph: Graph, model: Any, value: Value) -> Answer:
    """The training classes' shares, or one class for certain."""
    if model.strategy not in {"prior", "most_frequent", "constant"} or model.n_outputs_ != 1:
        raise CannotGraph(f"DummyClassifier(strategy={model.strategy!r}) answers by chance")
    shares = model.predict_proba(np.zeros((1, model.n_features_in_)))
    return Answer(_constant(graph, value, shares))


def dummy_regressor(graph: Graph, model: Any, value: Value) -> Answer:
    """One number, or one a target."""
    return Answer(_constant(graph, value, model.constant_))


ESTIMATORS: dict[type, Ask] = {
    BernoulliNB: bernoulli,
    ComplementNB: complement,
    DummyClassifier: dummy_classifier,
    DummyRegressor: dummy_regressor,
    GaussianNB: gaussian,
    MLPClassifier: network_classifier,
    MLPRegressor: network_regressor,
    MultinomialNB: multinomial,
    QuadraticDiscriminantAnalysis: quadratic,
}
