"""The built-in check of latency: what to ask, the limit it is held to, and how it is said. PURE."""

from __future__ import annotations

from datetime import timedelta

from verdigris.api.spec import LatencySpec
from verdigris.core.judges.promql import Pods

LATENCY = "latency.p95"
"""Name of the built-in check. No user's metric can have it: their names hold no dot."""

HISTOGRAM_END = 1.0
"""Seconds. The server's histogram tells nothing apart above this, and a p95 beyond it is told as this."""

_TOLD_APART = 0.9999 * HISTOGRAM_END
"""Beyond its end the histogram says just this much: told as a breach, not as the last value that holds."""

_REQUESTS = 20
_WINDOW = timedelta(minutes=2)
_Z_999 = 3.0902


def limit(policy: LatencySpec, active: float | None) -> float | None:
    """The highest p95 in seconds that holds; None when it is a factor of the active version's, which nobody knows."""
    if policy.factor is None:
        wanted: float | None = policy.seconds
    else:
        wanted = None if active is None or active >= _TOLD_APART else policy.factor * active
    return None if wanted is None else min(wanted, _TOLD_APART)


def hint(policy: LatencySpec, scrape: timedelta, active: float | None) -> str:
    """What to do when the check has no value or no limit."""
    if policy.factor is not None and active is not None and active >= _TOLD_APART:
        return (
            f"the active version's p95 is {shown(HISTOGRAM_END)} or more, and beyond that no two can be told apart: "
            "leave spec.analysis.latency out, or compare by a query of your own in spec.analysis.metrics"
        )
    if policy.factor is not None and active is None:
        return "the active version has no p95 to compare with (too few requests before the switch): give p95 a duration"
    seconds = window(scrape)
    return f"it needs {_REQUESTS} requests within {seconds} s: send more, or leave spec.analysis.latency out"


def shown(seconds: float) -> str:
    """`0.0087` as `8.7 ms`, `1.25` as `1.25 s`: three significant digits."""
    return f"{seconds:.3g} s" if seconds >= 0.9995 else f"{1000 * seconds:.3g} ms"


def window(scrape: timedelta) -> int:
    """How many seconds the p95 looks back."""
    return round(max(_WINDOW, 4 * scrape).total_seconds())


def lowest_query(pods: Pods, scrape: timedelta) -> str:
    """The lower 99.9 % limit of the p95 in seconds; no value for fewer than `_REQUESTS` requests.

    The share of n requests that are slower than the true p95 scatters by sqrt(0.05 * 0.95 / n) around 0.05, so a
    quantile that much lower is above the user's limit by chance alone in 1 look of 1000, whatever n is.
    """
    requests = _requests(pods, scrape)
    return _quantile(f"scalar(0.95 - {_Z_999} * sqrt(0.0475 / {requests}))", requests, pods, scrape)


def plain_query(pods: Pods, scrape: timedelta) -> str:
    """The p95 itself in seconds: what the active version's is said to be."""
    return _quantile("0.95", _requests(pods, scrape), pods, scrape)


def _requests(pods: Pods, scrape: timedelta) -> str:
    # A pod that two jobs scrape counts once.
    count = f"verdigris_request_duration_seconds_count{{{pods.matchers()}}}[{window(scrape)}s]"
    return f"sum(max by (pod) (increase({count})))"


def _quantile(share: str, requests: str, pods: Pods, scrape: timedelta) -> str:
    bucket = f"verdigris_request_duration_seconds_bucket{{{pods.matchers()}}}[{window(scrape)}s]"
    buckets = f"sum by (le) (max by (le, pod) (increase({bucket})))"
    return f"histogram_quantile({share}, {buckets}) and on () ({requests} >= {_REQUESTS})"
