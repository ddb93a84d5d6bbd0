"""Who somebody is (TokenReview) and what they may do (SubjectAccessReview), as the API server says."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from verdigris.adapters.kube.transport.client import Client
from verdigris.adapters.kube.transport.errors import ApiError, Forbidden, Transient
from verdigris.adapters.kube.transport.kinds import ACCESS_REVIEW, TOKEN_REVIEW, Resource
from verdigris.web.port import Away, Right, Trouble

FRESH = 10.0
"""Seconds for which an answer is believed: so long a right that was taken away still shows what it showed."""
_KEPT = 10_000
_AT_ONCE = 20
"""Questions to the API server at the same time, over all people."""


@dataclass(frozen=True)
class Person:
    """As the API server knows them."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def spec(self) -> dict[str, Any]:
        """What a SubjectAccessReview says of them."""
        return {
            "user": self.name,
            "uid": self.uid,
            "groups": list(self.groups),
            "extra": {name: list(values) for name, values in self.extra},
        }


@dataclass
class People:
    """`client` acts as the page's own ServiceAccount, `clock` gives seconds."""

    client: Client
    clock: Callable[[], float]
    _known: OrderedDict[tuple[Person, Right], tuple[float, bool]] = field(default_factory=OrderedDict)
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    async def of(self, token: str) -> Person | None:
        """Whose token it is; None where it is nobody's (any more). Raises Trouble."""
        status = await self._asked(TOKEN_REVIEW, {"token": token})
        user = status.get("user")
        if status.get("authenticated") is not True or not isinstance(user, Mapping) or not user.get("username"):
            return None
        extra = sorted((str(name), tuple(map(str, values or ()))) for name, values in (user.get("extra") or {}).items())
        groups = tuple(map(str, user.get("groups") or ()))
        return Person(str(user["username"]), str(user.get("uid") or ""), groups, tuple(extra))

    async def may(self, person: Person, rights: Sequence[Right]) -> list[bool]:
        """Whether they have each of these rights. Raises Trouble."""
        return list(await asyncio.gather(*(self._may(person, right) for right in rights)))

    async def _may(self, person: Person, right: Right) -> bool:
        known = self._known.get((person, right))
        if known is not None and self.clock() - known[0] < FRESH:
            return known[1]
        attributes = {
            "verb": right.verb,
            "group": right.group,
            "resource": right.resource,
            "namespace": right.namespace,
            "name": right.name,
        }
        spec = {**person.spec(), "resourceAttributes": attributes}
        status = await self._asked(ACCESS_REVIEW, spec)
        allowed = status.get("allowed") is True
        self._known[person, right] = (self.clock(), allowed)
        self._known.move_to_end((person, right))
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return allowed

    async def _asked(self, resource: Resource, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "spec": spec}
        async with self._turns:
            try:
                return await self.client.review(resource, body)
            except ApiError as error:
                raise trouble(error) from error


def trouble(error: ApiError) -> Trouble:
    """What the page cannot do because its own questions are not answered."""
    if isinstance(error, Transient):
        return Away(f"{error}. The page shows nothing until it does: reload in a while.")
    if isinstance(error, Forbidden):
        return Trouble(f"The page itself lacks a right: {error}. Upgrade its chart, which gives it.")
    return Trouble(f"The API server did not do it: {error}.")
