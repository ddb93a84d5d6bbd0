"""How a rollout ends: promoted by a role swap, or taken back. Every way out of a rollout is here."""

from __future__ import annotations

from datetime import timedelta

from verdigris.api.fields import parse_duration
from verdigris.api.status import (
    ActiveStatus,
    Failure,
    HistoryEntry,
    LastRollback,
    Outcome,
    Rejected,
    RolloutStatus,
    WarmStatus,
)
from verdigris.rollout.trade import sizes_back, trade_back
from verdigris.rollout.traffic import reached
from verdigris.rollout.turn import Turn, clip, evolve

DRAIN = timedelta(seconds=10)
"""A colour that had clients stays up this long after they were moved, so that keep-alive ones are told to leave."""

KEPT = 20
"""Entries kept in the bounded lists of the status."""


def take_back(turn: Turn, outcome: Outcome, failure: Failure) -> Turn:
    """Begin to end the rollout: traffic to the active colour in this very plan, whatever else is the matter (law 1)."""
    failure = Failure(reason=failure.reason, message=clip(failure.message))
    rollout, active = turn.rollout, turn.active
    turn = turn.change_rollout(
        stage="RollingBack",
        since=turn.now,
        deadline=None,
        lacking_since=None,
        failure=failure,
        outcome=outcome,
        message=failure.message,
    )
    turn = turn.change_rollout(sizes=sizes_back(turn))
    if rollout.weight == 0 or active is None:
        return turn
    rollback = LastRollback(
        from_version=rollout.version,
        to_version=active.version,
        reason=failure.reason,
        message=failure.message,
        decided_at=turn.now,
        evidence=rollout.evidence,
    )
    turn = turn.change(last_rollback=rollback)
    return turn.note(
        "Warning",
        "RollingBack",
        f"Version {rollout.version} ({rollout.color}) loses its traffic to {active.version} "
        f"({active.color}): {failure.message}",
    )


def finish_taking_back(turn: Turn) -> Turn:
    """End a rollout that is being taken back, once clients are off the candidate and had time to notice."""
    turn = trade_back(turn)
    rollout, active = turn.rollout, turn.active
    if active is not None and (rollout.color in reached(turn.observed.selected) or _not_back_yet(turn, active)):
        return turn
    turn = _traffic_is_back(turn)
    if rollout.weight > 0 and active is not None and turn.now < turn.rollout.since + DRAIN:
        return turn
    return _close(turn, rollout)


def _not_back_yet(turn: Turn, active: ActiveStatus) -> bool:
    """Whether an active colour that gave its pods has not been told its size again, or cannot take its clients yet."""
    rollout = turn.rollout
    if rollout.sizes is None:
        return False
    answers = turn.observed.endpoints.get(active.color, 0) > 0
    return turn.size(active.color) < rollout.sizes.active or (rollout.weight > 0 and not answers)


def _traffic_is_back(turn: Turn) -> Turn:
    """Stamp the moment at which clients were seen to be back on the active colour."""
    last, active = turn.status.last_rollback, turn.active
    if last is None or turn.rollout.weight == 0 or last.traffic_restored_at is not None or active is None:
        return turn
    turn = turn.change(last_rollback=evolve(last, traffic_restored_at=turn.now))
    turn = turn.change_rollout(since=turn.now)
    took = (turn.now - last.decided_at).total_seconds()
    return turn.note(
        "Normal", "TrafficRestored", f"All new connections reach {active.version} again after {took:.1f} s."
    )


def _close(turn: Turn, rollout: RolloutStatus) -> Turn:
    outcome: Outcome = rollout.outcome or "Failed"
    failure = rollout.failure or Failure(reason="Unknown", message="The rollout ended without a recorded reason.")
    if outcome != "Superseded":
        rejected = Rejected(
            revision=rollout.revision,
            version=rollout.version,
            reason=failure.reason,
            message=failure.message,
            at=turn.now,
        )
        others = tuple(r for r in turn.status.rejected if r.revision != rollout.revision)
        turn = turn.change(rejected=(*others, rejected)[-KEPT:])
    turn = _remember(turn, rollout, outcome, failure.reason)
    kept = f"Version {turn.active.version} stays active." if turn.active else "No version is active yet."
    turn = turn.change(rollout=None)
    return turn.note(
        "Normal" if outcome == "Superseded" else "Warning",
        _EVENT[outcome],
        f"Version {rollout.version}: {failure.message} {kept}",
    )


_EVENT = {
    "RolledBack": "RolledBack",
    "Failed": "RolloutFailed",
    "Aborted": "Aborted",
    "Superseded": "Superseded",
    "Promoted": "Promoted",
}


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
    keep_warm = parse_duration(turn.observed.spec.rollout.keep_warm)
    warm = None
    if old is not None and keep_warm > timedelta() and rollout.way == "Beside":
        warm = WarmStatus(
            version=old.version,
            revision=old.revision,
            color=old.color,
            sha256=old.sha256,
            until=turn.now + keep_warm,
            replicas=max(1, turn.size(old.color)),
        )
    turn = _remember(turn, rollout, "Promoted", "Promoted")
    turn = turn.change(
        active=active,
        warm=warm,
        rollout=None,
        rejected=tuple(r for r in turn.status.rejected if r.revision != rollout.revision),
    )
    stays = f" Version {warm.version} stays warm until {warm.until:%H:%M:%S} UTC." if warm else ""
    if old is not None and rollout.way != "Beside":
        stays = f" Nothing stays warm: the pods of {old.version} made room for it."
    return turn.note("Normal", "Promoted", f"Version {rollout.version} ({rollout.color}) is active.{stays}")


def _remember(turn: Turn, rollout: RolloutStatus, outcome: Outcome, reason: str) -> Turn:
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
