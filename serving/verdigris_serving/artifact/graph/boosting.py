"""Boosted trees: gradient boosting, histogram gradient boosting, AdaBoost.

The raw sum begins with scikit-learn's own start value and goes on tree by tree, so it is the same to the last bit, and
with it the label, which is decided on the raw sum and not on the probabilities.
"""

from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)

from verdigris_serving.artifact.graph.builder import Answer, Ask, CannotGraph, Graph, Value, inexact, needs_exact
from verdigris_serving.artifact.graph.category_splits import CategorySplits
from verdigris_serving.artifact.graph.linear import both, positive
from verdigris_serving.artifact.graph.trees import Tree, added_leaves, each_tree, means_of, tree_of


def _gradient_sum(graph: Graph, model: Any, value: Value) -> Value:
    needs_exact(value, model)
    if not isinstance(model.init_, DummyClassifier | DummyRegressor | str):
        raise CannotGraph(f"{type(model).__name__} that starts from another model (init) has no graph")
    start = model._raw_predict_init(np.zeros((1, model.n_features_in_), dtype=np.float32))[0]
    trees = []
    for stage in model.estimators_:
        for place, fitted in enumerate(stage):
            values = np.zeros((fitted.tree_.node_count, len(stage)))
            values[:, place] = model.learning_rate * fitted.tree_.value[:, 0, 0]
            tree = tree_of(fitted, values)
            # Its fast path compares and nothing else: a missing value is not below any threshold.
            trees.append(Tree(tree.feature, tree.threshold, tree.left, tree.right, np.zeros(len(values), bool), values))
    return added_leaves(graph, trees, value, first=start)


def gradient_classifier(graph: Graph, model: Any, value: Value) -> Answer:
    """Logistic of one raw sum, softmax of several."""
    raw = _gradient_sum(graph, model, value)
    if raw.width > 1:
        return Answer(_softmax(graph, raw), graph.position(raw), raw)
    # The exponential loss has half the log-odds.
    odds = graph.times(raw, 2.0) if model.loss == "exponential" else raw
    reached = graph.node("GreaterOrEqual", raw, graph.constant(0.0), width=1)
    return Answer(both(graph, _logistic(graph, odds)), graph.double(reached), raw)


def gradient_regressor(graph: Graph, model: Any, value: Value) -> Answer:
    """The raw sum itself."""
    return Answer(_gradient_sum(graph, model, value))


def _histogram_sum(graph: Graph, model: Any, value: Value) -> Value:
    needs_exact(value, model)
    splits = CategorySplits(graph, model, value)
    trees = []
    for stage in model._predictors:
        for place, predictor in enumerate(stage):
            nodes = predictor.nodes
            values = np.zeros((len(nodes), len(stage)))
            values[:, place] = nodes["value"]
            leaf = nodes["is_leaf"].astype(bool)
            left = np.where(leaf, -1, nodes["left"].astype(np.int64))
            right = np.where(leaf, -1, nodes["right"].astype(np.int64))
            missing = nodes["missing_go_to_left"].astype(bool)
            feature, threshold = nodes["feature_idx"].astype(np.int64), nodes["num_threshold"].copy()
            splits.put(predictor, feature, threshold)
            trees.append(Tree(feature, threshold, left, right, missing, values))
    start = np.asarray(model._baseline_prediction, dtype=np.float64).reshape(-1)
    if not trees:
        raise CannotGraph(f"{type(model).__name__} without any tree has no graph")
    return added_leaves(graph, trees, splits.table, single=False, first=start)


def histogram_classifier(graph: Graph, model: Any, value: Value) -> Answer:
    """Logistic of one raw sum, softmax of several."""
    raw = _histogram_sum(graph, model, value)
    if raw.width > 1:
        return Answer(_softmax(graph, raw), graph.position(raw), raw)
    return Answer(both(graph, _logistic(graph, raw)), positive(graph, raw), raw)


def histogram_regressor(graph: Graph, model: Any, value: Value) -> Answer:
    """The raw sum, or its exponential where the loss has a logarithmic link."""
    raw = _histogram_sum(graph, model, value)
    if type(model._loss.link).__name__ == "IdentityLink":
        return Answer(raw)
    return Answer(graph.node("Exp", raw, width=1, exact=False))


def _logistic(graph: Graph, raw: Value) -> Value:
    return graph.sigmoid(raw, exact=False)


def _softmax(graph: Graph, raw: Value) -> Value:
    return graph.node("Softmax", raw, width=raw.width, exact=False, axis=1)


def adaptive_classifier(graph: Graph, model: Any, value: Value) -> Answer:
    """Weighted votes of trees, their softmax, and the label by the votes."""
    needs_exact(value, model)
    classes = model.n_classes_
    trees = []
    for fitted, weight in zip(model.estimators_, model.estimator_weights_, strict=False):
        if not hasattr(fitted, "tree_"):
            raise CannotGraph(f"AdaBoostClassifier of {type(fitted).__name__} has no graph")
        said = fitted.classes_[np.argmax(fitted.tree_.value[:, 0, : fitted.n_classes_], axis=1)]
        votes = np.where(said[:, None] == model.classes_[None, :], weight, -1 / (classes - 1) * weight)
        trees.append(tree_of(fitted, votes))
    votes = graph.by(added_leaves(graph, trees, value), float(model.estimator_weights_.sum()))
    if classes > 2:
        return Answer(_softmax(graph, graph.by(votes, float(classes - 1))), graph.position(votes), votes)
    against = graph.node("Neg", graph.take(votes, [0]), width=1)
    decision = graph.node("Add", against, graph.take(votes, [1]), width=1)
    pair = graph.beside([graph.node("Neg", decision, width=1), decision])
    return Answer(_softmax(graph, graph.by(pair, 2.0)), positive(graph, decision), decision)


def adaptive_regressor(graph: Graph, model: Any, value: Value) -> Answer:
    """The weighted median of the trees."""
    needs_exact(value, model)
    for fitted in model.estimators_:
        if not hasattr(fitted, "tree_"):
            raise CannotGraph(f"AdaBoostRegressor of {type(fitted).__name__} has no graph")
    trees = [tree_of(fitted, means_of(fitted)) for fitted in model.estimators_]
    said = each_tree(graph, trees, value)
    order, ranked = graph.ascending(said)
    weights = graph.constant(np.asarray(model.estimator_weights_[: len(trees)], dtype=np.float64))
    weighed = graph.node("Gather", weights, order, width=said.width, axis=0)
    running = graph.node("CumSum", weighed, graph.constant(1, np.int64), width=said.width)
    whole = graph.node("Gather", running, graph.constant([said.width - 1], np.int64), width=1, axis=1)
    reached = graph.node("GreaterOrEqual", running, graph.times(whole, 0.5), width=said.width)
    first = graph.node("ArgMax", graph.double(reached), width=1, axis=1, keepdims=1)
    return Answer(inexact(graph.node("GatherElements", ranked, first, width=1, axis=1)))


ESTIMATORS: dict[type, Ask] = {
    AdaBoostClassifier: adaptive_classifier,
    AdaBoostRegressor: adaptive_regressor,
    GradientBoostingClassifier: gradient_classifier,
    GradientBoostingRegressor: gradient_regressor,
    HistGradientBoostingClassifier: histogram_classifier,
    HistGradientBoostingRegressor: histogram_regressor,
}
