"""The report: `report.json` with exactly what was measured, and a table with the bars beside the figures."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Figures = Mapping[str, Any]

READY_BAR_S = 4.0
EACH_ROLLBACK_BAR_S = 6.5
MEDIAN_ROLLBACK_BAR_S = 5.0


@dataclass(frozen=True)
class Bar:
    """One line of the table: what was measured, what it should be, and whether it is."""

    what: str
    figure: str
    bar: str
    met: bool


def machine() -> str:
    """What the demo ran on, without the machine's name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {memory:.0f} GiB, {platform.system()} {platform.release()} {platform.machine()}"


def bars(promotion: Figures, rollbacks: Sequence[Figures]) -> list[Bar]:
    """The bars of the demo beside the figures."""
    first = promotion["pods_created_to_first_answer_s"]
    return [
        _zero("requests lost by the promotion", [promotion["failed_requests"]]),
        _at_most(
            "pods created -> all of them answer",
            [promotion["pods_created_to_ready_s"]],
            READY_BAR_S,
        ),
        Bar(
            "  ... -> first answer to a client (once Prometheus has scraped them)",
            _cell(first),
            "",
            met=first is not None,
        ),
        _at_most(
            "first -> last bad answer, new connections, worst run",
            [run["first_to_last_bad_new_connections_s"] for run in rollbacks],
            EACH_ROLLBACK_BAR_S,
        ),
        _at_most(
            "first -> last bad answer, keep-alive, worst run",
            [run["first_to_last_bad_keepalive_s"] for run in rollbacks],
            EACH_ROLLBACK_BAR_S,
        ),
        _median(
            f"first -> last bad answer, median of {len(rollbacks)}",
            [run["first_to_last_bad_s"] for run in rollbacks],
            MEDIAN_ROLLBACK_BAR_S,
        ),
        _zero("requests lost by a switch", [run["failed_by_switch"] for run in rollbacks]),
    ]


def shield_bars(figures: Figures) -> list[Bar]:
    """The bars of the run behind the shield."""
    added = figures["added_latency_p50_ms"]
    return [
        _zero("behind the shield: bad answers that clients saw", [figures["bad_answers_seen_by_clients"]]),
        _zero("behind the shield: requests lost", [figures["failed_by_switch"]]),
        Bar("  ... faults that clients were spared", str(figures["spared"]), "> 0", met=figures["spared"] > 0),
        Bar("  ... on trial -> taken back", _cell(figures["detected_s"]), "", met=figures["detected_s"] is not None),
        Bar("  ... median latency added", "-" if added is None else f"{added:.2f} ms", "", met=added is not None),
    ]


def table(lines: Iterable[Bar]) -> str:
    """The bars as a table for a terminal."""
    rows = [("", "measured", "bar", "")]
    rows += [(bar.what, bar.figure, bar.bar, _word(bar)) for bar in lines]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        f"  {row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]}".rstrip() for row in rows
    )


def _word(bar: Bar) -> str:
    if not bar.met:
        return "MISSED"
    return "ok" if bar.bar else ""


def runs_table(rollbacks: Sequence[Figures]) -> str:
    """One line for each rollback."""
    columns = {
        "first bad": "first_bad_s",
        "decided": "decided_s",
        "restored": "traffic_restored_s",
        "first->last new": "first_to_last_bad_new_connections_s",
        "first->last kept": "first_to_last_bad_keepalive_s",
        "bad answers": "bad_answers",
        "lost by switch": "failed_by_switch",
    }
    rows = [["run", *columns]]
    rows += [[str(n), *(_cell(run[key]) for key in columns.values())] for n, run in enumerate(rollbacks, start=1)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  " + "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows
    )


def failures(
    promotion: Figures, shield: Figures, rolled_back: Sequence[bool], active: str | None, expected: str
) -> list[str]:
    """Why the demo has failed, as sentences; none when it has not. The first rollback is the one behind the shield."""
    found = []
    noticed = shield["bad_answers_seen_by_clients"] + shield["failed_by_switch"]
    if noticed:
        found.append(f"clients noticed the bad version behind the shield {noticed} times: {shield['outcomes']}")
    if promotion["failed_requests"]:
        found.append(
            f"the promotion lost {promotion['failed_requests']} of {promotion['requests']} requests: "
            f"{promotion['outcomes']}"
        )
    found += [f"the rollback of run {n} did not happen" for n, done in enumerate(rolled_back, start=1) if not done]
    if active != expected:
        found.append(f"the active version is {active or 'none'} at the end; it should be {expected}")
    return found


def _zero(what: str, counts: Sequence[int]) -> Bar:
    return Bar(what, str(sum(counts)), "0", sum(counts) == 0)


def _at_most(what: str, seconds: Sequence[float | None], limit: float) -> Bar:
    known = [value for value in seconds if value is not None]
    if len(known) < len(seconds):
        return Bar(what, "not seen", f"<= {limit:g} s", met=False)
    return Bar(what, f"{max(known):.2f} s", f"<= {limit:g} s", max(known) <= limit)


def _median(what: str, seconds: Sequence[float | None], limit: float) -> Bar:
    known = [value for value in seconds if value is not None]
    if not known:
        return Bar(what, "not seen", f"<= {limit:g} s", met=False)
    middle = statistics.median(known)
    return Bar(what, f"{middle:.2f} s", f"<= {limit:g} s", middle <= limit)


def _cell(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f} s" if isinstance(value, float) else str(value)
