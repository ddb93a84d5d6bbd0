"""The audit log of the running operator: what a status says has happened is recorded once that status is accepted.

Nothing waits for it. What is to be recorded is noted (`app.audit_notes`); a task of its own appends it to the log, and
while that cannot be written to the spool. What neither could take is read again from the statuses, which tell it for a
while.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

from verdigris.adapters.audit.folder import FolderError
from verdigris.adapters.kube.transport.errors import ApiError
from verdigris.app.aside import Aside
from verdigris.app.audit_notes import Event, Notes, Statuses
from verdigris.audit.event import gap, operator_started
from verdigris.audit.note import NoteError

log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds that the log has for a write, until it counts as away."""
RETRY = 10.0
"""Seconds between two tries to write to a log that was away."""
_FULL = (
    "The spool is full: what happens now is recorded once the log is back, as far as the statuses still tell it then."
)


class OpenLog(Protocol):
    """A log that is open for writing (`adapters.audit.log`)."""

    mended: list[str]

    @property
    def size(self) -> int:
        """Entries in it."""

    def has(self, identity: str) -> bool:
        """Whether it has an entry with this id."""

    def append(self, events: Sequence[Event]) -> int:
        """Those that it does not have yet. Raises OSError."""

    def close(self) -> None:
        """Leave it to others."""


class Keeper(Protocol):
    """What keeps entries while the log is away (`adapters.kube.writing.spool`)."""

    unreadable: int

    def __len__(self) -> int: ...

    @property
    def events(self) -> list[Event]:
        """What waits, the oldest first."""

    async def load(self) -> None:
        """Raises ApiError."""

    async def put(self, events: Sequence[Event]) -> int:
        """How many were kept. Raises ApiError."""

    async def clear(self) -> None:
        """Raises ApiError."""


class Told(Protocol):
    """Where it is said how the log is (`app.audit_metrics`)."""

    def log_is(self, *, up: bool, entries: int | None = None) -> None:
        """Whether it can be written, and how long it is."""

    def waiting(self, spooled: int) -> None:
        """So many wait in the spool."""

    def dropped(self, count: int) -> None:
        """So many found no room."""


class Trail:
    """Records what happens to all models, of which `notes` is to be told. One task runs it, on the replica that leads.

    `statuses` are the last of all models.
    """

    def __init__(
        self,
        *,
        statuses: Statuses,
        opener: Callable[[], OpenLog],
        spool: Keeper,
        told: Told,
        identity: str,
        version: str,
        now: Callable[[], datetime],
        patience: float = PATIENCE,
        retry: float = RETRY,
    ) -> None:
        self._opener, self._spool, self._told = opener, spool, told
        self._identity, self._now = identity, now
        self._patience, self._retry = patience, retry
        self.notes = Notes(
            operator_started(version, identity, now()).dump(),
            statuses=statuses,
            recorded=lambda: self._log.has if self._log is not None else None,
            dropped=told.dropped,
            now=now,
        )
        self._aside = Aside("audit log")
        self._log: OpenLog | None = None
        self._hanging: asyncio.Future[Any] | None = None
        self._loaded = False
        self._gaps = 0
        self._sentence: str | None = None

    @property
    def sentence(self) -> str | None:
        """What is the matter with the log, for a person; None when nothing is."""
        return self._sentence

    async def run(self) -> None:
        """Write what is noted, until cancelled. A bug in here ends neither this nor the operator."""
        while True:
            try:
                self._loaded = self._loaded or await self._load()
                await self._write()
            except Exception:
                log.exception("a bug in the operator: the audit log is not written. Please report it")
                self._is_away("a bug in the operator")
            away = self._sentence is not None or not self._loaded or bool(self.notes.waiting) or bool(self._spool)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._retry if away else None):
                    await self.notes.news.wait()
            self.notes.news.clear()

    async def close(self, seconds: float) -> None:
        """Write what is noted still, for so long; then leave the log to who leads next.

        It has been left once this returns, unless its volume hangs: who comes next need not try twice.
        """
        end = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(end):
                await self._write()
                if self.notes.waiting and self._sentence is None:
                    # What has waited for the log to open.
                    await self._write()
        except TimeoutError:
            log.warning(
                "audit: %s entries are written by nobody now; the statuses still tell them", len(self.notes.waiting)
            )
        # After what is still under way there: a log that is only being opened is left, too, once it has been.
        left = self._aside.call(self._leave)
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout_at(end):
                await left

    def _leave(self) -> None:
        """In the thread."""
        opened, self._log = self._log, None
        if opened is not None:
            opened.close()

    async def _load(self) -> bool:
        try:
            await self._spool.load()
        except ApiError as error:
            log.warning("audit: the spool cannot be read: %s", error)
            return False
        if self._spool.unreadable:
            log.warning("audit: %s keys of the spool are no entries, and are left there", self._spool.unreadable)
        self._told.waiting(len(self._spool))
        return True

    async def _write(self) -> None:
        """To the log, or else to the spool."""
        fresh, lost = len(self.notes.waiting), self.notes.lost
        batch = [*self._spool.events, *self.notes.waiting]
        if lost:
            batch.append(gap(lost, self._now(), self._identity, self._gaps).dump())
        if not await self._append(batch):
            await self._keep()
            return
        self.notes.taken(fresh)
        await self._clear()
        if lost:
            self._gaps += 1
            self.notes.lost -= lost
        self.notes.tell_again()

    async def _append(self, batch: Sequence[Event]) -> bool:
        """Whether the log has it all now, on the disk."""
        if self._hanging is not None and not self._hanging.done():
            return False
        self._hanging = self._aside.call(lambda: self._open_and_append(batch))
        # How a write ended that was given up is seen when the next one is tried.
        self._hanging.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        try:
            async with asyncio.timeout(self._patience):
                size, mended = await asyncio.shield(self._hanging)
        except TimeoutError:
            return self._is_away(f"a write has not ended for {self._patience:.0f} s")
        except (FolderError, NoteError, OSError) as error:
            return self._is_away(str(error))
        for sentence in mended:
            log.warning("audit: %s", sentence)
        if self._sentence is not None:
            log.info("audit: the log can be written again")
        self._sentence = None
        self._told.log_is(up=True, entries=size)
        return True

    def _open_and_append(self, batch: Sequence[Event]) -> tuple[int, list[str]]:
        """In the thread. A log that failed is opened anew: what of the write arrived is seen then."""
        mended: list[str] = []
        if self._log is None:
            self._log = self._opener()
            mended = self._log.mended
        try:
            self._log.append(batch)
        except BaseException:
            opened, self._log = self._log, None
            opened.close()
            raise
        return self._log.size, mended

    def _is_away(self, why: str) -> bool:
        waits = "Entries wait in the spool." if not self.notes.lost else _FULL
        sentence = f"The audit log cannot be written: {why.rstrip('.')}. {waits} Look at its volume."
        if self._sentence is None:
            log.warning("audit: %s", sentence)
        self._sentence = sentence
        self._told.log_is(up=False)
        return False

    async def _keep(self) -> None:
        """Put what waits into the spool. What finds no room there waits in memory no longer: the statuses tell it."""
        if not self._loaded:
            return
        batch = list(self.notes.waiting)
        try:
            kept = await self._spool.put(batch)
        except ApiError as error:
            log.warning("audit: neither the log nor the spool can be written, %s entries wait: %s", len(batch), error)
            return
        self.notes.taken(len(batch))
        self._told.waiting(len(self._spool))
        if kept < len(batch):
            if not self.notes.lost:
                log.error("audit: %s", _FULL)
            self.notes.drop(batch[kept:])

    async def _clear(self) -> None:
        try:
            await self._spool.clear()
        except ApiError as error:
            # What is in the log is not appended again.
            log.warning("audit: the spool cannot be emptied, which is tried again: %s", error)
        self._told.waiting(len(self._spool))
