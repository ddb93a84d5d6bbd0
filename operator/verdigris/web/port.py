"""What the page asks of a cluster, and what can go wrong. Each value is for one person: it holds what they may see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from verdigris.cli.model.deployment import Model
from verdigris.cli.model.reading import Raw, part, text
from verdigris.web.timeline import Measured, Seen, Span

NEVER = -1
"""What `Cluster.changed` never returns."""


class Trouble(Exception):
    """The page cannot show or do it. `str()` is a sentence: what is wrong, where, what to do."""

    status = 500
    title = "That did not work"


class Missing(Trouble):
    """It is not there, or this person may not know whether it is."""

    status = 404
    title = "There is no such thing"


class Denied(Trouble):
    """A right is missing, or a policy said no."""

    status = 403
    title = "That is not allowed"


class Outdated(Trouble):
    """What was to be decided about has moved on."""

    status = 409
    title = "It has moved on"


class Away(Trouble):
    """No API server answers."""

    status = 503
    title = "The API server does not answer"


@dataclass(frozen=True, order=True)
class Key:
    """Which model."""

    namespace: str
    name: str


def key_of(raw: Raw) -> Key:
    """The key of an object."""
    meta = part(raw, "metadata")
    return Key(text(meta, "namespace"), text(meta, "name"))


@dataclass(frozen=True)
class Right:
    """To do `verb` on a resource of this group: on one object if it is named, else on all of the namespace."""

    verb: str
    resource: str
    namespace: str
    name: str = ""
    group: str = "verdigris.dev"


@dataclass(frozen=True)
class Fleet:
    """The models that the person may see. `told`: sentences on what is left out, or may be old."""

    models: tuple[Model, ...]
    told: tuple[str, ...] = ()


@dataclass(frozen=True)
class Look:
    """One model and what belongs to it. What could not be read is None, and `unseen` says why, by pods, children
    and decisions. `seen`: what its status said while somebody watched.
    """

    model: Raw
    pods: tuple[Raw, ...] | None = ()
    children: tuple[Raw, ...] | None = ()
    decisions: tuple[Raw, ...] | None = ()
    unseen: Mapping[str, str] = field(default_factory=dict)
    seen: tuple[Seen, ...] = ()
    told: tuple[str, ...] = ()


class Cluster(Protocol):
    """A cluster as one person may see it. Every method raises Trouble."""

    @property
    def person(self) -> str:
        """By which name the API server knows them."""
        ...

    async def fleet(self) -> Fleet:
        """All models that may be seen."""
        ...

    async def look(self, key: Key) -> Look:
        """One model. Raises Missing where there is none, or where it may not be seen."""
        ...

    async def may(self, rights: Sequence[Right]) -> Sequence[bool]:
        """Whether the person has each of these rights."""
        ...

    async def measured(self, key: Key, span: Span) -> Measured:
        """The curves of a model; never raises: why there are none is a sentence in it."""
        ...

    async def decide(self, document: Mapping[str, Any]) -> None:
        """Create this RolloutDecision, as the person."""
        ...

    async def changed(self, since: int, key: Key | None, seconds: float) -> int:
        """Wait until what may be seen (of one model, or of all) has changed since then, so many seconds at most.

        Returns the number of now, which is `since` when nothing has changed.
        """
        ...
