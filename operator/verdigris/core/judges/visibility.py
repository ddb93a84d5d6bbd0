"""Whether the candidate can be seen: before the first client reaches it (law 4), and while it is watched. PURE."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from verdigris.api.spec import AnalysisSpec
from verdigris.api.status import Baseline, Color, EvidenceStatus, other
from verdigris.core.facts.evidence import Evidence, Series
from verdigris.core.judges import queries
from verdigris.core.judges.ask import MOST_SAMPLES
from verdigris.core.judges.baseline import BASELINE_WINDOW, concurrent_baseline, freeze_baseline
from verdigris.core.judges.case import Case, Ruling
from verdigris.core.judges.counts import mark, newest, of_pods, once, seen_pods
from verdigris.core.judges.errors import TOO_FEW
from verdigris.core.words import clip

VISIBLE_SCRAPES = 3
"""A pod whose newest sample is older than this many scrape intervals is not seen (any more)."""

_NOTED_CLOCK = 30.0
"""Seconds. Clocks that differ by more are spoken of."""

_FUTURE = timedelta(seconds=15)

_VISIBLE: Ruling = ("Pass", "CandidateVisible", "Prometheus scrapes every candidate pod.")
COUNTED_IN_FRONT = "CountedInFront"
"""Reason with which a version goes on that Prometheus need not have scraped yet."""
_COUNTED_IN_FRONT: Ruling = ("Pass", COUNTED_IN_FRONT, "The active pods will count what it answers.")


def measured(
    previous: EvidenceStatus,
    evidence: Evidence,
    *,
    candidate: Color,
    policy: AnalysisSpec,
    scrape: timedelta,
    ready: Collection[str] | None,
    baseline: Baseline,
    now: datetime,
    pods: Collection[str] | None = None,
) -> EvidenceStatus:
    """The evidence before the candidate has clients: Pass when both versions can be counted and nothing holds it.

    `ready` are the names of its ready pods, None when pods in front will count for them; `pods` those of all of them;
    `baseline` is what it will be held against.
    """
    strangers: Collection[str] = ()
    if pods is not None:
        marks = frozenset(mark(pod) for pod in pods)
        _, strangers = of_pods(evidence.counters.get(candidate, ()), marks, fresh(evidence.clock(now), scrape))
    values = queries.values_of_active(previous.active_values, policy, evidence.checks)
    ruling = (
        unseen(evidence, candidate, ready or (), scrape, now)
        or _uncounted(evidence, candidate)
        or queries.holds_before_traffic(policy, scrape, values, evidence.checks)
        or (_COUNTED_IN_FRONT if ready is None else _VISIBLE)
    )
    verdict, reason, message = ruling
    return previous.model_copy(
        update={
            "verdict": verdict,
            "reason": reason,
            "message": clip(" ".join([message, *remarks(evidence.ahead, strangers)])),
            "inconclusive_since": (previous.inconclusive_since or now) if verdict == "Inconclusive" else None,
            "baseline": baseline,
            "active_values": values,
            "clock_ahead": previous.clock_ahead if evidence.problem else evidence.ahead,
        }
    )


def shared_window(scrape: timedelta) -> timedelta:
    """How far back the baseline looks while the active pods pass requests on: every scrape of both is needed."""
    return min(BASELINE_WINDOW, MOST_SAMPLES * scrape)


def seen_baseline(
    evidence: Evidence,
    active: Color,
    pods: Collection[str],
    *,
    policy: AnalysisSpec,
    scrape: timedelta,
    now: datetime,
) -> Baseline:
    """What the active colour's pods have answered in the last `BASELINE_WINDOW`. `pods` are the names of
    those that the operator sees.

    Pods that have ended count, too, unless others are scraped that are not this model's in this cluster.
    """
    series, end = evidence.counters.get(active, ()), evidence.clock(now)
    in_front = tuple(one for one in evidence.counters.get(other(active), ()) if one.in_front)
    marks = frozenset(mark(pod) for pod in pods)
    ours, strangers = of_pods(series, marks, fresh(end, scrape))
    series, in_front = (ours, of_pods(in_front, marks)[0]) if strangers else (series, in_front)
    window = shared_window(scrape) if in_front else BASELINE_WINDOW
    found = freeze_baseline(series, end - window, end, policy.error_rate, in_front)
    return found.model_copy(update={"at": now})


def baseline_while_shared(frozen: Baseline, seen: Baseline, policy: AnalysisSpec) -> Baseline:
    """The baseline while both versions have clients: see `concurrent_baseline`."""
    return concurrent_baseline(frozen, seen, policy.error_rate)


def unseen(
    evidence: Evidence, candidate: Color, ready: Collection[str], scrape: timedelta, now: datetime
) -> Ruling | None:
    """Why no traffic may move to these ready pods yet: they cannot be seen, or not be counted."""
    if evidence.problem:
        return "Inconclusive", "PrometheusUnreachable", evidence.problem
    series, contradicted = once(evidence.counters.get(candidate, ()))
    if contradicted is not None:
        return doubled(contradicted)
    clock = evidence.clock(now)
    latest = newest(series)
    if latest is not None and latest > (clock + _FUTURE).timestamp():
        ahead = latest - clock.timestamp()
        message = (
            f"Prometheus' newest sample of {candidate} is from {ahead:.0f} s in the future: the clocks of what scrapes "
            "the pods and of what answers the operator differ; synchronise them."
        )
        return "Inconclusive", "ClocksDiffer", message
    missing = unseen_of(series, ready, scrape, clock)
    if not missing:
        return None
    late = {one.pod: clock.timestamp() - one.samples[-1][0] for one in series}
    return "Inconclusive", "CandidateNotScraped", _not_scraped(missing, late)


def _uncounted(evidence: Evidence, candidate: Color) -> Ruling | None:
    """Why the active version's requests cannot be counted: nothing would be known of what it does."""
    others = (series for color, series in evidence.counters.items() if color != candidate)
    contradicted = next((pod for series in others if (pod := once(series)[1]) is not None), None)
    return doubled(contradicted) if contradicted is not None else None


def fresh(clock: datetime, scrape: timedelta) -> float:
    """What is scraped now has a sample that is newer than this (unix seconds), by Prometheus' clock."""
    return (clock - VISIBLE_SCRAPES * scrape).timestamp()


def unseen_of(series: Iterable[Series], pods: Collection[str], scrape: timedelta, clock: datetime) -> tuple[str, ...]:
    """Which of these pods have no fresh sample, by Prometheus' clock."""
    seen = seen_pods(series, fresh(clock, scrape))
    return tuple(sorted(pod for pod in pods if pod not in seen))


def partly_unseen(case: Case) -> Ruling | None:
    """While some of its pods are not scraped, what they answer is not known."""
    if not case.unseen:
        return None
    return "Inconclusive", "CandidateNotScraped", _not_scraped(case.unseen, {})


def _not_scraped(missing: Sequence[str], late: Mapping[str, float]) -> str:
    message = f"Prometheus has not scraped {len(missing)} ready candidate pods yet: {', '.join(missing[:5])}."
    ages = [late[pod] for pod in missing if pod in late]
    if ages:
        message += (
            f" Their newest sample is {min(ages):.0f} s old: it stopped scraping them, or the clocks of what scrapes "
            "and of what answers differ."
        )
    return message


def doubled(pod: str) -> Ruling:
    """A pod's counters contradict each other."""
    message = (
        f"Prometheus has the requests of pod {pod} twice, with values that are not of one counter, so its errors "
        "cannot be counted: let one ServiceMonitor or scrape job alone cover it, ask a Prometheus without replicas, or "
        "name the right series by spec.analysis.prometheus.matchers."
    )
    return "Inconclusive", "ScrapedTwice", message


def remarks(ahead: float, strangers: Collection[str]) -> list[str]:
    """What a person should know beside the verdict: clocks that differ, and pods that were not counted."""
    found = []
    if abs(ahead) >= _NOTED_CLOCK:
        side = "ahead of" if ahead > 0 else "behind"
        found.append(f"Prometheus' clock is {abs(round(ahead, -1)):.0f} s {side} the operator's; its own is used.")
    if strangers:
        names = ", ".join(sorted(strangers)[:3])
        found.append(
            f"Not counted: {len(strangers)} pods that are another cluster's, or have just ended in this one ({names}); "
            "spec.analysis.prometheus.matchers can leave out other clusters."
        )
    return found


def watched(state: EvidenceStatus) -> timedelta:
    """How much of the time since its step began, or since clients came, was seen: the bake's clock."""
    return timedelta(seconds=state.seen)


def watched_anew(state: EvidenceStatus) -> EvidenceStatus:
    """With that clock at 0, as a step begins."""
    return state.model_copy(update={"seen": 0.0})


def long_enough(state: EvidenceStatus, bake: timedelta, since: datetime, scrape: timedelta) -> EvidenceStatus:
    """`state`, but NotWatched instead of what lets it go on as long as less than `bake` after `since` was seen.

    What nobody saw is no bake. The newest sample is a scrape or two old at any time: so much may be missing. The time
    counts as inconclusive since the bake would have been over.
    """
    if (state.verdict != "Pass" and state.reason != TOO_FEW) or watched(state) >= bake - min(2 * scrape, bake / 2):
        return state
    message = (
        f"Only {watched(state).total_seconds():.0f} of the {bake.total_seconds():.0f} s that it is to be watched were "
        f"seen, as there are no samples of the rest, or of another share. {state.message}"
    )
    return state.model_copy(
        update={
            "verdict": "Inconclusive",
            "reason": "NotWatched",
            "message": clip(message),
            "inconclusive_since": min(state.inconclusive_since or since + bake, since + bake),
        }
    )
