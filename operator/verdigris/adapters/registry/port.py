"""What the operator wants of a model registry."""

from __future__ import annotations

from typing import Protocol

from verdigris.core.facts.followed import Alias, RegistryView


class Registry(Protocol):
    """Tells which version an alias has."""

    async def look_up(self, alias: Alias) -> RegistryView:
        """The version with its tags, or why it is not known: RegistryUnreachable, RegistryRefused, AliasMissing.

        Never raises, and takes no longer than its own time limit.
        """
