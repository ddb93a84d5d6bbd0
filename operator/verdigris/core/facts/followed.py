"""What `spec.model.follow` leads to: what the registry is asked about, its answer, and the spec that comes of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote

from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import Failure, FollowedStatus, ModelDeploymentStatus

SHA256_TAG, VERSION_TAG = "verdigris.sha256", "verdigris.version"
"""Tags of a version in the registry: what its bytes hash to, and its semantic version."""
AHEAD = timedelta(minutes=1)
"""How far the clocks of two leaders may differ."""
_MODEL = re.compile(r"models:/+([^/@:]+)[/@].+")


@dataclass(frozen=True)
class Alias:
    """An alias of a registered model."""

    model: str
    name: str

    def __str__(self) -> str:
        return f"models:/{self.model}@{self.name}"


@dataclass(frozen=True)
class Registered:
    """The version that an alias has: the registry's number, and its tags as far as they are there."""

    number: str
    version: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class RegistryView:
    """The registry's newest answer, or why there is none. `asked_at` is when it was asked; None: just now."""

    found: Registered | None = None
    problem: Failure | None = None
    asked_at: datetime | None = field(default=None, compare=False)

    def is_overtaken(self, known: FollowedStatus, now: datetime) -> bool:
        """Whether the alias was seen elsewhere, where it is known to be, since this was asked: by another leader.

        A time that is still to come is that of a leader whose clock was wrong: nothing is older than that.
        """
        found = self.found
        if found is None or self.asked_at is None or not self.asked_at <= known.since <= now + AHEAD:
            return False
        return (found.number, found.version, found.sha256) != (known.number, known.version, known.sha256)


def registered_model(uri: str) -> str | None:
    """The registered model that a uri of the kind models:/ names."""
    found = _MODEL.fullmatch(uri)
    return unquote(found[1]) if found is not None else None


def asked_alias(spec: ModelDeploymentSpec) -> Alias | None:
    """The alias that the spec follows, if any."""
    model = registered_model(spec.model.uri)
    if spec.model.follow is None or model is None:
        return None
    return Alias(model, spec.model.follow.alias)


def followed_now(spec: ModelDeploymentSpec, status: ModelDeploymentStatus) -> FollowedStatus | None:
    """What is known of the alias that the spec follows. What was followed before is nobody's wish any more."""
    asked, known = asked_alias(spec), status.followed
    is_same = asked is not None and known is not None and (known.model, known.alias) == (asked.model, asked.name)
    return known if is_same else None


def effective(spec: ModelDeploymentSpec, status: ModelDeploymentStatus) -> ModelDeploymentSpec:
    """The spec with the version that the alias has in the place of its own, once that is known."""
    known = followed_now(spec, status)
    if known is None or spec.model.follow is None:
        return spec
    wanted = {"version": known.version, "uri": known.uri, "sha256": known.sha256, "allow_unverified": False}
    changes: dict[str, Any] = {"model": spec.model.model_copy(update=wanted)}
    if spec.model.follow.approval == "Required":
        changes["rollout"] = spec.rollout.model_copy(update={"approval": "Required"})
    return spec.model_copy(update=changes)
