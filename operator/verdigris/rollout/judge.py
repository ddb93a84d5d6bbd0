"""The judge: what the evidence says about the candidate. PURE: counts in, verdict out (laws 3, 4 and 5).

`fold` keeps all it knows in `EvidenceStatus`, so an operator that starts anew goes on where the last one stopped.
The ruling is a chain of checks that give `(verdict, reason, message)` or None; the first that speaks decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from verdigris.api.spec import AnalysisSpec
from verdigris.api.status import Color, Counts, EvidenceStatus, Verdict
from verdigris.rollout import judge_score, judge_words
from verdigris.rollout.checks import BREACHES_TO_FAIL, Bound, bounds, count_breaches
from verdigris.rollout.evidence import Evidence, Reading, Series
from verdigris.rollout.judge_counts import (
    UNSEEN_LIMIT,
    freeze_baseline,
    increments,
    newest,
    scraped_twice,
    seen_pods,
    worst_stretch,
)

__all__ = ["fold", "freeze_baseline", "increments", "seen_pods"]

SEAL_AFTER = timedelta(minutes=2)
"""The open window may grow this long, so that every query stays small; then ..."""

SEAL_LAG = timedelta(minutes=1)
"""... counts are sealed up to this long before the newest sample. What Prometheus takes in later is not counted."""

STALE_SCRAPES = 3
"""Without a new sample of the candidate for this many scrapes there is no evidence."""

_CUTS = 24

Ruling = tuple[Verdict, str, str]


@dataclass(frozen=True)
class _Case:
    """Everything that a check may look at."""

    state: EvidenceStatus
    evidence: Evidence
    series: tuple[Series, ...]
    subject: str
    policy: AnalysisSpec
    checks: tuple[Bound, ...]
    scrape: timedelta
    now: datetime


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
) -> EvidenceStatus:
    """`previous` with this answer of Prometheus added, and the verdict on it. A Fail stays a Fail.

    `evidence.counters[candidate]` must reach back to `previous.sealed_at` (when unset, `now` becomes it) and hold, of
    every series older than that, one older sample. A look counts only when new requests have arrived; without a new
    sample nothing but the verdict changes. `version` is what the sentences call the candidate, else its color.
    """
    if previous.verdict == "Fail":
        return previous
    series = evidence.counters.get(candidate, ())
    checks = bounds(policy, scrape)
    state = previous.model_copy(
        update={
            "sealed_at": previous.sealed_at or _millis(now),
            "threshold": round(judge_score.threshold(planned_looks), 6),
        }
    )
    if evidence.problem is None and scraped_twice(series) is None:
        counted = _scored(state, _counted(state, series), policy, planned_looks)
        if _slot(counted.at, scrape) != _slot(state.at, scrape):
            breaches = count_breaches(state.breaches, checks, evidence.checks)
            counted = counted.model_copy(update={"breaches": breaches})
        state = counted
    return _ruled(_Case(state, evidence, series, version or candidate, policy, checks, scrape, now))


def _counted(state: EvidenceStatus, series: tuple[Series, ...]) -> EvidenceStatus:
    """Add what the counters have grown by, and move the seal along."""
    latest, sealed, sealed_at = newest(series), state.sealed, state.sealed_at
    if latest is None or sealed_at is None:
        return state
    at = max(datetime.fromtimestamp(latest, UTC), state.at or sealed_at)
    if state.looks and state.at and not any(one.samples[0][0] <= state.at.timestamp() for one in series if one.samples):
        # Prometheus has lost what it had told us before. Its first samples now are not new requests.
        return state.model_copy(update={"sealed": state.candidate, "sealed_at": at, "at": at})
    if at - sealed_at > SEAL_AFTER:
        moved = at - SEAL_LAG
        sealed = _sum(sealed, increments(series, sealed_at.timestamp(), moved.timestamp()))
        sealed_at = moved
    total = _sum(sealed, increments(series, sealed_at.timestamp()))
    counts = _at_least(total, state.candidate)
    return state.model_copy(update={"sealed": sealed, "sealed_at": sealed_at, "candidate": counts, "at": at})


def _scored(
    before: EvidenceStatus, counted: EvidenceStatus, policy: AnalysisSpec, planned_looks: int
) -> EvidenceStatus:
    """Put the new batch through the sequential test. Without new requests there is no look."""
    batch = Counts(
        requests=counted.candidate.requests - before.candidate.requests,
        errors=counted.candidate.errors - before.candidate.errors,
    )
    if not batch.requests:
        return counted
    look = before.looks + 1
    terms = judge_score.Terms(
        _limit(before), policy.error_rate.factor, planned_looks, max(before.baseline.dispersion, 1.0)
    )
    scores = judge_score.advance(before.scores, batch, look, terms)
    update = {
        "scores": tuple(round(score, 6) for score in scores),
        "score": round(judge_score.combined(scores), 6),
        "looks": look,
    }
    return counted.model_copy(update=update)


def _ruled(case: _Case) -> EvidenceStatus:
    verdict, reason, message = _rule(case)
    since = (case.state.inconclusive_since or _millis(case.now)) if verdict == "Inconclusive" else None
    return case.state.model_copy(
        update={
            "verdict": verdict,
            "reason": reason,
            "message": judge_words.clipped(message),
            "inconclusive_since": since,
        }
    )


def _rule(case: _Case) -> Ruling:
    for check in (_unreachable, _doubled, _error_rate, _breached, _silent, _too_few, _checks_open):
        ruling = check(case)
        if ruling:
            return ruling
    counts, limit = case.state.candidate, judge_words.percent(_limit(case.state))
    return "Pass", "WithinLimits", f"{case.subject} failed {judge_words.failed_of(counts)}, limit {limit}."


def _unreachable(case: _Case) -> Ruling | None:
    problem = case.evidence.problem
    return ("Inconclusive", "PrometheusUnreachable", problem) if problem is not None else None


def _doubled(case: _Case) -> Ruling | None:
    pod = scraped_twice(case.series)
    if pod is None:
        return None
    message = (
        f"Prometheus has the requests of pod {pod} twice, so its errors cannot be counted: "
        "let one ServiceMonitor or scrape job alone cover it, or ask a Prometheus without replicas."
    )
    return "Inconclusive", "ScrapedTwice", message


def _error_rate(case: _Case) -> Ruling | None:
    state, limit = case.state, _limit(case.state)
    if state.score < state.threshold:
        return None
    message = (
        f"{case.subject} failed {_since_it_began(case)}, more than chance explains; "
        f"{judge_words.against(state.baseline, limit)}."
    )
    return "Fail", "ErrorRateDoubled", message


def _since_it_began(case: _Case) -> str:
    """The counts since the fault seems to have begun, as far as the samples at hand reach back; then those in all."""
    state, latest = case.state, newest(case.series)
    total = judge_words.failed_of(state.candidate)
    if latest is None or state.sealed_at is None:
        return total
    open_for = latest - state.sealed_at.timestamp()
    step = max(case.scrape.total_seconds(), open_for / _CUTS)
    # Between two scrapes, not on one: a scrape that comes a millisecond early must not change sides.
    cuts = [latest - (number - 0.5) * step for number in range(1, int(open_for / step) + 1)]
    worst = worst_stretch(case.series, [*cuts, state.sealed_at.timestamp()], _limit(state))
    if worst is None or worst[1] == state.candidate:
        return total
    since = judge_words.clock(datetime.fromtimestamp(worst[0], UTC))
    in_all = f"{state.candidate.errors} of {state.candidate.requests}"
    return f"{judge_words.failed_of(worst[1])} since {since} (in all {in_all})"


def _breached(case: _Case) -> Ruling | None:
    counts = {breach.name: breach.count for breach in case.state.breaches}
    for check in case.checks:
        if counts.get(check.name, 0) >= BREACHES_TO_FAIL:
            value = case.evidence.checks.get(check.name, Reading()).value
            shown = f"is {value:.4g}" if value is not None else "has no value now"
            message = (
                f"{check.name} {shown} and was out of bounds {BREACHES_TO_FAIL} times in a row; it must be {check}."
            )
            return "Fail", "CheckFailed", f"{case.subject}: {message}"
    return None


def _silent(case: _Case) -> Ruling | None:
    state = case.state
    last = state.at or state.sealed_at
    if last is None or case.now - last <= STALE_SCRAPES * case.scrape:
        return None
    message = (
        f"Prometheus has no sample of {case.subject} since {judge_words.clock(last)}: "
        "check that its ServiceMonitor is selected and that its pods are up in Prometheus' targets."
    )
    return "Inconclusive", "NoSamples", message


def _too_few(case: _Case) -> Ruling | None:
    seen, needed = case.state.candidate.requests, case.policy.error_rate.min_requests
    if seen >= needed:
        return None
    return (
        "Inconclusive",
        "TooFewRequests",
        f"{case.subject} has had {seen} of the {needed} requests that a pass needs.",
    )


def _checks_open(case: _Case) -> Ruling | None:
    for check in case.checks:
        reading = case.evidence.checks.get(check.name, Reading(problem="it was not asked for"))
        if reading.value is None:
            message = f"{check.name} has no value: {reading.problem or 'no reason given'} ({check.hint})."
            return "Inconclusive", "CheckWithoutValue", message
        if not check.holds(reading.value):
            message = f"{check.name} is {reading.value:.4g}; it must be {check}. Looking again."
            return "Inconclusive", "CheckOutOfBounds", message
    return None


def _limit(state: EvidenceStatus) -> float:
    """The error rate p0 that the candidate may have. Without a baseline that is `UNSEEN_LIMIT`."""
    return min(state.baseline.limit or UNSEEN_LIMIT, 0.99)


def _slot(at: datetime | None, scrape: timedelta) -> int | None:
    """Which scrape interval a time falls into: pods are scraped at odd times, but each once an interval."""
    return None if at is None else int(at.timestamp() // scrape.total_seconds())


def _millis(at: datetime) -> datetime:
    """As exact as the status keeps it."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _sum(one: Counts, two: Counts) -> Counts:
    return Counts(requests=one.requests + two.requests, errors=one.errors + two.errors)


def _at_least(total: Counts, known: Counts) -> Counts:
    """Never fewer than already folded: a Prometheus that forgets, or its replica, takes nothing back."""
    requests = max(total.requests, known.requests)
    new_errors = min(max(total.errors - known.errors, 0), requests - known.requests)
    return Counts(requests=requests, errors=known.errors + new_errors)
