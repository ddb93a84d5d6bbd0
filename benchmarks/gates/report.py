"""What was found, as JSON and as the tables of docs/gates.md."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.gates.cells import Cell

#: The share of wrong decisions that is promised at a threshold.
NOMINAL = 0.05
#: Standard deviations of chance that are granted on top: of some 170 shares one would be beyond in one run of forty.
_GRANTED = 3.6
#: What is not promised: the plain rule beside ours, and a p95 of a run with few moments that differ much.
_NOT_PROMISED = ("alone", "slow moments")


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
    if not one.cell.at_threshold or any(each in one.cell.rule for each in _NOT_PROMISED):
        return ""
    most = NOMINAL + _GRANTED * math.sqrt(NOMINAL * (1 - NOMINAL) / one.runs)
    for count, what in ((one.passed, "passed"), (one.failed, "refused")):
        if count / one.runs > most:
            return (
                f"{one.cell.rule}, n {one.cell.n}: {what} in {count / one.runs:.1%} of the runs, {most:.1%} are granted"
            )
    return ""


def tables(found: Sequence[Found]) -> Iterator[str]:
    """At the threshold, and away from it, in Markdown: a line a gate and truth, with a share for each size."""
    for title, at in (("at the threshold", True), ("away from it", False)):
        lines: dict[tuple[str, float], list[Found]] = {}
        for one in found:
            if one.cell.at_threshold is at:
                lines.setdefault((one.cell.rule, one.cell.truth), []).append(one)
        yield f"| gate, {title} | truth | threshold | n | passed | refused |"
        yield "|---|---|---|---|---|---|"
        for (rule, truth), some in sorted(lines.items()):
            sizes = ", ".join(f"{one.cell.n:,}" for one in some)
            shares = [[one.passed / one.runs for one in some], [one.failed / one.runs for one in some]]
            passed, refused = (" · ".join(f"{100 * share:.1f}" for share in each) + " %" for each in shares)
            yield f"| {rule} | {truth:.4g} | {some[0].cell.threshold:.4g} | {sizes} | {passed} | {refused} |"
        yield ""
