"""Ensembles of any estimators: votes, stacks, calibrations, bags."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from verdigris_serving.artifact.graph.builder import Answer, Ask, CannotGraph, Graph, Value, inexact
from verdigris_serving.artifact.graph.linear import both, shares


def scores_of(graph: Graph, estimator: Any, value: Value) -> Value:
    """The probabilities, or values, of an estimator within another. Raises CannotGraph where there are none."""
    answer = graph.ask(estimator, value)
    if answer.scores is None:
        raise CannotGraph(f"{type(estimator).__name__} within an ensemble gives no probabilities")
    return answer.scores


def soft_vote(graph: Graph, model: Any, value: Value) -> Answer:
    """The weighted mean of the probabilities."""
    if model.voting != "soft":
        raise CannotGraph("VotingClassifier with hard votes gives no probabilities")
    return Answer(_mean(graph, model, [scores_of(graph, each, value) for each in model.estimators_]))


def mean_vote(graph: Graph, model: Any, value: Value) -> Answer:
    """The weighted mean of the values."""
    return Answer(inexact(_mean(graph, model, [scores_of(graph, each, value) for each in model.estimators_])))


def _mean(graph: Graph, model: Any, values: Sequence[Value]) -> Value:
    """As ``numpy.average`` adds them: each by its weight, one after the other, then by the weights' sum."""
    weights = model._weights_not_none
    if weights is None:
        return graph.by(graph.added(values), float(len(values)))
    weighed = [graph.times(each, float(weight)) for each, weight in zip(values, weights, strict=True)]
    return graph.by(graph.added(weighed), float(np.sum(np.asarray(weights, dtype=np.float64))))


def stack(graph: Graph, model: Any, value: Value) -> Answer:
    """The final estimator behind the others' answers, and behind the input itself when it is passed through."""
    parts = []
    for fitted, method in zip(model.estimators_, model.stack_method_, strict=True):
        answer = graph.ask(fitted, value)
        parts.append(_answered(graph, model, answer, method))
    if model.passthrough:
        parts.append(value)
    return graph.ask(model.final_estimator_, graph.beside(parts))


def _answered(graph: Graph, model: Any, answer: Answer, method: str) -> Value:
    if method == "decision_function" and answer.decision is not None:
        return answer.decision
    if answer.scores is None or method == "decision_function" or (method == "predict" and hasattr(model, "classes_")):
        raise CannotGraph(f"{type(model).__name__} over an estimator's {method} has no graph")
    if method == "predict_proba" and answer.scores.width == 2:
        return graph.take(answer.scores, [1])
    return answer.scores


def calibrated(graph: Graph, model: Any, value: Value) -> Answer:
    """The mean of the calibrated classifiers."""
    parts = [_calibrated_one(graph, each, value) for each in model.calibrated_classifiers_]
    return Answer(graph.by(graph.added(parts), float(len(parts))))


def _calibrated_one(graph: Graph, model: Any, value: Value) -> Value:
    if model.method not in {"sigmoid", "isotonic"}:
        raise CannotGraph(f"CalibratedClassifierCV(method={model.method!r}) has no graph")
    answer = graph.ask(model.estimator, value)
    if hasattr(model.estimator, "decision_function"):
        response = answer.decision
    else:
        response = answer.scores
        if response is not None and response.width == 2:
            response = graph.take(response, [1])
    if response is None or len(model.estimator.classes_) != len(model.classes):
        raise CannotGraph(f"CalibratedClassifierCV over {type(model.estimator).__name__} has no graph")
    curve = _sigmoid if model.method == "sigmoid" else _isotonic
    columns = [
        curve(graph, calibrator, graph.take(response, [number])) for number, calibrator in enumerate(model.calibrators)
    ]
    return both(graph, columns[0]) if len(model.classes) == 2 else shares(graph, graph.beside(columns))


def _sigmoid(graph: Graph, calibrator: Any, column: Value) -> Value:
    line = graph.plus(graph.times(column, float(calibrator.a_)), float(calibrator.b_))
    return graph.sigmoid(graph.node("Neg", line, width=1), exact=False)


def _isotonic(graph: Graph, calibrator: Any, column: Value) -> Value:
    """The line between the two thresholds that enclose a value, the first or last value beyond them."""
    places = np.asarray(calibrator.X_thresholds_, dtype=np.float64)
    heights = np.asarray(calibrator.y_thresholds_, dtype=np.float64)
    if calibrator.out_of_bounds != "clip":
        raise CannotGraph("an isotonic calibration that does not clip has no graph")
    if len(places) == 1:
        return graph.plus(graph.times(column, 0.0), float(heights[0]))
    cut = graph.node("Clip", column, graph.constant(places[0]), graph.constant(places[-1]), width=1)
    above = graph.node("GreaterOrEqual", cut, graph.constant(places[1:-1].reshape(1, -1)), width=len(places) - 2)
    axis = graph.constant([1], np.int64)
    which = graph.node("ReduceSum", graph.double(above), axis, width=1, keepdims=1)
    index = graph.node("Squeeze", graph.node("Cast", which, width=1, to=7), axis, width=1)
    slopes = np.diff(heights) / np.diff(places)
    table = graph.constant(np.column_stack([places[:-1], heights[:-1], slopes]))
    here = graph.node("Gather", table, index, width=3, axis=0)
    place, height, slope = (graph.take(here, [number]) for number in range(3))
    step = graph.node("Mul", graph.node("Sub", cut, place, width=1), slope, width=1)
    return graph.node("Add", step, height, width=1, exact=False)


def bag_classifier(graph: Graph, model: Any, value: Value) -> Answer:
    """The mean of the probabilities, each over its own columns, those of unseen classes zero."""
    parts = []
    for fitted, columns in zip(model.estimators_, model.estimators_features_, strict=True):
        if not hasattr(fitted, "predict_proba"):
            raise CannotGraph(
                f"BaggingClassifier of {type(fitted).__name__}, which gives no probabilities, has no graph"
            )
        scores = scores_of(graph, fitted, graph.take(value, [int(column) for column in columns]))
        parts.append(_spread(graph, scores, [int(label) for label in fitted.classes_], model.n_classes_))
    return Answer(graph.by(graph.added(parts), float(model.n_estimators)))


def _spread(graph: Graph, scores: Value, places: list[int], classes: int) -> Value:
    """The columns put where their classes are, zeros elsewhere."""
    if len(places) == classes:
        return scores
    nothing = graph.times(graph.take(scores, [0]), 0.0)
    both_parts = graph.beside([scores, nothing])
    return graph.take(both_parts, [places.index(n) if n in places else scores.width for n in range(classes)])


def bag_regressor(graph: Graph, model: Any, value: Value) -> Answer:
    """The mean of the values, each over its own columns."""
    pairs = zip(model.estimators_, model.estimators_features_, strict=True)
    parts = [scores_of(graph, each, graph.take(value, [int(column) for column in columns])) for each, columns in pairs]
    return Answer(graph.by(graph.added(parts), float(model.n_estimators)))


def transformed_target(graph: Graph, model: Any, value: Value) -> Answer:
    """The inverse of what was done to the target."""
    scores = scores_of(graph, model.regressor_, value)
    transformer = model.transformer_
    if type(transformer) is StandardScaler:
        if transformer.with_std:
            scores = graph.times(scores, transformer.scale_)
        return Answer(graph.plus(scores, transformer.mean_) if transformer.with_mean else scores)
    inverse = transformer.inverse_func if type(transformer) is FunctionTransformer else transformer
    if inverse is None:
        return Answer(scores)
    if inverse is np.exp:
        return Answer(graph.node("Exp", scores, width=scores.width, exact=False))
    if inverse is np.square:
        return Answer(graph.node("Mul", scores, scores, width=scores.width))
    name = getattr(inverse, "__name__", type(inverse).__name__)
    raise CannotGraph(f"TransformedTargetRegressor with {name} has no graph")


def frozen(graph: Graph, model: Any, value: Value) -> Answer:
    """What the frozen estimator answers."""
    return graph.ask(model.estimator, value)


ESTIMATORS: dict[type, Ask] = {
    BaggingClassifier: bag_classifier,
    BaggingRegressor: bag_regressor,
    CalibratedClassifierCV: calibrated,
    FrozenEstimator: frozen,
    StackingClassifier: stack,
    StackingRegressor: stack,
    TransformedTargetRegressor: transformed_target,
    VotingClassifier: soft_vote,
    VotingRegressor: mean_vote,
}
