"""The EvidenceSource that asks a Prometheus server over HTTP."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import aiohttp

from verdigris.adapters.prometheus.access import Access
from verdigris.adapters.prometheus.asking import MAX_BYTES, ask
from verdigris.adapters.prometheus.wire import Unusable, read_counters, read_number, read_usage
from verdigris.api.status import Color
from verdigris.core.facts.evidence import PASSED_ON, SHADOW, Evidence, Question, Reading, Series, Usage, UsageQuestion
from verdigris.core.judges.promql import Pods

MARGIN = timedelta(seconds=2)
"""Ask this much further back than `since`: covers the time that a question takes."""

MEMORY = timedelta(minutes=15)
"""A counter that was not scraped for longer than this counts as new when it comes back."""

AGREED = timedelta(seconds=2)
"""Clocks that differ by less count as equal: so much a question may take, and what it takes is no difference."""

_SMALL = 64 * 1024


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


class PrometheusSource:
    """Asks `POST <address>/api/v1/query`, all queries of a question at once. Never raises.

    Args:
        session: shared by all models; not closed here.
        timeout: for one question in all.
        usage_timeout: for one usage question, which reads a day of samples of each pod.
        clock: gives an aware datetime.
        access: credentials for the operator's own addresses; None: there are none.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        timeout: timedelta = timedelta(seconds=2),
        usage_timeout: timedelta = timedelta(seconds=5),
        clock: Callable[[], datetime] = utc_now,
        access: Access | None = None,
    ) -> None:
        self._session = session
        self._access = access or Access()
        self._timeout = timeout
        self._usage_timeout = usage_timeout
        self._clock = clock
        self._ahead: dict[str, timedelta] = {}

    async def gather(self, question: Question) -> Evidence:
        """See `EvidenceSource`."""
        colors = tuple(question.since)
        ahead, counters, checks = await asyncio.gather(
            self._compare_clocks(question.address),
            asyncio.gather(*(self._counters(question, color) for color in colors)),
            asyncio.gather(*(self._check(question.address, query) for query in question.checks.values())),
        )
        problem = next((answer for answer in counters if isinstance(answer, str)), None)
        if problem is not None:
            return Evidence(problem=problem)
        return Evidence(
            counters={c: answer for c, answer in zip(colors, counters, strict=True) if not isinstance(answer, str)},
            checks={
                **dict(zip(question.checks, checks, strict=True)),
                **{name: Reading(problem=sentence) for name, sentence in question.refused.items()},
            },
            ahead=ahead,
        )

    async def _compare_clocks(self, address: str) -> float:
        """By how many seconds Prometheus' clock is ahead; what was known before, when it does not say."""
        asked = self._clock()
        try:
            there = datetime.fromtimestamp(read_number(await self._ask(address, "time()", most=_SMALL)), UTC)
        except (Unusable, ValueError, OverflowError, OSError):
            # Also a number that is no time of any calendar: milliseconds, for example.
            return self._ahead.get(address, timedelta()).total_seconds()
        answered = self._clock()
        ahead = there - (asked + (answered - asked) / 2)
        # What a question takes is no difference, and no change of one that is known: it is kept in the status.
        spare, known = AGREED + (answered - asked) / 2, self._ahead.get(address, timedelta())
        if abs(ahead - known) > spare:
            self._ahead[address] = timedelta() if abs(ahead) <= spare else ahead
        return round(self._ahead.get(address, timedelta()).total_seconds(), 3)

    async def usage(self, question: UsageQuestion) -> Usage:
        """See `UsageSource`."""
        selector = Pods(
            question.namespace, question.model, question.color, question.revision, question.uid, question.matchers
        ).matchers()
        window, step = (max(1, round(span.total_seconds())) for span in (question.window, question.step))
        cores = f"max(rate(process_cpu_seconds_total{{{selector}}}[{step}s]))[{window}s:{step}s]"
        most = f"max(max_over_time(process_resident_memory_bytes{{{selector}}}[{window}s]))"
        try:
            cpu, memory = await asyncio.gather(
                *(self._ask(question.address, query, self._usage_timeout) for query in (cores, most))
            )
            return read_usage(cpu, memory)
        except Unusable as problem:
            return Usage(problem=f"{question.server} {problem}.")

    async def _counters(self, question: Question, color: Color) -> tuple[Series, ...] | str:
        """The raw series, or the sentence that says why there are none."""
        try:
            found = await asyncio.gather(
                *(self._samples(question, color, *one) for one in counter_selectors(question, color))
            )
        except Unusable as problem:
            return f"{question.server} {problem}."
        return tuple(itertools.chain(*found))

    async def _samples(
        self, question: Question, color: Color, selector: str, label: str, prefix: str
    ) -> tuple[Series, ...]:
        """The series that a selector picks, told apart by this label. Raises Unusable."""
        start = question.since[color] - MARGIN
        at = round(start.timestamp(), 3)
        there = self._clock() + self._ahead.get(question.address, timedelta())
        seconds = max(1, math.ceil((there - start).total_seconds()))
        memory = round(MEMORY.total_seconds())
        step = question.steps.get(color, timedelta()).total_seconds()
        window = f"{selector}[{seconds}s:{step:g}s]" if step else f"{selector}[{seconds}s]"
        samples, basis = await asyncio.gather(
            self._ask(question.address, window),
            self._ask(question.address, f"last_over_time({selector}[{memory}s] @ {at:.3f})"),
        )
        return read_counters(samples, basis, at, step, label=label, prefix=prefix)

    async def _check(self, address: str, query: str) -> Reading:
        try:
            return Reading(value=read_number(await self._ask(address, query)))
        except Unusable as problem:
            return Reading(problem=f"Prometheus {problem}")

    async def _ask(self, address: str, query: str, timeout: timedelta | None = None, most: int = MAX_BYTES) -> bytes:
        """The body of an answer with status 200. Raises Unusable for every other outcome."""
        seconds = (timeout or self._timeout).total_seconds()
        url, fields = f"{address.rstrip('/')}/api/v1/query", {"query": query, "timeout": f"{seconds:g}s"}
        return await ask(self._session, self._access, url, fields, seconds=seconds, most=most)


def counter_selectors(question: Question, color: Color) -> Iterator[tuple[str, str, str]]:
    """PromQL for the counters of one color's revision, the label that tells those of a pod apart, and a prefix of it.

    Of its own without the callers' own faults (4xx); where another color's pods pass requests on to it, of those how
    it went, and how often both versions failed; or how the answers to copies compared.
    """
    pods = Pods(question.namespace, question.model, color, question.revisions[color], question.uid, question.matchers)
    yield f'verdigris_requests_total{{{pods.matchers()},code!~"4.."}}', "code", ""
    if question.fronts not in (None, color):
        in_front = replace(pods, color=question.fronts, revision=question.revisions[question.fronts])
        about, outcomes = in_front.matchers(about=pods.revision), "|".join(PASSED_ON)
        if question.shadowed:
            yield f"verdigris_shadow_rows_total{{{about}}}", "agreed", SHADOW
            yield f'verdigris_shadow_total{{{about},outcome="failed"}}', "outcome", SHADOW
            return
        yield f'verdigris_forwarded_total{{{about},outcome=~"{outcomes}"}}', "outcome", ""
        yield f'verdigris_spared_total{{{about},active="failed"}}', "active", "spared:"
