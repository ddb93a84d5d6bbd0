"""Made-up histories of scraped pods, and the judge watching them tick by tick."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from verdigris.api.spec import AnalysisSpec
from verdigris.api.status import Baseline, EvidenceStatus
from verdigris.core.facts.evidence import Evidence, Reading, Series
from verdigris.core.judges.fold import fold

START = 1_800_000_000.0
"""Unix seconds at which the candidate got its traffic."""
SCRAPE = timedelta(seconds=5)
BASELINE = Baseline(requests=9812, errors=3, rate=3 / 9812, limit=0.005, source="Frozen")
FRESH = EvidenceStatus(baseline=BASELINE)


def clock(seconds: float) -> datetime:
    """`seconds` after START."""
    return datetime.fromtimestamp(START + seconds, UTC)


@dataclass(frozen=True)
class Sample:
    """One scraped value; `arrives` is when Prometheus can answer with it. Both in seconds after START."""

    at: float
    value: float
    arrives: float


@dataclass
class Scraped:
    """What Prometheus knows of the candidate's pods, by pod and code."""

    counters: dict[tuple[str, str], list[Sample]] = field(default_factory=dict)

    def pod(self, name: str, at: float, ok: float, failed: float, arrives: float | None = None) -> None:
        """One scrape of one pod: its counters of 200 and of 500."""
        for code, value in (("200", ok), ("500", failed)):
            sample = Sample(at, value, at if arrives is None else arrives)
            self.counters.setdefault((name, code), []).append(sample)

    def steady(self, seconds: range, ok: int, failed: int, pods: int = 3) -> None:
        """Every pod scraped at each of `seconds`, having counted so many more each time, from 0 at the first."""
        for number in range(pods):
            for turn, at in enumerate(seconds):
                self.pod(f"pod-{number}", at, turn * ok, turn * failed)

    def answer(self, now: float, since: float) -> tuple[Series, ...]:
        """What Prometheus answers at `now`: every sample after `since`, and one older one of each series."""
        found = []
        for (pod, code), samples in self.counters.items():
            known = [(START + one.at, one.value) for one in samples if one.arrives <= now]
            older = [sample for sample in known if sample[0] <= START + since]
            window = [*older[-1:], *(sample for sample in known if sample[0] > START + since)]
            if window:
                found.append(Series(pod, code, tuple(window)))
        return tuple(found)


def look(
    state: EvidenceStatus,
    scraped: Scraped,
    now: float,
    policy: AnalysisSpec | None = None,
    checks: Mapping[str, Reading] | None = None,
) -> EvidenceStatus:
    """One tick: ask as far back as the operator does, and fold the answer."""
    sealed = state.sealed_at.timestamp() - START if state.sealed_at else 0.0
    evidence = Evidence(counters={"green": scraped.answer(now, sealed - 30)}, checks=checks or {})
    return judged(state, evidence, now, policy)


def judged(
    state: EvidenceStatus, evidence: Evidence, now: float, policy: AnalysisSpec | None = None, *, behind: bool = False
) -> EvidenceStatus:
    """`fold` for the candidate green, version 1.2.0, at `now` seconds after START."""
    return fold(
        state,
        evidence,
        candidate="green",
        policy=policy or AnalysisSpec(),
        scrape=SCRAPE,
        planned_looks=300,
        now=clock(now),
        version="1.2.0",
        behind=behind,
    )


def watch(
    scraped: Scraped, ticks: Iterable[float], policy: AnalysisSpec | None = None, restarts: bool = False
) -> EvidenceStatus:
    """The evidence after looking at each of `ticks`, beginning at START.

    With `restarts`, the operator knows at each tick only what the status, as the API server gives it, has kept.
    """
    state = FRESH.model_copy(update={"sealed_at": clock(0)})
    for now in ticks:
        state = look(state, scraped, now, policy)
        if restarts:
            state = EvidenceStatus.parse(state.dump())
    return state
