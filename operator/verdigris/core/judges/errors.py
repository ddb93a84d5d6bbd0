"""The judge of the error rate: counts and scores what the candidate answered, and rules on it. PURE (laws 3, 4, 5).

All that it knows is in `EvidenceStatus`, so an operator that starts anew goes on where the last one stopped.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from verdigris.api.spec import ErrorRateSpec
from verdigris.api.status import Counts, EvidenceStatus
from verdigris.core.facts.evidence import BOTH, Evidence, Series
from verdigris.core.judges import power, score, words
from verdigris.core.judges.baseline import UNSEEN_LIMIT, upper_limit
from verdigris.core.judges.case import Case, Ruling
from verdigris.core.judges.counts import by_outcome, covered, increments, newest, shown
from verdigris.core.judges.onset import since_it_began
from verdigris.core.words import clip

TOO_FEW = "TooFewRequests"
"""Reason of a verdict that only more requests can change."""

STALE_SCRAPES = 3
"""Without a new sample of the candidate for this many scrapes there is no evidence."""

_IN_WORDS = {"refused": "refused (4xx where the active version answers; see spec.rollout.schemaChange)"}
"""Outcomes that their name alone does not explain."""

_LAG_SCRAPES = 12
_SHORTEST_LAG, _LONGEST_LAG = timedelta(seconds=15), timedelta(minutes=1)


def begun(measured: EvidenceStatus, evidence: Evidence, now: datetime, planned_looks: int) -> EvidenceStatus:
    """The evidence at the moment at which the candidate gets its first clients (`now` is the operator's clock).

    Of what was `measured` before, the baseline and the active version's values stay.

    The number of looks that the test plans with is fixed here: its alpha is not to change when the spec does.
    """
    at = to_millis(evidence.clock(now))
    return EvidenceStatus(
        baseline=measured.baseline,
        active_values=measured.active_values,
        sealed_at=at,
        at=at,
        planned_looks=planned_looks,
        clock_ahead=evidence.ahead,
    )


def resumed(state: EvidenceStatus, evidence: Evidence, now: datetime) -> EvidenceStatus:
    """The evidence as its pods are back and it is asked again: counted from here on, on top of what was counted before.

    What pods in front saw go wrong while nobody could answer says nothing about the version (law 17).
    """
    at = to_millis(evidence.clock(now))
    update = {"sealed": state.candidate, "sealed_at": at, "at": at, "before": state.candidate, "began": None}
    return state.model_copy(update=update)


def lag(scrape: timedelta) -> timedelta:
    """Counts older than this are sealed; what Prometheus takes in later is not counted.

    The open window grows to twice this, so that every question stays small, however short the scrape interval is.
    """
    return min(_LONGEST_LAG, max(_SHORTEST_LAG, _LAG_SCRAPES * scrape))


def counted(state: EvidenceStatus, series: tuple[Series, ...], scrape: timedelta) -> EvidenceStatus:
    """Add what the counters have grown by, and how long they were watched, and move the seal along."""
    latest, sealed_at = newest(series), state.sealed_at
    if latest is None or sealed_at is None:
        return state
    lost = state.looks and state.at and not any(one.samples[0][0] <= state.at.timestamp() for one in series)
    if state.began is None and not lost:
        state = state.model_copy(update={"began": shown(series, sealed_at.timestamp())})
    at = max(datetime.fromtimestamp(latest, UTC), state.at or sealed_at)
    if lost:
        state = _lost(state, series)
    total = _at_least(_total(state, state.sealed_at or sealed_at, series, math.inf, scrape), state.candidate)
    watched = covered(series, (state.at or sealed_at).timestamp(), latest, STALE_SCRAPES * scrape.total_seconds())
    state = state.model_copy(update={"candidate": total, "at": at, "seen": round(state.seen + watched, 3)})
    return _sealed(state, series, scrape)


def _lost(state: EvidenceStatus, series: tuple[Series, ...]) -> EvidenceStatus:
    """Prometheus has lost what it had told before: it came back without its data. Count from here on."""
    first = min(one.samples[0][0] for one in series)
    at = datetime.fromtimestamp(math.floor(first * 1000 - 1) / 1000, UTC)
    update = {"sealed": state.candidate, "sealed_at": at, "lost_at": at, "at": at}
    if state.began is None:
        # What they showed at the beginning was never seen: what they tell of is only what comes now.
        update |= {"before": state.candidate, "began": shown(_first(one) for one in series)}
    return state.model_copy(update=update)


def _total(
    state: EvidenceStatus, sealed_at: datetime, series: tuple[Series, ...], until: float, scrape: timedelta
) -> Counts:
    """The candidate's counts since clients first reached it, up to `until` (unix seconds).

    After a loss of data the counters' own values tell what happened meanwhile: they hold everything since their pods
    began, of which `began` is not counted, on top of what other counters told `before`. It can only be too little:
    pods that are gone are missing.
    """
    start = sealed_at.timestamp()
    if sealed_at != state.lost_at:
        return _sum(state.sealed, increments(series, start, until))
    # Pods come back into sight within a scrape or some; what appears later is a new pod, and counts from zero.
    settled = start + lag(scrape).total_seconds()
    back = [one for one in series if one.samples[0][0] <= settled]
    new = [one for one in series if one.samples[0][0] > settled]
    values, began = shown((_first(one) for one in back), until), state.began or Counts()
    new_ones = Counts(requests=max(0, values.requests - began.requests), errors=max(0, values.errors - began.errors))
    since_began = _sum(state.before, new_ones)
    grown = _sum(increments(back, start, until, from_zero=False), increments(new, start, until))
    return _sum(_at_least(since_began, state.sealed), grown)


def _first(one: Series) -> Series:
    return Series(one.pod, one.code, one.samples[:1])


def _sealed(state: EvidenceStatus, series: tuple[Series, ...], scrape: timedelta) -> EvidenceStatus:
    """Seal what is old enough: it is never asked for again."""
    back, at, sealed_at = lag(scrape), state.at, state.sealed_at
    if at is None or sealed_at is None or at - sealed_at <= 2 * back:
        return state
    # Of samples at whole steps only: a seal between two would lose what was counted between the last one and it.
    step = max((one.step for one in series), default=0.0)
    moved = at - back
    if step:
        moved = datetime.fromtimestamp(moved.timestamp() // step * step, UTC)
    if moved <= sealed_at:
        return state
    total = _total(state, sealed_at, series, moved.timestamp(), scrape)
    return state.model_copy(update={"sealed": total, "sealed_at": moved})


def scored(before: EvidenceStatus, now: EvidenceStatus, policy: ErrorRateSpec) -> EvidenceStatus:
    """Put the new batch through the sequential test. Without new requests there is no look."""
    batch = Counts(
        requests=now.candidate.requests - before.candidate.requests,
        errors=now.candidate.errors - before.candidate.errors,
    )
    if not batch.requests:
        return now
    look = before.looks + 1
    scores = score.advance(before.scores, batch, look, terms(now, policy))
    update = {
        "scores": tuple(round(one, 6) for one in scores),
        "score": round(score.combined(scores), 6),
        "looks": look,
    }
    return now.model_copy(update=update)


def terms(state: EvidenceStatus, policy: ErrorRateSpec) -> score.Terms:
    """The test in force."""
    return score.Terms(limit_of(state), policy.factor, max(state.planned_looks, 1), max(state.baseline.dispersion, 1.0))


def limit_of(state: EvidenceStatus) -> float:
    """The error rate p0 that the candidate may have. Without a baseline that is `UNSEEN_LIMIT`."""
    return min(state.baseline.limit or UNSEEN_LIMIT, 0.99)


def ceiling(policy: ErrorRateSpec) -> float:
    """The error rate above which nothing is promoted; who allows a higher floor allows that."""
    most: float = max(policy.max, policy.floor)
    return most


def too_bad(case: Case) -> Ruling | None:
    """Fail: the test has found it."""
    state = case.state
    if state.score < state.threshold:
        return None
    message = (
        f"{case.subject} failed {since_it_began(case, limit_of(state))}, more than chance explains; {_on_the_way(case)}"
        f"{words.against(state.baseline, limit_of(state))}."
    )
    return "Fail", "ErrorRateDoubled", message


def _on_the_way(case: Case) -> str:
    """How its requests went wrong, by what the active pods saw, as far as the samples at hand reach back."""
    began = case.state.sealed_at
    lost = by_outcome(case.series, began.timestamp()) if began is not None else {}
    both = lost.pop(BOTH, 0)
    if not lost:
        return ""
    told = ", ".join(f"{count} {_IN_WORDS.get(outcome, outcome)}" for outcome, count in lost.items())
    total = sum(lost.values())
    return f"as the active pods saw it: {told}; of these {total} they answered {max(0, total - both)} themselves; "


def unseen(case: Case) -> Ruling | None:
    """No new sample."""
    state = case.state
    last = state.at or state.sealed_at
    if last is None or case.since_sample is None or case.since_sample <= STALE_SCRAPES * case.scrape:
        return None
    message = (
        f"Prometheus has no sample of {case.subject} since {words.clock(last)}: "
        "check that its ServiceMonitor is selected and that its pods are up in Prometheus' targets."
    )
    return "Inconclusive", "NoSamples", message


def too_few(case: Case) -> Ruling | None:
    """A pass would not mean anything yet: what `detect` asks it to rule out could not have been found."""
    policy, test = case.policy.error_rate, terms(case.state, case.policy.error_rate)
    rate = power.gross(test.limit, policy.factor, policy.detected)
    seen, telling = case.state.candidate.requests, power.needed(rate, test)
    if seen >= max(policy.min_requests, telling):
        return None
    message = f"{case.subject} has had {seen} of the {max(policy.min_requests, telling)} requests that a pass needs"
    if seen >= telling:
        return "Inconclusive", TOO_FEW, f"{message} (spec.analysis.errorRate.minRequests)."
    found = power.detectable(seen, test)
    so_far = f"only {words.percent(found)} or more" if found is not None else "no error rate at all"
    message += (
        f": an error rate of {words.percent(rate)} is to be found with {words.percent(power.POWER)}, so far {so_far} "
        "would have been (spec.analysis.errorRate.detect)."
    )
    return "Inconclusive", TOO_FEW, message


def above_ceiling(case: Case) -> Ruling | None:
    """However bad the active version is, a candidate is not promoted before it is shown to be below the ceiling."""
    state, most = case.state, ceiling(case.policy.error_rate)
    if upper_limit(state.candidate, max(state.baseline.dispersion, 1.0)) <= most:
        return None
    message = (
        f"{case.subject} failed {words.failed_of(state.candidate)}: that this is below {words.percent(most)} is not "
        "shown, and above it no version is promoted by itself, whatever the active one does "
        f"(spec.analysis.errorRate.max); {words.against(state.baseline, limit_of(state))}. If it mends what is worse, "
        "a RolloutDecision with verb promote lets it through."
    )
    return "Inconclusive", "ErrorRateTooHigh", message


def passed(case: Case) -> str:
    """What the test has seen, and what it would have found."""
    state = case.state
    found = power.detectable(state.candidate.requests, terms(state, case.policy.error_rate))
    claim = f"; a rate of {words.percent(found)} or more would have been found with 90 %" if found else ""
    failed = words.failed_of(state.candidate)
    return f"{case.subject} failed {failed}, limit {words.percent(limit_of(state))}{claim}."


def ruled(state: EvidenceStatus, ruling: Ruling, now: datetime) -> EvidenceStatus:
    """The evidence with this ruling, and since when it has been inconclusive."""
    verdict, reason, message = ruling
    since = (state.inconclusive_since or to_millis(now)) if verdict == "Inconclusive" else None
    return state.model_copy(
        update={"verdict": verdict, "reason": reason, "message": clip(message), "inconclusive_since": since}
    )


def to_millis(at: datetime) -> datetime:
    """As exact as the status keeps it."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _sum(one: Counts, two: Counts) -> Counts:
    return Counts(requests=one.requests + two.requests, errors=one.errors + two.errors)


def _at_least(total: Counts, known: Counts) -> Counts:
    """Never fewer than already folded: a Prometheus that forgets, or its replica, takes nothing back."""
    requests = max(total.requests, known.requests)
    new_errors = min(max(total.errors - known.errors, 0), requests - known.requests)
    return Counts(requests=requests, errors=known.errors + new_errors)
