"""The cells: one gate, one truth, one threshold, so many rows, and what draws such a data set and has it judged."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks.gates import drawn
from verdigris_serving.gate.config import (
    Artifact,
    Attribute,
    Bounds,
    Data,
    DisparateImpact,
    EqualOpportunity,
    Fairness,
    Load,
    Quality,
    VersusActive,
)
from verdigris_serving.gate.fairness import judge as judge_fairness
from verdigris_serving.gate.generator import Run
from verdigris_serving.gate.latencies import Latencies
from verdigris_serving.gate.load import judge as judge_load
from verdigris_serving.gate.quality import Inputs
from verdigris_serving.gate.quality import judge as judge_quality
from verdigris_serving.gate.result import Verdict, overall

Source = np.random.Generator
NOBODY = "0" * 64
MODEL, DATA = Artifact("file:///model", NOBODY), Data("file:///data", NOBODY, target="y")


@dataclass(frozen=True)
class Cell:
    """``rule`` is the gate and its check; ``judged`` draws one data set and says the verdict of the gate on it."""

    rule: str
    truth: float
    threshold: float
    n: int
    judged: Callable[[Source], Verdict]

    @property
    def at_threshold(self) -> bool:
        """Whether the truth is the threshold: then any decision is a wrong one half of the time, or worse."""
        return math.isclose(self.truth, self.threshold, abs_tol=1e-9)


def cells() -> Iterator[Cell]:
    """All of them."""
    for n in (100, 400, 2_000):
        yield from _quality(n)
        yield from _versus(n)
    yield from _calibration()
    yield from _fairness()
    yield from _load()


def _quality(n: int) -> Iterator[Cell]:
    for metric, side, draw, truth in (
        ("auc", "min", partial(drawn.ranked, auc=0.85), 0.85),
        ("auc", "min", partial(drawn.ranked, auc=0.95), 0.95),
        ("accuracy", "min", partial(drawn.labelled, tpr=0.8, fpr=0.2), 0.8),
        ("balanced_accuracy", "min", partial(drawn.labelled, tpr=0.7, fpr=0.1), 0.8),
        ("recall", "min", partial(drawn.labelled, tpr=0.8, fpr=0.15), 0.8),
        ("precision", "min", partial(drawn.labelled, tpr=0.8, fpr=0.2), drawn.precision(0.8, 0.2)),
        ("f1", "min", partial(drawn.labelled, tpr=0.75, fpr=0.12), drawn.f1(0.75, 0.12)),
        ("brier", "max", drawn.likely, drawn.BRIER),
        ("log_loss", "max", drawn.likely, drawn.LOG_LOSS),
        ("r2", "min", partial(drawn.valued, noise=0.6), 1 / (1 + 0.6**2)),
        ("mae", "max", partial(drawn.valued, noise=0.6), drawn.mean_error(0.6)),
        ("rmse", "max", partial(drawn.valued, noise=0.6), 0.6),
    ):
        yield _quality_cell(metric, side, draw, truth, truth, n=n)
    # What the gate is for: a model that is plainly good, and one that is plainly not.
    for auc in (0.83, 0.89):
        yield _quality_cell("auc", "min", partial(drawn.ranked, auc=auc), auc, 0.85, n=n)


def _calibration() -> Iterator[Cell]:
    for n in (400, 2_000, 10_000):
        yield _quality_cell("calibration", "max", partial(drawn.shifted, by=0.05), 0.05, 0.05, n=n)
        yield _quality_cell("calibration", "max", partial(drawn.alternating, by=0.05), 0.05, 0.05, n=n)
        yield _quality_cell("calibration", "max", partial(drawn.shifted, by=0.0), 0.0, 0.05, n=n)


def _quality_cell(
    metric: Any, side: str, draw: Callable[..., drawn.Answers], truth: float, threshold: float, *, n: int
) -> Cell:
    bounds = Bounds(min=threshold) if side == "min" else Bounds(max=threshold)
    config = Quality(MODEL, DATA, thresholds={metric: bounds})

    def judged(source: Source) -> Verdict:
        return overall(judge_quality(config, Inputs(draw(source, n))))

    name = getattr(getattr(draw, "func", draw), "__name__", "")
    kind = ", errors of both signs" if name == "alternating" else ""
    return Cell(f"quality: {metric} {side}{kind}", truth, threshold, n, judged)


def _versus(n: int) -> Iterator[Cell]:
    margin = 0.02
    for metric, draw in (
        ("auc", partial(drawn.two_ranked, first=0.83, second=0.85)),
        ("accuracy", partial(drawn.two_labelled, loss=margin)),
        ("brier", partial(drawn.two_likely, loss=margin)),
        ("f1", partial(drawn.two_labelled_f1, loss=margin)),
    ):
        config = Quality(MODEL, DATA, versus_active=VersusActive(metric, margin, MODEL))  # type: ignore[arg-type]

        def judged(
            source: Source,
            config: Quality = config,
            draw: Callable[..., tuple[drawn.Answers, drawn.Answers]] = draw,
        ) -> Verdict:
            return overall(judge_quality(config, Inputs(*draw(source, n))))

        yield Cell(f"quality: {metric} versus active", -margin, -margin, n, judged)


def _fairness() -> Iterator[Cell]:
    for rates, truth in (
        ((0.4, 0.32), 0.8),
        ((0.4, 0.4, 0.32), 0.8),
        ((0.4, 0.4, 0.36, 0.32, 0.32), 0.8),
        ((0.35, 0.35), 1.0),
        ((0.4, 0.2), 0.5),
    ):
        for size in (30, 100, 500, 2_000):
            groups = f"{len(rates)} groups"
            yield _fairness_cell(f"fairness: disparateImpact, {groups}", rates, truth, size, confidence=0.95)
            if size <= 500:
                name = f"fairness: the ratio alone (80 % rule), {groups}"
                yield _fairness_cell(name, rates, truth, size, confidence="point")
    for size in (100, 500, 2_000):
        yield _opportunity_cell((0.8, 0.7), size)
        yield _opportunity_cell((0.8, 0.8, 0.75, 0.7), size)


def _fairness_cell(name: str, rates: Sequence[float], truth: float, size: int, confidence: Any) -> Cell:
    config = Fairness(MODEL, DATA, [Attribute("group")], disparate_impact=DisparateImpact(0.8), confidence=confidence)

    def judged(source: Source) -> Verdict:
        checks, _ = judge_fairness(config, drawn.selected(source, rates, size), 1)
        return overall(checks)

    return Cell(name, truth, 0.8, size * len(rates), judged)


def _opportunity_cell(rates: Sequence[float], size: int) -> Cell:
    config = Fairness(MODEL, DATA, [Attribute("group")], equal_opportunity=EqualOpportunity(0.1))

    def judged(source: Source) -> Verdict:
        checks, _ = judge_fairness(config, drawn.selected(source, rates, size, truly=1), 1)
        return overall(checks)

    return Cell(f"fairness: equalOpportunity, {len(rates)} groups", 0.1, 0.1, size * len(rates), judged)


def _load() -> Iterator[Cell]:
    for kind, together in (("", 0.0), (", slow moments", 0.3)):
        for truth, n in ((0.1, 1_000), (0.1, 5_000), (0.08, 1_000), (0.125, 1_000)):
            yield _load_cell(kind, together, truth, n)


def _load_cell(kind: str, together: float, truth: float, n: int) -> Cell:
    config = Load(MODEL, "http://server", for_seconds=30.0, p95_seconds=0.1)

    def judged(source: Source) -> Verdict:
        seen = Latencies([0.1], 30.0)
        for latency, at in drawn.latencies(source, truth, n, together):
            seen.add(latency, at)
        return overall(judge_load(config, Run(seen, asked=n, seconds=30.0)))

    return Cell(f"load: p95{kind}", truth, 0.1, n, judged)
