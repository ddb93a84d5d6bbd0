"""The evidence desk: asks Prometheus beside the reconciles, so that none of them waits for an answer.

Each model has one asker. It asks when a look needs an answer, waits until the next one is due, and asks again as long
as looks go on to need it. An answer wakes the model; a look takes the newest there is. Of the questions to one address
only so many are open at once, of those only so many of one namespace: a slow Prometheus is felt by those who ask it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from verdigris.adapters.kube.reading.port import Key
from verdigris.adapters.prometheus.port import EvidenceSource, UsageSource
from verdigris.core.facts.evidence import Evidence, Question, Usage, UsageQuestion

log = logging.getLogger(__name__)

NOT_YET = Evidence(problem="Prometheus has been asked and has not answered yet.")
"""This very object: what was asked is new, and the answer will wake the model. There is nothing to plan from yet."""
USAGE_NOT_YET = Usage(problem="Prometheus has been asked and has not answered yet.")
"""The same for usage."""
PATIENCE = 2.0
"""Seconds that a question may stay without an answer before the look goes on without one, as it would have if it had
waited for Prometheus itself. Twice that, beyond its interval, an answer may be old and is still the newest there is."""
GRACE = timedelta(seconds=0.25)
"""How much later a look is that comes by itself, so that the one that an answer brings comes first."""
PER_ADDRESS = 48
PER_NAMESPACE = 16
"""Questions that may be open at one address at once: in all, and from one namespace."""
KEPT = 600.0
"""Seconds for which the last answer to a question that nobody asks any more is kept."""


@dataclass
class _Asker:
    """What one model asks: the newest question, the newest answer, and the task that asks again."""

    question: Question
    answer: Evidence | None = None
    answered: Question | None = None
    asked_at: float = float("-inf")
    due: float = 0.0
    asking: bool = False
    task: asyncio.Task[None] | None = None

    def newest(self, question: Question, now: float) -> Evidence | None:
        """The answer at hand, if it is not old and has all that is asked for: the same, at least as far back."""
        asked = self.answered
        if asked is None or now - self.asked_at > _seconds(question) + 2 * PATIENCE:
            return None
        reaches = all(color in asked.since and asked.since[color] <= at for color, at in question.since.items())
        covers = question.checks.items() <= asked.checks.items()
        return self.answer if reaches and covers and _about(asked) == _about(question) else None


@dataclass
class _Slots:
    """The open questions of one address."""

    all: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PER_ADDRESS))
    by_namespace: dict[str, asyncio.Semaphore] = field(default_factory=dict)
    users: int = 0


class EvidenceDesk:
    """An EvidenceSource, and a UsageSource, that never waits: both answer from what is known.

    Args:
        evidence, usage: what really asks Prometheus.
        wake: called with the model that a new answer is for.
        clock: in seconds, of the event loop's kind.
        told: called with whether a question was answered, after each.
    """

    def __init__(
        self,
        evidence: EvidenceSource,
        usage: UsageSource,
        wake: Callable[[Key], None],
        clock: Callable[[], float],
        told: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._told = told
        self._evidence = evidence
        self._usage = usage
        self._wake = wake
        self._clock = clock
        self._askers: dict[Key, _Asker] = {}
        self._uses: dict[Key, asyncio.Task[Usage]] = {}
        self._slots: dict[str, _Slots] = {}

    async def gather(self, question: Question) -> Evidence:
        """The newest answer to it; NOT_YET when it is new; a problem when nobody has answered for too long."""
        key, now = Key(question.namespace, question.model), self._clock()
        asker = self._asker(key, question, now)
        asker.question = question
        newest = asker.newest(question, now)
        self._keep_asking(key, asker, at_once=newest is None)
        if newest is not None:
            return newest
        if now - asker.due < PATIENCE:
            return NOT_YET
        return Evidence(
            problem=f"{question.server} did not answer within {PATIENCE:g} s: check that it runs and is not overloaded."
        )

    def _asker(self, key: Key, question: Question, now: float) -> _Asker:
        asker = self._askers.get(key)
        if asker is not None and _about(asker.question) == _about(question):
            return asker
        self._end(key)
        for other, idle in list(self._askers.items()):
            if now - idle.asked_at > KEPT and (idle.task is None or idle.task.done()):
                self._end(other)
        asker = self._askers[key] = _Asker(question)
        return asker

    async def usage(self, question: UsageQuestion) -> Usage:
        """The answer, once; until it is there USAGE_NOT_YET."""
        key = Key(question.namespace, question.model)
        task = self._uses.get(key)
        if task is None:
            task = self._uses[key] = asyncio.create_task(self._use(key, question), name=f"usage of {key}")
        if not task.done():
            return USAGE_NOT_YET
        del self._uses[key]
        return task.result()

    def forget(self, key: Key) -> None:
        """The model is gone."""
        self._end(key)
        if (task := self._uses.pop(key, None)) is not None:
            task.cancel()

    async def close(self) -> None:
        """Ask no more."""
        tasks = [asker.task for asker in self._askers.values() if asker.task] + list(self._uses.values())
        for key in {*self._askers, *self._uses}:
            self.forget(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _end(self, key: Key) -> None:
        asker = self._askers.pop(key, None)
        if asker is not None and asker.task is not None:
            asker.task.cancel()

    def _keep_asking(self, key: Key, asker: _Asker, *, at_once: bool) -> None:
        """See to it that an answer is on its way, or will be when the next one is due."""
        task, now = asker.task, self._clock()
        if task is not None and not task.done():
            if asker.asking or not at_once:
                return
            task.cancel()
        asker.due = now if at_once else max(now, asker.asked_at + _seconds(asker.question))
        asker.asking = False
        asker.task = asyncio.create_task(self._ask(key, asker, asker.due), name=f"evidence for {key}")

    async def _ask(self, key: Key, asker: _Asker, due: float) -> None:
        while (wait := due - self._clock()) > 0:
            await asyncio.sleep(wait)
        asker.asking = True
        async with self._slot(asker.question.address, key.namespace):
            question, asked_at = asker.question, self._clock()
            try:
                answer = await self._evidence.gather(question)
            except Exception as error:
                answer = Evidence(problem=_broke(question, error))
        self._told(answer.problem is None)
        asker.asking = False
        asker.answer, asker.answered, asker.asked_at = answer, question, asked_at
        if self._askers.get(key) is asker:
            # Only when this task is done does a look start the next one.
            asyncio.get_running_loop().call_soon(self._wake, key)

    async def _use(self, key: Key, question: UsageQuestion) -> Usage:
        async with self._slot(question.address, key.namespace):
            try:
                answer = await self._usage.usage(question)
            except Exception as error:
                answer = Usage(problem=_broke(question, error))
        asyncio.get_running_loop().call_soon(self._wake, key)
        return answer

    @asynccontextmanager
    async def _slot(self, address: str, namespace: str) -> AsyncIterator[None]:
        slots = self._slots.setdefault(address, _Slots())
        slots.users += 1
        try:
            mine = slots.by_namespace.setdefault(namespace, asyncio.Semaphore(PER_NAMESPACE))
            async with mine, slots.all:
                yield
        finally:
            slots.users -= 1
            if not slots.users:
                self._slots.pop(address, None)


def _broke(question: Question | UsageQuestion, error: Exception) -> str:
    """A bug, as a problem: without any answer the model would never be planned for again, nor taken back."""
    log.error("a bug in the operator: asking %s broke. Please report it", question.server, exc_info=error)
    return f"{question.server} could not be asked: a bug in the operator ({type(error).__name__})."


def _about(question: Question) -> tuple[object, ...]:
    """What makes it another question. An answer that reaches back further, or has more checks, serves as well."""
    where = question.address, question.uid, question.fronts, question.shadowed
    return *where, dict(question.revisions), dict(question.matchers), dict(question.refused)


def _seconds(question: Question) -> float:
    return question.every.total_seconds()
