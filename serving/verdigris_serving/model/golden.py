"""Do the golden rows still come out as the original pipeline said? Asked when packing and at every start."""

import contextlib
import math
from collections.abc import Sequence

from verdigris_serving.model.linear import NonFiniteScore
from verdigris_serving.model.loaded import Predictor
from verdigris_serving.model.schema import GoldenRows


def largest_difference(
    predictor: Predictor, rows: Sequence[Sequence[float | None]], expected: Sequence[Sequence[float]]
) -> float:
    """The largest absolute difference of any output over all rows. Raises NonFiniteScore, which names the row."""
    worst = 0.0
    for got, wanted in zip(_answers(predictor, rows), expected, strict=True):
        differences = [abs(a - b) for a, b in zip(got, wanted, strict=True)]
        # What is no number is no small difference: max() would skip it.
        worst = math.inf if any(map(math.isnan, differences)) else max(worst, *differences)
    return worst


def _answers(predictor: Predictor, rows: Sequence[Sequence[float | None]]) -> list[list[float]]:
    """All scores, by batch where a call is dear; a fault names its row."""
    with contextlib.suppress(NonFiniteScore):
        if predictor.blocking and len(rows) > 1:
            return predictor.scores_many(rows)
    answers = []
    for number, row in enumerate(rows):
        try:
            answers.append(predictor.scores(row))
        except NonFiniteScore as fault:
            raise NonFiniteScore(f"row {number}: {fault}") from fault
    return answers


def golden_failure(predictor: Predictor, golden: GoldenRows) -> str | None:
    """None when every golden row passes, else the sentence that says which did not and by how much."""
    for number, (row, wanted) in enumerate(zip(golden.rows, golden.expected, strict=True)):
        try:
            difference = largest_difference(predictor, [row], [wanted])
        except NonFiniteScore as fault:
            return f"golden row {number} of {len(golden.rows)}: {fault}"
        if not difference <= golden.tolerance:
            return (
                f"golden row {number} of {len(golden.rows)} differs from its expected output by {difference:.3g}, "
                f"more than {golden.tolerance:.3g}"
            )
    return None
