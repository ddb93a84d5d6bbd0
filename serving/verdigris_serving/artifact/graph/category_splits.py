"""Splits of histogram gradient boosting that send some categories left and all others right.

A graph's trees compare with thresholds. So each such split gets a column of its own, looked up by the category: 0 goes
left, 1 right. What is missing, or no category that was seen in training, goes where the split sends a missing value.
"""

from typing import Any

import numpy as np

from verdigris_serving.artifact.graph.builder import Graph, Value
from verdigris_serving.artifact.graph.compose import columns_of
from verdigris_serving.artifact.graph.encoding import looked_up

#: Between the 0 and the 1 of such a column.
THRESHOLD = 0.5
#: (column, the categories that go left as bits, whether a missing value does): splits alike share a column.
_Key = tuple[int, bytes, bool]


class CategorySplits:
    """The splits by category of a fitted model, and the table that its trees look at in the graph: the model's own
    columns, then one for each of them. Without categories that is ``value`` itself."""

    def __init__(self, graph: Graph, model: Any, value: Value) -> None:
        self._columns: dict[_Key, int] = {}
        self.table = value
        if model._preprocessor is None:
            return
        (_, encoder, categorical), *others = columns_of(model._preprocessor)
        codes = graph.step(encoder, graph.take(value, categorical))
        # What the others go through only checks them.
        beside = [graph.take(value, columns) for _, _, columns in others]
        tables = [codes, *beside]
        width = sum(table.width for table in tables)
        for column, known in enumerate(encoder.categories_):
            keys = self._keys(model, column)
            if keys:
                self._columns |= {key: width + place for place, key in enumerate(keys)}
                tables.append(_sides(graph, graph.take(codes, [column]), len(known), keys))
                width += len(keys)
        self.table = graph.beside(tables)

    @staticmethod
    def _keys(model: Any, column: int) -> list[_Key]:
        found = [
            _key(predictor, node)
            for stage in model._predictors
            for predictor in stage
            for node in predictor.nodes
            if node["is_categorical"] and not node["is_leaf"] and node["feature_idx"] == column
        ]
        return list(dict.fromkeys(found))

    def put(self, predictor: Any, feature: Any, threshold: Any) -> None:
        """Write the columns and thresholds of a tree's splits by category into its own, in place."""
        for place, node in enumerate(predictor.nodes):
            if node["is_categorical"] and not node["is_leaf"]:
                feature[place] = self._columns[_key(predictor, node)]
                threshold[place] = THRESHOLD


def _key(predictor: Any, node: Any) -> _Key:
    bits = np.ascontiguousarray(predictor.raw_left_cat_bitsets[node["bitset_idx"]], dtype="<u4").tobytes()
    return int(node["feature_idx"]), bits, bool(node["missing_go_to_left"])


def _sides(graph: Graph, code: Value, count: int, keys: list[_Key]) -> Value:
    """[rows, keys]: 0 where the category goes left by the key, 1 where right."""
    left = np.array([np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little")[:count] for _, bits, _ in keys])
    missing = [0.0 if goes_left else 1.0 for *_, goes_left in keys]
    return looked_up(graph, code, np.arange(count, dtype=np.float64), 1.0 - left.T, missing)
