"""What this operator does not understand of a model, told to people, and what it does meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from verdigris.api.status import Failure, Meaning
from verdigris.core.engine.taking_back import take_back
from verdigris.core.facts.evidence import Evidence
from verdigris.core.facts.observed import Observed
from verdigris.core.facts.revision import known_revisions, meaning_of
from verdigris.core.facts.skew import wanted_target
from verdigris.core.routing.gateway import meets_clients
from verdigris.core.turn import Turn

Truth = Literal["True", "False", "Unknown"]

CONDITION = "Understood"
_HELP = (
    "What runs is kept as it is, and a rollback still works. Correct it with kubectl edit, or run an operator that "
    "knows it."
)


def remember_target(turn: Turn) -> Turn:
    """Keep which revision this generation asks for, so that another operator asks for no other."""
    observed = turn.observed
    generation, status = observed.generation, observed.status
    _, target = wanted_target(observed.spec, observed.owner.name, generation, status, observed.skew)
    turn = turn.change(target=target)
    if target is None or target.partial or observed.skew.pods_unclear:
        return turn
    latest = Meaning(revision=target.revision, meaning=meaning_of(observed.spec, observed.owner.name))
    return turn.change(meanings=_meanings(turn, latest))


def _meanings(turn: Turn, latest: Meaning) -> tuple[Meaning, ...]:
    """What the revisions that the status knows mean: their specs are not kept, and may come back spelled otherwise."""
    known = known_revisions(turn.status)
    others = (entry for entry in turn.status.meanings if entry.revision in known and entry.revision != latest.revision)
    return (*others, latest)


def hold_foreign(turn: Turn) -> Turn:
    """A rollout in a state that is not known is not judged: it is held, or taken back when clients may reach it.

    It is then rejected, not begun anew: what the other operator wanted to see of it first is not known here.
    """
    rollout = turn.rollout
    if turn.active is None or not meets_clients(turn.observed, rollout.color):
        return turn
    failure = Failure(reason="UnknownState", message=f"The rollout is taken back: {rollout.message}")
    weight = rollout.weight or 100
    return take_back(turn.change_rollout(weight=weight), "Failed", failure)


def keep_foreign(turn: Turn) -> Turn:
    """A rollout that is held is left as it was, for the operator that knows it: whatever else was made of it here."""
    held, rollout = turn.observed.status.rollout, turn.status.rollout
    if not turn.observed.skew.foreign or held is None or rollout is None or rollout.taken_back:
        return turn
    return turn.change(rollout=held) if rollout.started_at == held.started_at else turn


def judgeable(observed: Observed, evidence: Evidence) -> Evidence:
    """The evidence; none when what to judge it by cannot be read: nothing is promoted by limits that nobody set."""
    rollout = observed.status.rollout
    if not observed.skew.cannot_read(("analysis",)) or (rollout is not None and rollout.policy):
        return evidence
    problem = f"The limits to judge by cannot be read: {observed.skew.faults()}."
    return Evidence(problem=problem, usage=evidence.usage)


def tell(turn: Turn) -> Turn:
    """An Event when something new is not understood."""
    told = next((c.message for c in turn.observed.status.conditions if c.type == CONDITION), "")
    for _, truth, reason, message in understood(turn):
        if truth == "False" and message != told:
            return turn.note("Warning", reason, message)
    return turn


def unread(turn: Turn) -> str:
    """Why the spec cannot be followed, with what to do; empty when it can be read."""
    skew = turn.observed.skew
    return f"{skew.faults()}. {_HELP}" if skew.unread else ""


def understood(turn: Turn) -> Iterator[tuple[str, Truth, str, str]]:
    """The condition Understood; nothing as long as nothing ever was amiss."""
    skew = turn.observed.skew
    faults, ignored = skew.faults(), skew.ignored()
    parts = [f"{faults}. {_HELP}" if faults else "", ignored]
    message = " ".join(part for part in parts if part)
    if faults:
        yield CONDITION, "False", "InvalidSpec" if skew.unread else "UnknownState", message
    elif ignored:
        yield CONDITION, "False", "UnknownFields", message
    elif any(condition.type == CONDITION for condition in turn.status.conditions):
        yield CONDITION, "True", "EverythingKnown", "This operator knows every field of the spec."
