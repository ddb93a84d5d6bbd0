"""Numbers and times as people read them. PURE."""

from __future__ import annotations

from datetime import datetime, timedelta

from verdigris.cli.model.reading import time_of


def percent(share: float) -> str:
    """`0.49` as `49 %`, `0.005` as `0.5 %`: three significant digits."""
    return f"{100 * share:.3g} %"


def of_hundred(value: float) -> str:
    """`66.6667` as `66.67 %`: a share that is in percent already."""
    return f"{round(value, 2):g} %"


def count(number: int, thing: str) -> str:
    """`1 pod`, `2 pods`, `12,041 requests`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def span(length: timedelta) -> str:
    """`48s`, `4m12s`, `3h05m`, `12d`: two units at most. Nothing is below 0s."""
    seconds = max(0, int(length.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 60:
        return f"{seconds}s"
    if minutes < 60:
        return f"{minutes}m{seconds % 60:02}s"
    return f"{hours}h{minutes % 60:02}m" if hours < 48 else f"{days}d"


def since(written: str, now: datetime) -> str:
    """How long ago that was, as a span; empty where it is no time."""
    at = time_of(written)
    return span(now - at) if at is not None else ""


def until(written: str, now: datetime) -> str:
    """How long it is until then, as a span; empty where it is no time."""
    at = time_of(written)
    return span(at - now) if at is not None else ""


def took(begun: str, ended: str) -> str:
    """How long it was from one to the other, as a span; empty where one of them is no time."""
    from_, to = time_of(begun), time_of(ended)
    return span(to - from_) if from_ is not None and to is not None else ""


def clock(written: str) -> str:
    """The time of day in UTC; empty where it is no time."""
    at = time_of(written)
    return at.strftime("%H:%M:%S UTC") if at is not None else ""


def day(written: str) -> str:
    """`2026-11-28 10:31:02`, in UTC; empty where it is no time."""
    at = time_of(written)
    return at.strftime("%Y-%m-%d %H:%M:%S") if at is not None else ""


def seconds(number: float | None) -> str:
    """A number of seconds as a span."""
    return span(timedelta(seconds=number or 0.0))
