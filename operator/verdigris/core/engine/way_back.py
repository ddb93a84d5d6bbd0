"""Why clients of a version that is taken back are not on the active one yet, and what ends it."""

from __future__ import annotations

from verdigris.api.status import ActiveStatus, RolloutStatus
from verdigris.core.routing.gateway import PATIENCE, may_send_to, meets_clients
from verdigris.core.routing.late import LATEST, may_still_come
from verdigris.core.routing.service import reached
from verdigris.core.steps.trade_back import has_waited
from verdigris.core.turn import Turn


def may_have_clients(turn: Turn, rollout: RolloutStatus) -> bool:
    """Whether clients are on the candidate, or may come there, as far as can be seen."""
    observed, color = turn.observed, rollout.color
    return (
        color in reached(observed.selected)
        or may_send_to(observed, color)
        or may_still_come(observed, rollout, turn.now)
    )


def waits_for(turn: Turn, active: ActiveStatus) -> str:
    """Why clients are not back yet, and what ends it."""
    rollout = turn.rollout
    why = rollout.failure.message if rollout.failure else ""
    by_service = rollout.color in reached(turn.observed.selected)
    if may_send_to(turn.observed, rollout.color) and not by_service and not is_stranded(turn):
        name = turn.status.route.name if turn.status.route is not None else turn.observed.owner.name
        return (
            f"{why} HTTPRoute {name} still sends clients to {rollout.version} ({rollout.color}), as far as was seen: "
            "its pods stay until it does not."
        )
    if not by_service and may_still_come(turn.observed, rollout, turn.now):
        return (
            f"{why} A move of clients to {rollout.version} may still be on its way: its pods stay until the clients' "
            f"Service could be written, {LATEST.total_seconds():.0f} s at most."
        )
    if not is_stranded(turn):
        return why
    nobody = f"no pod of {active.version} ({active.color}) is ready"
    keep = f"create a RolloutDecision with verb promote and revision {rollout.revision}; or ask for another version"
    if candidate_answers(turn):
        return (
            f"{why} Clients stay on {rollout.version} ({rollout.color}): {nobody}. They go back as soon as one is. "
            f"To keep {rollout.version}, {keep} in the spec."
        )
    return (
        f"{why} Nobody answers: {nobody}. Clients are served as soon as one is. To start {rollout.version} again "
        f"instead, {keep} in the spec."
    )


def waits_for_followers(turn: Turn) -> str:
    """Who is away holds no rollback: what moves the clients is written, and nobody is waited for for long."""
    rollout = turn.rollout
    why = rollout.failure.message if rollout.failure else ""
    until = rollout.since + PATIENCE
    return f"{why} {_written(turn)}: the pods of {rollout.version} stay until then, or until {until:%H:%M:%S} UTC."


def not_followed(turn: Turn) -> str:
    """What is not said to be over, as nobody has seen it."""
    waited, version = PATIENCE.total_seconds(), turn.rollout.version
    return f"After {waited:.0f} s, clients may still reach {version}. {_written(turn)}."


def _written(turn: Turn) -> str:
    if turn.rollout.color in turn.observed.still_behind:
        return "The clients' Service selects the active version, and its EndpointSlices have yet to follow"
    return "The weights are back, and a gateway has yet to take them up"


def is_stranded(turn: Turn) -> bool:
    """Whether a rollout that is taken back cannot give its clients back, as no pod of the active version answers.

    Where the active colour gave its pods and has to make them anew, that is normal until the progress deadline.
    """
    rollout, active = turn.status.rollout, turn.active
    if rollout is None or active is None or not rollout.taken_back or turn.observed.endpoints.get(active.color, 0):
        return False
    if rollout.sizes is not None:
        return has_waited(turn)
    return meets_clients(turn.observed, rollout.color) and candidate_answers(turn)


def candidate_answers(turn: Turn) -> bool:
    """Whether a pod of the candidate is ready."""
    return turn.observed.endpoints.get(turn.rollout.color, 0) > 0
