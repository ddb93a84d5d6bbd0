"""What the model registry is told of who serves: a tag on the version that does, and on no other. PURE.

The registry itself is what is compared with. All that is remembered of what has been told before is which other
registered models may still have the tag (`Wish.left`); after a restart the snapshots tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple
from urllib.parse import unquote

from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import Failure, ModelDeploymentStatus
from verdigris.children.names import Owner
from verdigris.children.snapshot import Snapshot
from verdigris.core.facts.followed import asked_alias, registered_model

_PREFIX = "verdigris.serving"
_NUMBERED = re.compile(r"models:/+([^/@:]+)/([0-9]{1,16})")
MOST_LEFT = 8
"""Registered models that are remembered to have had the tag: a spec is edited no oftener while a registry is away."""


@dataclass(frozen=True)
class Serving:
    """What is to stand in the registry: of this registered model one version has the tag, or none.

    `number` None: no version is known to serve. `value` is a sentence for people: nothing reads it back.
    """

    model: str
    tag: str
    number: str | None = None
    value: str = ""


@dataclass(frozen=True)
class Wish:
    """All that is to stand in the registry: `serving`, and no version of the registered models `left` has its tag.

    `left` are those that the spec named before, the newest last, until it was seen that the tag is away there.
    """

    serving: Serving
    left: tuple[str, ...] = ()

    def then(self, serving: Serving) -> Wish:
        """That this is to stand there from now on: what it was before is to go."""
        left = tuple(model for model in dict.fromkeys((*self.left, self.serving.model)) if model != serving.model)
        return Wish(serving, left[-MOST_LEFT:])

    def of_nobody(self) -> Wish:
        """That no version at all has the tag."""
        return self.then(replace(self.serving, number=None, value=""))

    def without(self, model: str) -> Wish:
        """The tag is away from that model's versions."""
        return replace(self, left=tuple(one for one in self.left if one != model))


@dataclass(frozen=True)
class Told:
    """That it stands there so, or why not all of it does. What is left of the wish is what has not been done.

    `disputed`: it did stand there, and somebody else has changed it, several times in a row.
    """

    wish: Wish
    problem: Failure | None = None
    disputed: bool = False


class Edit(NamedTuple):
    """A version whose tag is to have this value; None: it is to have none."""

    number: str
    value: str | None


def asks_to_tell(spec: ModelDeploymentSpec) -> bool:
    """Whether the registry is to say who serves."""
    return asked_alias(spec) is not None and spec.model.follow is not None and spec.model.follow.report


def to_tell(
    owner: Owner,
    spec: ModelDeploymentSpec,
    status: ModelDeploymentStatus,
    snapshots: Mapping[str, Snapshot],
    cluster: str = "",
) -> Serving | None:
    """What the registry is to say of this model; None: nothing is to be told, or it is not known what.

    It is known once a version is active and its snapshot was read: without that, no number is not known to be none.
    `cluster` keeps apart those that share a registry. Neither it nor a namespace nor a model's name has a dot.
    """
    alias, active = asked_alias(spec), status.active
    snapshot = snapshots.get(active.revision) if active is not None else None
    if alias is None or not asks_to_tell(spec) or active is None or snapshot is None:
        return None
    tag = ".".join(filter(None, (_PREFIX, cluster, owner.namespace, owner.name)))
    found = _NUMBERED.fullmatch(snapshot.uri)
    if found is None or unquote(found[1]) != alias.model:
        return Serving(alias.model, tag)
    return Serving(alias.model, tag, found[2], f"{active.version} since {active.since:%Y-%m-%dT%H:%M:%SZ}")


def first_wish(serving: Serving, snapshots: Mapping[str, Snapshot]) -> Wish:
    """That of who has told nothing yet: the registered models of all revisions that are kept may still have the tag."""
    models = {registered_model(snapshot.uri) for snapshot in snapshots.values()} - {None, serving.model}
    return Wish(serving, tuple(sorted(filter(None, models)))[-MOST_LEFT:])


def edits(wanted: Serving, tagged: Mapping[str, str]) -> tuple[Edit, ...]:
    """What differs from what the versions have now, by number. First who serves: at no time does nobody."""
    return tuple(_edits(wanted, tagged))


def _edits(wanted: Serving, tagged: Mapping[str, str]) -> Iterator[Edit]:
    if wanted.number is not None and tagged.get(wanted.number) != wanted.value:
        yield Edit(wanted.number, wanted.value)
    for number in sorted(tagged.keys() - {wanted.number}, key=int):
        yield Edit(number, None)
