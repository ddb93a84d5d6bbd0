"""RolloutDecisions: what people decided. Each is answered once, with a sentence, and never acts on another revision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from verdigris.api.decision import Verb
from verdigris.api.status import Approval, DecisionRecord, Failure, RolloutStatus
from verdigris.core.engine.endings import rejection
from verdigris.core.engine.taking_back import back_to_warm, give_up_active, take_back
from verdigris.core.engine.way_back import is_stranded
from verdigris.core.facts.answered import is_passed, open_of, place, remember
from verdigris.core.facts.observed import Decision
from verdigris.core.facts.trust import not_vouched_for
from verdigris.core.turn import Turn
from verdigris.core.words import clip

_PASSED = (
    "Nobody knows any more whether this was followed: younger decisions have been answered and forgotten since. It is "
    "not followed now. Create it anew if it still matters."
)


@dataclass(frozen=True)
class Answer:
    """The turn after a decision, whether it was accepted, and the sentence that says so."""

    turn: Turn
    accepted: bool
    message: str


def answer_decisions(turn: Turn) -> Turn:
    """Answer every decision that has not been, oldest first, and tell those that nobody answers any more."""
    for decision in open_of(turn.observed.decisions, turn.status):
        if not _too_early(turn, decision):
            turn = _answer(turn, decision)
    passed = [decision for decision in turn.observed.decisions if is_passed(decision, turn.status)]
    told = tuple(_record(turn, decision, False, _PASSED) for decision in sorted(passed, key=place))
    return replace(turn, answered=(*turn.answered, *told))


def _too_early(turn: Turn, decision: Decision) -> bool:
    """A decision about the revision whose rollout is about to start: it came together with the spec, so it waits."""
    waiting = turn.status.rollout is None and decision.revision == turn.target and rejection(turn) is None
    return waiting and (turn.active is None or turn.active.revision != turn.target)


def _answer(turn: Turn, decision: Decision) -> Turn:
    observed = turn.observed
    unproven = not_vouched_for(decision.verb, decision.created, observed.unguarded, observed.vouched_since)
    answer = Answer(turn, False, unproven) if unproven else _VERBS[decision.verb](turn, decision)
    record = _record(turn, decision, answer.accepted, answer.message)
    turn = replace(answer.turn, answered=(*answer.turn.answered, record))
    decisions, answered_up_to = remember(turn.status, record)
    turn = turn.change(decisions=decisions, answered_up_to=answered_up_to)
    return turn.note(
        "Normal" if answer.accepted else "Warning",
        f"Decision{record.outcome}",
        f"{decision.by} asked to {decision.verb} {decision.revision} ({decision.reason}): {answer.message}",
    )


def _record(turn: Turn, decision: Decision, accepted: bool, message: str) -> DecisionRecord:
    return DecisionRecord(
        uid=decision.uid,
        name=decision.name,
        verb=decision.verb,
        revision=decision.revision,
        by=decision.by,
        reason=decision.reason,
        outcome="Accepted" if accepted else "Refused",
        message=clip(message),
        at=turn.now,
        created=decision.created,
    )


def _running(turn: Turn, decision: Decision) -> RolloutStatus | None:
    rollout = turn.status.rollout
    if rollout is None or rollout.revision != decision.revision or rollout.taken_back:
        return None
    return rollout


def _no_such_rollout(turn: Turn, decision: Decision) -> Answer:
    rollout = turn.status.rollout
    if rollout is None:
        message = f"No rollout is under way, so there is nothing to {decision.verb}."
    elif rollout.revision == decision.revision:
        message = f"Version {rollout.version} is already being taken back."
    else:
        message = f"The rollout under way is of {rollout.revision} ({rollout.version}), not of {decision.revision}."
    return Answer(turn, False, message)


def _approve(turn: Turn, decision: Decision) -> Answer:
    rollout = _running(turn, decision)
    if rollout is None:
        return _no_such_rollout(turn, decision)
    if rollout.kind != "Approval" and any(step.kind == "Approval" and step.ended for step in rollout.steps):
        # A second yes to the question before would let it pass the next one, which nobody has been asked yet.
        message = (
            f"Version {rollout.version} has been approved, and waits for no other approval now. Where another step "
            "asks for one, create it anew once status.rollout.stage is AwaitingApproval again."
        )
        return Answer(turn, False, message)
    return _go_on(turn, decision, rollout)


def _go_on(turn: Turn, decision: Decision, rollout: RolloutStatus) -> Answer:
    approval = Approval(by=decision.by, reason=decision.reason, at=turn.now)
    return Answer(turn.change_rollout(approval=approval), True, f"Version {rollout.version} may go on.")


def _promote(turn: Turn, decision: Decision) -> Answer:
    rollout = turn.status.rollout
    if rollout is not None and rollout.revision == decision.revision and is_stranded(turn):
        turn = give_up_active(turn, f"{decision.by} decided so: {decision.reason}.")
        return Answer(turn, True, f"Version {rollout.version} is the active one now.")
    rollout = _running(turn, decision)
    if rollout is None:
        return _no_such_rollout(turn, decision)
    turn = _go_on(turn, decision, rollout).turn.change_rollout(promote_now=True)
    until = "its pods are ready and spec.paused is lifted" if turn.observed.spec.paused else "its pods are ready"
    return Answer(turn, True, f"Version {turn.rollout.version} is promoted as soon as {until}.")


def _abort(turn: Turn, decision: Decision) -> Answer:
    rollout = _running(turn, decision)
    if rollout is None:
        return _no_such_rollout(turn, decision)
    failure = Failure(reason="Aborted", message=clip(f"Aborted by {decision.by}: {decision.reason}."))
    return Answer(take_back(turn, "Aborted", failure), True, f"Version {rollout.version} is taken back.")


def _retry(turn: Turn, decision: Decision) -> Answer:
    rejected = next((r for r in turn.status.rejected if r.revision == decision.revision), None)
    if rejected is None:
        return Answer(turn, False, f"Revision {decision.revision} is not a rejected one: nothing to retry.")
    if turn.target != decision.revision:
        return Answer(turn, False, f"The spec no longer asks for {rejected.version}: apply it again instead.")
    left = tuple(r for r in turn.status.rejected if r is not rejected)
    return Answer(turn.change(rejected=left), True, f"Version {rejected.version} is tried again.")


def _rollback(turn: Turn, decision: Decision) -> Answer:
    if _running(turn, decision):
        return _abort(turn, decision)
    active, warm = turn.status.active, turn.status.warm
    if active is None or active.revision != decision.revision:
        return Answer(turn, False, f"Revision {decision.revision} is not the active one: nothing to roll back.")
    if warm is None:
        return Answer(
            turn, False, "No earlier version is warm any more: apply the version that you want, as a new rollout."
        )
    failure = Failure(reason="RequestedRollback", message=clip(f"Rolled back by {decision.by}: {decision.reason}."))
    return Answer(back_to_warm(turn, "RolledBack", failure), True, f"Clients go back to {warm.version}.")


_VERBS: Mapping[Verb, Callable[[Turn, Decision], Answer]] = {
    "approve": _approve,
    "promote": _promote,
    "abort": _abort,
    "retry": _retry,
    "rollback": _rollback,
}
