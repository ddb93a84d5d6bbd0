"""Tells receivers what has happened. Nothing waits for them: each has a row of its own, and what it does not take in a
day, or finds no room there, is dropped and counted. The record is the audit log, not this.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from verdigris.adapters.webhooks.post import Try
from verdigris.api.status import ModelDeploymentStatus
from verdigris.audit.event import Entry
from verdigris.audit.facts import changes, removed
from verdigris.audit.model import Model
from verdigris.webhooks.message import Message, message
from verdigris.webhooks.receiver import Receiver

log = logging.getLogger(__name__)

WAITING, MOST_BYTES = 1_000, 4 * 2**20
"""Messages that wait for one receiver at most, and their bytes in all; a new one takes the place of the oldest."""
FIRST, LONGEST = 1.0, 300.0
"""Seconds between two tries: doubled from one to the other."""
GIVEN_UP = 24 * 3600.0
"""Seconds after which a message is not tried any more."""

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)

Post = Callable[[Receiver, Message], Awaitable[Try]]


class Told(Protocol):
    """Where it is said how the receivers are (`app.webhook_setup`)."""

    def went(self, receiver: str, outcome: str) -> None:
        """A message was sent, refused or dropped."""

    def waiting(self, receiver: str, count: int) -> None:
        """So many wait for it."""


@dataclass
class _Row:
    """What waits for one receiver, the oldest first, with the time at which it came in."""

    receiver: Receiver
    messages: deque[tuple[float, Message]] = field(default_factory=deque)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    failing: bool = False

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return sum(len(sent.body) for _, sent in self.messages)


class Webhooks:
    """One task runs it, on the replica that leads.

    Args:
        post: one try.
        told: what /metrics shows.
        now: the time of day.
        clock: seconds that only grow.
        chance: 0 to 1; spreads the tries of many.
    """

    def __init__(
        self,
        receivers: Iterable[Receiver],
        *,
        post: Post,
        told: Told,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        chance: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rows = [_Row(receiver) for receiver in receivers]
        self._post, self._told, self._now, self._clock, self._chance = post, told, now, clock, chance
        self._sleep = sleep
        self._since = now()

    def begin(self) -> None:
        """This replica leads from now on. What happened before was told by who led then."""
        self._since = self._now()

    def changed(self, model: Model, before: ModelDeploymentStatus | None, after: ModelDeploymentStatus | None) -> None:
        """A status is so in the cluster now (`app.statuses.Follower`)."""
        if after is None:
            self._note(model, [removed(before or ModelDeploymentStatus(), model, self._now())])
            return
        # What has no time of its own is from before where nobody knows since when it is so.
        now = self._now() if before is not None else _LONG_AGO
        found = changes(before, after, model, now)
        self._note(model, (entry for entry in found if before is not None or entry.at >= self._since))

    def _note(self, model: Model, entries: Iterable[Entry]) -> None:
        for entry in entries:
            for row in self._rows:
                if row.receiver.wants(entry.what, model.namespace):
                    self._put(row, message(row.receiver, entry))

    def _put(self, row: _Row, sent: Message) -> None:
        row.messages.append((self._clock(), sent))
        while len(row.messages) > WAITING or row.size > MOST_BYTES:
            row.messages.popleft()
            self._told.went(row.receiver.name, "dropped")
        self._told.waiting(row.receiver.name, len(row.messages))
        row.news.set()

    async def run(self) -> None:
        """Tell, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for row in self._rows:
                group.create_task(self._tell(row), name=f"webhook {row.receiver.name}")

    async def _tell(self, row: _Row) -> None:
        """One after the other, in their order."""
        wait = FIRST
        while True:
            while not row.messages:
                row.news.clear()
                await row.news.wait()
            since, sent = row.messages[0]
            outcome = await self._try(row.receiver, sent)
            late = self._clock() - since >= GIVEN_UP
            self._said(row, outcome.problem)
            if outcome.problem and not outcome.final and not late:
                await self._sleep(min(LONGEST, max(wait, outcome.after)) * (0.5 + self._chance() / 2))
                wait = min(LONGEST, 2 * wait)
                continue
            wait = FIRST
            # It may have been dropped meanwhile, for want of room.
            if row.messages and row.messages[0][1] is sent:
                row.messages.popleft()
                self._told.went(row.receiver.name, _went(outcome))
                self._told.waiting(row.receiver.name, len(row.messages))

    async def _try(self, receiver: Receiver, sent: Message) -> Try:
        """A bug in a try is a try that failed: it must not end the telling of this receiver, and of all others."""
        try:
            return await self._post(receiver, sent)
        except Exception as bug:
            log.exception("a bug in the operator: webhook %s cannot be told. Please report it", receiver.name)
            return Try(f"a bug in the operator ({type(bug).__name__})")

    def _said(self, row: _Row, problem: str) -> None:
        """Once when it begins, once when it is over."""
        name = row.receiver.name
        if problem and not row.failing:
            log.warning("webhook %s: %s. %s messages wait for it; no rollout does.", name, problem, len(row.messages))
        elif not problem and row.failing:
            log.info("webhook %s: it takes messages again", name)
        row.failing = bool(problem)


def _went(outcome: Try) -> str:
    if not outcome.problem:
        return "sent"
    return "refused" if outcome.final else "dropped"
