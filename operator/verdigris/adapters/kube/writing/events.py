"""Kubernetes Events on a ModelDeployment: the same thing again is counted, not repeated, and never floods."""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from verdigris.adapters.kube.reading import views
from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.errors import AlreadyExists, ApiError, NotFound
from verdigris.adapters.kube.transport.kinds import Resource
from verdigris.children.names import API_VERSION, KIND
from verdigris.core.actions import Note
from verdigris.core.words import clip, plain

log = logging.getLogger(__name__)

BURST = 25
"""Events that one ModelDeployment may have written at once; after that one every REFILL seconds."""
REFILL = 10.0
REPEAT = 60.0
"""Seconds within which the same event is counted in memory before its count is written again."""
REMEMBERED = 2000
COMPONENT = "verdigris"


class EventWriter(Protocol):
    """What of the client is needed here."""

    async def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any]:
        """Raises NotFound."""

    async def create(self, resource: Resource, namespace: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Raises AlreadyExists."""

    async def patch(self, resource: Resource, namespace: str, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """JSON merge patch. Raises NotFound."""


@dataclass
class _Seen:
    """An event of ours: how often it happened since it was last written, and when that was (clock seconds)."""

    pending: int
    written_at: float


@dataclass
class _Bucket:
    tokens: float
    at: float


class Recorder:
    """Writes notes as Events. A failure is logged and otherwise ignored: an Event must never fail a reconcile."""

    def __init__(self, writer: EventWriter, clock: Callable[[], float], now: Callable[[], datetime], host: str) -> None:
        self._writer = writer
        self._clock = clock
        self._now = now
        self._host = host
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    async def record(self, parent: Mapping[str, Any], notes: Iterable[Note]) -> None:
        """Write these notes about `parent`, a ModelDeployment as it was read."""
        for note in notes:
            try:
                await self._one(parent, note)
            except ApiError as error:
                log.warning("the Event %s could not be written: %s", note.reason, error)

    async def _one(self, parent: Mapping[str, Any], note: Note) -> None:
        meta = views.metadata(parent)
        name = event_name(meta["name"], meta["uid"], note)
        seen = self._seen.get(name)
        if seen is not None:
            seen.pending += 1
            if self._clock() - seen.written_at < REPEAT:
                return
        if not self._may_write(meta["uid"]):
            log.warning("the Event %s is left out: this object has had too many just now", note.reason)
            return
        await self._write(parent, note, name, seen.pending if seen is not None else 1)
        self._remember(name)

    async def _write(self, parent: Mapping[str, Any], note: Note, name: str, times: int) -> None:
        namespace = views.metadata(parent)["namespace"]
        try:
            await self._writer.create(kinds.EVENT, namespace, self._event(parent, note, name, times))
            return
        except AlreadyExists:
            pass
        # It is there from before: by an operator that held the lease before us, or by us.
        try:
            live = await self._writer.get(kinds.EVENT, namespace, name)
            body = {"count": int(live.get("count") or 1) + times, "lastTimestamp": _timestamp(self._now())}
            await self._writer.patch(kinds.EVENT, namespace, name, body)
        except NotFound:
            # It expired between two calls; the next time creates it anew.
            return

    def _event(self, parent: Mapping[str, Any], note: Note, name: str, times: int) -> dict[str, Any]:
        meta, at = views.metadata(parent), _timestamp(self._now())
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": meta["namespace"]},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "namespace": meta["namespace"],
                "name": meta["name"],
                "uid": meta["uid"],
                "resourceVersion": meta.get("resourceVersion", ""),
            },
            "type": note.type,
            "reason": note.reason,
            "message": clip(plain(note.message)),
            "count": times,
            "firstTimestamp": at,
            "lastTimestamp": at,
            "source": {"component": COMPONENT, "host": self._host},
            "reportingComponent": COMPONENT,
            "reportingInstance": self._host,
        }

    def _remember(self, name: str) -> None:
        self._seen[name] = _Seen(0, self._clock())
        self._seen.move_to_end(name)
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)

    def _may_write(self, uid: str) -> bool:
        """A token bucket a ModelDeployment."""
        at = self._clock()
        bucket = self._buckets.setdefault(uid, _Bucket(BURST, at))
        self._buckets.move_to_end(uid)
        while len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        bucket.tokens = min(BURST, bucket.tokens + (at - bucket.at) / REFILL)
        bucket.at = at
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True


def event_name(model: str, uid: str, note: Note) -> str:
    """The same for the same object, reason and message: that is what makes repeats countable."""
    text = "\0".join((uid, note.type, note.reason, note.message))
    return f"{model}.{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _timestamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
