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


@dataclass(frozen=True)
class Comparison:
    """``rows`` compared; ``largest`` difference of any output (``model/golden.py`` says how it is measured); rows
    whose label, or any of several, differs; ``unanswered`` is the packed model's own sentence when it had no answer."""

    rows: int
    largest: float
    wrong_labels: int
    unanswered: str = ""


def compared(served: Predictor, manifest: Manifest, answers: Answers) -> Comparison:
    """Over those rows that the manifest allows: where a feature may not be missing, it is not asked without it."""
    asked = _allowed(manifest, answers)
    largest, wrong = 0.0, 0
    for start in range(0, len(asked), _CHUNK):
        part = slice(start, start + _CHUNK)
        rows = asked.rows[part]
        try:
            scores, labels = answered(served, manifest, rows)
        except NonFiniteScore as fault:
            return Comparison(len(asked), np.inf, 0, str(fault))
        wanted = asked.scores[part]
        found = np.abs(np.asarray(scores).reshape(wanted.shape) - wanted) / np.maximum(1.0, np.abs(wanted))
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
    """The scores and the labels as they are served. Raises NonFiniteScore."""
    if manifest.label_from == "model":
        return cast(LabelPredictor, served).labelled(rows)
    scores = served.scores_many(rows)
    return scores, label_positions(manifest, scores) if manifest.classes else None


def _allowed(manifest: Manifest, answers: Answers) -> Answers:
    strict = [place for place, feature in enumerate(manifest.features) if not feature.nullable]
    good: Any = np.array([all(row[place] is not None for place in strict) for row in answers.rows], dtype=bool)
    if good.all():
        return answers
    rows = [row for row, is_good in zip(answers.rows, good, strict=True) if is_good]
    return Answers(rows, answers.scores[good], None if answers.labels is None else answers.labels[good])
