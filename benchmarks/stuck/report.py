"""PURE: the table of who got stuck, and the line that sums it up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]


def table(rows: Sequence[Row]) -> str:
    """One line for each scenario."""
    lines = [("scenario", "Verdigris says", "after", "lost", "plain Deployment")]
    lines += [_line(row) for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    return "\n".join("  " + "  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _line(row: Row) -> tuple[str, str, str, str, str]:
    ours, plain = row["verdigris"], row["deployment"]
    said = ours["reason"] if ours["right"] else f"WRONG: {ours['reason']}"
    state = "stuck" if plain["stuck"] else "over"
    lost = f"{ours['failed_requests']} of {ours['requests']:,}"
    return row["name"], said, f"{ours['seconds']:.1f} s", lost, f"{state} after {plain['seconds']:.0f} s"


def summary(rows: Sequence[Row]) -> str:
    """What all of it comes to."""
    right = sum(row["verdigris"]["right"] for row in rows)
    stuck = sum(row["deployment"]["stuck"] for row in rows)
    sent = sum(row["verdigris"]["requests"] for row in rows)
    lost = sum(row["verdigris"]["failed_requests"] for row in rows)
    return (
        f"{len(rows)} faults: Verdigris ended {right} right by itself, and its clients lost {lost} of {sent:,} "
        f"requests; a plain Deployment was stuck in {stuck}."
    )


def passes(rows: Sequence[Row]) -> bool:
    """Whether at least 95 % ended right, and no request was lost."""
    right = sum(row["verdigris"]["right"] for row in rows)
    return right >= 0.95 * len(rows) and not any(row["verdigris"]["failed_requests"] for row in rows)
