"""Which revision sits in which colour: mending and adopting, superseding, starting a rollout, retiring the warm one."""

from __future__ import annotations

from verdigris.api.fields import parse_duration
from verdigris.api.status import ActiveStatus, Color, Failure, RolloutStatus, Sizes, other
from verdigris.rollout.endings import rejection, take_back
from verdigris.rollout.stages import STAGES
from verdigris.rollout.trade import needed_replicas
from verdigris.rollout.traffic import reached
from verdigris.rollout.turn import Turn


def mend(turn: Turn) -> Turn:
    """A colour has one role. A status that gives it two (somebody edited it) keeps the one that clients depend on."""
    active, rollout, warm = turn.status.active, turn.status.rollout, turn.status.warm
    if active and rollout and active.color == rollout.color:
        message = f"The status said that {rollout.color} is both active and a candidate: the rollout is dropped."
        return mend(turn.change(rollout=None).note("Warning", "StatusMended", message))
    if warm and warm.color in {ref.color for ref in (active, rollout) if ref}:
        message = f"The status said that {warm.color} is warm and in use as well: it is not warm."
        return turn.change(warm=None).note("Warning", "StatusMended", message)
    return turn


def adopt(turn: Turn) -> Turn:
    """A status that was lost is read back from what runs: the colour that the clients' Service selects is active."""
    color = _with_most_clients(turn)
    if turn.status.active or turn.status.rollout or color is None:
        return turn
    deployment = turn.observed.deployments.get(color)
    snapshot = turn.observed.snapshots.get(deployment.revision) if deployment else None
    if snapshot is None:
        return turn
    active = ActiveStatus(
        color=color, version=snapshot.version, revision=snapshot.revision, sha256=snapshot.sha256, since=turn.now
    )
    message = f"Version {snapshot.version} ({color}) has the clients although the status did not say so: it is active."
    return turn.change(active=active).note("Normal", "Adopted", message)


def _with_most_clients(turn: Turn) -> Color | None:
    """Of two colours in the midst of a trade the one with more pods that answer."""
    endpoints = turn.observed.endpoints
    return max(reached(turn.observed.selected), key=lambda color: endpoints.get(color, 0), default=None)


def supersede(turn: Turn) -> Turn:
    """A spec that asks for another revision ends the rollout: traffic back first, then the new one (law 6)."""
    rollout = turn.status.rollout
    if rollout is None or rollout.stage == "RollingBack" or rollout.revision == turn.target:
        return turn
    wanted = turn.observed.spec.model.version
    message = f"The spec now asks for version {wanted}, so the rollout of {rollout.version} ends here."
    return take_back(turn, "Superseded", Failure(reason="Superseded", message=message))


def advance(turn: Turn) -> Turn:
    """Let the stage that the rollout is in judge, and move on."""
    return STAGES[turn.rollout.stage](turn) if turn.status.rollout else turn


def start(turn: Turn) -> Turn:
    """Begin a rollout when the spec asks for a revision that is not active, not rejected, and nothing else runs."""
    observed, active = turn.observed, turn.active
    if turn.status.rollout or observed.spec.paused or rejection(turn) or (active and active.revision == turn.target):
        return turn
    model = observed.spec.model
    rollout = RolloutStatus(
        color=other(active.color) if active else "blue",
        version=model.version,
        revision=turn.target,
        sha256=model.sha256 or "",
        stage="Starting",
        started_at=turn.now,
        since=turn.now,
        deadline=turn.now + parse_duration(observed.spec.rollout.progress_deadline),
    )
    turn = turn.change(rollout=rollout, warm=None)
    turn = turn.change_rollout(replicas=needed_replicas(turn), message="Starting the candidate's pods.")
    if active and observed.spec.rollout.strategy == "Recreate":
        sizes = Sizes(active=turn.size(active.color), candidate=0)
        turn = turn.change_rollout(way="Recreate", sizes=sizes, message="The active pods are about to end.")
    where = "after" if turn.rollout.way == "Recreate" else "beside"
    beside = f" {where} {active.version} ({active.color})" if active else ""
    return turn.note("Normal", "RolloutStarted", f"Version {model.version} starts in {rollout.color}{beside}.")


def retire(turn: Turn) -> Turn:
    """Give up the warm colour when its time is over."""
    warm = turn.status.warm
    if warm is None or turn.now < warm.until:
        return turn
    message = f"Version {warm.version} ({warm.color}) is retired: an instant rollback to it is no longer possible."
    return turn.change(warm=None).note("Normal", "WarmRetired", message)
