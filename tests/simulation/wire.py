"""The line between one operator process and the API server: each call is numbered, and one of them disturbed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn, Protocol

from tests.runtime.fake_api import FakeApi, Json
from tests.simulation.elsewhere import NAMESPACE
from tests.simulation.server import Server
from verdigris.adapters.kube.transport.errors import ApiError
from verdigris.adapters.kube.transport.kinds import Resource

LATENCY = 0.003
"""Seconds that a call takes."""

READS = ("get", "list", "review")
"""The verbs of calls that change nothing."""
Work = Callable[[FakeApi], Awaitable[Any]]
"""What a call does, at whichever server."""


class Call(NamedTuple):
    """One call: its number from 0 in the whole run, and what it asked. `kind` has the subresource after a `/`.

    `guarded`: it is to be carried out only if the object is still as it was read. `at`: when it began, in seconds.
    `fresh`: what it is about has changed so lately that a stale read would show it otherwise.
    What is in another namespace than the model bears that namespace in its `name`.
    """

    number: int
    verb: str
    kind: str
    name: str
    phase: str
    guarded: bool = False
    at: float = 0.0
    fresh: bool = False

    @property
    def alike(self) -> tuple[str, ...]:
        """Calls of one phase that have this in common ask the same."""
        return (self.phase, self.verb, *self.about, "" if self.reads else self.name)

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.verb in READS

    @property
    def elsewhere(self) -> bool:
        """Whether it asks about another environment."""
        return "/" in self.name

    @property
    def about(self) -> tuple[str, str]:
        """The kind, and what it is called where that is not the model's namespace."""
        return self.kind, self.name if self.elsewhere else ""

    @property
    def asked(self) -> int:
        """Of how many requests the version on trial gets the request, or a copy: hundredths of a percent."""
        last = self.phase.rpartition("/")[2]
        return int(last) if last.isdigit() else 0

    def __str__(self) -> str:
        return f"{self.verb} {self.kind} {self.name}".strip()


class Disturber(Protocol):
    """Knows which call is disturbed, and how."""

    def begin(self, verb: str, kind: str, name: str, guarded: bool) -> Call:
        """A call begins."""

    def treatment(self, call: Call) -> Callable[[Wire, Call, Work], Awaitable[Any]] | None:
        """What is done instead of it; None: it is carried out."""


@dataclass
class Wire:
    """A client as the operator has it. Once it is `cut` nothing comes back any more: the process is gone."""

    server: Server
    disturber: Disturber
    cut: bool = False
    moves: list[tuple[str, Json]] = field(default_factory=list)
    """Every patch of a Service that has a selector, by the Service's name: what moves clients."""

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Json:
        """As `Client.get`."""
        about = f"{namespace}/{name}" if namespace == NAMESPACE else name
        return await self._call("get", resource.kind, about, lambda api: api.get(resource, namespace, name))

    async def allows(
        self, user: str, groups: Sequence[str], verb: str, resource: Resource, key: tuple[str, str]
    ) -> bool:
        """As `Client.allows`."""
        found: bool = await self._call(
            "review",
            "LocalSubjectAccessReview",
            "/".join(key),
            lambda api: api.allows(user, groups, verb, resource, key),
        )
        return found

    async def list(
        self, resource: Resource, namespace: str | None, labels: str = "", *, fields: str = ""
    ) -> list[Json]:
        """As `Client.list`."""
        about = fields if fields.startswith("metadata.name=") else ""
        return await self._call(
            "list", resource.kind, about, lambda api: api.list(resource, namespace, labels, fields=fields)
        )

    async def pages(
        self, resource: Resource, namespace: str | None, labels: str = "", *, fields: str = ""
    ) -> AsyncIterator[list[Json]]:
        """As `Client.pages`: all on one page."""
        yield await self.list(resource, namespace, labels, fields=fields)

    async def apply(self, manifest: Mapping[str, Any], manager: str = "verdigris") -> Json:
        """As `Client.apply`."""
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        guarded = "resourceVersion" in manifest["metadata"]
        return await self._call("apply", kind, name, lambda api: api.apply(manifest, manager), guarded=guarded)

    async def create(self, resource: Resource, namespace: str, body: Mapping[str, Any]) -> Json:
        """As `Client.create`."""
        name = body["metadata"]["name"]
        return await self._call("create", resource.kind, name, lambda api: api.create(resource, namespace, body))

    async def replace(self, resource: Resource, namespace: str, name: str, body: Mapping[str, Any]) -> Json:
        """As `Client.replace`."""
        return await self._call(
            "replace", resource.kind, name, lambda api: api.replace(resource, namespace, name, body), guarded=True
        )

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: Mapping[str, Any],
        *,
        subresource: str | None = None,
        manager: str = "verdigris",
    ) -> Json:
        """As `Client.patch`."""
        if resource.kind == "Service" and "selector" in (body.get("spec") or {}):
            self.moves.append((name, dict(body)))

        def work(api: FakeApi) -> Awaitable[Json]:
            return api.patch(resource, namespace, name, body, subresource=subresource, manager=manager)

        kind = f"{resource.kind}/{subresource}" if subresource else resource.kind
        guarded = "resourceVersion" in (body.get("metadata") or {})
        return await self._call("patch", kind, name, work, guarded=guarded)

    async def delete(
        self, resource: Resource, namespace: str, name: str, uid: str, *, grace: int | None = None
    ) -> None:
        """As `Client.delete`."""
        await self._call(
            "delete", resource.kind, name, lambda api: api.delete(resource, namespace, name, uid, grace=grace)
        )

    async def evict(self, namespace: str, pod: str, uid: str) -> None:
        """As `Client.evict`."""
        await self._call("create", "Pod/eviction", pod, lambda api: api.evict(namespace, pod, uid))

    async def _call(self, verb: str, kind: str, name: str, work: Work, *, guarded: bool = False) -> Any:
        if self.cut:
            await self.silence()
        call = self.disturber.begin(verb, kind, name, guarded)
        treatment = self.disturber.treatment(call)
        await asyncio.sleep(LATENCY)
        if self.cut:
            await self.silence()
        try:
            answer = await (work(self.server) if treatment is None else treatment(self, call, work))
        except ApiError:
            if self.cut:
                await self.silence()
            raise
        if self.cut:
            await self.silence()
        return answer

    async def silence(self) -> NoReturn:
        """No answer, ever: the process that waits for it is gone."""
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nobody answers a process that is gone")
