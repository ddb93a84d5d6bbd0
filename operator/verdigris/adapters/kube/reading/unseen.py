"""What of one look could not be read, and is then known to be unseen: a read error is never a difference (law 11)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.errors import ApiError, Transient, Unreachable
from verdigris.adapters.kube.transport.kinds import Resource
from verdigris.api.status import ModelDeploymentStatus

PATIENCE = 3.0
"""Seconds that a look of a rollout waits for what clients can be taken back without."""

T = TypeVar("T")
Listed = list[dict[str, Any]]


@dataclass
class TolerantReads:
    """Reads of one look that may fail, except of kinds that traffic depends on.

    `unseen`: what could not be read, by kind; nothing more of such a kind is asked for in this look.

    `patience`: seconds that a kind beside the traffic may take, None: as long as any call.
    """

    patience: float | None = None
    unseen: dict[str, ApiError] = field(default_factory=dict)

    async def listed(self, resource: Resource, read: Callable[[], Awaitable[Listed]]) -> Listed:
        """`read` for a list."""
        return await self.read(resource, read, [])

    async def read(self, resource: Resource, read: Callable[[], Awaitable[T]], nothing: T) -> T:
        """What the read brings; `nothing` of a kind that is unseen. Raises ApiError of a kind that traffic goes by."""
        if resource.kind in self.unseen:
            return nothing
        if resource in kinds.TRAFFIC:
            return await read()
        try:
            async with asyncio.timeout(self.patience):
                return await read()
        except TimeoutError:
            slow = f"reading {resource.plural}: the API server did not answer within {self.patience:g} s"
            self.unseen.setdefault(resource.kind, Unreachable(slow))
        except ApiError as error:
            self.unseen.setdefault(resource.kind, error)
        return nothing

    def raise_transient(self, status: ModelDeploymentStatus) -> None:
        """Raise a transient error, to try the whole look again, unless clients may have to go back meanwhile."""
        if status.rollout is None and status.warm is None:
            for error in self.unseen.values():
                if isinstance(error, Transient):
                    raise error
