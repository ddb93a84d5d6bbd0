"""Which revision sits in which colour: mending and adopting, superseding, starting a rollout, retiring the warm one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import ActiveStatus, Color, EvidenceStatus, Failure, RolloutStatus, Sizes, other
from verdigris.core.engine.endings import rejection
from verdigris.core.engine.following import awaits_registry
from verdigris.core.engine.taking_back import back_to_warm, make_way, take_back
from verdigris.core.engine.way_back import is_stranded
from verdigris.core.facts import policy
from verdigris.core.facts.followed import AHEAD
from verdigris.core.routing.gateway import may_send_to
from verdigris.core.routing.service import reached
from verdigris.core.routing.split import DRAIN, had_clients
from verdigris.core.steps.capacity import needed_replicas, with_trade
from verdigris.core.steps.lists import STEPS, index_of, planned
from verdigris.core.turn import Turn

GIVE_UP_ACTIVE = timedelta(seconds=30)
"""No ready pod for so long is no blip: then a new spec need not wait for the active version any more."""


def mend(turn: Turn) -> Turn:
    """A colour has one role. A status that gives it two (somebody edited it) keeps the one that clients depend on."""
    active, rollout, warm = turn.status.active, turn.status.rollout, turn.status.warm
    if active and rollout and active.color == rollout.color:
        message = f"The status said that {rollout.color} is both active and a candidate: the rollout is dropped."
        return mend(turn.change(rollout=None).note("Warning", "StatusMended", message))
    if warm and warm.color in {ref.color for ref in (active, rollout) if ref}:
        message = f"The status said that {warm.color} is warm and in use as well: it is not warm."
        return turn.change(warm=None).note("Warning", "StatusMended", message)
    return _by_this_clock(_with_steps(turn))


def _by_this_clock(turn: Turn) -> Turn:
    """Times that are still to come are those of a leader whose clock was wrong: what they began begins now."""
    rollout, warm, latest = turn.status.rollout, turn.status.warm, turn.now + AHEAD
    if warm is not None and warm.left is not None and warm.left > latest:
        # Else no version would start before then.
        turn = turn.change(warm=warm.model_copy(update={"left": turn.now}))
    if rollout is None:
        return turn
    if rollout.since > latest:
        turn = turn.change_rollout(since=turn.now)
    if rollout.deadline is not None and rollout.deadline > latest + parse_duration(
        turn.policy.rollout.progress_deadline
    ):
        turn = turn.change_rollout(deadline=None)
    if rollout.wished_at is not None and rollout.wished_at > latest:
        turn = turn.change_rollout(wished_at=turn.now)
    if rollout.withdrawn_at is not None and rollout.withdrawn_at > latest:
        turn = turn.change_rollout(withdrawn_at=turn.now)
    return turn


def _with_steps(turn: Turn) -> Turn:
    """A rollout that an operator without lists of steps began goes on where its stage says it is, by today's policy."""
    rollout = turn.status.rollout
    if rollout is None or rollout.kind is not None:
        return turn
    asked = turn.policy.rollout
    steps = planned(asked, replaces=turn.active is not None, routed=turn.observed.spec.traffic.is_routed)
    if rollout.sizes is not None and asked.strategy != "Recreate":
        steps = with_trade(steps)
    turn = turn.change_rollout(steps=steps, step=index_of(steps, rollout.stage))
    turn = turn.change_rollout(policy=rollout.policy or policy.keep(turn.observed.spec))
    if rollout.weight:
        turn = turn.change_rollout(wanted=rollout.weight, exposed_at=rollout.exposed_at or rollout.since)
    return turn.change_rollout(wanted=0) if rollout.taken_back else turn


def adopt(turn: Turn) -> Turn:
    """A status that was lost is read back from what runs: the colour that the clients' Service selects is active.

    Unless its pods know that they are on trial: nobody has judged them to the end, so that the other colour's are.
    """
    color = _with_most_clients(turn)
    if turn.status.rollout and not turn.status.active:
        return _adopt_way_back(turn, turn.status.rollout)
    if turn.status.active or color is None:
        return turn
    color = other(color) if _is_on_trial(turn, color) else color
    active = _running_in(turn, color)
    if active is None:
        return turn
    message = f"Version {active.version} ({color}) is taken for active: it runs, and the status named none."
    return turn.change(active=active).note("Normal", "Adopted", message)


def _adopt_way_back(turn: Turn, rollout: RolloutStatus) -> Turn:
    """A status that has lost its active version only: a candidate that has, or had, clients to share took them from it.

    The first version of all shares with nobody: there is nothing in the other colour but what was rejected.
    """
    back = other(rollout.color)
    if not had_clients(rollout) and back not in reached(turn.observed.selected):
        return turn
    found = _running_in(turn, back)
    if found is None or found.revision in {entry.revision for entry in turn.status.rejected}:
        return turn
    message = f"Version {found.version} ({back}) is taken for active: clients came from it, and the status named none."
    return turn.change(active=found).note("Normal", "Adopted", message)


def _running_in(turn: Turn, color: Color) -> ActiveStatus | None:
    """What runs in this colour, if it is known what that is."""
    deployment = turn.observed.deployments.get(color)
    snapshot = turn.observed.snapshots.get(deployment.revision) if deployment else None
    if snapshot is None:
        return None
    return ActiveStatus(
        color=color, version=snapshot.version, revision=snapshot.revision, sha256=snapshot.sha256, since=turn.now
    )


def _with_most_clients(turn: Turn) -> Color | None:
    """Of two colours in the midst of a trade the one with more pods that answer."""
    endpoints = turn.observed.endpoints
    return max(reached(turn.observed.selected), key=lambda color: endpoints.get(color, 0), default=None)


def _is_on_trial(turn: Turn, color: Color) -> bool:
    """Whether pods of this colour were told so, and there is an older version to go back to that answers."""
    back = turn.observed.deployments.get(other(color))
    known = back is not None and back.revision in turn.observed.snapshots
    # A pod that was just made is on trial until it is told otherwise, in the active colour too.
    told = {pod.traffic for pod in turn.observed.pods if pod.color == color and not pod.terminating}
    return "trial" in told and "on" not in told and known and turn.observed.endpoints.get(other(color), 0) > 0


def supersede(turn: Turn) -> Turn:
    """A spec that asks for another revision ends the rollout: traffic back first, then the new one (law 6)."""
    rollout = turn.status.rollout
    if rollout is None:
        return turn
    if rollout.taken_back:
        return _start_over(turn, rollout)
    if rollout.revision == turn.target:
        return turn
    wanted = turn.observed.spec.model.version
    message = f"The spec now asks for version {wanted}, so the rollout of {rollout.version} ends here."
    return take_back(turn, "Superseded", Failure(reason="Superseded", message=message))


def _start_over(turn: Turn, rollout: RolloutStatus) -> Turn:
    """A new spec is looked at also while clients cannot go back to the active version, as none of its pods is ready."""
    again = rollout.revision == turn.target and rollout.outcome == "Superseded"
    another = turn.target not in {rollout.revision, turn.active.revision if turn.active else None}
    waited = turn.now >= rollout.since + GIVE_UP_ACTIVE
    if not (again or another) or not waited or not is_stranded(turn):
        return turn
    return make_way(turn, f"the spec asks for {turn.observed.spec.model.version}.")


def start(turn: Turn) -> Turn:
    """Begin a rollout when the spec asks for a revision that is not active, not rejected, and nothing else runs."""
    observed, active = turn.observed, turn.active
    if turn.status.rollout or (active and active.revision == turn.target):
        return turn
    if active and awaits_registry(turn):
        return turn
    if turn.status.warm and turn.status.warm.revision == turn.target:
        return _revert(turn)
    # A name that is taken holds what would need new pods: they would run under somebody else's account or policy.
    if observed.starts_nothing or rejection(turn) or _is_moving(turn):
        return turn
    if _still_drains(turn):
        return replace(turn, look_at=turn.now + timedelta(seconds=1))
    model, asked = observed.spec.model, observed.spec.rollout
    steps = planned(asked, replaces=active is not None, routed=observed.spec.traffic.is_routed)
    rollout = RolloutStatus(
        color=other(active.color) if active else "blue",
        version=model.version,
        revision=turn.target,
        sha256=model.sha256 or "",
        stage=STEPS[steps[0].kind].stage,
        steps=(steps[0].model_copy(update={"began": turn.now}), *steps[1:]),
        policy=policy.keep(observed.spec),
        started_at=turn.now,
        since=turn.now,
        deadline=turn.now + parse_duration(asked.progress_deadline),
        evidence=EvidenceStatus(baseline=active.baseline) if active and active.baseline else EvidenceStatus(),
    )
    turn = turn.change(rollout=rollout, warm=None)
    turn = turn.change_rollout(replicas=needed_replicas(turn), message=STEPS[steps[0].kind].message(turn))
    where = "beside"
    if active and rollout.has("EndActive"):
        where = "after"
        turn = turn.change_rollout(sizes=Sizes(active=turn.size(active.color), candidate=0))
    beside = f" {where} {active.version} ({active.color})" if active else ""
    return turn.note("Normal", "RolloutStarted", f"Version {model.version} starts in {rollout.color}{beside}.")


def _is_moving(turn: Turn) -> bool:
    """Whether clients are about to leave the other colour, whose pods a new version would replace."""
    active, observed = turn.active, turn.observed
    if active is None or not observed.endpoints.get(active.color):
        return False
    return other(active.color) in reached(observed.selected) or may_send_to(observed, other(active.color))


def _still_drains(turn: Turn) -> bool:
    """Whether clients of the version before may still be on the pods that a new one would replace."""
    warm, active = turn.status.warm, turn.active
    if active is not None and other(active.color) in turn.observed.still_behind:
        return True
    return warm is not None and warm.left is not None and turn.now < warm.left + DRAIN and turn.size(warm.color) > 0


def _revert(turn: Turn) -> Turn:
    """The spec asks for the version that is still warm: that is a rollback, and a rollback needs nothing (law 1)."""
    version = turn.observed.spec.model.version
    message = f"The spec asks for version {version} again, whose pods are still warm."
    return back_to_warm(turn, "Superseded", Failure(reason="Reverted", message=message))


def retire(turn: Turn) -> Turn:
    """Give up the warm colour when its time is over."""
    warm = turn.status.warm
    if warm is None or turn.now < warm.until:
        return turn
    message = f"Version {warm.version} ({warm.color}) is retired: an instant rollback to it is no longer possible."
    return turn.change(warm=None).note("Normal", "WarmRetired", message)
