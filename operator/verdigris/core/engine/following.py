"""An alias of the model registry that is followed: where it has moved to is kept, and is then what the spec asks for.

The status is all that changes here. What it leads to is a new revision like any other, begun by the next look.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import quote

from pydantic import ValidationError

from verdigris.api.schema.values import SEMVER
from verdigris.api.status import Failure, FollowedStatus
from verdigris.core.facts.followed import (
    SHA256_TAG,
    VERSION_TAG,
    Alias,
    Registered,
    asked_alias,
    followed_now,
)
from verdigris.core.facts.served import Told, Wish
from verdigris.core.turn import Turn
from verdigris.core.words import clip, sentence

_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)
_SHA256 = re.compile("[0-9a-f]{64}")
_SEMVER = re.compile(SEMVER)


def follow(turn: Turn) -> Turn:
    """With where the alias is now. What the registry does not say, or says without a checksum, changes nothing."""
    asked, view = asked_alias(turn.observed.spec), turn.observed.registry
    if asked is None:
        return turn if turn.status.followed is None else turn.change(followed=None)
    if view is None or view.found is None or unusable(asked, view.found) is not None:
        return turn
    known = followed_now(turn.observed.spec, turn.observed.status)
    found = _kept(asked, view.found, turn.now)
    if known is not None and (known.mark == found.mark or view.is_overtaken(known, turn.now)):
        return turn
    before = f"; it was {known.version} (number {known.number})" if known is not None else ""
    message = f"{asked} is {found.version} (number {found.number}) now{before}."
    return turn.change(followed=found).note("Normal", "AliasMoved", message)


def awaits_registry(turn: Turn) -> bool:
    """Whether nobody knows yet what is wanted: an alias is followed that the registry has not told of."""
    spec = turn.observed.spec
    return asked_alias(spec) is not None and followed_now(spec, turn.status) is None


def told(turn: Turn) -> Iterator[tuple[str, Literal["True", "False", "Unknown"], str, str]]:
    """The condition that says whether the registry says who serves, where it is to, or was."""
    follow, outcome = turn.observed.spec.model.follow, turn.observed.told
    if turn.observed.skew.cannot_read(("model",)):
        # What is asked for is not known: what was told before stays.
        return
    if follow is None or not follow.report:
        if any(condition.type == "Reported" for condition in turn.status.conditions):
            yield "Reported", "False", "NotReported", "spec.model.follow.report is not set."
    elif outcome is not None:
        yield _outcome(outcome)
    elif not _is_told(turn, "Reported"):
        yield "Reported", "Unknown", "RegistryAsked", "The registry is told which version serves, once one does."


def _outcome(told: Told) -> tuple[str, Literal["True", "False"], str, str]:
    serving, problem = told.wish.serving, told.problem
    if problem is not None:
        # Without a registry nothing is tried.
        untold = (
            "" if problem.reason == "RegistryUnknown" else f" It is tried again; until then {_may_be_old(told.wish)}"
        )
        return "Reported", "False", problem.reason, clip(sentence(problem.message) + untold)
    if told.disputed:
        message = (
            f"Somebody else changes the tag {serving.tag} of models:/{serving.model} again and again; it is put right "
            "each time. Where several clusters share the registry, give each a name: set registry.cluster in the "
            "values of the operator's chart."
        )
        return "Reported", "False", "TagDisputed", message
    if serving.number is None:
        message = (
            f"The active version is no number of models:/{serving.model}: no version there has the tag {serving.tag}."
        )
        return "Reported", "False", "NumberUnknown", message
    message = f"models:/{serving.model}/{serving.number} has the tag {serving.tag}: {serving.value}."
    return "Reported", "True", "Reported", message


def _may_be_old(wish: Wish) -> str:
    before = "".join(f", and a version of models:/{model} may have it still" for model in wish.left)
    return f"the tag {wish.serving.tag} of models:/{wish.serving.model} may be an old one{before}."


def _is_told(turn: Turn, kind: str) -> bool:
    """Whether the condition was told of this very spec: it stays so until more is known, also to another leader."""
    generation = turn.observed.generation
    return any(one.type == kind and one.observed_generation == generation for one in turn.status.conditions)


def _kept(asked: Alias, found: Registered, since: datetime) -> FollowedStatus:
    """As the status keeps it. Raises ValidationError for what it has no room for."""
    return FollowedStatus(
        model=asked.model,
        alias=asked.name,
        number=found.number,
        version=found.version,
        uri=f"models:/{quote(asked.model, safe='')}/{found.number}",
        sha256=found.sha256,
        since=since,
    )


def unusable(asked: Alias, found: Registered) -> Failure | None:
    """Why the version that has the alias cannot be rolled out, in a sentence; None when it can."""
    what = f"{asked} is number {found.number}, which has no tag"
    how = "Set it where the version is registered (MlflowClient().set_model_version_tag), or move the alias."
    if not _SHA256.fullmatch(found.sha256):
        message = f"{what} {SHA256_TAG} with the 64 hex digits that verdigris-model pack prints. {how}"
        return Failure(reason="ChecksumMissing", message=message)
    if not _SEMVER.fullmatch(found.version):
        message = f"{what} {VERSION_TAG} with its semantic version, for example 2.1.0. {how}"
        return Failure(reason="VersionMissing", message=message)
    try:
        _kept(asked, found, _ANY_TIME)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, fault["loc"]))
        message = f"{asked} is number {found.number}, and its {where} cannot be kept ({fault['msg']}). {how}"
        return Failure(reason="VersionUnusable", message=clip(message))
    return None


def lines(turn: Turn) -> Iterator[tuple[str, Literal["True", "False", "Unknown"], str, str]]:
    """The condition that tells of it, where an alias is followed, or was."""
    asked, view = asked_alias(turn.observed.spec), turn.observed.registry
    if asked is None:
        if any(condition.type == "Followed" for condition in turn.status.conditions):
            yield "Followed", "False", "NotFollowed", "spec.model.follow is not set."
        return
    known = followed_now(turn.observed.spec, turn.status)
    now = known or turn.active
    stays = f"What is wanted stays {now.version}." if now is not None else "What spec.model says itself is wanted."
    if view is None:
        if not _is_told(turn, "Followed"):
            yield "Followed", "Unknown", "RegistryAsked", f"The registry is asked about {asked}. {stays}"
        return
    why_not = view.problem or (unusable(asked, view.found) if view.found is not None else None)
    if why_not is not None:
        yield "Followed", "False", why_not.reason, f"{sentence(why_not.message)} {stays}"
    elif known is not None:
        yield "Followed", "True", "AliasFollowed", f"{asked} is {known.version} (number {known.number})."
