"""Do the golden rows still come out as the original pipeline said? Asked when packing and at every start."""

from collections.abc import Sequence

from verdigris_serving.model.linear import NonFiniteScore
from verdigris_serving.model.loaded import Predictor
from verdigris_serving.model.schema import GoldenRows


def largest_difference(
    predictor: Predictor, rows: Sequence[Sequence[float | None]], expected: Sequence[Sequence[float]]
) -> float:
    """The largest absolute difference of any output over all rows. Raises NonFiniteScore, which names the row."""
    worst = 0.0
    for number, (row, wanted) in enumerate(zip(rows, expected, strict=True)):
        try:
            got = predictor.scores(row)
        except NonFiniteScore as fault:
            raise NonFiniteScore(f"row {number}: {fault}") from fault
        worst = max(worst, *(abs(a - b) for a, b in zip(got, wanted, strict=True)))
    return worst


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
