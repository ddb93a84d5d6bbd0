"""The memory of pods that cease to be ready while their containers run: Kubernetes keeps only the last time."""

from __future__ import annotations

from datetime import datetime, timedelta

from verdigris.api.fields import parse_duration
from verdigris.api.status import Unsteady
from verdigris.rollout.observed import PodView
from verdigris.rollout.turn import Turn

STAMP = timedelta(seconds=1)
"""Kubernetes tells times in whole seconds: a container and its readiness that change within one began together."""
REMEMBERED = 100
"""Pods, and losses of one pod, in the status."""


def loss(pod: PodView) -> datetime | None:
    """When a running pod ceased to be ready; None when it is ready, never was, or a container ended and began anew."""
    if pod.ready or pod.terminating or pod.ready_changed is None:
        return None
    starts = [container.running_since for container in pod.containers if not container.init]
    begun = [start for start in starts if start is not None]
    if not begun or len(begun) < len(starts) or pod.ready_changed <= max(begun) + STAMP:
        return None
    return pod.ready_changed


def remember_losses(turn: Turn) -> Turn:
    """The turn with `status.unsteady` kept. What is too old is dropped only when there is something else to write."""
    begin = turn.now - parse_duration(turn.observed.spec.cleanup.window)
    present = {pod.uid for pod in turn.observed.pods}
    known = {entry.uid: entry.losses for entry in turn.status.unsteady}
    lost = {pod.uid: at for pod in turn.observed.pods if (at := loss(pod)) and at > begin}
    fresh = {uid: at for uid, at in lost.items() if at not in known.get(uid, ())}
    if not fresh and known.keys() <= present:
        return turn
    kept = tuple(
        Unsteady(uid=uid, losses=losses)
        for uid in (*known, *(fresh.keys() - known.keys()))
        if uid in present and (losses := _recent((*known.get(uid, ()), *_one(fresh.get(uid))), begin))
    )
    kept = tuple(sorted(kept, key=lambda entry: (entry.losses[-1], entry.uid)))[-REMEMBERED:]
    return turn if kept == turn.status.unsteady else turn.change(unsteady=kept)


def _one(at: datetime | None) -> tuple[datetime, ...]:
    return () if at is None else (at,)


def _recent(losses: tuple[datetime, ...], begin: datetime) -> tuple[datetime, ...]:
    return tuple(sorted(at for at in losses if at > begin))[-REMEMBERED:]
