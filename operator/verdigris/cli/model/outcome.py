"""Where a model stands, for a script: one state, its exit code, and a sentence. PURE."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from verdigris.cli import exits
from verdigris.cli.model.deployment import Model, Rollout
from verdigris.cli.model.reading import length_of, time_of


@dataclass(frozen=True)
class Outcome:
    """`state` is Healthy, Progressing, Gated, Paused, RollingBack, RolledBack, Failed, Superseded or Degraded.

    `settled`: it stays so until a person does something.
    """

    state: str
    code: int
    message: str
    settled: bool = False


_TAKEN_BACK = {"Failed": exits.GATE_FAILED, "Superseded": exits.SUPERSEDED}


def outcome_of(model: Model, now: datetime, revision: str = "") -> Outcome:
    """The state now; with `revision`, the state of that revision's rollout."""
    if not model.seen:
        message = f"The operator has not looked at generation {model.generation} of the spec yet."
        return Outcome("Progressing", exits.REACHED, message)
    if revision and model.target and revision not in (model.target, model.rollout.revision if model.rollout else ""):
        message = f"The spec asks for {model.target} ({model.version}) now, and no longer for {revision}."
        return Outcome("Superseded", exits.SUPERSEDED, message, settled=True)
    if model.rollout is not None:
        return _under_way(model, model.rollout, now)
    return _at_rest(model)


def _under_way(model: Model, rollout: Rollout, now: datetime) -> Outcome:
    told = f"Version {rollout.version}: {rollout.message}"
    if rollout.taken_back:
        return Outcome("RollingBack", _TAKEN_BACK.get(rollout.outcome, exits.ROLLED_BACK), told)
    if model.paused:
        return Outcome("Paused", exits.WAITS_FOR_A_PERSON, f"{told} Paused by spec.paused.", settled=True)
    if (rollout.stage == "AwaitingApproval" and not rollout.approved) or is_held(rollout, now):
        return Outcome("Gated", exits.WAITS_FOR_A_PERSON, told, settled=True)
    return Outcome("Progressing", exits.REACHED, told)


def is_held(rollout: Rollout, now: datetime) -> bool:
    """Whether it holds for want of evidence until a person decides: the deadline is past, and the policy is Hold."""
    since, lasts = time_of(rollout.inconclusive_since), length_of(rollout.inconclusive_deadline)
    if (
        rollout.on_inconclusive != "Hold"
        or rollout.evidence.verdict != "Inconclusive"
        or since is None
        or lasts is None
    ):
        return False
    return now >= since + lasts


def _at_rest(model: Model) -> Outcome:
    ready = model.condition("Ready")
    said = ready.message if ready else ""
    rejected = model.rejection
    if rejected is not None:
        ending = _ending_of(model, rejected.revision)
        state = "Failed" if ending == "Failed" else "RolledBack"
        return Outcome(state, _TAKEN_BACK.get(state, exits.ROLLED_BACK), said or rejected.message, settled=True)
    if ready is not None and ready.status == "True":
        return Outcome("Healthy", exits.REACHED, said, settled=True)
    if model.paused and (ready is None or ready.reason == "Paused"):
        return Outcome("Paused", exits.WAITS_FOR_A_PERSON, said or "Paused by spec.paused.", settled=True)
    if ready is not None and ready.reason == "Draining":
        return Outcome("Progressing", exits.REACHED, said)
    if ready is None:
        return Outcome("Progressing", exits.REACHED, "The operator has not said anything yet.")
    return Outcome("Degraded", exits.ERROR, said)


def _ending_of(model: Model, revision: str) -> str | None:
    """How the last rollout of this revision ended."""
    return next((one.outcome for one in reversed(model.history) if one.revision == revision), None)
