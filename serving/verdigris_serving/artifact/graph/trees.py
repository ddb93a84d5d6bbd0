"""Trees: every tree of an ensemble in one node, which says for each row which leaf each tree ends in.

scikit-learn casts to float32 and compares with float64 thresholds. Here the cast is explicit, and a threshold is
rounded down to float32, which decides the same for every float32 value. What the leaves hold is then looked up in
float64 and added tree by tree, from the first to the last, as scikit-learn does: the sums agree to the last bit, ties
included. A missing value goes where the tree's own ``missing_go_to_left`` says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto, helper
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

from verdigris_serving.artifact.graph.builder import Answer, Ask, CannotGraph, Graph, Value, bounded, needs_exact

_FEWER_THAN = 2**24  # whole numbers that float32 holds


@dataclass(frozen=True)
class Tree:
    """One tree, a node a place. ``left`` and ``right`` are places, negative in a leaf; ``values`` is [nodes, width]."""

    feature: Any
    threshold: Any
    left: Any
    right: Any
    missing_left: Any
    values: Any


def tree_of(fitted: Any, values: Any) -> Tree:
    """A fitted ``sklearn.tree`` estimator; ``values`` [nodes, width] is what its nodes stand for."""
    tree = fitted.tree_
    return Tree(
        tree.feature,
        tree.threshold,
        tree.children_left,
        tree.children_right,
        tree.missing_go_to_left.astype(bool),
        np.asarray(values, dtype=np.float64),
    )


def comparisons(trees: Sequence[Tree]) -> tuple[Any, Any]:
    """(columns, thresholds) of all inner nodes of these trees."""
    inner = [(tree, tree.left >= 0) for tree in trees]
    columns, thresholds = [tree.feature[of] for tree, of in inner], [tree.threshold[of] for tree, of in inner]
    return np.concatenate(columns), np.concatenate(thresholds)


def added_leaves(
    graph: Graph,
    trees: Sequence[Tree],
    value: Value,
    *,
    single: bool = True,
    first: Any = None,
    summed: Any = np.float64,
) -> Value:
    """The leaves' values added from the first tree to the last, [rows, width]; ``first`` is added before them all.

    ``single``: the trees compare in float32, as all of ``sklearn.tree`` does. ``summed``: what they are added in.
    """
    width = trees[0].values.shape[1]
    bounded(sum(tree.values.size for tree in trees), "a table of leaves")
    leaves, table = _leaves(graph, trees, value, single=single)
    each = graph.node("Gather", graph.constant(table, summed), leaves, width=width, axis=0)
    count = len(trees)
    if first is not None:
        # One more term in front: the row's own copy of the first value, of the shape of one tree's terms.
        one = graph.node("Gather", each, graph.constant([0], np.int64), width=width, axis=1)
        start = graph.constant(np.asarray(first).reshape(1, 1, width), summed)
        nothing = graph.node("Sub", one, one, width=width)
        each = graph.node("Concat", graph.node("Add", nothing, start, width=width), each, width=width, axis=1)
        count += 1
    total = graph.last_sum(each, count, width)
    return total if summed is np.float64 else graph.double(total)


def each_tree(graph: Graph, trees: Sequence[Tree], value: Value) -> Value:
    """What each tree says by itself, [rows, trees]; each has one value a leaf."""
    leaves, table = _leaves(graph, trees, value, single=True)
    return graph.node("Gather", graph.constant(table.reshape(-1)), leaves, width=len(trees), axis=0)


def _leaves(graph: Graph, trees: Sequence[Tree], value: Value, *, single: bool) -> tuple[Value, Any]:
    """The number of the leaf that each row ends in, [rows, trees], and the leaves' values in that order."""
    dtype = np.float32 if single else np.float64
    layout = _Layout(dtype)
    for number, tree in enumerate(trees):
        layout.add(number, tree, value.width)
    if layout.leaves >= _FEWER_THAN:
        raise CannotGraph(f"its trees have {layout.leaves} leaves, more than {_FEWER_THAN}")
    bounded(4 * len(layout.features), "its trees")
    asked = graph.node("Cast", value, width=value.width, to=TensorProto.FLOAT) if single else value
    found = graph.node("TreeEnsemble", asked, width=len(trees), **layout.attributes(len(trees)))
    return graph.node("Cast", found, width=len(trees), to=TensorProto.INT64), np.vstack(layout.values)


class _Layout:
    """The attributes of ONNX's TreeEnsemble, version 5: inner nodes and leaves are numbered apart."""

    def __init__(self, dtype: Any) -> None:
        self._dtype = dtype
        self._roots: list[int] = []
        self.features: list[int] = []
        self._splits: list[Any] = []
        self._missing: list[int] = []
        self._true: tuple[list[int], list[int]] = ([], [])
        self._false: tuple[list[int], list[int]] = ([], [])
        self._targets: list[int] = []
        self.values: list[Any] = []
        self.leaves = 0

    def add(self, number: int, tree: Tree, width: int) -> None:
        """Take in one tree. Raises CannotGraph when it looks at a column that there is not."""
        inner = np.flatnonzero(tree.left >= 0)
        ends = np.flatnonzero(tree.left < 0)
        if not len(inner):
            self._alone(number, tree)
            return
        if tree.feature[inner].max() >= width:
            raise CannotGraph("a tree looks at more columns than there are")
        place = np.zeros(len(tree.left), dtype=np.int64)
        place[inner] = len(self.features) + np.arange(len(inner))
        place[ends] = self.leaves + np.arange(len(ends))
        is_leaf = tree.left < 0
        self._roots.append(int(place[0]))
        self.features += tree.feature[inner].tolist()
        self._splits.append(tree.threshold[inner])
        self._missing += tree.missing_left[inner].astype(int).tolist()
        for branch, children in ((self._true, tree.left[inner]), (self._false, tree.right[inner])):
            branch[0].extend(place[children].tolist())
            branch[1].extend(is_leaf[children].astype(int).tolist())
        self._end(number, tree.values[ends])

    def _alone(self, number: int, tree: Tree) -> None:
        """A tree that is one leaf: ONNX wants a node in front, whose two branches end in that leaf."""
        self._roots.append(len(self.features))
        self.features.append(0)
        self._splits.append(np.zeros(1))
        self._missing.append(0)
        for ids, leaf in (self._true, self._false):
            ids.append(self.leaves)
            leaf.append(1)
        self._end(number, tree.values[:1])

    def _end(self, number: int, values: Any) -> None:
        self._targets += [number] * len(values)
        self.values.append(values)
        self.leaves += len(values)

    def attributes(self, trees: int) -> dict[str, Any]:
        splits = (
            _rounded_down(np.concatenate(self._splits)) if self._dtype is np.float32 else np.concatenate(self._splits)
        )
        return {
            "domain": "ai.onnx.ml",
            "n_targets": trees,
            "aggregate_function": 1,
            "post_transform": 0,
            "tree_roots": self._roots,
            "nodes_modes": helper.make_tensor(
                "modes", TensorProto.UINT8, [len(self.features)], bytes(len(self.features)), raw=True
            ),
            "nodes_featureids": self.features,
            "nodes_splits": _tensor("splits", splits),
            "nodes_truenodeids": self._true[0],
            "nodes_trueleafs": self._true[1],
            "nodes_falsenodeids": self._false[0],
            "nodes_falseleafs": self._false[1],
            "nodes_missing_value_tracks_true": self._missing,
            "leaf_targetids": self._targets,
            "leaf_weights": _tensor("leaves", np.arange(self.leaves).astype(self._dtype)),
        }


def _tensor(name: str, array: Any) -> Any:
    kind = TensorProto.FLOAT if array.dtype == np.float32 else TensorProto.DOUBLE
    return helper.make_tensor(name, kind, array.shape, array.tobytes(), raw=True)


def _rounded_down(thresholds: Any) -> Any:
    """The largest float32 that is no larger: for a float32 x, ``x <= t`` and ``x <= rounded_down(t)`` are the same."""
    with np.errstate(over="ignore"):
        near = thresholds.astype(np.float32)
    return np.where(near.astype(np.float64) > thresholds, np.nextafter(near, np.float32(-np.inf)), near)


def _shares_of(fitted: Any) -> Any:
    """[nodes, classes]: the probabilities of a classification tree's nodes."""
    return fitted.tree_.value[:, 0, : fitted.n_classes_]


def means_of(fitted: Any) -> Any:
    """[nodes, values]: the values of a regression tree's nodes."""
    return fitted.tree_.value[:, :, 0]


def _labels(graph: Graph, model: Any, trees: Sequence[Any], value: Value) -> Answer:
    """Several labels a row: the mean of what the trees say of each, which is there where that is likelier than not."""
    if any(list(known) != [0, 1] for known in model.classes_):
        raise CannotGraph(f"{type(model).__name__} of a label that all training rows have, or none, has no graph")
    leaves = [tree_of(each, each.tree_.value.reshape(each.tree_.node_count, -1)) for each in trees]
    shares = graph.by(added_leaves(graph, leaves, value), float(len(trees)))
    absent, present = (graph.take(shares, range(first, shares.width, 2)) for first in (0, 1))
    return Answer(present, graph.double(graph.node("Greater", present, absent, width=present.width)))


def classifier(graph: Graph, model: Any, value: Value) -> Answer:
    """One tree: its leaf's probabilities."""
    needs_exact(value, model)
    if model.n_outputs_ > 1:
        return _labels(graph, model, [model], value)
    return Answer(added_leaves(graph, [tree_of(model, _shares_of(model))], value))


def regressor(graph: Graph, model: Any, value: Value) -> Answer:
    """One tree: its leaf's values."""
    needs_exact(value, model)
    return Answer(added_leaves(graph, [tree_of(model, means_of(model))], value))


def forest_classifier(graph: Graph, model: Any, value: Value) -> Answer:
    """The mean of the trees' probabilities."""
    needs_exact(value, model)
    if model.n_outputs_ > 1:
        return _labels(graph, model, model.estimators_, value)
    trees = [tree_of(each, _shares_of(each)) for each in model.estimators_]
    return Answer(graph.by(added_leaves(graph, trees, value), float(len(trees))))


def forest_regressor(graph: Graph, model: Any, value: Value) -> Answer:
    """The mean of the trees' values."""
    needs_exact(value, model)
    trees = [tree_of(each, means_of(each)) for each in model.estimators_]
    return Answer(graph.by(added_leaves(graph, trees, value), float(len(trees))))


ESTIMATORS: dict[type, Ask] = {
    **dict.fromkeys((DecisionTreeClassifier, ExtraTreeClassifier), classifier),
    **dict.fromkeys((DecisionTreeRegressor, ExtraTreeRegressor), regressor),
    **dict.fromkeys((RandomForestClassifier, ExtraTreesClassifier), forest_classifier),
    **dict.fromkeys((RandomForestRegressor, ExtraTreesRegressor), forest_regressor),
}
