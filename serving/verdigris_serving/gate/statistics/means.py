"""A smooth function of means over rows: log-loss, R², the F1 of one model less that of another, ….

By ABC, the approximate bootstrap confidence limits of DiCiccio and Efron 1992 (Biometrika 79, 231-245): what the
bootstrap by BCa comes to, found by derivatives and not by drawing. So it needs no seed, costs two passes over the rows,
and corrects for skewness and bias, which a value plus and minus its standard errors does not.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from operator import mul
from statistics import NormalDist

from verdigris_serving.gate.statistics.estimate import Estimate, Limits

Vector = Sequence[float]
Function = Callable[[Vector], float]
_NORMAL = NormalDist()
#: Step of the numeric derivatives, in standard deviations of a row's entry.
_STEP = 1e-3
#: What is left of terms that cancel each other, as in the difference of a model from itself.
_ROUNDING = 1e-9
#: The correction for bias is of the order of one standard error divided by the root of the rows, not of several.
_LARGEST_SHIFT = 2.0
#: Where one row outweighs all others, the correction for skewness would go beyond every limit.
_LEAST_SCALE = 0.5


def of_means(rows: Sequence[Vector], function: Function) -> Estimate:
    """``function`` of the means of the rows' entries; it is defined, and smooth, near these."""
    n = len(rows)
    # Labels make rows of few kinds: each is looked at once.
    kinds = Counter(map(tuple, rows))
    counts = list(kinds.values())
    columns = list(zip(*kinds, strict=True))
    means = [math.fsum(map(mul, column, counts)) / n for column in columns]
    centered = [[value - mean for value in column] for column, mean in zip(columns, means, strict=True)]
    weighted = [list(map(mul, column, counts)) for column in centered]
    others = max(1, n - 1)
    spread = [[_product(a, b) / others for b in centered] for a in weighted]
    scale = [math.sqrt(row[k]) for k, row in enumerate(spread)]
    gradient, hessian = _derivatives(function, means, scale)
    influence = [_product(gradient, row) for row in zip(*centered, strict=True)]
    squares = math.fsum(count * value**2 for count, value in zip(counts, influence, strict=True))
    value, error = function(means), math.sqrt(squares / (n * others))
    if error <= _ROUNDING * sum(abs(slope) * size for slope, size in zip(gradient, scale, strict=True)):
        return Estimate(value, n, lambda _: (value, value))
    steepest = [_product(row, gradient) / (n * error) for row in spread]
    cubes = math.fsum(count * value**3 for count, value in zip(counts, influence, strict=True))
    skew = cubes / (6 * squares**1.5)
    bias = sum(_product(a, b) for a, b in zip(hessian, spread, strict=True)) / (2 * n)
    curvature = bias / error - _product(steepest, [_product(row, steepest) for row in hessian]) / (2 * error)
    least, most = _NORMAL.cdf(-_LARGEST_SHIFT), _NORMAL.cdf(_LARGEST_SHIFT)
    shift = _NORMAL.inv_cdf(min(max(2 * _NORMAL.cdf(skew) * _NORMAL.cdf(-curvature), least), most))

    def limit(z: float) -> float:
        far = (shift + z) / max(1 - skew * (shift + z), _LEAST_SCALE) ** 2
        return function([mean + far * step for mean, step in zip(means, steepest, strict=True)])

    def limits(tail: float) -> Limits:
        z = -_NORMAL.inv_cdf(tail)
        # Of few rows the spread itself is not known: Student's quantile, by its first terms.
        z += (z**3 + z) / (4 * others)
        return limit(-z), limit(z)

    return Estimate(value, n, limits)


def _derivatives(function: Function, at: list[float], scale: list[float]) -> tuple[list[float], list[list[float]]]:
    """The gradient and the matrix of second derivatives; 0 along what never varies."""
    width = range(len(at))
    steps = [size * _STEP for size in scale]

    def moved(*signs: tuple[int, int]) -> float:
        there = list(at)
        for k, sign in signs:
            there[k] += sign * steps[k]
        return function(there)

    gradient = [(moved((k, 1)) - moved((k, -1))) / (2 * steps[k]) if steps[k] else 0.0 for k in width]
    hessian = [[0.0 for _ in width] for _ in width]
    for j in width:
        for k in width:
            if steps[j] and steps[k]:
                crossed = moved((j, 1), (k, 1)) - moved((j, 1), (k, -1)) - moved((j, -1), (k, 1))
                hessian[j][k] = (crossed + moved((j, -1), (k, -1))) / (4 * steps[j] * steps[k])
    return gradient, hessian


def _product(first: Vector, second: Vector) -> float:
    return float(sum(map(mul, first, second)))
