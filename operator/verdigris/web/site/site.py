"""Every page of the site: from a request to an answer."""

from __future__ import annotations

import hashlib
import pkgutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime

from verdigris.web.pages.door import trouble
from verdigris.web.pages.layout import Frame
from verdigris.web.port import NEVER, Key, Missing, Trouble
from verdigris.web.site import models
from verdigris.web.site.door import Door, Visitor, check_csrf, check_origin, origin_of
from verdigris.web.site.messages import Answer, Request, shown
from verdigris.web.site.streams import Streams, events

ASSETS = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_SETTLE = {False: 3.0, True: 1.0}
"""Seconds between two drawings of the list, and of one model."""


class Site:
    """Answers requests. For several threads, and for several event loops: it holds nothing of any.

    Args:
        door: who may come in.
        now: an aware datetime.
        clock: seconds, of any beginning.
        pause: waits so many seconds.
    """

    def __init__(
        self,
        door: Door,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._door = door
        self._now = now
        self._clock = clock
        self._pause = pause
        self._streams = Streams()
        self._assets = {name: _asset(name, of_type) for name, of_type in ASSETS.items()}

    async def answer(self, request: Request) -> Answer:
        """The answer, of whatever kind; never raises Trouble."""
        frame = Frame()
        try:
            origin = origin_of(request, self._door)
            if request.path.startswith("/assets/"):
                return self._of_asset(request)
            if request.method == "POST":
                check_origin(request, origin)
            visitor = await self._door.enter(request)
            if isinstance(visitor, Answer):
                return visitor
            frame = Frame(visitor.cluster.person, visitor.csrf, visitor.leaves)
            return await self._of_visitor(request, visitor, frame)
        except Trouble as problem:
            return shown(trouble(problem.title, str(problem), frame), problem.status)

    async def stream(self, request: Request) -> Answer | AsyncIterator[bytes]:
        """What `/events` sends, or an answer that says why it sends nothing."""
        try:
            origin_of(request, self._door)
            visitor = await self._door.enter(request)
            if isinstance(visitor, Answer):
                # A stream is not shown: a page to log in on would only be read as one that has changed.
                return Answer(401)
            return self._listening(visitor, _key(request.query), _number(request.query))
        except Trouble as problem:
            return Answer(problem.status)

    async def _listening(self, visitor: Visitor, key: Key | None, since: int) -> AsyncIterator[bytes]:
        try:
            with self._streams.one_more(visitor.session):
                settle = _SETTLE[key is not None]
                told = events(visitor.cluster, key, since, clock=self._clock, pause=self._pause, settle=settle)
                async for one in told:
                    yield one
        except Trouble:
            return

    async def _of_visitor(self, request: Request, visitor: Visitor, frame: Frame) -> Answer:
        way = tuple(part for part in request.path.split("/") if part)
        if request.method == "POST":
            check_csrf(request, visitor.csrf)
            if way == ("logout",) and visitor.leaves:
                return await self._door.leave(visitor)
            if len(way) == 4 and (way[0], way[3]) == ("models", "decisions"):
                return await models.decide(Key(way[1], way[2]), request.form, visitor.cluster)
        elif not way:
            return shown(await models.all_models(visitor.cluster, self._now(), frame))
        elif len(way) == 3 and way[0] == "models":
            return shown(await models.one_model(Key(way[1], way[2]), visitor.cluster, self._now(), frame))
        raise Missing(f"There is no page at {request.path[:200]}.")

    def _of_asset(self, request: Request) -> Answer:
        found = self._assets.get(request.path.rpartition("/")[2])
        if found is None:
            raise Missing(f"There is no file at {request.path[:200]}.")
        if request.headers.get("if-none-match") == found.headers["ETag"]:
            return Answer(304, b"", found.headers)
        return found


def _asset(name: str, of_type: str) -> Answer:
    # By the loader, which also reads from a zipapp.
    body = pkgutil.get_data("verdigris.web", f"assets/{name}") or b""
    tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    return Answer(200, body, {"Content-Type": of_type, "Cache-Control": "no-cache", "ETag": tag})


def _number(query: Mapping[str, str]) -> int:
    """Of what the browser shows."""
    told = query.get("since", "")
    return int(told) if told.isascii() and told.isdigit() and len(told) < 16 else NEVER


def _key(query: Mapping[str, str]) -> Key | None:
    return Key(query["namespace"], query["name"]) if {"namespace", "name"} <= query.keys() else None
