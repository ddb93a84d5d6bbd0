"""Durations as the API spells them: `1h30m`, `45s`, `250ms`. Standard library only: the command line has them, too."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
}
DURATION = "([0-9]{1,5}h|[0-9]{1,6}(m|s|ms)){1,4}"
"""No sum of four such terms overflows the 64-bit nanoseconds of the API server's duration()."""


def parse_duration(text: str) -> timedelta:
    """`1h30m`, `45s`, `250ms` as a timedelta. Raises ValueError when the text is no such duration."""
    if not re.fullmatch(DURATION, text):
        raise ValueError(f"'{text}' is not a duration: write for example 30s, 5m or 1h30m")
    terms = re.findall(r"([0-9]+)(ms|s|m|h)", text)
    return sum((int(number) * _UNITS[unit] for number, unit in terms), timedelta())


def spell_duration(text: str) -> str:
    """`90s` → `1m30s`: the units in falling order and each at most once, as Prometheus wants it."""
    left = parse_duration(text) // timedelta(milliseconds=1)
    spelled = ""
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)):
        count, left = divmod(left, size)
        spelled += f"{count}{unit}" if count else ""
    return spelled or "0s"
