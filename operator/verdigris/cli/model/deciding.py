"""Which revision a decision is about, what it means, and what has changed by it. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from verdigris.cli.exits import SUPERSEDED, CliError
from verdigris.cli.model.deployment import Model
from verdigris.cli.model.figures import share_wanted
from verdigris.cli.model.outcome import outcome_of
from verdigris.cli.names import API_VERSION
from verdigris.cli.words import of_hundred


@dataclass(frozen=True)
class Chosen:
    """The revision, its version, and what the verb does to it, in a sentence."""

    revision: str
    version: str
    meaning: str


def about(model: Model, verb: str, revision: str = "") -> Chosen:
    """What a decision by this verb would be about now.

    Raises CliError: with code SUPERSEDED where `revision` is not the one any more, or where nothing is to be decided.
    """
    chosen = _candidate(model, verb)
    if chosen is None:
        raise CliError(f"Nothing was decided: {_nothing_to(model, verb)}")
    if revision and revision != chosen.revision:
        raise CliError(
            f"Nothing was decided: {model.namespace}/{model.name} has moved on from {revision} to {chosen.revision} "
            f"({chosen.version}). Look at it (kubectl verdigris get {model.name}), and decide anew.",
            SUPERSEDED,
        )
    return chosen


def document(model: Model, verb: str, revision: str, by: str, reason: str) -> dict[str, Any]:
    """The RolloutDecision by which `by`, as the API server knows them, decides."""
    return {
        "apiVersion": API_VERSION,
        "kind": "RolloutDecision",
        "metadata": {"generateName": f"{model.name}-{verb}-", "namespace": model.namespace},
        "spec": {
            "modelDeployment": model.name,
            "revision": revision,
            "verb": verb,
            "reason": reason or "no reason was given",
            "requestedBy": by,
        },
    }


def _candidate(model: Model, verb: str) -> Chosen | None:
    rollout, active, warm, rejected = model.rollout, model.active, model.warm, model.rejection
    if verb == "retry":
        return Chosen(rejected.revision, rejected.version, "it is tried once more.") if rejected else None
    if rollout is not None and (not rollout.taken_back or verb == "promote"):
        meaning = {
            "approve": "it goes on to its next step."
            if rollout.stage == "AwaitingApproval"
            else "it will not wait at its next approval.",
            "promote": "it is promoted as soon as its pods are ready, whatever the evidence says.",
        }.get(verb, "it is taken back, and rejected.")
        return Chosen(rollout.revision, rollout.version, meaning)
    if verb == "rollback" and rollout is None and active is not None and warm is not None:
        return Chosen(active.revision, active.version, f"clients go back to {warm.version}, which is warm.")
    return None


def _nothing_to(model: Model, verb: str) -> str:
    named = f"{model.namespace}/{model.name}"
    if verb == "retry":
        return f"{named} asks for no rejected revision. What was rejected: kubectl verdigris history {model.name}."
    if model.rollout is not None:
        return f"version {model.rollout.version} is being taken back already."
    if verb == "rollback" and model.active is not None:
        return f"no earlier version of {named} is warm any more. Apply the one that you want, as a new rollout."
    return f"no rollout of {named} is under way, so there is nothing to {verb}."


def changes(before: Model, after: Model, now: datetime) -> Iterator[str]:
    """What is another than before, one sentence each."""
    pairs = [
        ("state", outcome_of(before, now).state, outcome_of(after, now).state),
        ("stage", before.rollout.stage if before.rollout else "-", after.rollout.stage if after.rollout else "-"),
        ("active", before.active.version if before.active else "-", after.active.version if after.active else "-"),
        ("wished share", _wished(before), _wished(after)),
        ("rejected", _rejected(before), _rejected(after)),
    ]
    found = [f"{what}: {old} -> {new}" for what, old, new in pairs if old != new]
    yield from found or ["Nothing has changed yet: follow it with kubectl verdigris get -w."]


def _wished(model: Model) -> str:
    return of_hundred(share_wanted(model.rollout)) if model.rollout else "-"


def _rejected(model: Model) -> str:
    return model.rejection.version if model.rejection else "-"
