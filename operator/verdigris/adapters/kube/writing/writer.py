"""What writing needs of the client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from verdigris.adapters.kube.transport.kinds import Resource


class Writer(Protocol):
    """The writing half of the client."""

    async def apply(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Server-side apply. A `metadata.uid` in it is a precondition (Conflict)."""

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
        """JSON merge patch."""

    async def edit(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        operations: Sequence[Mapping[str, Any]],
        *,
        manager: str = "verdigris",
    ) -> dict[str, Any]:
        """JSON patch (RFC 6902). Its `test` operations are preconditions (Conflict)."""

    async def delete(
        self, resource: Resource, namespace: str, name: str, uid: str, *, grace: int | None = None
    ) -> None:
        """Delete by UID; `grace` in seconds, None: the object's own."""

    async def evict(self, namespace: str, pod: str, uid: str) -> None:
        """Ask for a pod's eviction by UID."""
