"""The memory of pods that cease to be ready while their containers run: Kubernetes keeps only the last time."""

from __future__ import annotations

from datetime import datetime

from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import Unsteady
from verdigris.core.facts.observed import STAMP, PodView
from verdigris.core.turn import Turn

REMEMBERED = 100
"""Pods, and times of one pod, in the status."""


def ceased_to_be_ready(pod: PodView) -> datetime | None:
    """When a running pod ceased to be ready; None when it is ready, never was, or a container ended and began anew."""
    if pod.ready or pod.terminating or pod.ready_changed is None:
        return None
    starts = [container.running_since for container in pod.containers if not container.init]
    begun = [start for start in starts if start is not None]
    if not begun or len(begun) < len(starts) or pod.ready_changed <= max(begun) + STAMP:
        return None
    return pod.ready_changed


def remember_flapping(turn: Turn) -> Turn:
    """The turn with `status.unsteady` kept. What is too old is dropped only when there is something else to write."""
    begin = turn.now - parse_duration(turn.observed.spec.cleanup.window)
    present = {pod.uid for pod in turn.observed.pods}
    known = {entry.uid: entry.unready_at for entry in turn.status.unsteady}
    now_unready = {pod.uid: at for pod in turn.observed.pods if (at := ceased_to_be_ready(pod)) and at > begin}
    fresh = {uid: at for uid, at in now_unready.items() if at not in known.get(uid, ())}
    if not fresh and known.keys() <= present:
        return turn
    kept = tuple(
        Unsteady(uid=uid, unready_at=times)
        for uid in (*known, *(fresh.keys() - known.keys()))
        if uid in present and (times := _recent((*known.get(uid, ()), *_one(fresh.get(uid))), begin))
    )
    kept = tuple(sorted(kept, key=lambda entry: (entry.unready_at[-1], entry.uid)))[-REMEMBERED:]
    return turn if kept == turn.status.unsteady else turn.change(unsteady=kept)


def _one(at: datetime | None) -> tuple[datetime, ...]:
    return () if at is None else (at,)


def _recent(times: tuple[datetime, ...], begin: datetime) -> tuple[datetime, ...]:
    return tuple(sorted(at for at in times if at > begin))[-REMEMBERED:]
