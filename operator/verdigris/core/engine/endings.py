"""How a rollout ends well: promoted by a role swap. And what is remembered of each that has ended."""

from __future__ import annotations

from datetime import timedelta

from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import (
    ActiveStatus,
    HistoryEntry,
    Outcome,
    Rejected,
    RolloutStatus,
    WarmStatus,
)
from verdigris.core.steps.passing_on import is_to_be_watched
from verdigris.core.turn import Turn

KEPT = 20
"""Entries kept in the bounded lists of the status."""


def promote(turn: Turn) -> Turn:
    """Swap the roles: the candidate's pods, the very ones that were judged, become the active ones."""
    rollout, old = turn.rollout, turn.active
    active = ActiveStatus(
        version=rollout.version,
        revision=rollout.revision,
        color=rollout.color,
        sha256=rollout.sha256,
        since=turn.now,
    )
    keep_warm = parse_duration(turn.policy.rollout.keep_warm)
    warm = None
    if old is not None and keep_warm > timedelta() and rollout.sizes is None:
        warm = WarmStatus(
            version=old.version,
            revision=old.revision,
            color=old.color,
            sha256=old.sha256,
            until=turn.now + keep_warm,
            left=rollout.since,
            replicas=max(1, turn.size(old.color)),
            evidence=rollout.evidence if _is_watched_on(turn) else None,
            exits=rollout.exits,
            policy=rollout.policy,
        )
    turn = remember(turn, rollout, "Promoted", "Promoted")
    turn = turn.change(
        active=active,
        warm=warm,
        rollout=None,
        rejected=tuple(r for r in turn.status.rejected if r.revision != rollout.revision),
    )
    stays = f" Version {warm.version} stays warm until {warm.until:%H:%M:%S} UTC." if warm else ""
    if old is not None and rollout.sizes is not None:
        stays = f" Nothing stays warm: the pods of {old.version} made room for it."
    return turn.note("Normal", "Promoted", f"Version {rollout.version} ({rollout.color}) is active.{stays}")


def _is_watched_on(turn: Turn) -> bool:
    """Whether it may still be taken back by itself: not what a person let through, nor what was not to be watched."""
    policy, rollout = turn.policy.rollout, turn.rollout
    return policy.watch_warm and not rollout.promote_now and is_to_be_watched(rollout, policy)


def remember(turn: Turn, rollout: RolloutStatus, outcome: Outcome, reason: str) -> Turn:
    """Put a rollout that has ended into the history."""
    entry = HistoryEntry(
        revision=rollout.revision,
        version=rollout.version,
        outcome=outcome,
        reason=reason,
        started_at=rollout.started_at,
        ended_at=turn.now,
    )
    return turn.change(history=(*turn.status.history, entry)[-KEPT:])


def rejection(turn: Turn) -> Rejected | None:
    """Why the revision that the spec asks for is not tried, if it was rejected (law 6)."""
    return next((r for r in turn.status.rejected if r.revision == turn.target), None)
