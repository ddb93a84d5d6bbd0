"""The models as they are now, one copy for everybody who looks, and what their statuses have said."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from verdigris.cli.model.deployment import Model
from verdigris.cli.model.read import model_of
from verdigris.cli.model.reading import Raw
from verdigris.web.port import Key, key_of
from verdigris.web.timeline import Seen, seen_of

KEPT = 360
"""What a status has said is remembered so often at most: the oldest goes."""
_APART = 2.0
"""Seconds between two that are remembered."""


class Store:
    """Written by one watch, read by many threads. `now` gives an aware datetime."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Condition()
        self._documents: dict[Key, Raw] = {}
        self._models: dict[Key, Model] = {}
        self._changed: dict[Key, int] = {}
        self._seen: dict[Key, deque[Seen]] = {}
        self._number = 0
        self._away = ""
        self._on_change: list[Callable[[], None]] = []

    @property
    def away(self) -> str:
        """Why what is here may be old; empty while it is kept up to date."""
        return self._away

    def on_change(self, call: Callable[[], None]) -> None:
        """Call this after each change, from the thread that made it."""
        self._on_change.append(call)

    def replace(self, documents: Iterable[Mapping[str, Any]], namespace: str | None = None) -> None:
        """All that there is (of one namespace, or of all)."""
        fresh = {key_of(one): one for one in documents}
        with self._lock:
            for key in [one for one in self._documents if namespace in (None, one.namespace) and one not in fresh]:
                self._drop(key)
            for key, one in fresh.items():
                self._put(key, one)
            self._away = ""
        self._tell()

    def put(self, document: Mapping[str, Any]) -> None:
        """One that is new or has changed."""
        with self._lock:
            self._put(key_of(document), document)
            self._away = ""
        self._tell()

    def drop(self, document: Mapping[str, Any]) -> None:
        """One that was deleted."""
        with self._lock:
            self._drop(key_of(document))
        self._tell()

    def lost(self, why: str) -> None:
        """The watch has lost its server; the sentence says why."""
        with self._lock:
            if why == self._away:
                return
            self._away, self._number = why, self._number + 1
        self._tell()

    def models(self, visible: Callable[[Key], bool]) -> tuple[Model, ...]:
        """Those that are visible, by namespace and name. The same objects for everybody: they are many."""
        with self._lock:
            return tuple(self._models[key] for key in sorted(self._models) if visible(key))

    def namespaces(self) -> tuple[str, ...]:
        """Those that have models."""
        with self._lock:
            return tuple(sorted({key.namespace for key in self._documents}))

    def get(self, key: Key) -> Raw | None:
        """The document, which nobody changes; None where there is none."""
        with self._lock:
            return self._documents.get(key)

    def seen(self, key: Key) -> tuple[Seen, ...]:
        """What the status of this model said, oldest first."""
        with self._lock:
            return tuple(self._seen.get(key, ()))

    def number(self, visible: Callable[[Key], bool]) -> int:
        """Another one after each change of what is visible, and when the server is lost or found.

        A deletion is a change of the key without a name.
        """
        with self._lock:
            return self._latest(visible)

    def wait(self, since: int, visible: Callable[[Key], bool], seconds: float) -> int:
        """Block until `number` is another than `since`, so many seconds at most. Returns it."""
        with self._lock:
            self._lock.wait_for(lambda: self._latest(visible) != since, seconds)
            return self._latest(visible)

    def _latest(self, visible: Callable[[Key], bool]) -> int:
        latest = max((at for key, at in self._changed.items() if visible(key)), default=0)
        return self._number if self._away else latest

    def _put(self, key: Key, document: Mapping[str, Any]) -> None:
        known = self._documents.get(key)
        if known is not None and _version(known) == _version(document) != "":
            return
        # Who wrote which field is a third of a document, and nobody is shown it.
        meta = {name: inner for name, inner in document["metadata"].items() if name != "managedFields"}
        self._documents[key] = {**document, "metadata": meta}
        self._models[key] = model_of(self._documents[key])
        self._number += 1
        self._changed[key] = self._number
        self._remember(key)

    def _remember(self, key: Key) -> None:
        seen = seen_of(self._models[key], self._now())
        if seen is None:
            # Kept for a while after the rollout: the page shows how it ended.
            return
        known = self._seen.setdefault(key, deque(maxlen=KEPT))
        if known and known[-1].revision != seen.revision:
            known.clear()
        if len(known) > 1 and seen.at - known[-2].at < _APART:
            known.pop()
        known.append(seen)

    def _drop(self, key: Key) -> None:
        if self._documents.pop(key, None) is not None:
            self._number += 1
            del self._models[key]
            self._seen.pop(key, None)
            # That it is gone is a change of its namespace: a name for each model that ever was would grow for ever.
            self._changed.pop(key, None)
            self._changed[Key(key.namespace, "")] = self._number

    def _tell(self) -> None:
        with self._lock:
            self._lock.notify_all()
        for call in self._on_change:
            call()


def _version(document: Mapping[str, Any]) -> str:
    return str(document["metadata"].get("resourceVersion") or "")
