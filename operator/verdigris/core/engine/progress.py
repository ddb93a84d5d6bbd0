"""How a rollout goes through its steps: seen, looked at, and on to the next one when its share of the clients is seen.

wish -> kept in the status -> written -> seen -> the next step's clock begins. A step that no longer holds before its
wish was seen takes the wish back.
"""

from __future__ import annotations

from datetime import datetime

from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import EvidenceStatus, Failure, RolloutStatus, StepKind, StepStatus, Verdict
from verdigris.core.engine.endings import promote
from verdigris.core.engine.taking_back import begin_again, finish_taking_back, take_back, traffic_is_back
from verdigris.core.engine.understanding import hold_foreign
from verdigris.core.judges.errors import begun, resumed
from verdigris.core.judges.visibility import watched_anew
from verdigris.core.routing.gateway import is_moved, meets_clients, sends_to
from verdigris.core.routing.late import was_withdrawn
from verdigris.core.routing.service import reached, seen_split, selection_of
from verdigris.core.routing.split import Split
from verdigris.core.steps.gate import GATE_KINDS
from verdigris.core.steps.lists import CHECKS, STEPS
from verdigris.core.steps.step import Ruling, Step
from verdigris.core.steps.watching import planned_looks
from verdigris.core.turn import Turn
from verdigris.core.words import clip


def advance(turn: Turn) -> Turn:
    """One look at the step under way, and what follows from it."""
    if turn.status.rollout is None:
        return turn
    if turn.observed.skew.foreign:
        return hold_foreign(turn)
    turn = _note_traffic(turn)
    if turn.rollout.taken_back:
        return finish_taking_back(turn)
    step = _current(turn.rollout)
    return _follow(step, *step.look(turn))


def _follow(step: Step, turn: Turn, ruling: Ruling) -> Turn:
    if ruling.failure is not None:
        if ruling.then == "Again":
            return begin_again(turn, ruling.failure, excused=ruling.excused)
        return take_back(turn, ruling.outcome, ruling.failure)
    if ruling.then == "Next" and not _lost_its_clients(turn):
        return _on(turn, ruling.skipped)
    return _stay(turn, step)


def _stay(turn: Turn, step: Step) -> Turn:
    share, routed = step.passed_on(turn), step.routed(turn)
    turn = turn.change_rollout(wanted=step.share(turn), passed_on=share, routed=routed, shadowed=step.shadowed(turn))
    turn = turn.change_rollout(shielded_at=_shielded_at(turn, share))
    if not _lost_its_clients(turn):
        return turn
    why = f"Version {turn.rollout.version} waits for its clients: the clients' Service does not select it now."
    return turn.change_rollout(message=why)


def _lost_its_clients(turn: Turn) -> bool:
    """Whether the step is about clients that are not there (any more): what is seen without them proves nothing."""
    rollout = turn.rollout
    return _current(rollout).share(turn) > 0 and rollout.color not in reached(turn.observed.selected)


def withdraw(turn: Turn) -> Turn:
    """Note when a wish for clients is taken back before any were seen: the move may have been sent all the same."""
    rollout = turn.status.rollout
    if rollout is None or not was_withdrawn(turn.observed, rollout):
        return turn
    return turn.change_rollout(withdrawn_at=turn.now)


def _current(rollout: RolloutStatus) -> Step:
    return STEPS[rollout.steps[rollout.step].kind]


def _note_traffic(turn: Turn) -> Turn:
    """Who has the clients is what is seen, whatever was written, or not, before."""
    rollout, split, route = turn.rollout, seen_split(turn.observed), turn.observed.routing.route
    if not meets_clients(turn.observed, rollout.color):
        turn = turn if rollout.weight == 0 else turn.change_rollout(weight=0)
        return turn if rollout.taken_back else traffic_is_back(turn)
    by_service = split.of(rollout.color) if split is not None else 0.0
    by_route = max(1.0, route.share(rollout.color)) if sends_to(turn.observed, rollout.color) and route else 0.0
    weight = round(max(by_service, by_route))
    return turn.change_rollout(weight=weight, exposed_at=rollout.exposed_at or turn.now)


def _on(turn: Turn, skipped: str) -> Turn:
    """To the next step that is not skipped, once its share is seen; promotion is what follows the last."""
    rollout = turn.rollout
    left_out = {rollout.step: skipped} if skipped else {}
    number = rollout.step + 1
    while number < len(rollout.steps) and (why := STEPS[rollout.steps[number].kind].skipped(turn)) is not None:
        left_out[number] = why
        number += 1
    if number == len(rollout.steps):
        return promote(_ended(turn, rollout.step))
    share = STEPS[rollout.steps[number].kind].share(turn)
    if not _is_seen(turn, share):
        return _wish(turn, share)
    turn = _ended(turn, rollout.step)
    for which, why in left_out.items():
        turn = _leave_out(turn, which, why)
    return _enter(turn, number)


def _is_seen(turn: Turn, share: int) -> bool:
    active, rollout = turn.active, turn.rollout
    if active is None:
        return share == 0
    wanted = selection_of(Split.between(active.color, rollout.color, share))
    # Where nobody is selected yet, nobody has to be moved for a share of nothing.
    selected = turn.observed.selected == wanted
    none = share == 0 and rollout.color not in reached(turn.observed.selected)
    return (selected or none) and is_moved(turn.observed, rollout.color, share)


def _wish(turn: Turn, share: int) -> Turn:
    """Say who is to get the clients. What the candidate answers counts from here on, as they may come any moment."""
    rollout = turn.rollout
    wished_at = rollout.wished_at if rollout.wanted and rollout.wished_at else turn.now
    moving = f"Moving clients to {rollout.version} ({rollout.color})."
    turn = turn.change_rollout(wanted=share, wished_at=wished_at, message=moving)
    if share and turn.now >= wished_at + parse_duration(turn.policy.rollout.progress_deadline):
        return take_back(turn, "Failed", _not_moved(turn))
    return _counting(turn)


def _counting(turn: Turn) -> Turn:
    """From the first request on, what the candidate answers counts to the rollout's end, over all steps."""
    rollout = turn.rollout
    if rollout.evidence.sealed_at is not None:
        return turn
    evidence = begun(rollout.evidence, turn.evidence, turn.now, planned_looks(turn))
    return turn.change_rollout(evidence=evidence)


def _not_moved(turn: Turn) -> Failure:
    rollout = turn.rollout
    message = (
        f"Clients were not moved to {rollout.version} within {turn.policy.rollout.progress_deadline}: the API server "
        f"refuses each write to {_unmoved(turn)}, or somebody else keeps writing it. kubectl get "
        f"{_kubectl_name(turn)} --show-managed-fields -o yaml says who."
    )
    return Failure(reason="TrafficNotMoved", message=clip(message))


def _unmoved(turn: Turn) -> str:
    return "the clients' Service" if _service_is_late(turn) else "the HTTPRoute"


def _kubectl_name(turn: Turn) -> str:
    if _service_is_late(turn):
        return f"service {turn.observed.owner.name}"
    route = turn.status.route
    return f"httproute {route.name if route is not None else turn.observed.owner.name}"


def _service_is_late(turn: Turn) -> bool:
    return turn.rollout.color not in reached(turn.observed.selected)


def _enter(turn: Turn, number: int) -> Turn:
    rollout = turn.rollout
    step = STEPS[rollout.steps[number].kind]
    if rollout.kind in ("Measure", "Shadow", *GATE_KINDS):
        turn = turn.change_rollout(evidence=_not_judged_yet(rollout.evidence))
    turn = turn.change_rollout(evidence=watched_anew(turn.rollout.evidence))
    steps = _with(rollout.steps, number, rollout.steps[number].model_copy(update={"began": turn.now}))
    turn = turn.change_rollout(steps=steps, step=number, stage=step.stage, since=turn.now, deadline=None)
    turn = turn.change_rollout(wanted=step.share(turn), wished_at=None, message=step.message(turn))
    routed = step.routed(turn)
    turn = _pass_on(turn.change_rollout(shadowed=step.shadowed(turn), shadow=None), step.passed_on(turn))
    turn = turn.change_rollout(routed=routed)
    return _announce(_counting(turn) if routed else turn, step)


def _pass_on(turn: Turn, share: int) -> Turn:
    """Behind the shield the pods in front count, without it the candidate's own: where that changes, from here on."""
    rollout, evidence = turn.rollout, turn.rollout.evidence
    if bool(share) != bool(rollout.passed_on) and evidence.sealed_at is not None:
        evidence = resumed(evidence, turn.evidence, turn.now)
    if not share:
        return turn.change_rollout(passed_on=0, evidence=evidence)
    return _counting(turn.change_rollout(passed_on=share, shielded_at=_shielded_at(turn, share), evidence=evidence))


def _shielded_at(turn: Turn, share: int) -> datetime | None:
    """Since when it is asked, also where an older CRD has left it out: what pods in front count goes by it."""
    return turn.rollout.shielded_at or (turn.now if share else None)


def _announce(turn: Turn, step: Step) -> Turn:
    rollout = turn.rollout
    held_against = f"It is held against a baseline of at most {rollout.evidence.baseline.limit:.2%} errors."
    if step.kind == "Approval":
        answered = rollout.steps[rollout.step].verdict == "Pass"
        return turn if answered else turn.note("Normal", "AwaitingApproval", rollout.message)
    if step.kind == "Trial" and (rollout.routed or rollout.passed_on):
        whose = "its requests" if rollout.routed else "the requests"
        share = f"{(rollout.routed or rollout.passed_on) / 100:g} % of {whose}."
        return turn.note("Normal", "OnTrial", f"{rollout.message} {share} {held_against}")
    if step.kind != "Bake":
        return turn
    shifted = f"All new connections reach {rollout.version} ({rollout.color})."
    return turn.note("Normal", "TrafficShifted", f"{shifted} {held_against}")


def _not_judged_yet(evidence: EvidenceStatus) -> EvidenceStatus:
    """That the candidate can be seen says nothing of how it answers."""
    blank = EvidenceStatus()
    fields = ("verdict", "reason", "message", "inconclusive_since")
    return evidence.model_copy(update={field: getattr(blank, field) for field in fields})


_JUDGED = frozenset[StepKind]({"Measure", "Shadow", "Trial", "Trade", "Bake"})
"""Kinds of steps whose verdict is the rollout's evidence."""


def _ended(turn: Turn, number: int) -> Turn:
    """The step that is over keeps its verdict: what the evidence said at its end, or that it was done."""
    rollout, step = turn.rollout, turn.rollout.steps[number]
    verdict: Verdict | None = "Pass"
    reason, said, by = "Done", rollout.message, rollout.approval
    judged = step.answer if step.kind in CHECKS else rollout.evidence if step.kind in _JUDGED else None
    if judged is not None:
        verdict, reason, said = judged.verdict, judged.reason, judged.message
    if step.kind == "Approval" and by is not None:
        # The next one that is asked for needs an answer of its own.
        said, turn = clip(f"Approved by {by.by}: {by.reason}"), turn.change_rollout(approval=None)
    elif step.kind == "Approval" and step.verdict == "Pass":
        said = step.message
    ended = step.model_copy(
        update={
            "began": step.began or rollout.since,
            "ended": turn.now,
            "verdict": verdict,
            "reason": reason,
            "message": said,
        }
    )
    return turn.change_rollout(steps=_with(rollout.steps, number, ended))


def _leave_out(turn: Turn, number: int, why: str) -> Turn:
    """A step that was skipped has no verdict, and says why."""
    rollout, step = turn.rollout, turn.rollout.steps[number]
    left = step.model_copy(update={"ended": turn.now, "verdict": None, "reason": "Skipped", "message": why})
    turn = turn.change_rollout(steps=_with(rollout.steps, number, left))
    if step.kind != "Trial":
        return turn
    return turn.note("Normal", "NotShielded", f"Version {rollout.version} is watched without the shield: {why}")


def _with(steps: tuple[StepStatus, ...], number: int, step: StepStatus) -> tuple[StepStatus, ...]:
    return (*steps[:number], step, *steps[number + 1 :])
