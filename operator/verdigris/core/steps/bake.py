"""Bake: all clients are on the candidate, the old colour is warm. Watch, and take it back at sound evidence."""

from __future__ import annotations

from datetime import timedelta

from verdigris.api.schema.fields import parse_duration
from verdigris.api.spec import RolloutSpec
from verdigris.api.status import Failure, RolloutStatus
from verdigris.core.routing.gateway import lags
from verdigris.core.routing.shield import WHOLE
from verdigris.core.routing.split import DRAIN
from verdigris.core.steps.full_share import asks, watch
from verdigris.core.steps.passing_on import last_trial, share_of, time_on_trial
from verdigris.core.steps.step import STAY, Ruling, Step, end
from verdigris.core.turn import Turn
from verdigris.core.words import clip


def was_on_trial(rollout: RolloutStatus) -> bool:
    """Whether it has answered everybody behind the shield: with the same requests, by the same test, for as long."""
    last = last_trial(rollout)
    return last is not None and last.verdict is not None and share_of(last) == WHOLE


def _look(turn: Turn) -> tuple[Turn, Ruling]:
    # To watch it once more would tell nothing new, and clients would wait for nothing.
    rollout = turn.rollout
    turn, ruling = watch(turn, timedelta() if was_on_trial(rollout) else _time(rollout, turn.policy.rollout))
    if ruling.then == "Next" and lags(turn.observed) and not turn.rollout.promote_now:
        return _wait_for_gateway(turn, rollout)
    if ruling.then == "Next" and _drains(turn):
        return turn.change_rollout(message=f"{turn.rollout.evidence.message} {_leaving(turn)}"), STAY
    return turn, ruling


def _wait_for_gateway(turn: Turn, rollout: RolloutStatus) -> tuple[Turn, Ruling]:
    """A move counts when it is seen: nothing of the old version ends while a gateway may still send clients there."""
    policy = turn.policy.rollout
    over = timedelta() if was_on_trial(rollout) else _time(rollout, policy)
    name = turn.observed.routing.route.name if turn.observed.routing.route is not None else ""
    why = f"The gateway has not taken up the weights of HTTPRoute {name} yet: look at its controller."
    if turn.now < rollout.since + over + parse_duration(policy.progress_deadline):
        return turn.change_rollout(message=why), STAY
    message = clip(f"{why} That lasted for {policy.progress_deadline}, so the rollout ended.")
    return turn, end("RolledBack", Failure(reason="TrafficNotMoved", message=message))


def _time(rollout: RolloutStatus, policy: RolloutSpec) -> timedelta:
    """How long it is watched: as long as it would have been at the last weight, where that was left out."""
    bake, last = parse_duration(policy.bake), last_trial(rollout)
    return bake if last is None else max(bake, time_on_trial(last, policy))


def _drains(turn: Turn) -> bool:
    """Whether clients may still be on old pods that nothing keeps after the promotion: those were told to leave first.

    The step is entered when the move is seen, so its clock is theirs.
    """
    old, kept = turn.active, parse_duration(turn.policy.rollout.keep_warm)
    return old is not None and not kept and turn.size(old.color) > 0 and turn.now < turn.rollout.since + DRAIN


def _leaving(turn: Turn) -> str:
    old, until = turn.active, turn.rollout.since + DRAIN
    version = old.version if old is not None else ""
    return f"Clients that keep connections to {version} are told to leave until {until:%H:%M:%S} UTC."


def _message(turn: Turn) -> str:
    then = "it has been on trial, so it is promoted now" if was_on_trial(turn.rollout) else "watching it"
    return f"All new connections reach {turn.rollout.version}; {then}."


BAKE = Step("Bake", "Baking", _message, _look, lambda _: 100, asks)
