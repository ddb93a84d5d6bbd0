"""What the operator wants of a model registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from verdigris.api.status import Failure
from verdigris.core.facts.followed import Alias, RegistryView
from verdigris.core.facts.served import Edit


class Registry(Protocol):
    """Tells which version an alias has."""

    async def look_up(self, alias: Alias) -> RegistryView:
        """The version with its tags, or why it is not known: RegistryUnreachable, RegistryRefused, AliasMissing.

        Never raises, and takes no longer than its own time limit.
        """


class Tags(Protocol):
    """Keeps a tag of a registered model's versions.

    As with `Registry` nothing raises, and each call has a time limit. Failures are RegistryUnreachable, RegistryRefused
    and ModelMissing.
    """

    async def tagged(self, model: str, tag: str) -> Mapping[str, str] | Failure:
        """The versions that have the tag, by number, with its value: 100 of them at most."""

    async def edit(self, model: str, tag: str, edit: Edit) -> Failure | None:
        """Set the tag of one version, or take it away; one that is not there is taken away already."""
