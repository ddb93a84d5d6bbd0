"""Writes `.status`: one merge patch of what differs, against the very object that was read."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from verdigris.adapters.kube.reading import views
from verdigris.adapters.kube.reading.observe import Picture
from verdigris.adapters.kube.reading.understand import explain
from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.errors import ApiError, Forbidden, Incomplete, Invalid, NotFound
from verdigris.adapters.kube.writing import accepted
from verdigris.adapters.kube.writing.writer import Writer
from verdigris.api.conditions import set_condition
from verdigris.api.decision import RolloutDecisionSpec, RolloutDecisionStatus
from verdigris.api.schema.carry import status_patch
from verdigris.api.schema.reading import read
from verdigris.api.status import Condition, DecisionRecord, ModelDeploymentStatus
from verdigris.core.facts.observed import Observed

log = logging.getLogger(__name__)

Json = Mapping[str, Any]
Outcome = Literal["Accepted", "Refused"]

TRIES = 6
"""How often a status is sent in one look, each time with less in it."""
REFUSED_A_LOOK = 5
"""After so many refusals the other answers are left to the next look: what is refused for ever must not flood."""


async def write_status(writer: Writer, picture: Picture, status: ModelDeploymentStatus, now: datetime) -> Json | None:
    """Make the ModelDeployment's status so. Returns it as it is then; None when nothing was written.

    Raises Conflict when it has changed, and NotFound when it was deleted, since it was read. Fields that are refused
    are left out and named in a condition (`accepted`); raises Invalid when they must not be, and Incomplete when no
    condition can name them.

    Compared as this operator understands both, so that fields of a newer operator are left alone.
    """
    observed = picture.observed
    refusals: list[Invalid] = []
    written: Json | None = None
    patch = _patch(picture, status)
    wanted = accepted.accepted_again(status, patch, observed.generation, now)
    if wanted is not status:
        patch = _patch(picture, wanted)
    while patch:
        try:
            written = await _patch_status(writer, picture.parent, patch)
            break
        except Invalid as error:
            less = accepted.without(wanted, observed.status, patch, error)
            refusals.append(error)
            if less is None or len(refusals) >= TRIES:
                raise
            wanted = _told(less, observed, refusals, now)
            patch = _patch(picture, wanted)
    _must_be_told(wanted, refusals)
    return written


async def write_progress(writer: Writer, picture: Picture, status: ModelDeploymentStatus) -> Json | None:
    """As `write_status`, of a status that only tells: whole or not at all. Raises Invalid for any field."""
    patch = _patch(picture, status)
    return await _patch_status(writer, picture.parent, patch) if patch else None


def _patch(picture: Picture, status: ModelDeploymentStatus) -> dict[str, Any]:
    raw = picture.parent.get("status") or {}
    return status_patch(ModelDeploymentStatus, raw, picture.observed.status.dump(), status.dump())


def _told(
    less: ModelDeploymentStatus, observed: Observed, refusals: list[Invalid], now: datetime
) -> ModelDeploymentStatus:
    """With the condition, unless it is the conditions that are refused."""
    if any(field == "status.conditions" for error in refusals for field in error.fields):
        return less
    before = accepted.condition(observed.status)
    if before is not None:
        conditions = tuple(before if one.type == before.type else one for one in less.conditions)
        less = less.model_copy(update={"conditions": conditions})
    return accepted.told(less, refusals, observed.generation, now)


def _must_be_told(written: ModelDeploymentStatus, refusals: list[Invalid]) -> None:
    told = accepted.condition(written)
    if refusals and (told is None or told.status != "False"):
        raise Incomplete(str(refusals[0]))


async def write_conditions(writer: Writer, parent: Json, conditions: Iterable[Condition]) -> bool:
    """Set conditions on an object whose status, or spec, is not understood; everything else stays as it is."""
    raw = parent.get("status") or {}
    old, new = (
        {"conditions": [condition.dump() for condition in some]} for some in (raw_conditions(parent), conditions)
    )
    patch = status_patch(ModelDeploymentStatus, raw, old, new)
    if not patch:
        return False
    await _patch_status(writer, parent, patch)
    return True


async def _patch_status(writer: Writer, parent: Json, patch: Json) -> Json:
    meta = views.metadata(parent)
    body = {"metadata": {"resourceVersion": meta["resourceVersion"], "uid": meta["uid"]}, "status": patch}
    return await writer.patch(kinds.MODEL_DEPLOYMENT, meta["namespace"], meta["name"], body, subresource="status")


class Answers(NamedTuple):
    """How many decisions were written on, and what was refused, by the decision's name."""

    written: int
    refused: Mapping[str, ApiError]


async def write_decisions(writer: Writer, picture: Picture, records: Iterable[DecisionRecord]) -> Answers:
    """Give each RolloutDecision that was dealt with its outcome, once. Returns how many were written.

    Told from what is, not from what was just done: a crash between the two writes is made good by the next reconcile.
    """
    by_uid = {record.uid: record for record in records}
    answers = []
    for raw in _unanswered(picture):
        record = by_uid.get(views.metadata(raw)["uid"])
        if record is not None:
            answers.append((raw, record.outcome, record.message, record.at))
    return await _answer(writer, answers)


def _unanswered(picture: Picture) -> list[Json]:
    return [raw for raw in picture.decisions if not (raw.get("status") or {}).get("outcome")]


async def _answer(writer: Writer, answers: Iterable[tuple[Json, Outcome, str, datetime]]) -> Answers:
    """Write them, the youngest decision's first: somebody waits for it.

    One that is refused keeps no other from being written. It is tried again at the next look, as it changes nothing:
    the model's own status remembers the answer.
    """
    written, refused = 0, dict[str, ApiError]()
    for raw, outcome, message, at in sorted(answers, key=_created, reverse=True):
        meta, status = views.metadata(raw), RolloutDecisionStatus(outcome=outcome, message=message[:1024], at=at)
        body = {"metadata": {"uid": meta["uid"]}, "status": status.dump()}
        try:
            await writer.patch(kinds.ROLLOUT_DECISION, meta["namespace"], meta["name"], body, subresource="status")
        except NotFound:
            continue
        except (Invalid, Forbidden) as error:
            log.warning("%s was answered, which cannot be written on it: %s", meta["name"], error)
            refused[meta["name"]] = error
            if len(refused) >= REFUSED_A_LOOK:
                break
        else:
            written += 1
    return Answers(written, refused)


def _created(answer: tuple[Json, Outcome, str, datetime]) -> str:
    return str(views.metadata(answer[0]).get("creationTimestamp", ""))


async def refuse_malformed(writer: Writer, picture: Picture, now: datetime) -> Answers:
    """Tell each RolloutDecision that cannot be understood so, once."""
    answers: list[tuple[Json, Outcome, str, datetime]] = []
    for raw in _unanswered(picture):
        try:
            read(RolloutDecisionSpec, raw.get("spec") or {})
        except ValidationError as error:
            answers.append((raw, "Refused", explain(error, "spec"), now))
    return await _answer(writer, answers)


def raw_conditions(parent: Json) -> tuple[Condition, ...]:
    """Those of its conditions that can be understood."""
    found = []
    for raw in (parent.get("status") or {}).get("conditions") or ():
        try:
            found.append(read(Condition, raw).value)
        except ValidationError:
            continue
    return tuple(found)


def stalled(
    conditions: tuple[Condition, ...], reason: str, message: str, generation: int, now: datetime, *, ready: bool
) -> tuple[Condition, ...]:
    """With Stalled=True, and Ready=False unless what serves is untouched by it (`ready`)."""
    conditions = set_condition(conditions, "Stalled", "True", reason, message, generation, now)
    if ready:
        return conditions
    return set_condition(conditions, "Ready", "False", reason, message, generation, now)
