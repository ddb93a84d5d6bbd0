"""The audit log of the running operator: what a status says has happened is recorded once that status is accepted.

Nothing waits for it. `saw` only notes; a task of its own appends to the log, and while that cannot be written to the
spool. What neither could take is read again from the statuses, which tell it for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from verdigris.adapters.audit.folder import FolderError
from verdigris.adapters.kube.reading.port import Key
from verdigris.adapters.kube.transport.errors import ApiError
from verdigris.api.status import ModelDeploymentStatus
from verdigris.app.aside import Aside
from verdigris.audit.event import Entry, Model, can_be_spelled, gap, operator_started
from verdigris.audit.facts import changes, removed
from verdigris.audit.note import NoteError

log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds that the log has for a write, until it counts as away."""
RETRY = 10.0
"""Seconds between two tries to write to a log that was away."""
WAITING = 5_000
"""Entries that are kept in memory at most, while neither the log nor the spool takes any."""

Event = Mapping[str, Any]

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
    """Records what happens to all models. One task runs it, on the replica that leads."""

    def __init__(
        self,
        *,
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
        self._known: dict[Key, tuple[str, ModelDeploymentStatus]] = {}
        self._waiting: list[Event] = [operator_started(version, identity, now()).dump()]
        self._wake = asyncio.Event()
        self._aside = Aside("audit log")
        self._log: OpenLog | None = None
        self._hanging: asyncio.Future[Any] | None = None
        self._loaded = False
        self._lost = self._gaps = 0
        self._short: set[str] = set()
        self._sentence: str | None = None

    @property
    def sentence(self) -> str | None:
        """What is the matter with the log, for a person; None when nothing is."""
        return self._sentence

    # what is told to it

    def saw(self, key: Key, uid: str, status: ModelDeploymentStatus) -> None:
        """The model's status is so in the cluster: accepted, or read. Never waits, never raises."""
        known = self._known.get(key)
        if known is not None and known[0] != uid:
            # Deleted and made anew between two looks.
            self.gone(key)
            known = None
        before = known[1] if known is not None else None
        if before == status:
            return
        model = Model(key.namespace, key.name, uid)
        try:
            found = changes(before, status, model, self._now())
            if before is not None:
                self._note([*self._leaving(before, status, model), *found])
            else:
                self._note(found if self._log is not None else self._passing(found, status, model))
        except Exception:  # whatever it is: a rollout goes on without its entry
            log.exception("a bug in the operator: a change cannot be recorded in the audit log. Please report it")
        self._known[key] = uid, status

    def gone(self, key: Key) -> None:
        """The model was deleted."""
        known = self._known.pop(key, None)
        if known is not None:
            model, status = Model(key.namespace, key.name, known[0]), known[1]
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
        opened = self._log
        for event in (entry.dump() for entry in entries if opened is None or not opened.has(entry.id)):
            # One that has no spelling would keep all others from being written.
            if can_be_spelled(event):
                self._waiting.append(event)
            else:
                log.error("audit: %s has a value that JSON cannot spell for everybody: it is not recorded", event["id"])
        if len(self._waiting) > WAITING:
            self._drop(self._waiting[WAITING:])
            del self._waiting[WAITING:]
        self._wake.set()

    def _drop(self, events: Sequence[Event]) -> None:
        """They find no room. The statuses of their models tell them again, for as long as they have them."""
        self._short |= {str(event["subject"]) for event in events}
        self._lost += len(events)
        self._told.dropped(len(events))

    # what it does

    async def run(self) -> None:
        """Write what is noted, until cancelled. A bug in here ends neither this nor the operator."""
        while True:
            try:
                self._loaded = self._loaded or await self._load()
                await self._write()
            except Exception:
                log.exception("a bug in the operator: the audit log is not written. Please report it")
                self._is_away("a bug in the operator")
            away = self._sentence is not None or not self._loaded or bool(self._waiting) or bool(self._spool)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._retry if away else None):
                    await self._wake.wait()
            self._wake.clear()

    async def close(self, seconds: float) -> None:
        """Write what is noted still, for so long; then leave the log to who leads next.

        It has been left once this returns, unless its volume hangs: who comes next need not try twice.
        """
        end = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(end):
                await self._write()
                if self._waiting and self._sentence is None:
                    # What has waited for the log to open.
                    await self._write()
        except TimeoutError:
            log.warning("audit: %s entries are written by nobody now; the statuses still tell them", len(self._waiting))
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
        fresh, lost = len(self._waiting), self._lost
        batch = [*self._spool.events, *self._waiting]
        if lost:
            batch.append(gap(lost, self._now(), self._identity, self._gaps).dump())
        if not await self._append(batch):
            await self._keep()
            return
        del self._waiting[:fresh]
        await self._clear()
        if lost:
            self._gaps += 1
            self._lost -= lost
        self._tell_again()

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
        waits = "Entries wait in the spool." if not self._lost else _FULL
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
        batch = list(self._waiting)
        try:
            kept = await self._spool.put(batch)
        except ApiError as error:
            log.warning("audit: neither the log nor the spool can be written, %s entries wait: %s", len(batch), error)
            return
        del self._waiting[: len(batch)]
        self._told.waiting(len(self._spool))
        if kept < len(batch):
            if not self._lost:
                log.error("audit: %s", _FULL)
            self._drop(batch[kept:])

    async def _clear(self) -> None:
        try:
            await self._spool.clear()
        except ApiError as error:
            # What is in the log is not appended again.
            log.warning("audit: the spool cannot be emptied, which is tried again: %s", error)
        self._told.waiting(len(self._spool))

    def _tell_again(self) -> None:
        """What the statuses still tell of the models of which something found no room, or waits for the log."""
        if not self._short:
            return
        for key, (uid, status) in self._known.items():
            model = Model(key.namespace, key.name, uid)
            if len(self._waiting) >= WAITING // 2:
                # The others' turn comes once these are written.
                return
            if model.subject in self._short:
                self._short.discard(model.subject)
                self._note(changes(None, status, model, self._now()))
        self._short.clear()
