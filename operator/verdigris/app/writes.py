"""The writing half of a look: nothing that is refused or slow is tried at every look, and nothing slow holds one up.

A look of a rollout comes every few seconds, whatever the API server says about an object beside it. What it refused is
tried again in its own time, or at once when something else is wanted; until then the look is told the same again,
without a call. What takes long goes on by itself, and the looks that come meanwhile are told that it does.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from verdigris.adapters.kube.reading.port import Key
from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.errors import ApiError, Forbidden, Invalid, Transient, Unreachable
from verdigris.adapters.kube.transport.kinds import Resource
from verdigris.adapters.kube.writing.apply import Contested, NotOurs, Writer
from verdigris.app.queue import Backoff

log = logging.getLogger(__name__)

NEEDS_A_PERSON = (Invalid, Forbidden, NotOurs, Contested)
"""Refusals that go on until a person does something about them. Everything else may pass by itself."""
PATIENCE = 1.0
"""Seconds that a look waits for a write beside the traffic. Once one has taken longer, the others get a moment each."""
TRAFFIC_PATIENCE = 2.0
"""Seconds that a look waits for a move of traffic: nothing else is as urgent, but a look must see what comes after."""
MOMENT = 0.25
"""Seconds that a write is given once it, or another of this look, has been slow already."""
KEPT = 600.0
"""Seconds for which a refusal is remembered that no look runs into any more."""
SIDE = Backoff(base=1.0, cap=30.0)
BASIC = Backoff(base=1.0, cap=5.0)
"""Of a Deployment, which a rollout waits for."""

Ref = tuple[str, str, str]
"""Kind, name, subresource."""


class Late(Unreachable):
    """It has been sent and not been answered yet. It goes on; whether it took effect is seen at a later look."""

    reason = Unreachable.reason


@dataclass
class _Write:
    """What is known of the writes of one object: the last refusal, and the one that is on its way."""

    digest: int
    error: ApiError | None = None
    failures: int = 0
    wanted_at: float = 0.0
    not_before: float = 0.0
    late: bool = False
    flight: asyncio.Task[dict[str, Any]] | None = None

    def refused(self, error: ApiError) -> None:
        """Count one more refusal. One that differs in numbers only (a port, a time) does not replace the first."""
        self.failures += 1
        kept = self.error
        stays = isinstance(kept, NEEDS_A_PERSON) and _is_transient(error)
        if kept is not None and (stays or _gist(kept) == _gist(error)):
            return
        self.error = error


class Writes:
    """What is known of the writes of all models. `clock` is in seconds; `chance` is in [0, 1) for the jitter."""

    def __init__(self, writer: Writer, clock: Callable[[], float], chance: Callable[[], float]) -> None:
        self.writer = writer
        self.clock = clock
        self._chance = chance
        self._known: dict[Key, dict[Ref, _Write]] = {}

    def look(self, key: Key) -> LookWriter:
        """The writer for one look at this model. What no look has wanted for long is forgotten: pods come and go."""
        now, known = self.clock(), self._known.get(key, {})
        for ref in [ref for ref, write in known.items() if not write.flight and now > write.wanted_at + KEPT]:
            del known[ref]
        return LookWriter(self, key)

    def forget(self, key: Key) -> None:
        """The model is gone."""
        for write in self._known.pop(key, {}).values():
            if write.flight is not None:
                write.flight.cancel()

    async def close(self) -> None:
        """End what is still on its way: whoever leads next must not be written over."""
        flights = [write.flight for known in self._known.values() for write in known.values() if write.flight]
        for key in list(self._known):
            self.forget(key)
        await asyncio.gather(*flights, return_exceptions=True)

    def known(self, key: Key, ref: Ref, digest: int) -> _Write:
        """What is known of writing just this. Something else on its way is given up: it is not wanted any more."""
        mine = self._known.setdefault(key, {})
        write = mine.get(ref)
        if write is None or write.digest != digest:
            if write is not None and write.flight is not None:
                write.flight.cancel()
            write = mine[ref] = _Write(digest)
        write.wanted_at = self.clock()
        return write

    def send(self, key: Key, ref: Ref, write: _Write, call: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        """Send it on its way."""

        async def fly() -> dict[str, Any]:
            return await call()

        write.flight = asyncio.create_task(fly(), name=f"write {' '.join(ref)}")
        write.flight.add_done_callback(partial(self._landed, key, ref, write))

    def _landed(self, key: Key, ref: Ref, write: _Write, flight: asyncio.Task[dict[str, Any]]) -> None:
        write.flight = None
        if flight.cancelled():
            return
        error = flight.exception()
        if error is None:
            if self._known.get(key, {}).get(ref) is write:
                del self._known[key][ref]
            return
        if not isinstance(error, ApiError):
            log.error("a bug in the operator: the write of %s %s broke. Please report it", *ref[:2], exc_info=error)
            return
        write.refused(error)
        backoff = BASIC if ref[0] == kinds.DEPLOYMENT.kind else SIDE
        delay = max(min(error.retry_after or 0.0, backoff.cap), backoff.delay(write.failures, self._chance()))
        write.not_before = self.clock() + delay
        if _is_beside_traffic(ref):
            log.warning("%s: %s; this write is tried again in %.1f s", key, error, delay)


@dataclass
class LookWriter:
    """A Writer for one look. `waits` has, for each write that failed and has its own time, the seconds until then."""

    _writes: Writes
    _key: Key
    waits: dict[ApiError, float] = field(default_factory=dict)
    _patience: float = field(default_factory=lambda: PATIENCE)

    async def apply(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Server-side apply, as `Writer.apply`. Raises Late, or what the API server said, now or before."""
        ref = (str(manifest["kind"]), str(manifest["metadata"]["name"]), "")
        return await self._do(ref, manifest, partial(self._writes.writer.apply, manifest))

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: Mapping[str, Any],
        *,
        subresource: str | None = None,
        manager: str = "verdigris",
    ) -> dict[str, Any]:
        """JSON merge patch, as `Writer.patch`. Raises Late, or what the API server said."""
        call = partial(
            self._writes.writer.patch, resource, namespace, name, body, subresource=subresource, manager=manager
        )
        return await self._do((resource.kind, name, subresource or manager), body, call)

    async def edit(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        operations: Sequence[Mapping[str, Any]],
        *,
        manager: str = "verdigris",
    ) -> dict[str, Any]:
        """JSON patch, as `Writer.edit`. Raises Late, or what the API server said."""
        call = partial(self._writes.writer.edit, resource, namespace, name, operations, manager=manager)
        return await self._do((resource.kind, name, manager), operations, call)

    async def delete(
        self, resource: Resource, namespace: str, name: str, uid: str, *, grace: int | None = None
    ) -> None:
        """As `Writer.delete`: what it removes has to be known to be gone."""
        await self._writes.writer.delete(resource, namespace, name, uid, grace=grace)

    async def evict(self, namespace: str, pod: str, uid: str) -> None:
        """As `Writer.evict`."""
        await self._writes.writer.evict(namespace, pod, uid)

    async def _do(self, ref: Ref, body: Any, call: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        write = self._writes.known(self._key, ref, hash(json.dumps(body, sort_keys=True, default=str)))
        wait = write.not_before - self._writes.clock()
        if write.flight is None and write.error is not None and _has_own_backoff(ref) and 0 < wait <= SIDE.cap:
            raise self._told(write, ref)
        if write.flight is None:
            self._writes.send(self._key, ref, write, call)
        flight = write.flight
        if flight is None:
            raise RuntimeError("a write that was sent is on its way")
        await self._wait(flight, ref, write)
        if not flight.done():
            write.late = True
            error = Late(f"writing {ref[0]} {self._key.namespace}/{ref[1]}: the API server takes long to answer")
            write.error = write.error or error
            raise self._told(write, ref)
        if isinstance(flight.exception(), ApiError):
            raise self._told(write, ref)
        return flight.result()

    async def _wait(self, flight: asyncio.Task[dict[str, Any]], ref: Ref, write: _Write) -> None:
        if not _is_beside_traffic(ref):
            await asyncio.wait({flight}, timeout=TRAFFIC_PATIENCE)
            return
        await asyncio.wait({flight}, timeout=MOMENT if write.late else self._patience)
        if not flight.done():
            self._patience = MOMENT

    def _told(self, write: _Write, ref: Ref) -> ApiError:
        error = write.error or Late(f"writing {ref[0]} {ref[1]}: it is not known what became of it")
        if _has_own_backoff(ref):
            wait = SIDE.base if write.flight is not None else write.not_before - self._writes.clock()
            self.waits[error] = max(MOMENT, wait)
        # The same error is raised look after look: without this it would carry them all along.
        return error.with_traceback(None)


def _is_beside_traffic(ref: Ref) -> bool:
    return ref[0] not in (kinds.SERVICE.kind, kinds.HTTP_ROUTE.kind)


def _has_own_backoff(ref: Ref) -> bool:
    """Whether a refused write waits for its backoff. What moves clients, and their pods, is tried at every look."""
    return ref[0] not in (kinds.SERVICE.kind, kinds.POD.kind) and ref[2] == ""


def _is_transient(error: ApiError) -> bool:
    return isinstance(error, Transient)


def _gist(error: ApiError) -> tuple[str, str]:
    """What stays the same when only numbers differ: a port, a time, an attempt."""
    return type(error).__name__, re.sub(r"[0-9a-fA-F]*[0-9][0-9a-fA-F]*", "#", str(error))
