"""A cluster in memory, as one person sees it, and somebody who asks the site for pages."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from verdigris.web.loopback.door import LoopbackDoor
from verdigris.web.port import Fleet, Key, Look, Missing, Right, Trouble, key_of
from verdigris.web.site.messages import Answer, Request
from verdigris.web.site.site import Site
from verdigris.web.store import Store
from verdigris.web.timeline import Measured, Span

PORT = 8123
HOST = f"127.0.0.1:{PORT}"
ORIGIN = f"http://{HOST}"
VERBS = ("approve", "promote", "abort", "retry", "rollback")


@dataclass
class MemoryCluster:
    """A `port.Cluster`: what is in `store`, with these pods and children, for whoever has `rights` (verbs)."""

    store: Store
    person: str = "bob"
    rights: Collection[str] = (*VERBS, "create")
    pods: Mapping[Key, tuple[dict[str, Any], ...] | None] = field(default_factory=dict)
    children: tuple[dict[str, Any], ...] | None = ()
    unseen: Mapping[str, str] = field(default_factory=dict)
    curves: Measured = field(default_factory=lambda: Measured(problem="this cluster has none."))
    decided: list[Mapping[str, Any]] = field(default_factory=list)
    trouble: Trouble | None = None

    async def fleet(self) -> Fleet:
        self._fail()
        return Fleet(self.store.models(lambda _: True))

    async def look(self, key: Key) -> Look:
        self._fail()
        model = self.store.get(key)
        if model is None:
            raise Missing(f"There is no model {key.name} in namespace {key.namespace}, or you may not see it.")
        return Look(
            model,
            pods=self.pods.get(key, ()),
            children=self.children,
            decisions=None,
            unseen=self.unseen,
            seen=self.store.seen(key),
        )

    async def may(self, rights: Sequence[Right]) -> Sequence[bool]:
        return [one.verb in self.rights for one in rights]

    async def measured(self, key: Key, span: Span) -> Measured:
        assert key is not None
        assert span.end > span.begin
        return self.curves

    async def decide(self, document: Mapping[str, Any]) -> None:
        self._fail()
        self.decided.append(document)

    async def changed(self, since: int, key: Key | None, seconds: float) -> int:
        return await asyncio.to_thread(self.store.wait, since, lambda one: key in (None, one), seconds)

    def _fail(self) -> None:
        if self.trouble is not None:
            raise self.trouble


def stored(now: datetime, *models: Mapping[str, Any]) -> Store:
    """A store with these models, for which the time stands still."""
    store = Store(lambda: now)
    store.replace(models)
    return store


def cluster_of(now: datetime, model: Mapping[str, Any], pods: Sequence[dict[str, Any]] = ()) -> MemoryCluster:
    """One model with its pods."""
    return MemoryCluster(stored(now, model), pods={key_of(model): tuple(pods)})


class Browser:
    """Asks a site as a browser of one person would: it keeps cookies, and names the origin of its forms."""

    def __init__(self, site: Site, host: str = HOST, origin: str = ORIGIN) -> None:
        self._site = site
        self.host = host
        self.origin = origin
        self.cookies: dict[str, str] = {}

    async def get(self, path: str, **headers: str) -> Answer:
        """The answer to a GET. Cookies are kept; redirects are not followed."""
        return self._kept(await self._site.answer(self._request("GET", path, {}, headers)))

    async def post(self, path: str, form: Mapping[str, str], **headers: str) -> Answer:
        """The answer to a form."""
        headers = {"origin": self.origin, **headers}
        return self._kept(await self._site.answer(self._request("POST", path, form, headers)))

    async def stream(self, path: str) -> Answer | AsyncIterator[bytes]:
        """What a stream answers."""
        return await self._site.stream(self._request("GET", path, {}, {}))

    def _request(self, method: str, path: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Request:
        path, _, asked = path.partition("?")
        query = dict(one.split("=", 1) for one in asked.split("&") if one)
        named = {"host": self.host, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return Request(method, path, query, named, dict(self.cookies), form)

    def _kept(self, answer: Answer) -> Answer:
        name, _, value = answer.headers.get("Set-Cookie", "").partition("=")
        if name:
            self.cookies[name] = value.partition(";")[0]
        return answer


def opened(cluster: MemoryCluster, now: datetime) -> tuple[Site, LoopbackDoor]:
    """The site of one person, and its door."""
    door = LoopbackDoor(cluster, PORT)

    async def pause(_: float) -> None:
        return None

    return Site(door, lambda: now, lambda: 0.0, pause), door


async def let_in(cluster: MemoryCluster, now: datetime) -> Browser:
    """A browser that has opened the address that was printed."""
    site, door = opened(cluster, now)
    browser = Browser(site)
    answer = await browser.get(door.opening.removeprefix(ORIGIN))
    assert answer.status == 303
    return browser


def csrf_of(page: bytes) -> str:
    """The token of the forms of a page."""
    found = re.search(rb'name="csrf" value="([^"]+)"', page)
    assert found is not None, "the page has no form"
    return found[1].decode()
