"""How a rollout is taken back. Every way out without a promotion is here."""

from __future__ import annotations

from datetime import datetime

from verdigris.api.status import (
    ActiveStatus,
    EvidenceStatus,
    Failure,
    GateCheck,
    LastRollback,
    ModelDeploymentStatus,
    Outcome,
    Rejected,
    RolloutStatus,
    Sizes,
    StepStatus,
)
from verdigris.core.engine.endings import KEPT, remember
from verdigris.core.engine.way_back import (
    candidate_answers,
    may_have_clients,
    not_followed,
    waits_for,
    waits_for_followers,
)
from verdigris.core.routing.gateway import PATIENCE, lags, sends_to
from verdigris.core.routing.shield import is_passed_on
from verdigris.core.routing.split import DRAIN, had_clients, had_requests
from verdigris.core.steps.trade_back import has_waited, sizes_back, trade_back
from verdigris.core.turn import Turn, evolve
from verdigris.core.words import clip

AGAIN = 3
"""How often a rollout begins again after its pods were gone and nothing in their surroundings explained it."""


def take_back(turn: Turn, outcome: Outcome, failure: Failure) -> Turn:
    """Begin to end the rollout: traffic to the active colour in this very plan, whatever else is the matter (law 1)."""
    failure = Failure(reason=failure.reason, message=clip(failure.message))
    rollout, active = turn.rollout, turn.active
    turn = turn.change_rollout(
        stage="RollingBack",
        wanted=0,
        passed_on=0,
        routed=0,
        shadowed=0,
        since=turn.now,
        deadline=None,
        lacking_since=None,
        failure=failure,
        outcome=outcome,
        message=failure.message,
    )
    turn = turn.change_rollout(sizes=sizes_back(turn))
    if not had_requests(rollout) or active is None:
        return turn
    return _record(turn, active, failure)


def begin_again(turn: Turn, failure: Failure, *, excused: bool) -> Turn:
    """Give the clients back to the active version and go through the steps again, once the pods are back.

    For a version whose pods are gone although nothing speaks against it. After `AGAIN` times that is its own fault,
    not counting those that its surroundings excuse. Where no active pod is ready it is taken back, which makes them.
    """
    rollout = turn.rollout
    active = turn.active
    if (rollout.again >= AGAIN and not excused) or active is None or not turn.ready(active):
        return take_back(turn, "RolledBack", failure)
    turn = _record(turn, active, failure)
    steps = tuple(step.anew() for step in rollout.steps)
    until = f"Its clients are back on {active.version} until its pods are ready again."
    return turn.change_rollout(
        steps=(steps[0].model_copy(update={"began": turn.now}), *steps[1:]),
        step=0,
        stage="Starting",
        wanted=0,
        passed_on=0,
        routed=0,
        shadowed=0,
        shadow=None,
        since=turn.now,
        deadline=None,
        ready_high_water=0,
        again=rollout.again + (not excused),
        # To wait for the evidence of before is over: its deadline is not the one of what the next steps wait for.
        evidence=rollout.evidence.model_copy(update={"inconclusive_since": None}),
        message=f"{failure.message} {until}",
    )


def _record(turn: Turn, active: ActiveStatus, failure: Failure) -> Turn:
    """Remember that clients were taken back, and why."""
    rollout = turn.rollout
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
    if active is not None and (may_have_clients(turn, rollout) or _not_back_yet(turn, active)):
        return turn.change_rollout(message=waits_for(turn, active))
    # Its pods stay while the active ones may still ask them, so that no request is late. Nobody depends on it.
    if is_passed_on(turn.observed, rollout) and turn.now < rollout.since + DRAIN:
        return turn
    if _followers_are_waited_for(turn):
        return turn.change_rollout(message=waits_for_followers(turn))
    restored = traffic_is_back(turn)
    if restored is not turn:
        # The drain is counted from here.
        turn = restored.change_rollout(since=turn.now)
    if had_clients(rollout) and active is not None and turn.now < turn.rollout.since + DRAIN:
        return turn
    if active is not None and not has_waited(turn) and (refusal := _refused_pods(turn, active)) is not None:
        # The places that the candidate still has are given up, and the ReplicaSet is told when it may try again.
        sizes = Sizes(active=turn.size(active.color), candidate=0)
        return turn.change_rollout(sizes=sizes, message=f"{active.version} waits for all of its pods: {refusal}")
    if _is_not_followed(turn):
        turn = turn.note("Warning", "TrafficNotFollowed", not_followed(turn))
    return _close(turn, rollout)


def _followers_are_waited_for(turn: Turn) -> bool:
    """Whether what was written of clients has yet to be followed, by Kubernetes or by a gateway."""
    return _is_not_followed(turn) and turn.now < turn.rollout.since + PATIENCE


def _is_not_followed(turn: Turn) -> bool:
    last, rollout = turn.status.last_rollback, turn.rollout
    waits = last is not None and last.traffic_restored_at is None and had_clients(rollout)
    return waits and (rollout.color in turn.observed.still_behind or lags(turn.observed))


def _refused_pods(turn: Turn, active: ActiveStatus) -> str | None:
    """What a quota says that refused active pods: their ReplicaSet backs off for up to 17 min, unless it is nudged."""
    deployment = turn.observed.deployments.get(active.color)
    if turn.rollout.sizes is None or deployment is None or len(turn.pods(active)) >= turn.size(active.color):
        return None
    trouble = deployment.trouble
    return trouble.message if trouble is not None and trouble.reason == "QuotaExceeded" else None


def _not_back_yet(turn: Turn, active: ActiveStatus) -> bool:
    """Whether an active colour that gave its pods has not been told its size again, or cannot take its clients yet."""
    rollout = turn.rollout
    if rollout.sizes is None:
        return False
    answers = turn.observed.endpoints.get(active.color, 0) > 0
    return turn.size(active.color) < rollout.sizes.active or (had_clients(rollout) and not answers)


def traffic_is_back(turn: Turn) -> Turn:
    """Stamp the moment at which clients were seen to be back on the active colour. The same turn if it was."""
    last, active, rollout = turn.status.last_rollback, turn.active, turn.rollout
    if last is None or not had_requests(rollout) or last.traffic_restored_at is not None or active is None:
        return turn
    # Of a version before this one nobody has seen when its clients were back.
    if last.from_version != rollout.version or _is_not_followed(turn):
        return turn
    if rollout.passed_on or is_passed_on(turn.observed, rollout) or sends_to(turn.observed, rollout.color):
        return turn
    turn = turn.change(last_rollback=last.model_copy(update={"traffic_restored_at": turn.now}))
    took = (turn.now - last.decided_at).total_seconds()
    message = f"All new connections reach {active.version} again after {took:.1f} s."
    if not had_clients(rollout):
        message = (
            f"No active pod is told to ask {rollout.version} any more, after {took:.1f} s. {active.version} stood "
            "behind every answer."
        )
    return turn.note("Normal", "TrafficRestored", message)


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
            check=_decisive(rollout, failure),
        )
        others = tuple(r for r in turn.status.rejected if r.revision != rollout.revision)
        turn = turn.change(rejected=(*others, rejected)[-KEPT:])
    turn = remember(turn, rollout, outcome, failure.reason)
    kept = f"Version {turn.active.version} stays active." if turn.active else "No version is active yet."
    if turn.active is not None and rollout.evidence.baseline.at is not None:
        turn = turn.change(active=turn.active.model_copy(update={"baseline": rollout.evidence.baseline}))
    turn = turn.change(rollout=None)
    return turn.note(
        "Normal" if outcome == "Superseded" else "Warning",
        _EVENT[outcome],
        f"Version {rollout.version}: {failure.message} {kept}",
    )


def _decisive(rollout: RolloutStatus, failure: Failure) -> GateCheck | None:
    """What the gate under way measured, where it is what ended the rollout: of several the first of its verdict."""
    step = rollout.steps[rollout.step] if rollout.step < len(rollout.steps) else None
    gate = step.gate if step is not None else None
    if step is None or gate is None or failure.reason not in (f"{step.kind}GateFailed", gate.reason):
        return None
    failed = (check for check in gate.checks if check.verdict != "Pass")
    found = min(failed, key=lambda check: check.verdict != gate.verdict, default=None)
    return found and evolve(found, count=found.count or gate.rows)


_EVENT = {
    "RolledBack": "RolledBack",
    "Failed": "RolloutFailed",
    "Aborted": "Aborted",
    "Superseded": "Superseded",
    "Promoted": "Promoted",
}


def back_to_warm(turn: Turn, outcome: Outcome, failure: Failure) -> Turn:
    """Swap the roles of the active and the warm colour: clients go back in this very plan, whatever else (law 1).

    What leaves is recorded with this outcome. Only to be asked when there is a warm version.
    """
    active, swapped = turn.active, with_roles_swapped(turn.status, turn.now)
    if active is None or swapped is None:
        raise ValueError("there is no warm version to go back to")
    turn = turn.change(active=swapped.active, warm=None, rollout=swapped.rollout)
    return take_back(turn.change_rollout(replicas=max(1, turn.size(active.color))), outcome, failure)


def with_roles_swapped(status: ModelDeploymentStatus, now: datetime) -> ModelDeploymentStatus | None:
    """The status as if the active version were still in its bake, and the warm one active; None without a warm one."""
    active, warm = status.active, status.warm
    if active is None or warm is None:
        return None
    leaving = RolloutStatus(
        **active.model_dump(include=_REF),
        stage="Baking",
        steps=(StepStatus(kind="Bake", began=active.since),),
        wanted=100,
        weight=100,
        exposed_at=active.since,
        started_at=active.since,
        since=active.since,
        evidence=warm.evidence or EvidenceStatus(),
        exits=warm.exits,
        policy=warm.policy,
    )
    back = active.model_copy(update={**warm.model_dump(include=_REF), "since": now, "baseline": None})
    return status.model_copy(update={"active": back, "warm": None, "rollout": leaving})


_REF = {"version", "revision", "color", "sha256"}


def make_way(turn: Turn, why: str) -> Turn:
    """End a stranded rollout for another one: who answers is active; where nobody does, who was it stays so."""
    return give_up_active(turn, why) if candidate_answers(turn) else _close(turn, turn.rollout)


def give_up_active(turn: Turn, why: str) -> Turn:
    """Make the candidate the active version, as no pod of the active one is left to go back to."""
    rollout, active = turn.rollout, turn.active
    has = "which has the clients," if candidate_answers(turn) else "whose pods are made anew,"
    turn = remember(turn, rollout, rollout.outcome or "Failed", rollout.failure.reason if rollout.failure else "")
    serving = ActiveStatus(**rollout.model_dump(include=_REF), since=turn.now)
    gone = f"No pod of {active.version} ({active.color}) is ready" if active else "No version was active"
    message = f"{gone}, so {rollout.version} ({rollout.color}), {has} is the active version now: {why}"
    return turn.change(active=serving, warm=None, rollout=None).note("Warning", "ActiveGivenUp", message)
