"""What the last live look at each model has read, as a Reader: so that looks which find nothing to do need no reads.

It may be old by GOOD_FOR seconds, where the watches have lost something. So it decides nothing that matters: who plans
from it does so only to find out whether there is anything to do, and then looks again, live
(docs/design/0022-reads.md).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from verdigris.adapters.kube.reading import views
from verdigris.adapters.kube.reading.port import Key, Reader
from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.errors import ApiError, Invalid, NotFound
from verdigris.adapters.kube.transport.kinds import Resource
from verdigris.core.actions import Action

Raw = Mapping[str, Any]
T = TypeVar("T")

GOOD_FOR = 10.0
"""Seconds from the begin of the reads. A lost event, and what no watch shows, is found by the first look after that."""
MOST = 128
"""Models that are remembered at once, with 0.2 to 0.3 MB each; of more, those that were read first are read again."""
_DELETED = "deleted"


class Unremembered(Exception):
    """The live look did not ask this."""


class _Question(NamedTuple):
    """One read: an object's name, or else what was selected by."""

    kind: str
    namespace: str | None
    name: str | None = None
    labels: str = ""
    fields: str = ""


@dataclass
class LiveReads:
    """A Reader for one live look: asks the API server, and takes note of the answers. Raises what that raises."""

    reader: Reader
    at: float
    answers: dict[_Question, Any] = field(default_factory=dict)
    news: dict[str, str] = field(default_factory=dict)
    """What was heard of objects since these reads began: by UID the newest version, or _DELETED."""
    ended: set[str] = field(default_factory=set)
    """UIDs of the ModelDeployments of this name that were heard to be deleted, or on their way out, since then."""
    listed: bool = False
    """Whether a watch has begun anew since: what was deleted before it did, nobody will tell."""

    async def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any]:
        """As `Reader.get`."""
        question = _Question(resource.kind, namespace, name)
        return await self._noted(question, self.reader.get(resource, namespace, name))

    async def list(
        self, resource: Resource, namespace: str | None, labels: str = "", *, fields: str = ""
    ) -> list[dict[str, Any]]:
        """As `Reader.list`."""
        question = _Question(resource.kind, namespace, None, labels, fields)
        return await self._noted(question, self.reader.list(resource, namespace, labels, fields=fields))

    async def _noted(self, question: _Question, read: Awaitable[T]) -> T:
        try:
            answer = self.answers[question] = await read
        except (NotFound, Invalid) as error:
            # That a kind, or a way to select, is not known is an answer, too. Any other error is none (law 11).
            self.answers[question] = error
            raise
        return answer


@dataclass
class Remembered:
    """A Reader of what a live look has read. Raises Unremembered for what that did not ask.

    `seen_at` is when the look began. `idle` are the actions which it found to be done already, all of them.
    """

    seen_at: datetime
    idle: tuple[Action, ...]
    answers: dict[_Question, Any]
    versions: dict[str, set[str]]

    async def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any]:
        """As `Reader.get`."""
        found: dict[str, Any] = self._answer(_Question(resource.kind, namespace, name))
        return found

    async def list(
        self, resource: Resource, namespace: str | None, labels: str = "", *, fields: str = ""
    ) -> list[dict[str, Any]]:
        """As `Reader.list`."""
        found: list[dict[str, Any]] = self._answer(_Question(resource.kind, namespace, None, labels, fields))
        return found

    def wrote(self, key: Key, parent: Raw) -> None:
        """The ModelDeployment as the API server gave it back to a write of its status."""
        meta = views.metadata(parent)
        self.answers[_Question(kinds.MODEL_DEPLOYMENT.kind, *key)] = parent
        self.versions.setdefault(meta["uid"], set()).add(meta["resourceVersion"])

    def knows(self, uid: str, heard: str) -> bool:
        """Whether what was heard of an object last is in it already: our own write, or what was read anyway."""
        if heard == _DELETED:
            return uid not in self.versions
        return heard in self.versions.get(uid, ())

    def _answer(self, question: _Question) -> Any:
        try:
            answer = self.answers[question]
        except KeyError:
            raise Unremembered(question) from None
        if isinstance(answer, ApiError):
            raise answer.with_traceback(None)
        return answer


class Memory:
    """The last live look at each model, until something new is heard of it. `clock` is in seconds.

    A clock that was set back makes it look live, and so does one that was set forward.
    """

    def __init__(self, reader: Reader, clock: Callable[[], float]) -> None:
        self._reader = reader
        self._clock = clock
        self._looks: dict[Key, LiveReads] = {}
        self._kept: dict[Key, Remembered] = {}

    def hear(self, key: Key, kind: str | None, raw: Raw) -> None:
        """An event about this model: `kind` as the watches have it, None when `raw` comes from a listing."""
        if (look := self._looks.get(key)) is not None:
            meta = views.metadata(raw)
            look.news[meta["uid"]] = _DELETED if kind == "DELETED" else meta.get("resourceVersion", "")
            look.listed |= kind is None
            if raw.get("kind") == kinds.MODEL_DEPLOYMENT.kind and (
                kind == "DELETED" or views.takes_children_along(raw)
            ):
                look.ended.add(meta["uid"])

    def look(self, key: Key) -> LiveReads:
        """Begin a live look. From now on it is remembered what is heard."""
        self.forget(key)
        now = self._clock()
        # In the order of their begin: the first are the oldest.
        for other, look in list(self._looks.items()):
            if 0 <= now - look.at < GOOD_FOR and len(self._looks) < MOST:
                break
            self.forget(other)
        begun = self._looks[key] = LiveReads(self._reader, now)
        return begun

    def keep(self, key: Key, reads: LiveReads, seen_at: datetime, idle: Iterable[Action]) -> Remembered | None:
        """Remember what these reads brought, of a look that wrote nothing but a status. None: too much came since."""
        if self._looks.get(key) is not reads:
            return None
        kept = self._kept[key] = Remembered(seen_at, tuple(idle), reads.answers, _versions(reads.answers.values()))
        return kept

    def recall(self, key: Key) -> Remembered | None:
        """What is remembered of this model, if it is young enough and nothing has been heard since."""
        kept, look = self._kept.get(key), self._looks.get(key)
        if kept is None or look is None:
            return None
        fresh = 0 <= self._clock() - look.at < GOOD_FOR and not look.listed
        if fresh and all(kept.knows(uid, heard) for uid, heard in look.news.items()):
            return kept
        self.forget(key)
        return None

    def forget(self, key: Key) -> None:
        """The next look is live."""
        self._looks.pop(key, None)
        self._kept.pop(key, None)


def _versions(answers: Iterable[Any]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for answer in answers:
        if isinstance(answer, ApiError):
            continue
        for raw in answer if isinstance(answer, list) else [answer]:
            meta = views.metadata(raw)
            found.setdefault(meta["uid"], set()).add(meta.get("resourceVersion", ""))
    return found
