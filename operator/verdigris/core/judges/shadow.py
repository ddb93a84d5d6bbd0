"""Whether a version that answers copies says what the active one says. PURE.

The share of rows that it answers otherwise is held against the limit that the user gave, by the sequential test of the
error rate (`score`): it fails when the share is shown to be above the limit, whenever that is, and passes when it is
shown to be below (95 %). A copy that it does not answer counts as a row that it answers otherwise.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from verdigris.api.spec import ErrorRateSpec
from verdigris.api.status import Baseline, Color, EvidenceStatus
from verdigris.core.facts.evidence import Evidence
from verdigris.core.judges import errors, score, visibility, words
from verdigris.core.judges.baseline import upper_limit
from verdigris.core.judges.case import Ruling
from verdigris.core.judges.counts import marks_of, of_pods, once


def compared(
    previous: EvidenceStatus | None,
    evidence: Evidence,
    *,
    candidate: Color,
    limit: float,
    scrape: timedelta,
    planned_looks: int,
    now: datetime,
    version: str,
    pods: Collection[str],
) -> EvidenceStatus:
    """`previous` with this answer of Prometheus added, and the verdict on it; its requests are rows. A Fail stays.

    `limit` is the share of rows (0 to 1) that may come out otherwise; `pods` are the names of the pods in front.
    """
    state = previous or _fresh(evidence, limit, planned_looks, now)
    if state.verdict == "Fail":
        return state
    state = state.model_copy(update={"pods": marks_of(state.pods, pods)})
    shown = tuple(one for one in evidence.counters.get(candidate, ()) if one.compared)
    series, contradicted = once(of_pods(shown, frozenset(state.pods))[0])
    if evidence.problem is not None:
        return errors.ruled(state, ("Inconclusive", "PrometheusUnreachable", evidence.problem), now)
    if contradicted is not None:
        return errors.ruled(state, visibility.doubled(contradicted), now)
    after = errors.counted(state, series, scrape)
    after = errors.scored(state, after, ErrorRateSpec())
    return errors.ruled(after, _rule(after, version, scrape, evidence.clock(now)), now)


def _fresh(evidence: Evidence, limit: float, planned_looks: int, now: datetime) -> EvidenceStatus:
    at = errors.to_millis(evidence.clock(now))
    planned = max(1, planned_looks)
    return EvidenceStatus(
        baseline=Baseline(limit=limit),
        sealed_at=at,
        at=at,
        planned_looks=planned,
        threshold=round(score.threshold(planned), 6),
        clock_ahead=evidence.ahead,
    )


def _rule(state: EvidenceStatus, version: str, scrape: timedelta, clock: datetime) -> Ruling:
    rows, limit = state.candidate, state.baseline.limit
    share = f" ({words.percent(rows.errors / rows.requests)})" if rows.requests else ""
    said = f"{version} answered {rows.errors} of {rows.requests} rows{share} otherwise than the active version does"
    if state.score >= state.threshold:
        return "Fail", "ShadowDisagrees", f"{said}: more than {words.percent(limit)}, and more than chance explains."
    if state.at is None or clock - state.at > errors.STALE_SCRAPES * scrape:
        message = f"No active pod was seen to compare its answers with those of {version}: {said}."
        return "Inconclusive", "NotCompared", message
    highest = upper_limit(rows)
    if highest > limit:
        message = f"{said}: up to {words.percent(highest)} is possible, and {words.percent(limit)} is the most."
        return "Inconclusive", "TooFewRows", message
    return "Pass", "ShadowAgrees", f"{said}: {words.percent(highest)} at most, {words.percent(limit)} is allowed."
