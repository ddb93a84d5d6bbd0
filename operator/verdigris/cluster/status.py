"""Writes `.status`: one merge patch of what differs, against the very object that was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import ValidationError

from verdigris.api.conditions import set_condition
from verdigris.api.decision import RolloutDecisionSpec, RolloutDecisionStatus
from verdigris.api.status import Condition, DecisionRecord, ModelDeploymentStatus
from verdigris.cluster import kinds, views
from verdigris.cluster.apply import Writer
from verdigris.cluster.errors import NotFound
from verdigris.cluster.observe import Picture, explain

Json = Mapping[str, Any]


def merge_patch(old: Json, new: Json) -> dict[str, Any]:
    """The RFC 7386 patch from `old` to `new`: a removed field as null, a list as a whole; empty when equal."""
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            inner = merge_patch(before, value)
            if inner:
                patch[key] = inner
        elif key not in old or value != before:
            patch[key] = value
    return patch


async def write_status(writer: Writer, picture: Picture, status: ModelDeploymentStatus) -> bool:
    """Make the ModelDeployment's status so. Returns whether anything was written.

    Raises Conflict when it has changed, and NotFound when it was deleted, since it was read.

    Compared as this operator understands both, so that fields of a newer operator are left alone.
    """
    patch = merge_patch(picture.observed.status.dump(), status.dump())
    if not patch:
        return False
    await _patch_status(writer, picture.parent, patch)
    return True


async def write_conditions(writer: Writer, parent: Json, conditions: Iterable[Condition]) -> bool:
    """Set conditions on an object whose status, or spec, is not understood; everything else stays as it is."""
    wanted = [condition.dump() for condition in conditions]
    if wanted == (parent.get("status") or {}).get("conditions"):
        return False
    await _patch_status(writer, parent, {"conditions": wanted})
    return True


async def _patch_status(writer: Writer, parent: Json, patch: Json) -> None:
    meta = views.metadata(parent)
    body = {"metadata": {"resourceVersion": meta["resourceVersion"], "uid": meta["uid"]}, "status": patch}
    await writer.patch(kinds.MODEL_DEPLOYMENT, meta["namespace"], meta["name"], body, subresource="status")


async def write_decisions(writer: Writer, picture: Picture, records: Iterable[DecisionRecord]) -> int:
    """Give each RolloutDecision that was dealt with its outcome, once. Returns how many were written.

    Told from what is, not from what was just done: a crash between the two writes is made good by the next reconcile.
    """
    by_uid = {record.uid: record for record in records}
    written = 0
    for raw in picture.decisions:
        meta = views.metadata(raw)
        record = by_uid.get(meta["uid"])
        if record is None or (raw.get("status") or {}).get("outcome"):
            continue
        written += await _answer(writer, raw, record.outcome, record.message, record.at)
    return written


async def _answer(
    writer: Writer, raw: Json, outcome: Literal["Accepted", "Refused"], message: str, at: datetime
) -> bool:
    """False when it has been deleted meanwhile."""
    meta, status = views.metadata(raw), RolloutDecisionStatus(outcome=outcome, message=message[:1024], at=at)
    body = {"metadata": {"uid": meta["uid"]}, "status": status.dump()}
    try:
        await writer.patch(kinds.ROLLOUT_DECISION, meta["namespace"], meta["name"], body, subresource="status")
    except NotFound:
        return False
    return True


async def refuse_malformed(writer: Writer, picture: Picture, now: datetime) -> int:
    """Tell each RolloutDecision that cannot be understood so, once. Returns how many were written."""
    written = 0
    for raw in picture.decisions:
        if (raw.get("status") or {}).get("outcome"):
            continue
        try:
            RolloutDecisionSpec.parse(raw.get("spec") or {})
        except ValidationError as error:
            written += await _answer(writer, raw, "Refused", explain(error, "spec"), now)
    return written


def raw_conditions(parent: Json) -> tuple[Condition, ...]:
    """Those of its conditions that can be understood."""
    found = []
    for raw in (parent.get("status") or {}).get("conditions") or ():
        try:
            found.append(Condition.parse(raw))
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
