"""xgboost's boosted trees, from its own JSON (https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html).

xgboost casts to float32, goes left where ``x < threshold``, sends a missing value where the node's ``default_left``
says, and adds the leaves in float32, from the first tree to the last, to its start value. The graph does the same: for
a float32 ``x``, ``x < t`` is ``x <=`` the float32 before ``t``. Its package is not imported: who has a fitted model has
it.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from verdigris_serving.artifact.graph.builder import Answer, Ask, CannotGraph, Graph, Value, needs_exact
from verdigris_serving.artifact.graph.linear import both
from verdigris_serving.artifact.graph.trees import Tree, added_leaves, comparisons

#: Objectives by what becomes of the sum of the leaves.
_VALUES = {"reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "reg:quantileerror"}
_EXPONENTIAL = {"count:poisson", "reg:gamma", "reg:tweedie"}
#: Up to here xgboost's float32 ``1 / (1 + exp(-x))`` is 0.5 and no more: exp(-x) rounds to 1 - 2^-24, 1 + that to 2.
_EVEN = 1.5 * 2**-24


def estimators() -> dict[type, Ask]:
    """Who writes xgboost's classifiers and regressors; nobody where its package has not been imported."""
    library = sys.modules.get("xgboost.sklearn")
    return {library.XGBClassifier: classifier, library.XGBRegressor: regressor} if library else {}


def thresholds(model: Any) -> tuple[Any, Any] | None:
    """(columns, thresholds) of all trees, compared in float32 as ``x <= threshold``; None for any other model."""
    if type(model) not in estimators():
        return None
    try:
        trees = _trees(model, _learner(model))
    except CannotGraph:  # it is refused with this very sentence where its graph is written
        return None
    return comparisons(trees)


def classifier(graph: Graph, model: Any, value: Value) -> Answer:
    """Logistic of one sum, softmax of several."""
    learner = _learner(model)
    objective = learner["objective"]["name"]
    if objective not in {"binary:logistic", "multi:softprob"}:
        raise CannotGraph(
            f"XGBClassifier with objective {objective} has no graph; binary:logistic and multi:softprob do"
        )
    raw = _sum(graph, model, learner, value)
    if raw.width > 1:
        scores = graph.node("Softmax", raw, width=raw.width, exact=False, axis=1)
        return Answer(scores, graph.position(raw), raw)
    second = graph.sigmoid(raw, exact=False)
    above = graph.node("Greater", raw, graph.constant(_EVEN), width=1)
    return Answer(both(graph, second), graph.double(above), raw)


def regressor(graph: Graph, model: Any, value: Value) -> Answer:
    """The sum itself, or its exponential where the objective has a logarithmic link."""
    learner = _learner(model)
    objective = learner["objective"]["name"]
    if objective not in _VALUES | _EXPONENTIAL:
        known = ", ".join(sorted(_VALUES | _EXPONENTIAL))
        raise CannotGraph(f"XGBRegressor with objective {objective} has no graph; {known} do")
    raw = _sum(graph, model, learner, value)
    return Answer(graph.node("Exp", raw, width=1, exact=False) if objective in _EXPONENTIAL else raw)


def _learner(model: Any) -> Mapping[str, Any]:
    """The part of the JSON that says what is computed. Raises CannotGraph for what is no sum of plain trees."""
    name = type(model).__name__
    if not np.isnan(model.missing):
        raise CannotGraph(
            f"{name} that takes {model.missing:g} for a missing value has no graph; fit it with missing=nan"
        )
    learner: Mapping[str, Any] = json.loads(bytes(model.get_booster().save_raw("json")))["learner"]
    booster = learner["gradient_booster"]["name"]
    if booster != "gbtree":
        raise CannotGraph(f"{name} with booster {booster} has no graph; gbtree has")
    if int(learner["learner_model_param"].get("num_target", "1")) > 1:
        raise CannotGraph(
            f"{name} of several values a row has no graph; put it in a MultiOutputRegressor or MultiOutputClassifier"
        )
    return learner


def _sum(graph: Graph, model: Any, learner: Mapping[str, Any], value: Value) -> Value:
    needs_exact(value, model)
    trees = _trees(model, learner)
    return added_leaves(graph, trees, value, first=_start(learner, trees[0].values.shape[1]), summed=np.float32)


def _trees(model: Any, learner: Mapping[str, Any]) -> Sequence[Tree]:
    """The trees that are asked, up to the best iteration where training stopped early."""
    booster = learner["gradient_booster"]["model"]
    groups = max(1, int(learner["learner_model_param"]["num_class"]))
    each = groups * int(booster["gbtree_model_param"].get("num_parallel_tree", "1"))
    best = learner.get("attributes", {}).get("best_iteration")
    count = len(booster["trees"]) if best is None else (int(best) + 1) * each
    found = [
        _tree(model, tree, group, groups)
        for tree, group in zip(booster["trees"][:count], booster["tree_info"], strict=False)
    ]
    if not found:
        raise CannotGraph(f"{type(model).__name__} without any tree has no graph")
    return found


def _tree(model: Any, tree: Mapping[str, Any], group: int, groups: int) -> Tree:
    if any(tree.get("split_type", ())):
        raise CannotGraph(
            f"{type(model).__name__} with categorical splits has no graph; put an encoder (OneHotEncoder, "
            "OrdinalEncoder) in front of it, and fit it without enable_categorical"
        )
    if int(tree["tree_param"].get("size_leaf_vector", "1")) > 1:
        raise CannotGraph(f"{type(model).__name__} whose leaves hold several values has no graph")
    left = np.asarray(tree["left_children"], dtype=np.int64)
    conditions = np.asarray(tree["split_conditions"], dtype=np.float32)
    values = np.zeros((len(left), groups))
    values[:, group] = conditions  # of a leaf: what it adds
    return Tree(
        np.asarray(tree["split_indices"], dtype=np.int64),
        np.nextafter(conditions, np.float32(-np.inf)).astype(np.float64),
        left,
        np.asarray(tree["right_children"], dtype=np.int64),
        np.asarray(tree["default_left"], dtype=bool),
        values,
    )


def _start(learner: Mapping[str, Any], width: int) -> Any:
    """What the sum begins with, in float32: ``base_score`` on the scale of the sum."""
    text = str(learner["learner_model_param"]["base_score"]).strip("[]")
    base = np.asarray([float(part) for part in text.split(",")], dtype=np.float32)
    objective = learner["objective"]["name"]
    one = np.float32(1)
    if objective == "binary:logistic":
        base = -np.log(one / base - one)
    elif objective in _EXPONENTIAL:
        base = np.log(base)
    return np.broadcast_to(base, (width,))
