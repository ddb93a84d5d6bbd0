"""One rollout of a history through the operator's own code: counters as Prometheus tells them, then `fold`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

from benchmarks.proof.faults import View
from benchmarks.proof.history import PODS, Counters, History
from verdigris.api.spec import AnalysisSpec
from verdigris.api.status import Baseline, EvidenceStatus
from verdigris.core.facts.evidence import Evidence, Samples, Series
from verdigris.core.judges.baseline import BASELINE_WINDOW
from verdigris.core.judges.errors import begun
from verdigris.core.judges.fold import fold
from verdigris.core.judges.visibility import seen_baseline

START = 1_800_000_000.0
"""Unix seconds at which the candidate gets its clients."""
_OFFSETS = (0.3, 1.1)
"""Seconds after a whole interval at which each pod is scraped."""
_SECOND_JOB = 0.4
_LOOK = 2.0
"""Seconds after a whole interval at which the operator looks."""
_MARGIN = 2.0
_ODD = 1e9
"""What no counter here shows."""
POLICY = AnalysisSpec()


@dataclass(frozen=True)
class Watcher:
    """One rollout (a row of the history) and what is seen of it."""

    history: History
    view: View
    row: int

    def watch(self) -> EvidenceStatus:
        """The evidence after the last look."""
        now = self._clock(0.0)
        state = begun(EvidenceStatus(baseline=self.baseline()), Evidence(ahead=self.view.ahead), now, self._looks)
        scrape = timedelta(seconds=self.history.setting.scrape)
        for look in range(self._looks):
            state = fold(
                EvidenceStatus.parse(state.dump()) if self.view.amnesia else state,
                self._evidence(look, state.sealed_at),
                candidate="green",
                policy=POLICY,
                scrape=scrape,
                planned_looks=self._looks,
                now=self._clock((look + 1) * scrape.total_seconds() + _LOOK),
                pods=[f"green-{pod}" for pod in range(PODS)],
                visible=[f"green-{pod}" for pod in range(PODS)],
            )
        return state

    def baseline(self) -> Baseline:
        """What the active version did before."""
        active, scrape = self.history.active.of_row(self.row), self.history.setting.scrape
        scrapes = active.requests.shape[-1]
        first = 0 if self.view.known is None else scrapes - self.view.known
        times = [-BASELINE_WINDOW.total_seconds() + (number - 1) * scrape for number in range(scrapes + 1)]
        series = tuple(replace(one, samples=one.samples[first:]) for one in self._series(active, times, "blue"))
        evidence = Evidence(counters={"blue": series}, ahead=self.view.ahead)
        pods, every = [f"blue-{pod}" for pod in range(PODS)], timedelta(seconds=scrape)
        return seen_baseline(evidence, "blue", pods, policy=POLICY, scrape=every, now=self._clock(0.0))

    @property
    def _looks(self) -> int:
        return self.history.setting.looks

    def _clock(self, seconds: float) -> datetime:
        return datetime.fromtimestamp(START + seconds, UTC)

    def _series(self, counters: Counters, times: list[float], color: str) -> list[Series]:
        """The counters of all pods, which show 0 at the first of `times`."""
        found = []
        for code, shown in zip(("200", "500"), counters.shown(), strict=True):
            for pod, values in enumerate(shown[0].tolist()):
                at = (START + self.view.ahead + time + _OFFSETS[pod] for time in times)
                found.append(Series(f"{color}-{pod}", code, tuple(zip(at, map(float, [0, *values]), strict=True))))
        return found

    @cached_property
    def _scraped(self) -> list[Series]:
        """The candidate's counters: a sample from before it had clients, then one a scrape."""
        scrape = self.history.setting.scrape
        times = [float(scrape * number) for number in (-1, *range(1, self._looks + 1))]
        return self._series(self.history.candidate.of_row(self.row), times, "green")

    def _evidence(self, look: int, sealed_at: datetime | None) -> Evidence:
        view, ahead = self.view, self.view.ahead
        if view.silent[self.row, look]:
            return Evidence(problem="Prometheus cannot be reached")
        if view.empty[self.row, look] or sealed_at is None:
            return Evidence(ahead=ahead)
        found = [one for one in self._known(look, sealed_at.timestamp() - _MARGIN) if one.samples]
        if view.contradicting[self.row, look]:
            found += [replace(one, samples=((one.samples[-1][0], _ODD),)) for one in found]
        elif view.twice:
            found += [replace(one, samples=_later(one.samples)) for one in found]
        return Evidence(counters={"green": tuple(found)}, ahead=ahead)

    def _known(self, look: int, since: float) -> Iterator[Series]:
        """What Prometheus has at this look: all since a time (unix seconds), and one older sample of each series."""
        forgot = self.view.forgets[self.row]
        first = int(forgot) + 1 if 0 <= forgot <= look else 0
        for one in self._scraped:
            taken = self.view.taken[self.row, int(one.pod[-1]), : max(0, look + 1 - self.view.late)]
            kept = [0, *(number + 1 for number, there in enumerate(taken.tolist()) if there)]
            samples = [one.samples[number] for number in kept if number >= first]
            older = [sample for sample in samples if sample[0] <= since]
            yield replace(one, samples=(*older[-1:], *(sample for sample in samples if sample[0] > since)))


def _later(samples: Samples) -> Samples:
    """The same counter as a second job reads it, a moment later."""
    return tuple((at + _SECOND_JOB, value) for at, value in samples)
