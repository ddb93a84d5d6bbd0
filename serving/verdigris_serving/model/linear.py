"""The arithmetic of format ``linear``: a row in, probabilities or a value out, in plain Python.

For one row of eight features this beats any array library, whose call overhead alone is larger.
"""

import math
from collections.abc import Callable, Sequence

from verdigris_serving.model.schema import ElementwiseFunction, LinearSpec

#: The allow-list of elementwise functions lives here, in the server, never in an artifact.
FUNCTIONS: dict[ElementwiseFunction, Callable[[float], float] | None] = {
    "identity": None,
    "log": math.log,
    "log1p": math.log1p,
    "sqrt": math.sqrt,
}


class NonFiniteScore(ArithmeticError):
    """The model has no finite answer to a row that its own manifest allows: the model's fault, not the caller's."""


class LinearModel:
    """A predictor built from a checked LinearSpec. ``scores`` is its whole surface."""

    blocking = False

    def __init__(self, spec: LinearSpec) -> None:
        self._link = {"logistic": _logistic, "softmax": _softmax, "identity": _identity}[spec.link]
        self._sums = [
            (
                intercept,
                [(t.feature, FUNCTIONS[t.function], t.weights[k], t.missing) for t in spec.terms],
            )
            for k, intercept in enumerate(spec.intercepts)
        ]

    def scores(self, row: Sequence[float | None]) -> list[float]:
        """Probabilities in the order of the manifest's classes, or ``[value]`` for a regression.

        ``row`` has one value a feature; None is a missing value. Raises NonFiniteScore.
        """
        totals = []
        for intercept, terms in self._sums:
            total = intercept
            for feature, function, weight, missing in terms:
                value = row[feature]
                if value is None:
                    value = missing
                elif function is not None:
                    value = _apply(function, value)
                if value is None:
                    raise NonFiniteScore(f"the model cannot impute a missing input {feature}")
                total += weight * value
            totals.append(total)
        if not all(map(math.isfinite, totals)):
            raise NonFiniteScore("the model produced a score that is not finite")
        return self._link(totals)


def _apply(function: Callable[[float], float], value: float) -> float:
    try:
        return function(value)
    except ValueError as error:  # the math module's "domain error", e.g. log(0)
        raise NonFiniteScore(f"the model's {function.__name__} has no finite value for an input") from error


def _logistic(totals: list[float]) -> list[float]:
    # The exponent is never positive, so nothing overflows.
    total = totals[0]
    power = math.exp(-abs(total))
    small = power / (1.0 + power)
    return [1.0 - small, small] if total < 0 else [small, 1.0 - small]


def _softmax(totals: list[float]) -> list[float]:
    top = max(totals)
    powers = [math.exp(total - top) for total in totals]
    scale = sum(powers)
    return [power / scale for power in powers]


def _identity(totals: list[float]) -> list[float]:
    return totals
