"""The EvidenceSource that asks a Prometheus server over HTTP."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import aiohttp

from verdigris.api.status import Color
from verdigris.evidence.wire import Unusable, error_of, read_counters, read_number, read_usage
from verdigris.rollout.evidence import Evidence, Question, Reading, Series, Usage, UsageQuestion

MARGIN = timedelta(seconds=30)
"""Ask this much further back than `since`: covers late scrapes and clocks that disagree a little."""

MEMORY = timedelta(minutes=15)
"""A counter that was not scraped for longer than this counts as new when it comes back."""

MAX_BYTES = 16 * 1024 * 1024
"""A longer answer is refused, so that no query can fill the operator's memory."""


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
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        timeout: timedelta = timedelta(seconds=2),
        usage_timeout: timedelta = timedelta(seconds=5),
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._session = session
        self._timeout = timeout
        self._usage_timeout = usage_timeout
        self._clock = clock

    async def gather(self, question: Question) -> Evidence:
        """See `EvidenceSource`."""
        colors = tuple(question.since)
        counters, checks = await asyncio.gather(
            asyncio.gather(*(self._counters(question, color) for color in colors)),
            asyncio.gather(*(self._check(question.address, query) for query in question.checks.values())),
        )
        problem = next((answer for answer in counters if isinstance(answer, str)), None)
        if problem is not None:
            return Evidence(problem=problem)
        return Evidence(
            counters={c: answer for c, answer in zip(colors, counters, strict=True) if not isinstance(answer, str)},
            checks=dict(zip(question.checks, checks, strict=True)),
        )

    async def usage(self, question: UsageQuestion) -> Usage:
        """See `UsageSource`."""
        selector = _selector(question.namespace, question.model, question.color, question.revision)
        window, step = (max(1, round(span.total_seconds())) for span in (question.window, question.step))
        cores = f"max(rate(process_cpu_seconds_total{{{selector}}}[{step}s]))[{window}s:{step}s]"
        most = f"max(max_over_time(process_resident_memory_bytes{{{selector}}}[{window}s]))"
        try:
            cpu, memory = await asyncio.gather(
                *(self._ask(question.address, query, self._usage_timeout) for query in (cores, most))
            )
            return read_usage(cpu, memory)
        except Unusable as problem:
            return Usage(problem=f"Prometheus at {question.address} {problem}.")

    async def _counters(self, question: Question, color: Color) -> tuple[Series, ...] | str:
        """The raw series, or the sentence that says why there are none."""
        start = question.since[color] - MARGIN
        at = round(start.timestamp(), 3)
        seconds = max(1, math.ceil((self._clock() - start).total_seconds()))
        selector = counter_selector(question, color)
        memory = round(MEMORY.total_seconds())
        try:
            samples, basis = await asyncio.gather(
                self._ask(question.address, f"{selector}[{seconds}s]"),
                self._ask(question.address, f"last_over_time({selector}[{memory}s] @ {at:.3f})"),
            )
            return read_counters(samples, basis, at)
        except Unusable as problem:
            return f"Prometheus at {question.address} {problem}."

    async def _check(self, address: str, query: str) -> Reading:
        try:
            return Reading(value=read_number(await self._ask(address, query)))
        except Unusable as problem:
            return Reading(problem=f"Prometheus {problem}")

    async def _ask(self, address: str, query: str, timeout: timedelta | None = None) -> bytes:
        """The body of an answer with status 200. Raises Unusable for every other outcome."""
        seconds = (timeout or self._timeout).total_seconds()
        try:
            async with self._session.post(
                f"{address.rstrip('/')}/api/v1/query",
                data={"query": query, "timeout": f"{seconds:g}s"},
                timeout=aiohttp.ClientTimeout(total=seconds),
                allow_redirects=False,
            ) as response:
                body = await _bounded(response)
        except TimeoutError:
            raise Unusable(f"did not answer within {seconds:g} s: check that it runs and is not overloaded") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unusable(f"cannot be reached ({_why(error)}): check the address and that it runs") from None
        if response.status == 200:
            return body
        if 300 <= response.status < 400:
            raise Unusable("redirects elsewhere: give the address that it redirects to")
        reason = error_of(body)
        raise Unusable(f"answered {response.status}" + (f": {reason}" if reason else ": check the address"))


def counter_selector(question: Question, color: Color) -> str:
    """PromQL that selects the counters of one color's revision, without the callers' own faults (4xx)."""
    selector = _selector(question.namespace, question.model, color, question.revisions[color])
    return f'verdigris_requests_total{{{selector},code!~"4.."}}'


def _selector(namespace: str, model: str, color: Color, revision: str) -> str:
    """Matchers of one revision's pods by the labels that the ServiceMonitor gives to all that they show."""
    labels = {"namespace": namespace, "model": model, "color": color, "revision": revision}
    return ",".join(f'{name}="{value}"' for name, value in labels.items())


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > MAX_BYTES:
            raise Unusable(f"answered with more than {MAX_BYTES // 2**20} MiB: narrow the query")
    return bytes(body)


def _why(error: Exception) -> str:
    """A short reason that stays the same from look to look: no address of a resolver's choice in it."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is not known"
    if isinstance(error, aiohttp.ClientConnectorError):
        return os.strerror(error.os_error.errno) if error.os_error.errno else "no connection"
    return type(error).__name__
