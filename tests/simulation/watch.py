"""The watch of one operator process: what it tells of changes, late, twice, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.runtime.fake_api import Json
from tests.runtime.stage import is_watched
from tests.simulation.elsewhere import NAMESPACE
from tests.simulation.server import Server
from verdigris.adapters.kube.reading.watches import Filter

LATENCY = 0.01
"""Seconds until a watch tells of a change."""
REMEMBERS = 10.0
"""Seconds of which the events are told once more when a watch begins again at an old version."""


@dataclass
class Watch:
    """Lists, and then tells of every change, by `late` seconds later than others; `deaf`: it loses what happens."""

    server: Server
    events: Filter
    alive: Callable[[], bool]
    late: float = 0.0
    deaf: bool = False
    _told: list[tuple[float, str, Json]] = field(default_factory=list)
    _last: float = 0.0

    def begin(self) -> None:
        """List, and watch from then on."""
        self.server.listeners.append(self._on_change)
        self.list()

    def end(self) -> None:
        """Hear no more."""
        if self._on_change in self.server.listeners:
            self.server.listeners.remove(self._on_change)

    def list(self) -> None:
        """What a watch does after 410 Gone: everything there is, without a word of what is gone."""
        self.deaf = False
        for raw in list(self.server.objects.values()):
            if _is_here(raw) and self.alive():
                self.events.take(None, raw)

    def tell_again(self) -> None:
        """The events of the last seconds once more, in their order: it was lost, and began anew before them."""
        for _, event, raw in list(self._told):
            self.events.take(event, raw)

    def _on_change(self, event: str, raw: Json) -> None:
        if _is_here(raw) and not self.deaf:
            loop = asyncio.get_running_loop()
            # In the order in which they happened, also when it is not late any more.
            self._last = max(self._last, loop.time() + LATENCY + self.late)
            loop.call_at(self._last, self._hear, event, raw)

    def _hear(self, event: str, raw: Json) -> None:
        # What was under way when the connection was lost is lost with it.
        if self.alive() and not self.deaf:
            now = asyncio.get_running_loop().time()
            self._told = [one for one in self._told if one[0] >= now - REMEMBERS] + [(now, event, raw)]
            self.events.take(event, raw)


def _is_here(raw: Json) -> bool:
    """Whether it is watched, and of a namespace that this operator looks after."""
    return is_watched(raw) and raw["metadata"].get("namespace") != NAMESPACE
