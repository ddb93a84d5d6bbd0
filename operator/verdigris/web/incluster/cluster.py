"""The cluster as one person may see it: read by the page's own ServiceAccount, shown by that person's rights."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.client import Client
from verdigris.adapters.kube.transport.errors import ApiError, Forbidden, NotFound
from verdigris.children.names import MODEL_LABEL
from verdigris.cli.model.reading import part, text
from verdigris.core.words import sentence
from verdigris.web.incluster.people import People, trouble
from verdigris.web.incluster.sessions import Session
from verdigris.web.port import Denied, Fleet, Key, Look, Missing, Right, Trouble
from verdigris.web.store import Store
from verdigris.web.timeline import Measured, Span

_FRESH = 1.0
"""Seconds for which what was read of a model is shown to everybody who may see it."""
_KEPT = 200
_OF_MODEL = {
    "pods": (kinds.POD,),
    "children": (kinds.DEPLOYMENT, kinds.SERVICE),
    "decisions": (kinds.ROLLOUT_DECISION,),
}

log = logging.getLogger(__name__)

Asking = Callable[[Key, Span], Awaitable[Measured]]
"""Asks Prometheus for the curves of a model."""


class Bell:
    """Wakes all who wait in the loop; `ring` is called in it as well."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Something has changed."""
        self._rung.set()
        self._rung = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Until it rings, so many seconds at most."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._rung.wait(), seconds)


class Shared:
    """What belongs to models, read once for all who look at the same time."""

    def __init__(self, client: Client, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self._reads: dict[tuple[str, Key], tuple[float, asyncio.Task[tuple[dict[str, Any], ...]]]] = {}

    async def read(self, what: str, key: Key) -> tuple[dict[str, Any], ...]:
        """Pods, children or decisions of a model. Raises Trouble."""
        known = self._reads.get((what, key))
        if known is None or self._clock() - known[0] >= _FRESH:
            if len(self._reads) >= _KEPT:
                self._reads.clear()
            known = (self._clock(), asyncio.create_task(self._list(what, key)))
            self._reads[what, key] = known
        try:
            return await asyncio.shield(known[1])
        except ApiError as error:
            raise trouble(error) from error

    async def _list(self, what: str, key: Key) -> tuple[dict[str, Any], ...]:
        labels = "" if what == "decisions" else f"{MODEL_LABEL}={key.name}"
        lists = [self._client.list(kind, key.namespace, labels) for kind in _OF_MODEL[what]]
        return tuple(one for found in await asyncio.gather(*lists) for one in found)


class PersonsCluster:
    """A `port.Cluster` for the person of a session.

    Args:
        as_person: a client that bears the person's own token; it is closed after each use.
    """

    def __init__(
        self,
        session: Session,
        *,
        store: Store,
        people: People,
        shared: Shared,
        bell: Bell,
        ask: Asking,
        as_person: Callable[[str], Client],
    ) -> None:
        self._session = session
        self._store = store
        self._people = people
        self._shared = shared
        self._bell = bell
        self._ask = ask
        self._as_person = as_person

    @property
    def person(self) -> str:
        """By which name the API server knows them."""
        return self._session.person.name

    async def fleet(self) -> Fleet:
        """The models of the namespaces in which the person may list models."""
        visible = await self._visible(None)
        return Fleet(self._store.models(visible), self._old())

    async def look(self, key: Key) -> Look:
        """What the person may not list is not read for them."""
        model = self._store.get(key)
        (may,) = await self.may([Right("get", "modeldeployments", key.namespace, key.name)])
        if model is None or not may:
            raise Missing(f"There is no model {key.name} in namespace {key.namespace}, or you may not see it.")
        found = dict(zip(_OF_MODEL, await asyncio.gather(*(self._of(what, key) for what in _OF_MODEL)), strict=True))
        unseen = {what: one for what, one in found.items() if isinstance(one, str)}

        def items(what: str) -> tuple[dict[str, Any], ...] | None:
            one = found[what]
            return None if isinstance(one, str) else one

        return Look(
            model=model,
            pods=items("pods"),
            children=items("children"),
            decisions=items("decisions"),
            unseen=unseen,
            seen=self._store.seen(key),
            told=self._old(),
        )

    async def _of(self, what: str, key: Key) -> tuple[dict[str, Any], ...] | str:
        """What belongs to the model, or the sentence why it is not shown."""
        rights = [Right("list", one.plural, key.namespace, group=one.group) for one in _OF_MODEL[what]]
        allowed = await self.may(rights)
        lacking = [one.resource for one, may in zip(rights, allowed, strict=True) if not may]
        if lacking:
            named = " and ".join(lacking)
            told = f"{self.person} may not list {named} in namespace {key.namespace}."
            return f"{told} Have somebody bind the ClusterRole view to you."
        try:
            return await self._shared.read(what, key)
        except Trouble as error:
            return str(error)

    async def may(self, rights: Sequence[Right]) -> Sequence[bool]:
        """By SubjectAccessReviews of the person."""
        return await self._people.may(self._session.person, rights)

    async def measured(self, key: Key, span: Span) -> Measured:
        """By the operator's own Prometheus; who may see the model may see how many requests it has."""
        return await self._ask(key, span)

    async def decide(self, document: Mapping[str, Any]) -> None:
        """With the person's own token: the API server decides whether they may."""
        meta, spec = part(document, "metadata"), part(document, "spec")
        client = self._as_person(self._session.token)
        try:
            made = await client.create(kinds.ROLLOUT_DECISION, text(meta, "namespace"), document)
        except Forbidden as error:
            raise Denied(sentence(str(error))) from error
        except NotFound as error:
            raise Missing(sentence(str(error))) from error
        except ApiError as error:
            raise trouble(error) from error
        finally:
            await client.close()
        log.info("%s: %s of %s", self.person, text(spec, "verb"), text(part(made, "metadata"), "name"))

    async def changed(self, since: int, key: Key | None, seconds: float) -> int:
        """Raises Denied once the session has ended."""
        visible = await self._visible(key)
        until = self._people.clock() + seconds
        while True:
            if self._session.ended:
                raise Denied("You are not signed in any more.")
            number, left = self._store.number(visible), until - self._people.clock()
            if number != since or left <= 0:
                return number
            await self._bell.wait(left)

    async def _visible(self, key: Key | None) -> Callable[[Key], bool]:
        """Whether the person may see a model (of this key alone, if one is given)."""
        if key is not None:
            (may,) = await self.may([Right("get", "modeldeployments", key.namespace, key.name)])
            return lambda one: may and one.namespace == key.namespace and one.name in (key.name, "")
        (everywhere,) = await self.may([Right("list", "modeldeployments", "")])
        if everywhere:
            return lambda _: True
        spaces = self._store.namespaces()
        allowed = await self.may([Right("list", "modeldeployments", one) for one in spaces])
        mine = {space for space, may in zip(spaces, allowed, strict=True) if may}
        return lambda one: one.namespace in mine

    def _old(self) -> tuple[str, ...]:
        return (f"Not up to date: {self._store.away}",) if self._store.away else ()
