"""What the evidence says about the candidate: every judge in turn. PURE: counts in, verdict out (laws 3, 4 and 5).

`fold` keeps all it knows in `EvidenceStatus`, so an operator that starts anew goes on where the last one stopped.
The ruling is a chain of checks that give `(verdict, reason, message)` or None; the first that speaks decides.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from verdigris.api.spec import AnalysisSpec
from verdigris.api.status import Color, EvidenceStatus
from verdigris.core.facts.evidence import Evidence, Series
from verdigris.core.judges import errors, queries, score, visibility
from verdigris.core.judges.case import Case, Ruling
from verdigris.core.judges.counts import mark, marks_of, of_pods, once

RULINGS: tuple[Callable[[Case], Ruling | None], ...] = (
    errors.too_bad,
    queries.breached,
    errors.unseen,
    errors.too_few,
    errors.above_ceiling,
    visibility.partly_unseen,
    queries.still_open,
)


def fold(
    previous: EvidenceStatus,
    evidence: Evidence,
    *,
    candidate: Color,
    policy: AnalysisSpec,
    scrape: timedelta,
    planned_looks: int,
    now: datetime,
    version: str | None = None,
    pods: Collection[str] | None = None,
    visible: Collection[str] = (),
    behind: bool = False,
) -> EvidenceStatus:
    """`previous` with this answer of Prometheus added, and the verdict on it. A Fail stays a Fail.

    `evidence.counters[candidate]` must reach back to `previous.sealed_at` (when unset, `now` becomes it) and hold, of
    every series older than that, one older sample. A look counts only when new requests have arrived; without a new
    sample nothing but the verdict changes. `planned_looks` counts only where `previous` has none yet: the test keeps
    the alpha that it began with. `version` is what the sentences call the candidate, else its color. `pods` are the
    names of all pods of the candidate that the operator sees; series of others, which it never saw, are not counted.
    `visible` are those that ought to be scraped by now: without all of them there is no pass. `behind` the shield the
    pods in front are counted, which see all that can go wrong, and not its own, which would count the same again.
    """
    if previous.verdict == "Fail":
        return previous
    subject = version or candidate
    state = _prepared(previous, evidence, planned_looks, now, pods)
    series, strangers = evidence.counters.get(candidate, ()), frozenset[str]()
    if pods is not None:
        marks = frozenset(state.pods) | {mark(pod) for pod in pods}
        series, strangers = of_pods(series, marks, visibility.fresh(evidence.clock(now), scrape))
    series, contradicted = once(series)
    if evidence.problem is not None:
        return errors.ruled(state, ("Inconclusive", "PrometheusUnreachable", evidence.problem), now)
    if contradicted is not None:
        return errors.ruled(state, visibility.doubled(contradicted), now)
    unseen = visibility.unseen_of(series, visible, scrape, evidence.clock(now))
    series = tuple(one for one in series if one.in_front == behind and not one.compared)
    state = _looked(state, series, evidence, policy, scrape)
    last = state.at or state.sealed_at
    since = evidence.clock(now) - last if last else None
    case = Case(state, series, evidence.checks, subject, policy, scrape, since, unseen)
    verdict, reason, message = _rule(case)
    remarks = visibility.remarks(evidence.ahead, strangers)
    return errors.ruled(state, (verdict, reason, " ".join([message, *remarks])), now)


def _prepared(
    previous: EvidenceStatus, evidence: Evidence, planned_looks: int, now: datetime, pods: Collection[str] | None
) -> EvidenceStatus:
    planned = previous.planned_looks or max(planned_looks, 1)
    return previous.model_copy(
        update={
            "sealed_at": previous.sealed_at or errors.to_millis(evidence.clock(now)),
            "planned_looks": planned,
            "threshold": round(score.threshold(planned), 6),
            "pods": marks_of(previous.pods, pods or ()),
            "clock_ahead": previous.clock_ahead if evidence.problem else evidence.ahead,
        }
    )


def _looked(
    state: EvidenceStatus, series: tuple[Series, ...], evidence: Evidence, policy: AnalysisSpec, scrape: timedelta
) -> EvidenceStatus:
    """Counts, scores and checks taken in."""
    values = queries.values_of_active(state.active_values, policy, evidence.checks)
    counted = errors.counted(state.model_copy(update={"active_values": values}), series, scrape)
    after = errors.scored(state, counted, policy.error_rate)
    if _slot(after.at, scrape) == _slot(state.at, scrape):
        return after
    checks = queries.bounds(policy, scrape, values)
    return after.model_copy(update={"breaches": queries.count_breaches(state.breaches, checks, evidence.checks)})


def _rule(case: Case) -> Ruling:
    for ruling in RULINGS:
        ruled = ruling(case)
        if ruled:
            return ruled
    return "Pass", "WithinLimits", errors.passed(case)


def _slot(at: datetime | None, scrape: timedelta) -> int | None:
    """Which scrape interval a time falls into: pods are scraped at odd times, but each once an interval."""
    return None if at is None else int(at.timestamp() // scrape.total_seconds())
