"""What the judge says: every sentence that a person on call may read about evidence. PURE."""

from __future__ import annotations

from datetime import UTC, datetime

from verdigris.api.status import Baseline, Counts


def percent(rate: float) -> str:
    """`0.49` as `49 %`, `0.005` as `0.5 %`: three significant digits."""
    return f"{100 * rate:.3g} %"


def failed_of(counts: Counts) -> str:
    """`41 of 83 requests (49.4 %)`."""
    share = f" ({percent(counts.errors / counts.requests)})" if counts.requests else ""
    return f"{counts.errors} of {counts.requests} requests{share}"


def against(baseline: Baseline, limit: float) -> str:
    """What the candidate was held against."""
    if not baseline.requests:
        return f"there is no baseline to compare with (limit {percent(limit)})"
    return f"the baseline failed {failed_of(baseline)}, limit {percent(limit)}"


def clock(at: datetime) -> str:
    """The time of day in UTC: a sentence that names it stays the same while the clock runs on."""
    return at.astimezone(UTC).strftime("%H:%M:%S UTC")
