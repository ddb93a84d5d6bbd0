"""Steps that make several columns of one, or look values up: encoders, bins, products of columns.

A value is a category when it equals it: 2.5 is not 2. What a strict encoder refuses never gets here: the manifest
lists the categories, and the server refuses the rest.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, PolynomialFeatures, TargetEncoder

from verdigris_serving.artifact.graph.builder import CannotGraph, Graph, Step, Value, bounded, needs_exact


def polynomial(graph: Graph, transformer: Any, value: Value) -> Value:
    """Products of columns, each multiplied in scikit-learn's order: from the last factor to the first."""
    powers = np.asarray(transformer.powers_)
    bounded(powers.size, "PolynomialFeatures")
    factors = [[column for column, times in enumerate(row) for _ in range(times)] for row in powers]
    source = graph.beside([value, _ones(graph, value)])
    product: Value | None = None
    for place in range(max(1, *map(len, factors))):
        columns = [row[-1 - place] if place < len(row) else value.width for row in factors]
        gathered = graph.take(source, columns)
        product = gathered if product is None else graph.node("Mul", product, gathered, width=gathered.width)
    assert product is not None
    return product


def _ones(graph: Graph, value: Value) -> Value:
    """A column of ones, as many as there are rows."""
    missing = graph.node("IsNaN", graph.take(value, [0]), width=1)
    return graph.double(graph.node("Equal", missing, missing, width=1))


def bins(graph: Graph, transformer: Any, value: Value) -> Value:
    """The number of each value's bin, or a column a bin."""
    needs_exact(value, transformer)
    parts = []
    for number, edges in enumerate(transformer.bin_edges_):
        column = graph.take(value, [number])
        inner = np.asarray(edges, dtype=np.float64)[1:-1]
        if not len(inner):
            reached = graph.times(_ones(graph, column), 0.0)
        else:
            above = graph.node("GreaterOrEqual", column, graph.constant(inner.reshape(1, -1)), width=len(inner))
            axis = graph.constant([1], np.int64)
            reached = graph.node("ReduceSum", graph.double(above), axis, width=1, keepdims=1)
        if transformer.encode == "ordinal":
            parts.append(reached)
        else:
            parts.append(_is_each(graph, reached, np.arange(transformer.n_bins_[number], dtype=np.float64)))
    return graph.beside(parts)


def one_hot(graph: Graph, transformer: Any, value: Value) -> Value:
    """A column a category, 1 where the value is it, without those that are dropped."""
    needs_exact(value, transformer)
    if getattr(transformer, "_infrequent_enabled", False) and any(
        found is not None for found in transformer.infrequent_categories_
    ):
        raise CannotGraph("OneHotEncoder with infrequent categories has no graph")
    parts = []
    for number, known in enumerate(transformer.categories_):
        dropped = None if transformer.drop_idx_ is None else transformer.drop_idx_[number]
        kept = [place for place in range(len(known)) if place != dropped]
        whole = _is_each(graph, graph.take(value, [number]), _numbers(known, transformer, value.texts.get(number)))
        if kept:
            parts.append(graph.take(whole, kept))
    return graph.beside(parts)


def ordinal(graph: Graph, transformer: Any, value: Value) -> Value:
    """A category's number; for others ``unknown_value``, for a missing value ``encoded_missing_value``."""
    needs_exact(value, transformer)
    if getattr(transformer, "_infrequent_enabled", False) and any(
        found is not None for found in transformer.infrequent_categories_
    ):
        raise CannotGraph("OrdinalEncoder with infrequent categories has no graph")
    other = transformer.unknown_value if transformer.handle_unknown == "use_encoded_value" else 0.0
    parts = []
    for number, categories in enumerate(transformer.categories_):
        known = _numbers(categories, transformer, value.texts.get(number))
        codes = np.arange(len(known), dtype=np.float64)
        codes[np.isnan(known)] = transformer.encoded_missing_value
        parts.append(looked_up(graph, graph.take(value, [number]), known, codes.reshape(-1, 1), [other]))
    return graph.beside(parts)


def target(graph: Graph, transformer: Any, value: Value) -> Value:
    """The target's smoothed mean of each category, the overall mean for others; one a class when there are many."""
    needs_exact(value, transformer)
    each = len(transformer.classes_) if transformer.target_type_ == "multiclass" else 1
    means = np.atleast_1d(np.asarray(transformer.target_mean_, dtype=np.float64))
    parts = []
    for number, known in enumerate(transformer.categories_):
        encodings = np.array(transformer.encodings_[number * each : (number + 1) * each], dtype=np.float64).T
        column, codes = graph.take(value, [number]), _numbers(known, transformer, value.texts.get(number))
        parts.append(looked_up(graph, column, codes, encodings, list(means)))
    return graph.beside(parts)


def looked_up(graph: Graph, column: Value, known: Any, table: Any, others: Sequence[float]) -> Value:
    """Row ``k`` of ``table`` where the column equals ``known[k]``, ``others`` where it equals none."""
    width = table.shape[1]
    positions = np.arange(1, len(known) + 1, dtype=np.float64).reshape(-1, 1)
    which = graph.node("MatMul", _is_each(graph, column, known), graph.constant(positions), width=1)
    index = graph.node("Cast", which, width=1, to=7)  # TensorProto.INT64
    whole = np.vstack([np.asarray(others, dtype=np.float64).reshape(1, width), table])
    flat = graph.node("Squeeze", index, graph.constant([1], np.int64), width=1)
    return graph.node("Gather", graph.constant(whole), flat, width=width, axis=0)


def _is_each(graph: Graph, column: Value, known: Any) -> Value:
    """[rows, len(known)]: 1 where the column equals a number; NaN equals NaN."""
    bounded(len(known), "an encoder")
    equal = graph.node("Equal", column, graph.constant(known.reshape(1, -1)), width=len(known))
    if np.isnan(known).any():
        missing = graph.node("IsNaN", column, width=1)
        here = graph.constant(np.isnan(known).reshape(1, -1), np.bool_)
        also = graph.node("And", missing, here, width=len(known))
        equal = graph.node("Or", equal, also, width=len(known))
    return graph.double(equal)


def _numbers(categories: Any, transformer: Any, texts: Sequence[str] | None) -> Any:
    """The categories as the graph's numbers: a text by its position among ``texts``."""
    if texts is not None:
        places = {text: float(number) for number, text in enumerate(texts)}
        return np.array([places.get(value, math.nan) for value in categories], dtype=np.float64)
    try:
        return np.array([math.nan if value is None else float(value) for value in categories], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise CannotGraph(f"{type(transformer).__name__} of categories that are no numbers has no graph") from error


STEPS: dict[type, Step] = {
    PolynomialFeatures: polynomial,
    KBinsDiscretizer: bins,
    OneHotEncoder: one_hot,
    OrdinalEncoder: ordinal,
    TargetEncoder: target,
}
