"""What the model registry is told of who serves: a tag on the version that does, and on no other. PURE.

The registry itself is what is compared with, so nothing is remembered of what has been told before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote

from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import Failure, ModelDeploymentStatus
from verdigris.children.names import Owner
from verdigris.children.snapshot import Snapshot
from verdigris.core.facts.followed import asked_alias

_PREFIX = "verdigris.serving"
_NUMBERED = re.compile(r"models:/+([^/@:]+)/([0-9]{1,16})")


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
class Told:
    """That it stands there so, or why not."""

    serving: Serving
    problem: Failure | None = None


class Edit(NamedTuple):
    """A version whose tag is to have this value; None: it is to have none."""

    number: str
    value: str | None


def to_tell(
    owner: Owner,
    spec: ModelDeploymentSpec,
    status: ModelDeploymentStatus,
    snapshots: Mapping[str, Snapshot],
    cluster: str = "",
) -> Serving | None:
    """What the registry is to say of this model; None: nothing, as nobody asks for that, or no version is active.

    `cluster` keeps apart those that share a registry. Neither it nor a namespace nor a model's name has a dot.
    """
    alias, active = asked_alias(spec), status.active
    if alias is None or spec.model.follow is None or not spec.model.follow.report or active is None:
        return None
    tag = ".".join(filter(None, (_PREFIX, cluster, owner.namespace, owner.name)))
    snapshot = snapshots.get(active.revision)
    found = _NUMBERED.fullmatch(snapshot.uri) if snapshot is not None else None
    if found is None or unquote(found[1]) != alias.model:
        return Serving(alias.model, tag)
    return Serving(alias.model, tag, found[2], f"{active.version} since {active.since:%Y-%m-%dT%H:%M:%SZ}")


def edits(wanted: Serving, tagged: Mapping[str, str]) -> tuple[Edit, ...]:
    """What differs from what the versions have now, by number. First who serves: at no time does nobody."""
    return tuple(_edits(wanted, tagged))


def _edits(wanted: Serving, tagged: Mapping[str, str]) -> Iterator[Edit]:
    if wanted.number is not None and tagged.get(wanted.number) != wanted.value:
        yield Edit(wanted.number, wanted.value)
    for number in sorted(tagged.keys() - {wanted.number}, key=int):
        yield Edit(number, None)
