"""What the proof found, as JSON and as the tables of docs/proof.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.proof.cells import FALSE_MOST, MISSED_MOST, Cell, Found


def as_json(found: Sequence[Found]) -> dict[str, Any]:
    """The whole report. `wrong` is empty when all that is promised was kept; `beyond` is what is not promised."""
    return {
        "bars": {"false_rollback": FALSE_MOST, "missed": MISSED_MOST},
        "rollouts": sum(one.runs for one in found),
        "compared": sum(one.compared for one in found),
        "wrong": [_told(one, sentence) for one in found for sentence in wrong(one)],
        "beyond": [_told(one, one.beyond) for one in found if one.beyond and not one.cell.promised],
        "cells": [{"kind": one.cell.kind, **asdict(one)} for one in found],
    }


def wrong(one: Found) -> list[str]:
    """What must not be so, in sentences."""
    return [sentence for sentence in (one.otherwise, one.beyond if one.cell.promised else None) if sentence]


def _told(one: Found, sentence: str) -> dict[str, str]:
    return {"cell": named(one.cell), "what": sentence}


def named(cell: Cell) -> str:
    """`counters reset, 1 of 20 scrapes: baseline 1 %, 10 requests/s, 2x`."""
    setting = cell.setting
    return f"{cell.kind}: baseline {100 * setting.baseline:g} %, {setting.traffic:.3g} requests/s, {cell.ratio:g}x"


def by_kind(found: Iterable[Found]) -> dict[str, list[Found]]:
    """In the order in which they came."""
    kinds: dict[str, list[Found]] = {}
    for one in found:
        kinds.setdefault(one.cell.kind, []).append(one)
    return kinds


def worst_false(cells: Iterable[Found]) -> Found:
    """The cell with the most healthy rollouts taken back."""
    return max((one for one in cells if one.cell.ratio == 1), key=lambda one: one.failed)


def worst_missed(cells: Iterable[Found]) -> Found | None:
    """The cell in which most of what a pass claims to see was missed; None where none claims enough."""
    told = [one for one in cells if one.missed is not None]
    return max(told, key=lambda one: one.missed or 0.0, default=None)


def tables(found: Sequence[Found]) -> str:
    """Both tables, in Markdown."""
    return "\n".join([*_faults(found), "", *_clear(found)])


def _faults(found: Sequence[Found]) -> Iterator[str]:
    yield "| what goes wrong | cells | healthy ones taken back, at most | missed of what is claimed, at most | passed |"
    yield "|---|---|---|---|---|"
    for kind, cells in by_kind(found).items():
        healthy = [one.passed for one in cells if one.cell.ratio == 1]
        false, missed = worst_false(cells), worst_missed(cells)
        yield (
            f"| {kind} | {len(cells)} | {percent(false.failed)} | {_missed(missed)} | "
            f"{percent(min(healthy))} - {percent(max(healthy))} |"
        )


def _missed(one: Found | None) -> str:
    return "nothing is claimed" if one is None or one.missed is None else percent(one.missed)


def _clear(found: Sequence[Found]) -> Iterator[str]:
    """With nothing wrong: by baseline and traffic, the share taken back at each ratio."""
    cells = by_kind(found).get("nothing", [])
    ratios = sorted({one.cell.ratio for one in cells})
    yield "| baseline | requests/s | " + " | ".join(f"{ratio:g}x" for ratio in ratios) + " |"
    yield "|---|---|" + "---|" * len(ratios)
    rows: dict[tuple[float, float], dict[float, Found]] = {}
    for one in cells:
        rows.setdefault((one.cell.setting.baseline, one.cell.setting.traffic), {})[one.cell.ratio] = one
    for (baseline, traffic), row in rows.items():
        shares = " | ".join(f"{percent(one.failed)}{_claim(one)}" for one in row.values())
        yield f"| {100 * baseline:g} % | {traffic:g} | {shares} |"


def _claim(one: Found) -> str:
    return " *" if one.claimed > one.runs / 2 else ""


def percent(share: float) -> str:
    """`0.0042` as `0.42 %`, two significant digits; `0 %` of nothing."""
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.4g} %"
