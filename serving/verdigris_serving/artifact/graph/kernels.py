"""Distances from a row to the rows that a model keeps of its training, and the kernels of them.

Every value here is [rows, kept]: one column a kept row. Differences are squared and added column by column, as scipy's
``cdist`` and libsvm do, and not multiplied out: where both are large and near each other that would leave only noise.
"""

import math
from typing import Any

import numpy as np
from sklearn.gaussian_process import kernels as gaussian

from verdigris_serving.artifact.graph.builder import CannotGraph, Graph, Value, bounded, finite

#: Most kept rows and columns: a batch has a number for each kept row, and a node a column.
MOST_ROWS, MOST_COLUMNS = 5_000, 256
#: What a sum of weighted kernels may be off by, with kernels of at most 1: a tenth of what a proof allows.
_NOISE = 1e-7


def squared_distances(graph: Graph, value: Value, kept: Any) -> Value:
    """The sum of the squared differences to each kept row."""
    rows = _kept(value, kept)
    total: Value | None = None
    for number in range(value.width):
        column = graph.take(value, [number])
        away = graph.node("Sub", column, graph.constant(rows[:, number].reshape(1, -1)), width=len(rows), exact=False)
        square = graph.node("Mul", away, away, width=len(rows))
        total = square if total is None else graph.node("Add", total, square, width=len(rows))
    assert total is not None
    return total


def products(graph: Graph, value: Value, kept: Any) -> Value:
    """The dot product with each kept row."""
    return graph.matmul(value, _kept(value, kept).T)


def _kept(value: Value, kept: Any) -> Any:
    rows = finite(kept, "a row kept of the training")
    if rows.shape[0] > MOST_ROWS or rows.shape[1] > MOST_COLUMNS:
        raise CannotGraph(
            f"{rows.shape[0]} kept rows of {rows.shape[1]} columns; a graph has at most {MOST_ROWS} of {MOST_COLUMNS}"
        )
    if rows.shape[1] != value.width:
        raise CannotGraph(f"its kept rows have {rows.shape[1]} columns, not {value.width}")
    bounded(rows.size, "what it keeps of its training")
    return rows


def vector_machine(graph: Graph, model: Any, value: Value, kept: Any) -> Value:
    """The kernels of libsvm: linear, polynomial, radial, sigmoid."""
    name, gamma = model.kernel, float(model._gamma)
    if name == "linear":
        return products(graph, value, kept)
    if name == "rbf":
        return exponential(graph, graph.times(squared_distances(graph, value, kept), -gamma))
    if name not in {"poly", "sigmoid"}:
        raise CannotGraph(f"{type(model).__name__} with a kernel of its own has no graph")
    inner = graph.plus(graph.times(products(graph, value, kept), gamma), float(model.coef0))
    if name == "sigmoid":
        return graph.node("Tanh", inner, width=inner.width)
    return power(graph, inner, float(model.degree))


def exponential(graph: Graph, value: Value) -> Value:
    """e to the value."""
    return graph.node("Exp", value, width=value.width, exact=False)


def power(graph: Graph, value: Value, exponent: float) -> Value:
    """The value to a constant power."""
    return graph.node("Pow", value, graph.constant(exponent), width=value.width, exact=False)


def check_noise(weights: Any, what: str) -> None:
    """Raise CannotGraph when the weights are so large that the order of adding would show in the sum."""
    noise = float(np.abs(weights).sum()) * float(np.finfo(np.float64).eps)
    if not noise <= _NOISE:
        raise CannotGraph(f"{what} has weights so large that a sum in another order differs by {noise:.1g}")


def process(graph: Graph, kernel: Any, value: Value, kept: Any) -> Value:
    """The kernels of Gaussian processes, put together as the model has them. Raises CannotGraph for others."""
    kind = type(kernel)
    if kind is gaussian.Sum or kind is gaussian.Product:
        parts = [process(graph, part, value, kept) for part in (kernel.k1, kernel.k2)]
        return graph.node("Add" if kind is gaussian.Sum else "Mul", *parts, width=parts[0].width)
    if kind is gaussian.Exponentiation:
        return power(graph, process(graph, kernel.kernel, value, kept), float(kernel.exponent))
    if kind is gaussian.ConstantKernel or kind is gaussian.WhiteKernel:
        # White noise is only where a row meets itself, which a row that is asked never does.
        constant = float(kernel.constant_value) if kind is gaussian.ConstantKernel else 0.0
        return _constant(graph, value, constant, len(kept))
    if kind is gaussian.DotProduct:
        return graph.plus(products(graph, value, kept), float(kernel.sigma_0) ** 2)
    return _stationary(graph, kernel, value, kept)


def _constant(graph: Graph, value: Value, number: float, width: int) -> Value:
    """[rows, width] of one number."""
    missing = graph.node("IsNaN", graph.take(value, [0]), width=1)
    ones = graph.double(graph.node("Equal", missing, missing, width=1))
    return graph.node("Mul", ones, graph.constant(np.full((1, width), number)), width=width)


def _stationary(graph: Graph, kernel: Any, value: Value, kept: Any) -> Value:
    """Those that depend on the distance alone."""
    kind = type(kernel)
    if kind is gaussian.RBF or kind is gaussian.Matern:
        scale = np.squeeze(kernel.length_scale).astype(np.float64)
        distances = squared_distances(graph, graph.by(value, scale), np.asarray(kept) / scale)
        return (
            exponential(graph, graph.times(distances, -0.5))
            if kind is gaussian.RBF
            else _matern(graph, kernel, distances)
        )
    if kind is gaussian.RationalQuadratic:
        distances = squared_distances(graph, value, kept)
        base = graph.plus(graph.by(distances, 2.0 * kernel.alpha * kernel.length_scale**2), 1.0)
        return power(graph, base, -float(kernel.alpha))
    if kind is gaussian.ExpSineSquared:
        away = _root(graph, squared_distances(graph, value, kept))
        wave = graph.node("Sin", graph.times(away, math.pi / kernel.periodicity), width=away.width)
        share = graph.by(wave, float(kernel.length_scale))
        return exponential(graph, graph.times(graph.node("Mul", share, share, width=away.width), -2.0))
    raise CannotGraph(f"a Gaussian process with {kind.__name__} has no graph")


def _root(graph: Graph, value: Value) -> Value:
    return graph.node("Sqrt", value, width=value.width)


def _matern(graph: Graph, kernel: Any, squares: Value) -> Value:
    """Its closed forms, by ``nu`` (the formulas in scikit-learn's documentation of ``Matern``)."""
    if kernel.nu == math.inf:
        return exponential(graph, graph.times(squares, -0.5))
    if kernel.nu not in {0.5, 1.5, 2.5}:
        raise CannotGraph(f"Matern(nu={kernel.nu:g}) has no graph")
    away = graph.times(_root(graph, squares), math.sqrt(2.0 * kernel.nu))
    decay = exponential(graph, graph.node("Neg", away, width=away.width))
    if kernel.nu == 0.5:
        return decay
    factor = graph.plus(away, 1.0)
    if kernel.nu == 2.5:
        third = graph.by(graph.node("Mul", away, away, width=away.width), 3.0)
        factor = graph.node("Add", factor, third, width=away.width)
    return graph.node("Mul", factor, decay, width=away.width)
