"""What was found, as JSON and as the tables of docs/gates.md."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.gates.cells import Cell

#: The share of wrong decisions that is promised at a threshold.
NOMINAL = 0.05
#: Standard deviations of chance that are granted on top: one cell in some thousand would be beyond.
_GRANTED = 3.1


@dataclass(frozen=True)
class Found:
    """How often a gate decided what, in ``runs`` data sets of one cell."""

    cell: Cell
    runs: int
    passed: int
    failed: int
    inconclusive: int


def as_json(found: Sequence[Found]) -> dict[str, Any]:
    """The whole report."""
    return {
        "cells": [
            {
                "gate": one.cell.rule,
                "truth": one.cell.truth,
                "threshold": one.cell.threshold,
                "n": one.cell.n,
                "runs": one.runs,
                "passed": one.passed,
                "failed": one.failed,
                "inconclusive": one.inconclusive,
            }
            for one in found
        ]
    }


def beyond(one: Found) -> str:
    """What is more often wrong than promised, in a sentence; empty where nothing is."""
    if "alone" in one.cell.rule or not one.cell.at_threshold:
        return ""
    most = NOMINAL + _GRANTED * math.sqrt(NOMINAL * (1 - NOMINAL) / one.runs)
    for count, what in ((one.passed, "passed"), (one.failed, "refused")):
        if count / one.runs > most:
            return (
                f"{one.cell.rule}, n {one.cell.n}: {what} in {count / one.runs:.1%} of the runs, {most:.1%} are granted"
            )
    return ""


def tables(found: Sequence[Found]) -> Iterator[str]:
    """At the threshold, and away from it, in Markdown."""
    at = [one for one in found if one.cell.at_threshold]
    away = [one for one in found if not one.cell.at_threshold]
    for title, some in (("at the threshold", at), ("away from it", away)):
        yield f"| gate, {title} | truth | threshold | n | passed | refused | undecided |"
        yield "|---|---|---|---|---|---|---|"
        for one in sorted(some, key=lambda each: (each.cell.rule, each.cell.truth, each.cell.n)):
            cell = one.cell
            shares = " | ".join(f"{count / one.runs:.1%}" for count in (one.passed, one.failed, one.inconclusive))
            yield f"| {cell.rule} | {cell.truth:.4g} | {cell.threshold:.4g} | {cell.n:,} | {shares} |"
        yield ""
