"""What a pipeline itself answers, and models that answer otherwise, to see that packing finds out."""

from typing import Any

import pytest

from verdigris_serving.artifact import compile as compiling
from verdigris_serving.artifact.proof.reference import Reference
from verdigris_serving.model.schema import Row


def reference_scores(pipeline: Any, rows: list[Row]) -> list[list[float]]:
    """What scikit-learn itself answers: probabilities by class, or the value."""
    answers = Reference(pipeline, classes=getattr(pipeline, "classes_", ())).answers(rows)
    scores: list[list[float]] = answers.scores.tolist()
    return scores


class Off:
    """A predictor that answers ``by`` more than it should."""

    blocking = False

    def __init__(self, by: float, inner: Any) -> None:
        self._by, self._inner = by, inner

    def scores(self, row: Row) -> list[float]:
        """One row's."""
        return self.scores_many([row])[0]

    def scores_many(self, rows: list[Row]) -> list[list[float]]:
        """All of them, each off."""
        return [[value + self._by for value in row] for row in self._inner.scores_many(rows)]

    def labelled(self, rows: list[Row]) -> tuple[list[list[float]], list[int]]:
        """The labels are right."""
        return self.scores_many(rows), self._inner.labelled(rows)[1]


def slightly_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every format answers 2e-6 more than it should."""
    true = compiling.predictor
    monkeypatch.setattr(compiling, "predictor", lambda *given: Off(2e-6, true(*given)))
