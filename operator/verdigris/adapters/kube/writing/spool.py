"""The audit log's spool: a ConfigMap that keeps entries while the log cannot be written. Bounded, and in order.

The chart makes it; the operator may read and patch this one object, and no other ConfigMap.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.kinds import Resource
from verdigris.audit.event import can_be_spelled

BOUND = 900_000
"""Bytes of entries: Kubernetes keeps at most 1 MiB of a ConfigMap. Some 600 entries."""

Event = Mapping[str, Any]


class SpoolWriter(Protocol):
    """What of the client is needed here."""

    async def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any]:
        """Raises NotFound."""

    async def patch(self, resource: Resource, namespace: str, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """JSON merge patch. Raises NotFound."""


class Spool:
    """The entries that wait for the log, as the ConfigMap has them."""

    def __init__(self, client: SpoolWriter, namespace: str, name: str, bound: int = BOUND) -> None:
        self._client, self._namespace, self._name, self._bound = client, namespace, name, bound
        self._kept: dict[str, str] = {}
        self._next = 0
        self.unreadable = 0
        """Entries that were found in it, and are none."""

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def events(self) -> list[Event]:
        """What waits, the oldest first."""
        return [json.loads(self._kept[key]) for key in sorted(self._kept)]

    async def load(self) -> None:
        """Read what an operator before this one has left. Raises ApiError."""
        found = await self._client.get(kinds.CONFIG_MAP, self._namespace, self._name)
        data = {key: text for key, text in (found.get("data") or {}).items() if isinstance(text, str)}
        self._kept = {key: text for key, text in data.items() if _is_event(text)}
        self.unreadable = len(data) - len(self._kept)
        self._next = max((int(key) for key in self._kept if key.isdigit()), default=-1) + 1

    async def put(self, events: Sequence[Event]) -> int:
        """Keep these after those that wait, as far as there is room. Returns how many were kept. Raises ApiError."""
        known = {str(event["id"]) for event in self.events}
        size, new = sum(map(len, self._kept.values())), dict[str, str]()
        taken = 0
        for event in events:
            text = json.dumps(event, separators=(",", ":"))
            if event["id"] not in known:
                size += len(text)
                if size > self._bound:
                    break
                new[f"{self._next + len(new):012d}"] = text
            taken += 1
        if new:
            await self._patch(new)
            self._kept |= new
            self._next += len(new)
        return taken

    async def clear(self) -> None:
        """Forget all that waits: it is in the log. Raises ApiError."""
        if self._kept:
            await self._patch(dict.fromkeys(self._kept))
            self._kept = {}

    async def _patch(self, data: Mapping[str, str | None]) -> None:
        await self._client.patch(kinds.CONFIG_MAP, self._namespace, self._name, {"data": data})


def _is_event(text: str) -> bool:
    try:
        event = json.loads(text)
    except ValueError:
        return False
    return isinstance(event, dict) and isinstance(event.get("id"), str) and can_be_spelled(event)
