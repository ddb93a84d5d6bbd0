"""Which model is looked at, and what is needed of the client to read it."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from verdigris.adapters.kube.transport.kinds import Resource


class Key(NamedTuple):
    """Which ModelDeployment."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Lister(Protocol):
    """Reads by label and field."""

    async def list(
        self, resource: Resource, namespace: str | None, labels: str = "", *, fields: str = ""
    ) -> list[dict[str, Any]]:
        """All objects with these labels and fields. Raises NotFound when the kind is unknown."""


class Reader(Lister, Protocol):
    """The reading half of the client."""

    async def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any]:
        """One object. Raises NotFound."""
