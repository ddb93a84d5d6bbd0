"""The arithmetic of format ``linear``: rows in, probabilities or values out, in plain Python.

For one row of eight features this beats any array library, whose call overhead alone is larger. Both ways through,
``scores`` and ``scores_many``, add the same numbers in the same order: an answer does not depend on the batch.
"""

import math
from collections.abc import Callable, Sequence

from verdigris_serving.model.schema import ElementwiseFunction, LinearSpec, Term

#: The allow-list of elementwise functions lives here, in the server, never in an artifact.
FUNCTIONS: dict[ElementwiseFunction, Callable[[float], float] | None] = {
    "identity": None,
    "log": math.log,
    "log1p": math.log1p,
    "sqrt": math.sqrt,
}


def function_of(term: Term) -> Callable[[float], float] | None:
    """What is done to the term's input; None: nothing."""
    if term.function != "equals":
        return FUNCTIONS[term.function]
    argument = term.argument or 0.0

    def equals(value: float) -> float:
        # A difference, because a missing value must not be taken for another one: it has none.
        return 0.0 if value - argument else 1.0

    return equals


_isfinite = math.isfinite


class NonFiniteScore(ArithmeticError):
    """The model has no finite answer to a row that its own manifest allows: the model's fault, not the caller's."""


class LinearExplanation:
    """What each feature added to an output beyond the average training row: exact, not an approximation.

    The scale is that of the sums before the link: log-odds for a classification, the value itself for a regression.
    For such a sum these numbers are the interventional Shapley values with the training rows as background.
    """

    def __init__(self, spec: LinearSpec, centers: Sequence[float]) -> None:
        self._terms = [
            (term.feature, function_of(term), term.weights, term.missing, center)
            for term, center in zip(spec.terms, centers, strict=True)
        ]
        #: The average sum over the training rows, one an output: what the contributions are counted from.
        self.base = [
            intercept + math.fsum(term.weights[k] * center for term, center in zip(spec.terms, centers, strict=True))
            for k, intercept in enumerate(spec.intercepts)
        ]

    def contributions(self, row: Sequence[float | None]) -> list[list[float]]:
        """One list an output, one number a feature; with ``base`` they add up to the sum. Raises NonFiniteScore."""
        whole = [[0.0] * len(row) for _ in self.base]
        for feature, function, weights, missing, center in self._terms:
            distance = _term_value(row[feature], feature, function, missing) - center
            for output, weight in zip(whole, weights, strict=True):
                output[feature] += weight * distance
        return whole


class LinearModel:
    """A predictor built from a checked LinearSpec. ``explanation`` is None when the artifact has no training means."""

    #: A row takes microseconds.
    blocking = False

    def __init__(self, spec: LinearSpec) -> None:
        self._link, self._link_many = _LINKS[spec.link]
        self._features = [term.feature for term in spec.terms]
        self._functions = [function_of(term) for term in spec.terms]
        self._missing = [term.missing for term in spec.terms]
        #: Where a function is to be applied; for most models nowhere.
        self._applied = [(place, function) for place, function in enumerate(self._functions) if function]
        #: A term a feature, in the features' order: then the row itself is what the weights are for.
        self._in_order = self._features == list(range(len(self._features)))
        self._sums = [(b, [term.weights[k] for term in spec.terms]) for k, b in enumerate(spec.intercepts)]
        centers = [term.center for term in spec.terms if term.center is not None]
        self.explanation = LinearExplanation(spec, centers) if len(centers) == len(spec.terms) else None

    def scores(self, row: Sequence[float | None]) -> list[float]:
        """Probabilities in the order of the manifest's classes, or the values of a regression.

        ``row`` has one value a feature; None is a missing value. Raises NonFiniteScore.
        """
        try:
            values = row if self._in_order else [row[feature] for feature in self._features]
            if self._applied:
                values = list(values)
                for place, function in self._applied:
                    values[place] = function(values[place])  # type: ignore[arg-type]
            return self._link(self._totals(values))
        except (TypeError, ValueError):
            # A value is missing, or outside a function's domain: term by term, with words for what cannot be done.
            return self._link(self._totals(self._filled(row)))

    def _totals(self, values: Sequence[float | None]) -> list[float]:
        """The sums over the terms' values. Raises TypeError when one is missing."""
        totals = []
        for total, weights in self._sums:
            for weight, value in zip(weights, values):  # noqa: B905 - strict costs a tenth, and both are ours
                total += weight * value  # type: ignore[operator] # noqa: PLW2901
            if not _isfinite(total):
                raise NonFiniteScore("the model produced a score that is not finite")
            totals.append(total)
        return totals

    def _filled(self, row: Sequence[float | None]) -> list[float | None]:
        terms = zip(self._features, self._functions, self._missing, strict=True)
        return [_term_value(row[feature], feature, function, missing) for feature, function, missing in terms]

    def scores_many(self, rows: Sequence[Sequence[float | None]]) -> list[list[float]]:
        """``scores`` of each row, computed by column. Raises NonFiniteScore when any row has none."""
        columns = list(zip(*rows, strict=True))
        try:
            sums = self._sums_of(
                [self._applied_to(columns[feature], k) for k, feature in enumerate(self._features)], len(rows)
            )
        except (TypeError, ValueError):
            sums = self._sums_of(
                [self._filled_column(columns[feature], k) for k, feature in enumerate(self._features)], len(rows)
            )
        if not all(all(map(_isfinite, totals)) for totals in sums):
            raise NonFiniteScore("the model produced a score that is not finite")
        return self._link_many(sums)

    def _sums_of(self, columns: list[Sequence[float | None]], count: int) -> list[list[float]]:
        return [_weighted(intercept, weights, columns, count) for intercept, weights in self._sums]

    def _applied_to(self, column: Sequence[float | None], place: int) -> Sequence[float | None]:
        function = self._functions[place]
        return [function(value) for value in column] if function else column  # type: ignore[arg-type]

    def _filled_column(self, column: Sequence[float | None], place: int) -> Sequence[float | None]:
        function, missing = self._functions[place], self._missing[place]
        if function is None and None not in column:
            return column
        return [_term_value(value, self._features[place], function, missing) for value in column]


def _weighted(intercept: float, weights: list[float], columns: list[Sequence[float | None]], count: int) -> list[float]:
    """The intercept plus the weighted columns, one total a row. Raises TypeError when a value is missing."""
    totals = [intercept] * count
    fours = len(columns) // 4 * 4
    # Four at once: going through the rows costs more than the arithmetic. From left to right, as one by one.
    for start in range(0, fours, 4):
        p, q, r, s = weights[start : start + 4]
        quads = zip(totals, *columns[start : start + 4], strict=True)
        totals = [total + p * a + q * b + r * c + s * d for total, a, b, c, d in quads]
    for weight, column in zip(weights[fours:], columns[fours:], strict=True):
        totals = [total + weight * value for total, value in zip(totals, column, strict=True)]  # type: ignore[operator]
    return totals


def _term_value(
    value: float | None, feature: int, function: Callable[[float], float] | None, missing: float | None
) -> float:
    if value is None:
        if missing is None:
            raise NonFiniteScore(f"the model cannot impute a missing input {feature}")
        return missing
    if function is None:
        return value
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


def _logistic_many(sums: list[list[float]]) -> list[list[float]]:
    powers = [math.exp(-abs(total)) for total in sums[0]]
    small = [power / (1.0 + power) for power in powers]
    return [[1.0 - s, s] if total < 0 else [s, 1.0 - s] for total, s in zip(sums[0], small, strict=True)]


def _softmax(totals: list[float]) -> list[float]:
    top = max(totals)
    powers = [math.exp(total - top) for total in totals]
    scale = sum(powers)
    return [power / scale for power in powers]


def _softmax_many(sums: list[list[float]]) -> list[list[float]]:
    return [_softmax(list(totals)) for totals in zip(*sums, strict=True)]


def _identity(totals: list[float]) -> list[float]:
    return totals


def _identity_many(sums: list[list[float]]) -> list[list[float]]:
    return list(map(list, zip(*sums, strict=True)))


_Link = Callable[[list[float]], list[float]]
_LinkMany = Callable[[list[list[float]]], list[list[float]]]
_LINKS: dict[str, tuple[_Link, _LinkMany]] = {
    "logistic": (_logistic, _logistic_many),
    "softmax": (_softmax, _softmax_many),
    "identity": (_identity, _identity_many),
}
