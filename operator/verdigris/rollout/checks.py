"""The further checks: a limit on latency and the user's own PromQL. What to ask, and whether the answer is in bounds.

PURE. A check fails after `BREACHES_TO_FAIL` fresh looks in a row out of bounds, so that one odd value ends no rollout.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from verdigris.api.fields import parse_duration
from verdigris.api.spec import AnalysisSpec
from verdigris.api.status import Breaches, Color
from verdigris.rollout.evidence import Reading

LATENCY = "latency.p95"
"""Name of the built-in check. No user's metric can have it: their names hold no dot."""

BREACHES_TO_FAIL = 3

_LATENCY_REQUESTS = 20
_LATENCY_WINDOW = timedelta(minutes=2)
_Z_999 = 3.0902


@dataclass(frozen=True)
class Bound:
    """What a check's value must lie in; None is open. `hint` says what to do when there is no value."""

    name: str
    low: float | None = None
    high: float | None = None
    hint: str = "try its query in Prometheus"

    def holds(self, value: float) -> bool:
        """Whether `value` is within, limits included."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        parts = [f"at least {self.low:g}"] if self.low is not None else []
        parts += [f"at most {self.high:g}"] if self.high is not None else []
        return " and ".join(parts)


def bounds(policy: AnalysisSpec, scrape: timedelta) -> tuple[Bound, ...]:
    """Every check that the policy asks for. The latency's bound is in seconds."""
    own = tuple(Bound(metric.name, metric.min, metric.max) for metric in policy.metrics)
    if policy.latency is None:
        return own
    seconds = _latency_window(scrape)
    hint = f"it needs {_LATENCY_REQUESTS} requests within {seconds} s: send more, or leave spec.analysis.latency out"
    return (Bound(LATENCY, high=parse_duration(policy.latency.p95).total_seconds(), hint=hint), *own)


def check_queries(
    policy: AnalysisSpec,
    *,
    namespace: str,
    model: str,
    color: Color,
    revision: str,
    version: str,
    scrape: timedelta,
) -> dict[str, str]:
    """The PromQL of every check by its name, about the pods of this revision. `model` is the ModelDeployment's name."""
    words = {"namespace": namespace, "model": model, "color": color, "revision": revision, "version": version}
    queries = {metric.name: _filled(metric.query, words) for metric in policy.metrics}
    if policy.latency:
        queries[LATENCY] = _latency_query(namespace, model, color, revision, _latency_window(scrape))
    return queries


def count_breaches(
    before: Iterable[Breaches], checks: Iterable[Bound], readings: Mapping[str, Reading]
) -> tuple[Breaches, ...]:
    """Looks in a row out of bounds, after one more look. A check without a value keeps its count: it said nothing."""
    counts = {breach.name: breach.count for breach in before}
    after: list[Breaches] = []
    for check in checks:
        value = readings.get(check.name, Reading()).value
        count = counts.get(check.name, 0)
        if value is not None:
            count = 0 if check.holds(value) else min(count + 1, BREACHES_TO_FAIL)
        if count:
            after.append(Breaches(name=check.name, count=count))
    return tuple(after)


def _filled(query: str, words: Mapping[str, str]) -> str:
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda match: words.get(match[1], match[0]), query)


def _latency_window(scrape: timedelta) -> int:
    return round(max(_LATENCY_WINDOW, 4 * scrape).total_seconds())


def _latency_query(namespace: str, model: str, color: str, revision: str, window: int) -> str:
    """The lower 99.9 % limit of the p95 in seconds; no value for fewer than `_LATENCY_REQUESTS` requests.

    The share of n requests that are slower than the true p95 scatters by sqrt(0.05 * 0.95 / n) around 0.05, so a
    quantile that much lower is above the user's limit by chance alone in 1 look of 1000, whatever n is.
    """
    pods = f'{{namespace="{namespace}",model="{model}",color="{color}",revision="{revision}"}}[{window}s]'
    requests = f"sum(increase(verdigris_request_duration_seconds_count{pods}))"
    buckets = f"sum by (le) (increase(verdigris_request_duration_seconds_bucket{pods}))"
    quantile = f"scalar(0.95 - {_Z_999} * sqrt(0.0475 / {requests}))"
    return f"histogram_quantile({quantile}, {buckets}) and on () ({requests} >= {_LATENCY_REQUESTS})"
