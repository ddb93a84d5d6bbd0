"""A Prometheus that scrapes the pods, and what may be the matter with it, one kind a `Trouble`."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.runtime.fake_api import Json
from tests.simulation.clients import Clients
from tests.simulation.faults import SAID
from tests.simulation.objects import color_of, is_placed, is_ready, labels_of
from tests.simulation.server import Server
from verdigris.adapters.prometheus.fake import FakePrometheus, Pod
from verdigris.adapters.prometheus.wire import Unusable, read_counters
from verdigris.children.names import REVISION_LABEL
from verdigris.core.facts.evidence import Evidence, Question, Reading, Series, Usage, UsageQuestion

SCRAPE = 2
"""Seconds between two scrapes, as the specs of the workloads say."""
ASKED = 0.02
"""Seconds that Prometheus takes to answer."""
TIMES_OUT = 2.0
"""Seconds after which the operator's client gives a question up (`adapters.prometheus.source`)."""
FLAPS = 3.0
"""Seconds for which a flapping one is there, and then for as long away."""

Answer = Callable[["Prometheus", Question], Awaitable[Evidence]]


async def _as_scraped(prometheus: Prometheus, question: Question) -> Evidence:
    return await prometheus.found.gather(question)


def _nothing(_: Prometheus) -> None:
    """It begins with nothing."""


@dataclass(frozen=True)
class Trouble:
    """One kind. `ahead`: by how many seconds its clock is. `begins` is done once, at the begin.

    `tells`: what a condition has to say of it while it lasts, one of these.
    """

    name: str
    answer: Answer = _as_scraped
    scrapes: bool = True
    ahead: float = 0.0
    begins: Callable[[Prometheus], None] = _nothing
    tells: tuple[str, ...] = (SAID,)


@dataclass
class Prometheus:
    """Scrapes the pods that run, and answers the operator's questions from that, as far as its `trouble` lets it."""

    server: Server
    clients: Clients
    found: FakePrometheus = field(default_factory=FakePrometheus)
    trouble: Trouble | None = None
    _newest: dict[str, float] = field(default_factory=dict)

    def fall_ill(self, trouble: Trouble) -> None:
        """From now on this is the matter with it, and nothing else."""
        self.trouble, self.found.ahead = trouble, trouble.ahead
        trouble.begins(self)

    def recover(self) -> None:
        """Nothing is the matter any more, and its clock is right."""
        self.trouble, self.found.ahead = None, 0.0

    def scrape(self, at: float) -> None:
        """Take in the counters of every pod of the model that runs, from 0 on."""
        if self.trouble is not None and not self.trouble.scrapes:
            return
        shown = at + self.found.ahead
        for raw in self.server.of("Pod"):
            name = raw["metadata"]["name"]
            # A real one takes in no sample that is older than the last: its clock was set back.
            if not is_ready(raw) or not is_placed(raw) or shown <= self._newest.get(name, 0.0):
                continue
            self._newest[name] = shown
            self._scrape_pod(shown, self._pod(raw), lies=self.clients.controllers.behaviour(raw).lies)

    def _pod(self, raw: Json) -> Pod:
        key, labels = self.clients.key, labels_of(raw)
        return Pod(key.namespace, key.name, color_of(raw), labels[REVISION_LABEL], raw["metadata"]["name"])

    def _scrape_pod(self, at: float, pod: Pod, *, lies: bool) -> None:
        shown, passed = self.clients.counted(pod.name), self.clients.fronts.counted(pod.name)
        if lies:
            shown = Counter({"200": shown.total(), "500": 0})
            passed = {pod.revision: Counter({"answered": 1000 + shown.total()})}
        self.found.scrape(at, pod, {code: float(count) for code, count in shown.items()})
        for revision, counted in passed.items():
            self.found.scrape_front(at, pod, revision, {code: float(count) for code, count in counted.items()})

    async def gather(self, question: Question) -> Evidence:
        """As `EvidenceSource.gather`."""
        await asyncio.sleep(ASKED)
        return await (self.trouble.answer if self.trouble else _as_scraped)(self, question)

    async def usage(self, question: UsageQuestion) -> Usage:
        """As `UsageSource.usage`: nothing is known of what pods use."""
        await asyncio.sleep(ASKED)
        return await self.found.usage(question)


async def _away(_: Prometheus, question: Question) -> Evidence:
    return Evidence(problem=f"{question.server} cannot be reached ({SAID}): check the address and that it runs.")


async def _too_slow(_: Prometheus, question: Question) -> Evidence:
    await asyncio.sleep(TIMES_OUT)
    return Evidence(problem=f"{question.server} did not answer within {TIMES_OUT:g} s ({SAID}).")


async def _slow(prometheus: Prometheus, question: Question) -> Evidence:
    """What it knew when it was asked, shortly before the question is given up."""
    answer = await prometheus.found.gather(question)
    await asyncio.sleep(TIMES_OUT - 2 * ASKED)
    return answer


async def _by_turns(prometheus: Prometheus, question: Question) -> Evidence:
    away = asyncio.get_running_loop().time() // FLAPS % 2
    return await (_away if away else _as_scraped)(prometheus, question)


async def _empty(_: Prometheus, question: Question) -> Evidence:
    """It answers, and has no series: it selects no ServiceMonitor any more."""
    problem = Reading(problem="Prometheus has no data for the query")
    return Evidence(counters=dict.fromkeys(question.since, ()), checks=dict.fromkeys(question.checks, problem))


async def _not_a_number(prometheus: Prometheus, question: Question) -> Evidence:
    """Its samples are NaN, as the operator's reader of answers finds them."""
    answer = await prometheus.found.gather(question)
    series = [one for several in answer.counters.values() for one in several]
    metrics: list[dict[str, Any]] = [
        {"metric": {"pod": s.pod, "code": s.code}, "values": [[at, "NaN"] for at, _ in s.samples]} for s in series
    ]
    try:
        found = read_counters(_body("matrix", metrics), _body("vector", []), 0.0)
    except Unusable as unusable:
        return Evidence(problem=f"{question.server} {unusable}.")
    return replace(answer, counters=dict.fromkeys(answer.counters, found))


def _body(kind: str, result: list[dict[str, Any]]) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}}).encode()


async def _twice(prometheus: Prometheus, question: Question) -> Evidence:
    """Two jobs scrape each pod, one half a second after the other."""

    def later(one: Series) -> Series:
        return replace(one, samples=tuple((at + 0.5, value) for at, value in one.samples))

    return await _with_others(prometheus, question, later)


async def _twice_and_differently(prometheus: Prometheus, question: Question) -> Evidence:
    """Beside each series is another one of the same pod, which is of another counter."""

    def other(one: Series) -> Series:
        return replace(
            one, samples=tuple((at, 1000 - 7 * number + value) for number, (at, value) in enumerate(one.samples))
        )

    return await _with_others(prometheus, question, other)


async def _with_others(prometheus: Prometheus, question: Question, other: Callable[[Series], Series]) -> Evidence:
    answer = await prometheus.found.gather(question)
    return replace(answer, counters={c: (*series, *map(other, series)) for c, series in answer.counters.items()})


def _forget(prometheus: Prometheus) -> None:
    prometheus.found.forget()


def _reset_counters(prometheus: Prometheus) -> None:
    prometheus.clients.answers.clear()


_UNSEEN = ("NoSamples", "NotCompared", "CandidateNotScraped", "NotWatched", "TooFewRequests", "NoBaseline")

PASSING = (
    Trouble("away", _away),
    Trouble("too slow", _too_slow),
    Trouble("slow", _slow),
    Trouble("flapping", _by_turns),
    Trouble("restarted without its data", begins=_forget),
    Trouble("away and restarted without its data", _away, scrapes=False, begins=_forget),
    Trouble("NaN", _not_a_number),
    Trouble("empty", _empty),
    Trouble("each series twice", _twice),
    Trouble("series that contradict each other", _twice_and_differently),
    Trouble("counters reset", begins=_reset_counters),
    Trouble("clock ahead", ahead=90.0),
    Trouble("clock behind", ahead=-90.0),
    Trouble("no scrapes", scrapes=False),
)
"""These pass."""
LASTING = (
    Trouble("away for ever", _away),
    Trouble("flapping for ever", _by_turns),
    Trouble("empty for ever", _empty, tells=_UNSEEN),
    Trouble("contradictions for ever", _twice_and_differently, tells=("ScrapedTwice",)),
    Trouble("clock ahead for ever", ahead=90.0),
    Trouble("clock behind for ever", ahead=-90.0, tells=("behind the operator's",)),
    Trouble("no scrapes any more", scrapes=False, tells=_UNSEEN),
)
"""These go on to the end of the run."""
