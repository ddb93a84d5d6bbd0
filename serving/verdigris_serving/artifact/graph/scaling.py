"""Steps that map each column by itself: scalers, imputers, elementwise functions, clipping, thresholds.

Each writes scikit-learn's own operations in scikit-learn's own order, so that the result is the same to the last bit:
what is divided there is divided here, not multiplied by the inverse.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)

from verdigris_serving.artifact.graph.builder import CannotGraph, Graph, Step, Value, needs_exact

#: numpy functions that are one node. Roots and squares are rounded correctly everywhere; the others differ by an ulp.
_EXACT = {np.sqrt: "Sqrt", np.absolute: "Abs"}
_CLOSE = {np.log: "Log", np.exp: "Exp"}


def standard(graph: Graph, scaler: Any, value: Value) -> Value:
    """``(x - mean) / scale``."""
    if scaler.with_mean:
        value = graph.node("Sub", value, graph.constant(scaler.mean_), width=value.width)
    return graph.by(value, scaler.scale_) if scaler.with_std else value


def robust(graph: Graph, scaler: Any, value: Value) -> Value:
    """``(x - center) / scale``."""
    if scaler.with_centering:
        value = graph.node("Sub", value, graph.constant(scaler.center_), width=value.width)
    return graph.by(value, scaler.scale_) if scaler.with_scaling else value


def min_max(graph: Graph, scaler: Any, value: Value) -> Value:
    """``x * scale + minimum``, clipped when the scaler clips."""
    value = graph.plus(graph.times(value, scaler.scale_), scaler.min_)
    return _clipped(graph, value, *scaler.feature_range) if scaler.clip else value


def max_abs(graph: Graph, scaler: Any, value: Value) -> Value:
    """``x / scale``, clipped to -1 to 1 when the scaler clips."""
    value = graph.by(value, scaler.scale_)
    return _clipped(graph, value, -1.0, 1.0) if getattr(scaler, "clip", False) else value


def _clipped(graph: Graph, value: Value, low: float, high: float) -> Value:
    return graph.node("Clip", value, graph.constant(low), graph.constant(high), width=value.width)


def normalizer(graph: Graph, transformer: Any, value: Value) -> Value:
    """Each row by its norm; where that is no more than a rounding error of 1, the row stays as it is."""
    size = graph.node("Abs", value, width=value.width)
    axis = graph.constant([1], np.int64)
    if transformer.norm == "max":
        norm = graph.node("ReduceMax", size, axis, width=1, keepdims=1)
    elif transformer.norm == "l1":
        norm = graph.node("ReduceSum", size, axis, width=1, exact=False, keepdims=1)
    else:
        squares = graph.node("Mul", value, value, width=value.width)
        total = graph.node("ReduceSum", squares, axis, width=1, exact=False, keepdims=1)
        norm = graph.node("Sqrt", total, width=1)
    nothing = graph.node("Less", norm, graph.constant(10 * np.finfo(np.float64).eps), width=1)
    norm = graph.node("Where", nothing, graph.constant(1.0), norm, width=1)
    return graph.node("Div", value, norm, width=value.width)


def binarizer(graph: Graph, transformer: Any, value: Value) -> Value:
    """1 above the threshold, else 0."""
    needs_exact(value, transformer)
    above = graph.node("Greater", value, graph.constant(float(transformer.threshold)), width=value.width)
    return graph.double(above)


def function(graph: Graph, transformer: Any, value: Value) -> Value:
    """One of numpy's elementwise functions, without arguments."""
    if transformer.func is None:
        return value
    name = getattr(transformer.func, "__name__", "a function")
    if transformer.kw_args:
        raise CannotGraph(f"FunctionTransformer({name}) with arguments has no graph")
    if transformer.func in _EXACT:
        return graph.node(_EXACT[transformer.func], value, width=value.width)
    if transformer.func in _CLOSE:
        return graph.node(_CLOSE[transformer.func], value, width=value.width, exact=False)
    if transformer.func is np.square:
        return graph.node("Mul", value, value, width=value.width)
    if transformer.func is np.log1p:
        return log1p(graph, value)
    raise CannotGraph(f"FunctionTransformer({name}) has no graph")


def log1p(graph: Graph, value: Value) -> Value:
    """``log(1 + x)``, exact to an ulp or two for small x too: ``x * log(u) / (u - 1)`` with ``u = 1 + x`` (Kahan)."""
    width = value.width
    one = graph.constant(1.0)
    above = graph.node("Add", value, one, width=width)
    rounded = graph.node("Sub", above, one, width=width)
    logarithm = graph.node("Log", above, width=width, exact=False)
    scaled = graph.node("Div", graph.node("Mul", value, logarithm, width=width), rounded, width=width)
    tiny = graph.node("Equal", rounded, graph.constant(0.0), width=width)
    infinite = graph.node("Equal", value, graph.constant(-1.0), width=width)
    return graph.node(
        "Where", tiny, value, graph.node("Where", infinite, logarithm, scaled, width=width), width=width, exact=False
    )


def power(graph: Graph, transformer: Any, value: Value) -> Value:
    """Yeo-Johnson, then standardised. (Box-Cox refuses what is not positive; a graph would answer it.)"""
    if transformer.method != "yeo-johnson":
        raise CannotGraph("PowerTransformer with Box-Cox has no graph")
    columns = [_yeo_johnson(graph, graph.take(value, [c]), float(p)) for c, p in enumerate(transformer.lambdas_)]
    whole = graph.beside(columns)
    return standard(graph, transformer._scaler, whole) if transformer.standardize else whole


def _yeo_johnson(graph: Graph, column: Value, power: float) -> Value:
    zero = graph.constant(0.0)
    high = graph.node("Max", column, zero, width=1)
    low = graph.node("Max", graph.node("Neg", column, width=1), zero, width=1)
    above = _power(graph, high, power)
    below = graph.node("Neg", _power(graph, low, 2.0 - power), width=1)
    positive = graph.node("GreaterOrEqual", column, zero, width=1)
    chosen = graph.node("Where", positive, above, below, width=1, exact=False)
    missing = graph.node("IsNaN", column, width=1)
    return graph.node("Where", missing, column, chosen, width=1, exact=False)


def _power(graph: Graph, column: Value, power: float) -> Value:
    """``((1 + x) ** power - 1) / power``, or its limit ``log(1 + x)`` at 0."""
    logarithm = log1p(graph, column)
    if abs(power) < np.spacing(1.0):
        return logarithm
    raised = graph.node("Exp", graph.times(logarithm, power), width=1, exact=False)
    return graph.by(graph.plus(raised, -1.0), power)


def imputer(graph: Graph, transformer: Any, value: Value) -> Value:
    """Missing values replaced by a column's statistic; the indicator's columns behind, when there are any."""
    if value.texts:
        return _text_imputer(graph, transformer, value)
    missing = _missing(graph, transformer.missing_values, value)
    fills = np.asarray(transformer.statistics_, dtype=np.float64)
    filled = graph.node("Where", missing, graph.constant(np.nan_to_num(fills)), value, width=value.width)
    if not transformer.keep_empty_features:
        # Columns of which nothing was known at fitting are dropped.
        filled = graph.take(filled, [number for number, fill in enumerate(fills) if not math.isnan(fill)])
    if not transformer.add_indicator:
        return filled
    return graph.beside([filled, indicator(graph, transformer.indicator_, value)])


def _text_imputer(graph: Graph, transformer: Any, value: Value) -> Value:
    """The same for texts: a missing one becomes the statistic's position among the categories."""
    if transformer.add_indicator:
        raise CannotGraph("SimpleImputer of texts with an indicator has no graph")
    parts = []
    for column, fill in enumerate(transformer.statistics_):
        known = value.texts.get(column)
        if known is None or fill not in known:
            raise CannotGraph("SimpleImputer of texts by one that is no category has no graph")
        part = graph.take(value, [column])
        missing = graph.node("IsNaN", part, width=1)
        numbers = replace(part, texts={})
        filled = graph.node("Where", missing, graph.constant(float(known.index(fill))), numbers, width=1)
        parts.append(replace(filled, texts={0: known}))
    return graph.beside(parts)


def indicator(graph: Graph, transformer: Any, value: Value) -> Value:
    """1 where a value is missing, of the columns that the transformer looks at."""
    columns = [int(column) for column in transformer.features_]
    if not columns:
        return Value("", 0)
    part = graph.take(value, columns)
    return graph.double(_missing(graph, transformer.missing_values, part))


def _missing(graph: Graph, marker: Any, value: Value) -> Value:
    if isinstance(marker, float) and math.isnan(marker):
        return graph.node("IsNaN", value, width=value.width)
    if marker is None or isinstance(marker, str):
        raise CannotGraph(f"missing_values={marker!r} has no graph; numbers are missing as nan")
    return graph.node("Equal", value, graph.constant(float(marker)), width=value.width)


STEPS: dict[type, Step] = {
    StandardScaler: standard,
    RobustScaler: robust,
    MinMaxScaler: min_max,
    MaxAbsScaler: max_abs,
    Normalizer: normalizer,
    Binarizer: binarizer,
    FunctionTransformer: function,
    PowerTransformer: power,
    SimpleImputer: imputer,
    MissingIndicator: indicator,
}
