"""Several labels or values a row: an estimator for each, alone or in a chain, and one class against the rest.

Of several labels a row the scores and labels of an answer are [rows, labels]: how likely each is there, and 1 or 0.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor, RegressorChain

from verdigris_serving.artifact.graph.builder import Answer, Ask, CannotGraph, Graph, Value
from verdigris_serving.artifact.graph.ensembles import scores_of
from verdigris_serving.artifact.graph.linear import above


def _together(graph: Graph, answers: Sequence[Answer]) -> Answer:
    """The answers of one estimator a label, beside each other; what one of them lacks is left out."""

    def beside(column: Callable[[Answer], Value | None]) -> Value | None:
        found = [value for answer in answers if (value := column(answer)) is not None]
        return graph.beside(found) if len(found) == len(answers) else None

    return Answer(
        beside(lambda answer: answer.scores),
        beside(lambda answer: answer.label),
        beside(lambda answer: answer.decision),
    )


def _there(graph: Graph, estimator: Any, value: Value) -> Answer:
    """Whether one label is there: its probability, itself, the decision."""
    if list(estimator.classes_) != [0, 1]:
        raise CannotGraph(f"{type(estimator).__name__} of a label that all training rows have, or none, has no graph")
    answer = graph.ask(estimator, value)
    label = answer.label
    if label is None and answer.scores is not None:
        label = graph.position(answer.scores)
    likely = None if answer.scores is None else graph.take(answer.scores, [1])
    return Answer(likely, label, answer.decision)


def each_label(graph: Graph, model: Any, value: Value) -> Answer:
    """What each estimator says of its label."""
    return _together(graph, [_there(graph, each, value) for each in model.estimators_])


def each_value(graph: Graph, model: Any, value: Value) -> Answer:
    """A value of each of the estimators, one a target."""
    return _together(graph, [graph.ask(each, value) for each in model.estimators_])


def label_chain(graph: Graph, model: Any, value: Value) -> Answer:
    """Each estimator sees what those before it said, as the chain has it."""
    seen = {"predict": "label", "predict_proba": "scores", "decision_function": "decision"}[model.chain_method_]
    return _chain(graph, model, value, _there, lambda answer: getattr(answer, seen))


def value_chain(graph: Graph, model: Any, value: Value) -> Answer:
    """The same of values."""
    return _chain(graph, model, value, lambda graph, each, value: graph.ask(each, value), lambda answer: answer.scores)


def _chain(graph: Graph, model: Any, value: Value, ask: Ask, told: Callable[[Answer], Value | None]) -> Answer:
    answers: list[Answer] = []
    for each in model.estimators_:
        answers.append(ask(graph, each, value))
        more = told(answers[-1])
        if more is None:
            raise CannotGraph(f"{type(model).__name__} over {type(each).__name__} has no graph")
        value = graph.beside([value, more])
    return _together(graph, [answers[place] for place in np.argsort(model.order_)])


def _each_by_its_decision(graph: Graph, model: Any, value: Value) -> Answer:
    """Not by what its estimator predicts: a label is there above one half where there is no decision."""
    answer = each_label(graph, model, value)
    decides = hasattr(model.estimators_[0], "decision_function")
    decision = answer.decision if decides else answer.scores
    if decision is None:
        raise CannotGraph("OneVsRestClassifier of an estimator without a decision in a graph has none")
    return Answer(answer.scores, above(graph, decision, 0.0 if decides else 0.5), answer.decision)


def against_the_rest(graph: Graph, model: Any, value: Value) -> Answer:
    """Each class's own probability, divided by their sum; the label is the largest before that. Of several labels a row
    they are not divided, and each is there by its own decision."""
    if model.multilabel_:
        return _each_by_its_decision(graph, model, value)
    if any(hasattr(each, "decision_function") for each in model.estimators_):
        decisions = [graph.ask(each, value) for each in model.estimators_]
        if any(answer.scores is None or answer.decision is None for answer in decisions):
            raise CannotGraph("OneVsRestClassifier of an estimator without probabilities has no graph")
        seconds = [graph.take(answer.scores, [1]) for answer in decisions if answer.scores]
        compared = graph.beside([answer.decision for answer in decisions if answer.decision])
    else:
        seconds = [graph.take(scores_of(graph, each, value), [1]) for each in model.estimators_]
        compared = graph.beside(seconds)
    if len(seconds) == 1:
        raise CannotGraph("OneVsRestClassifier of two classes has no graph")
    each = graph.beside(seconds)
    total = graph.node("ReduceSum", each, graph.constant([1], np.int64), width=1, exact=False, keepdims=1)
    nothing = graph.node("Equal", total, graph.constant(0.0), width=1)
    divisor = graph.node("Where", nothing, graph.constant(1.0), total, width=1)
    return Answer(graph.node("Div", each, divisor, width=each.width), graph.position(compared))


ESTIMATORS: dict[type, Ask] = {
    ClassifierChain: label_chain,
    MultiOutputClassifier: each_label,
    MultiOutputRegressor: each_value,
    OneVsRestClassifier: against_the_rest,
    RegressorChain: value_chain,
}
