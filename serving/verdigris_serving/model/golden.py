"""Do the golden rows still come out as the original pipeline said? Asked when packing and at every start."""

import math
from collections.abc import Sequence
from typing import cast

from verdigris_serving.model.linear import NonFiniteScore
from verdigris_serving.model.loaded import LabelPredictor, Predictor
from verdigris_serving.model.schema import GoldenRows


def difference(got: Sequence[float], wanted: Sequence[float]) -> float:
    """The largest difference of any output from what is wanted, divided by that where it is beyond 1.

    So it is absolute for probabilities and small values, and relative for a regression of large ones.
    """
    found = [abs(a - b) / max(1.0, abs(b)) for a, b in zip(got, wanted, strict=True)]
    # What is no number is no small difference: max() would skip it.
    return math.inf if any(map(math.isnan, found)) else max(found, default=0.0)


def golden_failure(predictor: Predictor, golden: GoldenRows) -> str | None:
    """None when every golden row passes, else the sentence that says which did not and by how much."""
    for number, (row, wanted) in enumerate(zip(golden.rows, golden.expected, strict=True)):
        where = f"golden row {number} of {len(golden.rows)}"
        try:
            if golden.labels is None:
                scores, right = predictor.scores(row), True
            else:
                (scores,), (label,) = cast(LabelPredictor, predictor).labelled([row])
                right = label == golden.labels[number]
        except NonFiniteScore as fault:
            return f"{where}: {fault}"
        found = difference(scores, wanted)
        if not found <= golden.tolerance:
            return f"{where} differs from its expected output by {found:.3g}, more than {golden.tolerance:.3g}"
        if not right:
            return f"{where} gets another label than it had"
    return None
