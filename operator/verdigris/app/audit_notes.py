"""What is to be recorded in the audit log, by the statuses as they change, until the log or the spool has it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from verdigris.api.status import ModelDeploymentStatus
from verdigris.audit.event import Entry, can_be_spelled
from verdigris.audit.facts import changes, removed
from verdigris.audit.model import Model

log = logging.getLogger(__name__)

WAITING = 5_000
"""Entries that are kept in memory at most, while neither the log nor the spool takes any."""

Event = Mapping[str, Any]
Statuses = Iterable[tuple[Model, ModelDeploymentStatus]]


class Notes:
    """Notes without waiting.

    Args:
        first: what waits from the beginning.
        statuses: the last of all models, which tell for a while what found no room here.
        recorded: whether the log has an entry with this id; None while the log is not open.
        dropped: told how many entries found no room.
    """

    def __init__(
        self,
        first: Event,
        *,
        statuses: Statuses,
        recorded: Callable[[], Callable[[str], bool] | None],
        dropped: Callable[[int], None],
        now: Callable[[], datetime],
    ) -> None:
        self.waiting: list[Event] = [first]
        self.lost = 0
        """Entries that found no room, and of which the log does not say so yet."""
        self.news = asyncio.Event()
        self._statuses, self._recorded, self._dropped, self._now = statuses, recorded, dropped, now
        self._short: set[str] = set()

    def changed(self, model: Model, before: ModelDeploymentStatus | None, after: ModelDeploymentStatus | None) -> None:
        """A status is so in the cluster now (`app.statuses.Follower`)."""
        if after is None:
            self._gone(model, before or ModelDeploymentStatus())
            return
        found = changes(before, after, model, self._now())
        if before is not None:
            self._note([*self._leaving(before, after, model), *found])
        else:
            self._note(found if self._recorded() is not None else self._passing(found, after, model))

    def _gone(self, model: Model, status: ModelDeploymentStatus) -> None:
        untold = changes(None, status, model, self._now()) if model.subject in self._short else ()
        self._note([*untold, removed(status, model, self._now())])

    def _passing(self, found: Iterable[Entry], status: ModelDeploymentStatus, model: Model) -> list[Entry]:
        """What a status that is new to this process tells for as long as its rollout lasts.

        All else it goes on telling. That waits for the log, which has nearly all of it: of hundreds of models it would
        fill memory and spool, and take the room of what happens now.
        """
        lasting = changes(None, status.model_copy(update={"rollout": None}), model, self._now())
        self._short.add(model.subject)
        return [entry for entry in found if entry.id not in {one.id for one in lasting}]

    def _leaving(self, before: ModelDeploymentStatus, status: ModelDeploymentStatus, model: Model) -> Iterable[Entry]:
        """What a status tells no more, of which something waits to be told again."""
        if model.subject not in self._short:
            return ()
        stays = {entry.id for entry in changes(None, status, model, self._now())}
        return (entry for entry in changes(None, before, model, self._now()) if entry.id not in stays)

    def _note(self, entries: Iterable[Entry]) -> None:
        recorded = self._recorded()
        for event in (entry.dump() for entry in entries if recorded is None or not recorded(entry.id)):
            # One that has no spelling would keep all others from being written.
            if can_be_spelled(event):
                self.waiting.append(event)
            else:
                log.error("audit: %s has a value that JSON cannot spell for everybody: it is not recorded", event["id"])
        if len(self.waiting) > WAITING:
            self.drop(self.waiting[WAITING:])
            del self.waiting[WAITING:]
        self.news.set()

    def taken(self, count: int) -> None:
        """The first so many wait no longer."""
        del self.waiting[:count]

    def drop(self, events: Sequence[Event]) -> None:
        """They find no room. The statuses of their models tell them again, for as long as they have them."""
        self._short |= {str(event["subject"]) for event in events}
        self.lost += len(events)
        self._dropped(len(events))

    def tell_again(self) -> None:
        """What the statuses still tell of the models of which something found no room, or waits for the log."""
        if not self._short:
            return
        for model, status in self._statuses:
            if len(self.waiting) >= WAITING // 2:
                # The others' turn comes once these are written.
                return
            if model.subject in self._short:
                self._short.discard(model.subject)
                self._note(changes(None, status, model, self._now()))
        self._short.clear()
