"""lightgbm's boosted trees, from its own dump (``Booster.dump_model``).

lightgbm compares in float64, ``x <= threshold``, and adds the leaves in float64, from the first tree to the last; the
first tree's leaves hold the start value. A missing value goes where the node's ``default_left`` says, or, where the
node saw none in training (``missing_type`` None), where zero goes (``NumericalDecision`` in lightgbm's tree.h). Its
package is not imported: who has a fitted model has it.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from verdigris_serving.artifact.graph.builder import Answer, Ask, CannotGraph, Graph, Value, needs_exact
from verdigris_serving.artifact.graph.linear import both
from verdigris_serving.artifact.graph.trees import Tree, added_leaves, comparisons

#: Objectives by what becomes of the sum of the leaves.
_VALUES = {"regression", "regression_l1", "huber", "fair", "quantile", "mape"}
_EXPONENTIAL = {"poisson", "gamma", "tweedie"}
_SIGMOID = re.compile(r"sigmoid:(\S+)")
#: Up to here ``1 / (1 + exp(-x))`` is 0.5 and no more: exp(-x) rounds to 1 - 2^-53, 1 + that to 2.
_EVEN = 1.5 * 2**-53
#: What is no farther from zero is zero to lightgbm (``kZeroThreshold``), before anything is compared.
_ZERO = float(np.float32(1e-35))


def estimators() -> dict[type, Ask]:
    """Who writes lightgbm's classifiers and regressors; nobody where its package has not been imported."""
    library = sys.modules.get("lightgbm.sklearn")
    return {library.LGBMClassifier: classifier, library.LGBMRegressor: regressor} if library else {}


def thresholds(model: Any) -> tuple[Any, Any] | None:
    """(columns, thresholds) of all trees, compared in float64; None for any other model."""
    if type(model) not in estimators():
        return None
    try:
        trees = _trees(model, _dump(model))
    except CannotGraph:  # it is refused with this very sentence where its graph is written
        return None
    return comparisons(trees)


def classifier(graph: Graph, model: Any, value: Value) -> Answer:
    """Logistic of one sum, softmax of several."""
    dump = _dump(model)
    objective = str(dump.get("objective", ""))
    if objective.partition(" ")[0] not in {"binary", "multiclass"}:
        raise CannotGraph(
            f"LGBMClassifier with objective {objective or 'of its own'} has no graph; binary and multiclass do"
        )
    raw = _sum(graph, model, dump, value)
    if raw.width > 1:
        scores = graph.node("Softmax", raw, width=raw.width, exact=False, axis=1)
        return Answer(scores, graph.position(raw), raw)
    found = _SIGMOID.search(objective)
    slope = float(found[1]) if found else 1.0
    scaled = raw if slope == 1 else graph.times(raw, slope)
    second = graph.sigmoid(scaled, exact=False)
    above = graph.node("Greater", scaled, graph.constant(_EVEN), width=1)
    return Answer(both(graph, second), graph.double(above), raw)


def regressor(graph: Graph, model: Any, value: Value) -> Answer:
    """The sum itself, or its exponential where the objective has a logarithmic link."""
    dump = _dump(model)
    objective = str(dump.get("objective", ""))
    if objective not in _VALUES | _EXPONENTIAL:
        known = ", ".join(sorted(_VALUES | _EXPONENTIAL))
        raise CannotGraph(f"LGBMRegressor with objective {objective or 'of its own'} has no graph; {known} do")
    raw = _sum(graph, model, dump, value)
    return Answer(graph.node("Exp", raw, width=1, exact=False) if objective in _EXPONENTIAL else raw)


def _dump(model: Any) -> Mapping[str, Any]:
    """What the model says of itself, up to its best iteration. Raises CannotGraph for what is no sum of its leaves."""
    dump: Mapping[str, Any] = model.booster_.dump_model()
    if dump.get("average_output"):
        raise CannotGraph(f"{type(model).__name__} that averages its trees (boosting_type rf) has no graph; gbdt has")
    return dump


def _sum(graph: Graph, model: Any, dump: Mapping[str, Any], value: Value) -> Value:
    needs_exact(value, model)
    return added_leaves(graph, _trees(model, dump), value, single=False)


def _trees(model: Any, dump: Mapping[str, Any]) -> Sequence[Tree]:
    groups = int(dump["num_tree_per_iteration"])
    found = [
        _Nodes(type(model).__name__).taken(tree["tree_structure"]).tree(number % groups, groups)
        for number, tree in enumerate(dump["tree_info"])
    ]
    if not found:
        raise CannotGraph(f"{type(model).__name__} without any tree has no graph")
    return found


@dataclass
class _Nodes:
    """The nodes of one tree, numbered as they are met; ``name`` is the model's, for messages."""

    name: str
    feature: list[int] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    missing_left: list[bool] = field(default_factory=list)
    leaf: list[float] = field(default_factory=list)

    def taken(self, root: Mapping[str, Any]) -> "_Nodes":
        """With all nodes under ``root``. A loop: a tree may be deeper than Python's stack."""
        waiting: list[tuple[Mapping[str, Any], int, list[int]]] = [(root, -1, [])]
        while waiting:
            node, parent, side = waiting.pop()
            place = len(self.feature)
            if parent >= 0:
                side[parent] = place
            self._add(node)
            if "leaf_value" not in node:
                waiting += [(node["left_child"], place, self.left), (node["right_child"], place, self.right)]
        return self

    def _add(self, node: Mapping[str, Any]) -> None:
        if "leaf_coeff" in node:
            raise CannotGraph(f"{self.name} with linear_tree has no graph; fit it without")
        is_leaf = "leaf_value" in node
        if not is_leaf and node["decision_type"] != "<=":
            raise CannotGraph(
                f"{self.name} with categorical splits has no graph; put an encoder (OneHotEncoder, OrdinalEncoder) in "
                "front of it, and fit it without categorical_feature"
            )
        missing = "None" if is_leaf else node["missing_type"]
        if missing not in {"None", "NaN"}:
            raise CannotGraph(f"{self.name} with zero_as_missing has no graph; fit it without")
        threshold = 0.0 if is_leaf else _beyond_zero(float(node["threshold"]))
        self.feature.append(0 if is_leaf else int(node["split_feature"]))
        self.threshold.append(threshold)
        self.left.append(-1)
        self.right.append(-1)
        self.missing_left.append(bool(not is_leaf and (node["default_left"] if missing == "NaN" else threshold >= 0)))
        self.leaf.append(float(node["leaf_value"]) if is_leaf else 0.0)

    def tree(self, group: int, groups: int) -> Tree:
        """The same as arrays; its leaves add to one of the sums."""
        values = np.zeros((len(self.leaf), groups))
        values[:, group] = self.leaf
        return Tree(
            np.asarray(self.feature, dtype=np.int64),
            np.asarray(self.threshold, dtype=np.float64),
            np.asarray(self.left, dtype=np.int64),
            np.asarray(self.right, dtype=np.int64),
            np.asarray(self.missing_left, dtype=bool),
            values,
        )


def _beyond_zero(threshold: float) -> float:
    """The threshold that decides for ``x`` itself as the given one does where ``x`` near zero has become zero.

    Packing found it: lightgbm likes to split at -1e-35, and a row on that very number goes right.
    """
    if abs(threshold) > _ZERO:
        return threshold
    return _ZERO if threshold >= 0 else float(np.nextafter(-_ZERO, -np.inf))
