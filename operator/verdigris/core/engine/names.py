"""What is told of names that somebody else has, of autoscalers of others, and of the clients' Service's address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Literal

from verdigris.api.status import Failure
from verdigris.core.facts.observed import FOREIGN_AUTOSCALER, Observed, TakenName
from verdigris.core.turn import Turn
from verdigris.core.words import clip

Line = tuple[str, Literal["True", "False", "Unknown"], str, str]
"""A condition: type, status, reason, message."""

LOOK_AGAIN = timedelta(seconds=10)
"""After this long a name that is taken is looked at again: objects of others are not watched."""

_OWN_AUTOSCALER = "OwnAutoscaler"
AUTOSCALER = "HorizontalPodAutoscaler"


def remember_address(turn: Turn) -> Turn:
    """Keep where the clients' Service is reached, to ask for the same address when somebody deletes it."""
    service = turn.observed.service
    return turn if service is None or service == turn.status.service else turn.change(service=service)


def mind_names(turn: Turn) -> Turn:
    """Come back for names that are taken, and say once when they are."""
    if not turn.observed.taken:
        return turn
    again = turn.now + LOOK_AGAIN
    turn = replace(turn, look_at=min(turn.look_at or again, again))
    failure = taken_names(turn.observed.owner.namespace, turn.observed.taken)
    told = any(c.reason == failure.reason and c.message == failure.message for c in turn.status.conditions)
    return turn if told else turn.note("Warning", failure.reason, failure.message)


def taken_names(namespace: str, taken: Iterable[TakenName]) -> Failure:
    """All names that are taken in one sentence, with what to do."""
    foreign = [name for name in taken if not name.leaving]
    leaving = [name for name in taken if name.leaving]
    sentences = []
    if foreign:
        it, is_theirs = ("it", "exists and is") if len(foreign) == 1 else ("them", "exist and are")
        sentences.append(
            f"{_listed(foreign)} in namespace {namespace} {is_theirs} not ours: delete {it}, or give the "
            f"ModelDeployment another name. Until then nothing is done to {it}, and no version starts."
        )
    if leaving:
        sentences.append(
            f"{_listed(leaving)} belonged to an earlier ModelDeployment of this name: deleted with it by the garbage "
            "collector, or else taken over after a minute."
        )
    return Failure(reason="NameTaken" if foreign else "NameLeaving", message=clip(" ".join(sentences)))


def _listed(names: Iterable[TakenName]) -> str:
    """`ServiceAccount x, Services y and z`: short, because there may be a dozen."""
    by_kind: dict[str, list[str]] = {}
    for name in names:
        by_kind.setdefault(name.kind, []).append(name.name)
    return ", ".join(f"{kind} {' and '.join(found)}" for kind, found in by_kind.items())


def is_reachable(observed: Observed) -> bool:
    """Whether the clients' Service is ours to point anywhere."""
    return not any(taken.kind == "Service" and taken.name == observed.owner.name for taken in observed.taken)


def lines(turn: Turn) -> Mapping[str, Line]:
    """The conditions that names and autoscalers of others decide, by type; they go before all others of that type."""
    found = {line[0]: line for line in _about_names(turn)}
    scaling = _about_scalers(turn)
    return found if scaling is None else {**found, scaling[0]: scaling}


def _about_names(turn: Turn) -> Iterable[Line]:
    observed = turn.observed
    if not observed.taken:
        return
    failure = taken_names(observed.owner.namespace, observed.taken)
    leaving = failure.reason == "NameLeaving"
    if turn.status.rollout is None:
        yield "Reconciling", "True" if leaving else "False", failure.reason, failure.message
        yield "Stalled", "False" if leaving else "True", failure.reason, failure.message
    elif not leaving:
        yield "Stalled", "True", failure.reason, failure.message
    if turn.active is None or turn.active.revision != turn.target or not is_reachable(observed):
        yield "Ready", "False", failure.reason, failure.message
    if not is_reachable(observed):
        yield "Available", "False", failure.reason, failure.message


def _about_scalers(turn: Turn) -> Line | None:
    """None while there never was one."""
    kind = "Autoscaling"
    scalers = turn.observed.scalers
    if AUTOSCALER in turn.observed.unseen:
        return None
    if scalers and turn.observed.spec.autoscaling.external:
        named = " and ".join(f"{scaler} sizes {color}" for color, scaler in sorted(scalers.items()))
        return kind, "True", FOREIGN_AUTOSCALER, clip(f"{named}, as spec.autoscaling.external says.")
    if scalers:
        named = " and ".join(f"{scaler} sizes {color}" for color, scaler in sorted(scalers.items()))
        message = (
            f"{named}: the operator makes no autoscaler beside it and leaves that size alone, also where a rollback "
            "would want more pods. Delete it to give sizes back to spec.autoscaling."
        )
        return kind, "False", FOREIGN_AUTOSCALER, clip(message)
    if any(condition.type == kind for condition in turn.status.conditions):
        return kind, "True", _OWN_AUTOSCALER, "Sizes are those of spec.autoscaling."
    return None
