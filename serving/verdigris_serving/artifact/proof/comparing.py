"""The comparison of a packed model with its pipeline over the rows of the proof."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from verdigris_serving.artifact.proof.reference import Answers
from verdigris_serving.model.linear import NonFiniteScore
from verdigris_serving.model.loaded import LabelPredictor, Predictor
from verdigris_serving.model.schema import Manifest, Row, Said, label_positions

#: Rows asked at once, to bound memory.
_CHUNK = 2_048
#: A scale below this is none: differences of a millionth of it must be numbers, too.
_SMALLEST = 1e-100


@dataclass(frozen=True)
class Comparison:
    """``rows`` compared; ``largest`` difference of any output, divided by that or by its scale if this is more; rows
    whose label, or any of several, differs; ``unanswered`` is the packed model's own sentence when it had no answer."""

    rows: int
    largest: float
    wrong_labels: int
    unanswered: str = ""


def scales(manifest: Manifest, scores: Any) -> Any:
    """What a difference of each output is set against where the output itself is less: 1 for a probability, and for a
    value or a decision the largest of ``scores`` [rows, outputs], if that is below 1. A target in grams is as well
    proven as the same one in tonnes."""
    largest = np.abs(scores).max(axis=0, initial=0.0)
    if manifest.classes and manifest.scores == "probabilities":
        return np.ones_like(largest)
    return np.where(largest > 0, np.clip(largest, _SMALLEST, 1.0), 1.0)


def compared(
    served: Predictor, manifest: Manifest, answers: Answers, scale: Any, *, at_once: int = _CHUNK
) -> Comparison:
    """Over those rows that the manifest allows: where a feature may not be missing, it is not asked without it.

    ``scale`` is what ``scales`` gives; ``at_once`` rows are asked together.
    """
    asked = _allowed(manifest, answers)
    largest, wrong = 0.0, 0
    for start in range(0, len(asked), at_once):
        part = slice(start, start + at_once)
        rows = asked.rows[part]
        try:
            scores, labels = answered(served, manifest, rows)
        except NonFiniteScore as fault:
            return Comparison(len(asked), np.inf, 0, str(fault))
        wanted = asked.scores[part]
        found = np.abs(np.asarray(scores).reshape(wanted.shape) - wanted) / np.maximum(scale, np.abs(wanted))
        largest = max(largest, float(found.max(initial=0.0)) if not np.isnan(found).any() else np.inf)
        if asked.labels is not None:
            wrong += wrong_rows(labels, asked.labels[part])
    return Comparison(len(asked), largest, wrong)


def wrong_rows(labels: Any, wanted: Any) -> int:
    """In how many rows a label differs."""
    return int((np.asarray(labels) != wanted).reshape(len(wanted), -1).any(axis=1).sum())


def answered(
    served: Predictor, manifest: Manifest, rows: Sequence[Row]
) -> tuple[list[list[float]], Sequence[Said] | None]:
    """The scores and the labels as they are served, one row in another way than several. Raises NonFiniteScore."""
    if manifest.label_from == "model":
        return cast(LabelPredictor, served).labelled(rows)
    scores = [served.scores(rows[0])] if len(rows) == 1 else served.scores_many(rows)
    return scores, label_positions(manifest, scores) if manifest.classes else None


def _allowed(manifest: Manifest, answers: Answers) -> Answers:
    strict = [place for place, feature in enumerate(manifest.features) if not feature.nullable]
    good: Any = np.array([all(row[place] is not None for place in strict) for row in answers.rows], dtype=bool)
    return answers if good.all() else answers.of(np.flatnonzero(good))
