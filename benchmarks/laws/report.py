"""PURE: the tables of what clients saw, and whether every bar is met."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

Row = dict[str, Any]
Line = tuple[str, ...]

LAST_ANSWER = 5.0
"""Seconds from the decision (or from when the move was allowed) to the last answer of the bad version."""
STORM_COSTS = 1.0
"""Seconds that a storm of new models may add to a rollback, in the median."""
FIGURES = {"decided_to_restored_s": "decided → restored", "shown_s": "first → last bad answer"}


def refusals(rows: Sequence[Row]) -> str:
    """One line for each phase of rounds."""
    head = ("refused", "rounds", "right", "writes refused", "lost", "restored after", "last answer after")
    names = list(dict.fromkeys(row["phase"] for row in rows))
    return _table([head, *(_phase(name, [row for row in rows if row["phase"] == name]) for name in names)])


def _phase(name: str, rows: Sequence[Row]) -> Line:
    right = [row for row in rows if row["right"]]
    sent = sum(row["requests"] for row in right)
    lost = sum((Counter(row["lost"]) for row in right), Counter[str]()).total()
    refused = sum(sum(row["refused"].values()) for row in rows)
    restored = [row["decided_to_restored_s"] - row["held_s"] for row in right]
    last = [off_it(row) for row in right]
    counts = (str(len(rows)), str(len(right)), str(refused), f"{lost} of {sent:,}")
    return (name, *counts, _spread(restored), _spread(last))


def off_it(row: Row) -> float:
    """Seconds from the decision, or from when the move was allowed, to the last answer of the bad version."""
    return float(row["decided_to_last_s"] - row["held_s"])


def storm(rows: Sequence[Row]) -> str:
    """A line for the rollbacks without the storm and one for those within."""
    head = ("weather", "rollbacks", *FIGURES.values(), "all new models served")
    return _table([head, *(_weather(name, rows) for name in ("calm", "storm"))])


def _weather(name: str, rows: Sequence[Row]) -> Line:
    mine = [row for row in rows if row["weather"] == name]
    served = [row["all_served_s"] for row in mine if "all_served_s" in row]
    return (name, str(len(mine)), *(_spread([row[figure] for row in mine]) for figure in FIGURES), _spread(served))


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.1f} s (worst {max(values):.1f} s)" if values else "-"


def _table(lines: Sequence[Line]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  " + "  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def missed(report: Mapping[str, Any]) -> list[str]:
    """A sentence for each bar that is not met; none when all are."""
    return [*_missed_by_refusals(report.get("refusals", ())), *_missed_by_storm(report.get("storm", ()))]


def _missed_by_refusals(rows: Sequence[Row]) -> Iterable[str]:
    for number, row in enumerate(rows, 1):
        where = f"round {number}, {row['phase']}"
        if not row["right"]:
            yield f"{where}: {row['said'].splitlines()[0]}"
            continue
        if row["lost"]:
            yield f"{where}: requests lost, {_counted(row['lost'])}"
        if off_it(row) > LAST_ANSWER:
            late = f"{off_it(row):.1f} s after the decision, and {LAST_ANSWER:g} s is the most"
            yield f"{where}: the last answer of the bad version came {late}"
    if rows and not any(row["refused"] for row in rows):
        yield "not one write was refused, so nothing has been shown"


def _missed_by_storm(rows: Sequence[Row]) -> Iterable[str]:
    if not rows:
        return
    for figure, name in FIGURES.items():
        calm, within = (median(row[figure] for row in rows if row["weather"] == w) for w in ("calm", "storm"))
        if within > calm + STORM_COSTS:
            most = f"at most {STORM_COSTS:g} s more is right"
            yield f"{name}: {within:.1f} s in the storm, {calm:.1f} s without it; {most}"
    for row in rows:
        if row["weather"] == "storm" and row["storm_before_decision_s"] < 0:
            yield "a rollback had been decided before the storm began, so it says nothing"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
