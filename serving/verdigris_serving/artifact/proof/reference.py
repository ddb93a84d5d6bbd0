"""What the pipeline itself answers, and which rows it refuses."""

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from verdigris_serving.model import arrays
from verdigris_serving.model.schema import Feature, InvalidModel, Label, Row
from verdigris_serving.model.sklearn_parts import chances, dense, takes_documents

#: Rows asked at once: few enough that a slow model can be stopped in time.
_CHUNK = 1_024
#: Calls spent on finding out which rows of a refused chunk are the ones.
_SPLITS = 400


@dataclass(frozen=True)
class Answers:
    """Rows with what the pipeline says to them: ``scores`` [rows, outputs], ``labels``, positions among the classes,
    or, of several a row, [rows, labels] of 1 and 0.

    ``labels`` is None for a regression; ``outputs`` is 0 for what has a label and no scores.
    """

    rows: list[Row]
    scores: Any
    labels: Any

    def __len__(self) -> int:
        return len(self.rows)

    def first(self, count: int) -> "Answers":
        """The first rows only."""
        return self.of(range(min(count, len(self))))

    def of(self, places: Any) -> "Answers":
        """The rows at these places only."""
        kept = np.asarray(places, dtype=np.int64)
        labels = None if self.labels is None else self.labels[kept]
        return Answers([self.rows[place] for place in kept], self.scores[kept], labels)


class Reference:
    """A fitted pipeline, asked as packing asks it.

    ``features`` say which columns of a row stand for texts; ``classes`` are those of its labels, in ascending order,
    none for a regression; ``several``: a row has each of them or not, instead of one; ``threshold``: what makes the
    label instead of ``predict``.
    """

    def __init__(
        self,
        pipeline: Any,
        features: Sequence[Feature] = (),
        *,
        classes: Sequence[Label] = (),
        scores: Literal["probabilities", "decision", "none"] = "probabilities",
        several: bool = False,
        threshold: float | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._documents = takes_documents(pipeline)
        self._features = features
        self._classes = np.asarray(classes)
        self._several = several
        self._kind = scores
        self._threshold = threshold

    def answers(self, rows: Sequence[Row]) -> Answers:
        """The answers to all rows. Raises whatever the pipeline raises when it refuses one of them."""
        table = arrays.asked(rows, self._features, documents=self._documents)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if not len(self._classes):
                return Answers(list(rows), _by_row(self._pipeline.predict(table), len(rows)), None)
            scores = self._scores(table)
            if self._threshold is not None:
                return Answers(list(rows), scores, (scores[:, 1] >= self._threshold).astype(np.int64))
            said = dense(self._pipeline.predict(table))
        return Answers(list(rows), scores, self._labels(said, len(rows)))

    def _labels(self, said: Any, rows: int) -> Any:
        width = len(self._classes) if self._several else 1
        if said.size != rows * width:
            raise InvalidModel(
                f"it predicts {said.size // rows} labels a row, where {width} is known: put the estimator into a "
                "MultiOutputClassifier, which fits one for each label"
            )
        if not self._several:
            places = arrays.places(self._classes, said.reshape(-1))
            if (places < 0).any():
                raise InvalidModel(
                    f"it predicts {said.reshape(-1)[places < 0][0]}, which is none of its classes: fit it so that it "
                    'predicts one of them for every row (RadiusNeighborsClassifier: outlier_label="most_frequent")'
                )
            return places
        if not ((said == 0) | (said == 1)).all():
            raise InvalidModel("it predicts something else than 0 and 1 for one of several labels a row")
        return said.reshape(rows, width).astype(np.int64)

    def _scores(self, table: Any) -> Any:
        if self._kind == "none":
            return np.zeros((len(table), 0))
        ask = self._pipeline.predict_proba if self._kind == "probabilities" else self._pipeline.decision_function
        return _by_row(chances(self._pipeline, ask(table)), len(table))

    def takes(self, *rows: Row) -> bool:
        """Whether the pipeline has a finite answer to each of the rows."""
        try:
            return len(self._finite(list(rows), [])) == len(rows)
        except Exception:  # whatever it says, it is a refusal
            return False

    def kept(
        self, rows: Sequence[Row], *, seconds: float, clock: Callable[[], float] = time.process_time
    ) -> tuple[Answers, list[Row]]:
        """The answers to those rows that the pipeline has a finite answer to, as far as ``seconds`` allow, and rows
        that it has none to: not all of them, where there are many. Raises InvalidModel."""
        until = clock() + seconds
        splits = [_SPLITS]
        parts: list[Answers] = []
        refused: list[Row] = []
        for start in range(0, len(rows), _CHUNK):
            if start and clock() > until:
                break
            parts += self._halved(list(rows[start : start + _CHUNK]), splits, refused)
        return joined(parts), refused

    def _halved(self, rows: list[Row], splits: list[int], refused: list[Row]) -> list[Answers]:
        """The answers without the rows that are refused, which are found by halving, while there are ``splits``."""
        try:
            return [self._finite(rows, refused)]
        except InvalidModel:  # it has an answer, and one that nobody could serve
            raise
        except Exception:  # a pipeline refuses a row in whatever way its parts do
            if len(rows) == 1 or splits[0] <= 0:
                refused += rows[: len(rows) == 1]
                return []
        splits[0] -= 1
        middle = len(rows) // 2
        return [*self._halved(rows[:middle], splits, refused), *self._halved(rows[middle:], splits, refused)]

    def _finite(self, rows: list[Row], refused: list[Row]) -> Answers:
        found = self.answers(rows)
        good = np.isfinite(found.scores).all(axis=1)
        if good.all():
            return found
        refused += [row for row, is_good in zip(rows, good, strict=True) if not is_good]
        return found.of(np.flatnonzero(good))


def _by_row(said: Any, rows: int) -> Any:
    """[rows, outputs], one output where there is one number a row."""
    return np.asarray(said, dtype=np.float64).reshape(rows, -1)


def joined(parts: Sequence[Answers]) -> Answers:
    """Several answers as one."""
    full = [part for part in parts if len(part)]
    if not full:
        return Answers([], np.zeros((0, 1)), None)
    labels = None if full[0].labels is None else np.concatenate([part.labels for part in full])
    return Answers([row for part in full for row in part.rows], np.concatenate([part.scores for part in full]), labels)
