"""Data sets whose truth is known: what a model answered, and what was true, a row each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from verdigris_serving.gate.rows import Answers
from verdigris_serving.model.schema import Equivalence, Feature, Manifest, Task

__all__ = ["Answers"]

Source = np.random.Generator
#: The share of rows of the second class.
SHARE = 0.35
_NORMAL = NormalDist()


def _manifest(task: Task, classes: list[Any]) -> Manifest:
    return Manifest(1, "m", "1.0.0", "linear", task, [Feature("x")], classes, None, Equivalence(1, 0.0), {})


TWO, VALUE = _manifest("classification", [0, 1]), _manifest("regression", [])
# Rows whose probabilities are Beta(1.2, 2.2) and true: what each loss then is on average, by a fine grid.
_ALPHA, _BETA = 1.2, 2.2
_GRID = (np.arange(200_000) + 0.5) / 200_000
_DENSITY = _GRID ** (_ALPHA - 1) * (1 - _GRID) ** (_BETA - 1)
_DENSITY /= _DENSITY.sum()
BRIER = float((_DENSITY * _GRID * (1 - _GRID)).sum())
LOG_LOSS = float(-(_DENSITY * (_GRID * np.log(_GRID) + (1 - _GRID) * np.log1p(-_GRID))).sum())


def precision(tpr: float, fpr: float) -> float:
    """The true precision of labels with these rates."""
    return SHARE * tpr / (SHARE * tpr + (1 - SHARE) * fpr)


def f1(tpr: float, fpr: float) -> float:
    """The same of the F1."""
    return 2 * SHARE * tpr / (SHARE * tpr + (1 - SHARE) * fpr + SHARE)


def mean_error(noise: float) -> float:
    """The mean absolute error of normal noise."""
    return noise * math.sqrt(2 / math.pi)


def _answers(truths: Any, labels: Any = (), scores: Any = (), manifest: Manifest = TWO) -> Answers:
    truths = np.asarray(truths)
    return Answers(
        manifest, truths.tolist(), np.asarray(labels, dtype=int).tolist(), np.asarray(scores).tolist(), {}, len(truths)
    )


def _truths(source: Source, n: int) -> Any:
    return source.random(n) < SHARE


def ranked(source: Source, n: int, auc: float) -> Answers:
    """Normal scores in each class."""
    truths = _truths(source, n)
    apart = math.sqrt(2) * _NORMAL.inv_cdf(auc)
    return _answers(truths.astype(int), truths, source.normal(size=n) + apart * truths)


def two_ranked(source: Source, n: int, first: float, second: float) -> tuple[Answers, Answers]:
    """The same of two models whose scores are correlated (0.8)."""
    truths = _truths(source, n)
    shared = source.normal(size=n)
    made = []
    for auc in (first, second):
        own = math.sqrt(0.8) * shared + math.sqrt(0.2) * source.normal(size=n)
        made.append(_answers(truths.astype(int), truths, own + math.sqrt(2) * _NORMAL.inv_cdf(auc) * truths))
    return made[0], made[1]


def labelled(source: Source, n: int, tpr: float, fpr: float) -> Answers:
    """Labels with these rates."""
    truths = _truths(source, n)
    return _answers(truths.astype(int), source.random(n) < np.where(truths, tpr, fpr))


def two_labelled(source: Source, n: int, loss: float) -> tuple[Answers, Answers]:
    """Labels of two models that differ on 12 % of rows; the first is right less often by ``loss``."""
    truths = _truths(source, n)
    differ = 0.12
    kind = source.random(n)
    only_first, only_second = kind < (differ - loss) / 2, (kind >= (differ - loss) / 2) & (kind < differ)
    both = source.random(n) < 0.9
    first, second = np.where(only_first, True, both & ~only_second), np.where(only_second, True, both & ~only_first)
    return tuple(_answers(truths.astype(int), np.where(right, truths, ~truths)) for right in (first, second))  # type: ignore[return-value]


def two_labelled_f1(source: Source, n: int, loss: float) -> tuple[Answers, Answers]:
    """Labels of two models, those of the second flipped to give the first, whose F1 is smaller by ``loss``."""
    truths = _truths(source, n)
    tpr, fpr = 0.8, 0.12
    wanted = f1(tpr, fpr) - loss
    # So much of the hits is lost that the F1 is what is wanted: 2 s t / (s t + (1 - s) f + s) = wanted.
    less = wanted * ((1 - SHARE) * fpr + SHARE) / (SHARE * (2 - wanted))
    second = source.random(n) < np.where(truths, tpr, fpr)
    first = np.where(truths, second & (source.random(n) < less / tpr), second)
    return _answers(truths.astype(int), first), _answers(truths.astype(int), second)


def likely(source: Source, n: int) -> Answers:
    """Probabilities that are true."""
    chances = source.beta(_ALPHA, _BETA, n)
    return _answers((source.random(n) < chances).astype(int), chances > 0.5, chances)


def two_likely(source: Source, n: int, loss: float) -> tuple[Answers, Answers]:
    """Probabilities that are true, and before them ones that are off: their Brier score is worse by ``loss``."""
    chances = 0.2 + 0.6 * source.random(n)
    truths = (source.random(n) < chances).astype(int)
    off = chances + math.sqrt(loss) * np.where(source.random(n) < 0.5, 1, -1)
    return _answers(truths, off > 0.5, off), _answers(truths, chances > 0.5, chances)


def shifted(source: Source, n: int, by: float) -> Answers:
    """Probabilities that are all too small by ``by``."""
    said = 0.05 + 0.85 * source.random(n)
    return _answers((source.random(n) < said + by).astype(int), said > 0.5, said)


def alternating(source: Source, n: int, by: float) -> Answers:
    """Probabilities that are too small and too large in turn, from one tenth of the rows to the next."""
    tenth = np.arange(n) * 10 // n
    said, sign = 0.14 + 0.08 * tenth, np.where(tenth % 2 == 0, 1, -1)
    return _answers((source.random(n) < said + by * sign).astype(int), said > 0.5, said)


def valued(source: Source, n: int, noise: float) -> Answers:
    """Values around predictions, of variance 1, with normal noise."""
    said = source.normal(size=n)
    return _answers(said + noise * source.normal(size=n), (), said, VALUE)


def selected(source: Source, rates: Sequence[float], size: int, truly: int = 0) -> Answers:
    """``size`` rows a group, selected at the group's rate; all of them ``truly`` favourable, or none."""
    labels = np.concatenate([source.random(size) < rate for rate in rates])
    answers = _answers(np.full(len(labels), truly), labels)
    answers.attributes["group"] = [f"group {number}" for number in range(len(rates)) for _ in range(size)]
    return answers


def latencies(source: Source, p95: float, n: int, together: float) -> Iterator[tuple[float, float]]:
    """Latencies (s) and when (s of 30): log-normal with this p95; a part of their spread is shared by each second."""
    spread = 0.5
    moments = np.sort(source.random(n)) * 30
    shared = source.normal(size=30)[moments.astype(int)]
    logs = math.sqrt(together) * shared + math.sqrt(1 - together) * source.normal(size=n)
    center = math.log(p95) - spread * _NORMAL.inv_cdf(0.95)
    yield from zip(np.exp(center + spread * logs).tolist(), moments.tolist(), strict=True)
