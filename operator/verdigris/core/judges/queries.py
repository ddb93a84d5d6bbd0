"""The further checks: a limit on latency and the user's own PromQL. What to ask, and what the answers mean. PURE.

A check fails after `BREACHES_TO_FAIL` fresh looks in a row out of bounds, so that one odd value ends no rollout. Each
is asked about the active version too while that has clients: a person wants to know, and a relative limit needs it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from verdigris.api.spec import AnalysisSpec, MetricCheck
from verdigris.api.status import Breaches, CheckValue
from verdigris.core.facts.evidence import Reading
from verdigris.core.judges import latency
from verdigris.core.judges.case import Case, Ruling
from verdigris.core.judges.latency import LATENCY
from verdigris.core.judges.promql import Pods, is_fed_by_requests, refusal

BREACHES_TO_FAIL = 3

OF_ACTIVE = "active/"
"""Stands before a check's name where the active version is asked about. No check's name holds a slash."""


def plain_number(value: float) -> str:
    """Four significant digits, no unit: nobody knows what a user's query measures."""
    return f"{value:.4g}"


@dataclass(frozen=True)
class Bound:
    """What a check's value must lie in; None is open, but not where `relative`: then no limit is known yet.

    `hint` says what to do when there is no value, `shown` how a value is written, `active` is the active version's.
    `zero_is_silence`: 0 may only mean that there were no requests yet.
    """

    name: str
    low: float | None = None
    high: float | None = None
    hint: str = "try its query in Prometheus"
    title: str = ""
    shown: Callable[[float], str] = plain_number
    active: float | None = None
    relative: bool = False
    zero_is_silence: bool = True

    @property
    def known(self) -> bool:
        """Whether there is anything to hold a value against."""
        return not self.relative or self.high is not None

    def holds(self, value: float) -> bool:
        """Whether `value` is within, limits included."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def said(self, value: float) -> str:
        """`p95 is 8.7 ms, must be at most 5 ms; active: 1.9 ms`."""
        beside = f"; active: {self.shown(self.active)}" if self.active is not None else ""
        return f"{self.title or self.name} is {self.shown(value)}, must be {self}{beside}"

    def __str__(self) -> str:
        parts = [f"at least {self.shown(self.low)}"] if self.low is not None else []
        parts += [f"at most {self.shown(self.high)}"] if self.high is not None else []
        return " and ".join(parts)


def bounds(policy: AnalysisSpec, scrape: timedelta, active: Iterable[CheckValue] = ()) -> tuple[Bound, ...]:
    """Every check that the policy asks for, the latency's in seconds. `active` are the active version's values."""
    values = {one.name: one.value for one in active}
    own = tuple(_own_bound(one, values.get(one.name)) for one in policy.metrics)
    wanted = policy.latency
    if wanted is None:
        return own
    reference = values.get(LATENCY)
    bound = Bound(
        LATENCY,
        high=latency.limit(wanted, reference),
        hint=latency.hint(wanted, scrape, reference),
        title="p95",
        shown=latency.shown,
        active=reference,
        relative=wanted.factor is not None,
    )
    return (bound, *own)


def _own_bound(metric: MetricCheck, active: float | None) -> Bound:
    zero_is_silence = is_fed_by_requests(metric.query)
    return Bound(metric.name, metric.min, metric.max, active=active, zero_is_silence=zero_is_silence)


def check_queries(policy: AnalysisSpec, pods: Pods, version: str, scrape: timedelta) -> dict[str, str]:
    """The PromQL of every check by its name, about a candidate with these pods. Refused ones are left out."""
    queries = _own_queries(policy, pods, version)
    if policy.latency:
        queries[LATENCY] = latency.lowest_query(pods, scrape)
    return queries


def active_queries(policy: AnalysisSpec, pods: Pods, version: str, scrape: timedelta) -> dict[str, str]:
    """The same about the active version, under names that begin with `OF_ACTIVE`."""
    queries = _own_queries(policy, pods, version)
    if policy.latency:
        queries[LATENCY] = latency.plain_query(pods, scrape)
    return {OF_ACTIVE + name: query for name, query in queries.items()}


def refused(policy: AnalysisSpec, isolated: bool = False) -> dict[str, str]:
    """By check, why its query is not asked. `isolated`: every query must keep to its own namespace."""
    found = {metric.name: refusal(metric.query, isolated=isolated) for metric in policy.metrics}
    return {name: sentence for name, sentence in found.items() if sentence is not None}


def _own_queries(policy: AnalysisSpec, pods: Pods, version: str) -> dict[str, str]:
    said = {"namespace": pods.namespace, "model": pods.model, "color": pods.color, "revision": pods.revision}
    said["version"] = version
    return {metric.name: _filled(metric.query, said) for metric in policy.metrics}


def _filled(query: str, said: Mapping[str, str]) -> str:
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda match: said.get(match[1], match[0]), query)


def values_of_active(
    before: Iterable[CheckValue], policy: AnalysisSpec, readings: Mapping[str, Reading]
) -> tuple[CheckValue, ...]:
    """What the checks say of the active version; without an answer, what they said last."""
    known = {one.name: one for one in before}
    names = ([LATENCY] if policy.latency else []) + [metric.name for metric in policy.metrics]
    for name in names:
        value = readings.get(OF_ACTIVE + name, Reading()).value
        if value is not None:
            known[name] = CheckValue(name=name, value=float(f"{value:.6g}"))
    return tuple(known[name] for name in names if name in known)


def count_breaches(
    before: Iterable[Breaches], checks: Iterable[Bound], readings: Mapping[str, Reading]
) -> tuple[Breaches, ...]:
    """Looks in a row out of bounds, after one more look. A check without a value keeps its count: it said nothing."""
    counts = {breach.name: breach.count for breach in before}
    after: list[Breaches] = []
    for check in checks:
        value = readings.get(check.name, Reading()).value
        count = counts.get(check.name, 0)
        if value is not None and check.known:
            count = 0 if check.holds(value) else min(count + 1, BREACHES_TO_FAIL)
        if count:
            after.append(Breaches(name=check.name, count=count))
    return tuple(after)


def breached(case: Case) -> Ruling | None:
    """Fail: a check was out of bounds often enough."""
    counts = {breach.name: breach.count for breach in case.state.breaches}
    for check in bounds(case.policy, case.scrape, case.state.active_values):
        if counts.get(check.name, 0) >= BREACHES_TO_FAIL:
            value = case.readings.get(check.name, Reading()).value
            said = check.said(value) if value is not None else f"{check.name} must be {check} and has no value now"
            return "Fail", "CheckFailed", f"{case.subject}: {said}; out of bounds {BREACHES_TO_FAIL} times in a row."
    return None


def still_open(case: Case) -> Ruling | None:
    """Inconclusive: a check has no value, or was out of bounds once or twice."""
    for check in bounds(case.policy, case.scrape, case.state.active_values):
        reading = case.readings.get(check.name, Reading(problem="it was not asked for"))
        if reading.value is None:
            message = f"{check.name} has no value: {reading.problem or 'no reason given'} ({check.hint})."
            return "Inconclusive", "CheckWithoutValue", message
        if not check.known:
            return "Inconclusive", "CheckWithoutLimit", f"{check.name} has no limit: {check.hint}."
        if not check.holds(reading.value):
            return "Inconclusive", "CheckOutOfBounds", f"{case.subject}: {check.said(reading.value)}. Looking again."
    return None


def holds_before_traffic(
    policy: AnalysisSpec, scrape: timedelta, active: Iterable[CheckValue], readings: Mapping[str, Reading]
) -> Ruling | None:
    """A check that is out of bounds before the candidate has a client: no traffic moves to it (Inconclusive).

    Only checks that have a value of it by then can say so: a quality that the pods report themselves, not a rate of
    requests. Exactly 0 below a lower bound says nothing either where it counts requests: that is what a rate is while
    nobody asks. A relative limit without the active version's value is none, and will be none later.
    """
    for check in bounds(policy, scrape, active):
        if not check.known:
            return "Inconclusive", "CheckWithoutLimit", f"{check.name} has no limit: {check.hint}."
        value = readings.get(check.name, Reading()).value
        if value is None or check.holds(value) or (value == 0 and check.low is not None and check.zero_is_silence):
            continue
        message = f"{check.said(value)}. It has no client yet, and gets none while that is so."
        return "Inconclusive", "CheckOutOfBounds", message
    return None
