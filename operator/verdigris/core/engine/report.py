"""What the status tells people: conditions in the words of the check that decided, and the shares of traffic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from verdigris.api.conditions import set_condition
from verdigris.api.status import ActiveStatus, Color, RolloutStatus, TrafficStatus, Verdict, other
from verdigris.core.engine import following, gateway, monitoring, names
from verdigris.core.engine.endings import rejection
from verdigris.core.engine.understanding import understood, unread
from verdigris.core.facts.policy import changed_since
from verdigris.core.routing.service import answering, reached, seen_split
from verdigris.core.routing.shield import seen_share
from verdigris.core.routing.split import Split, had_requests, wanted_split
from verdigris.core.steps.lists import CHECKS
from verdigris.core.turn import Turn
from verdigris.core.words import clip

Truth = Literal["True", "False", "Unknown"]
Line = tuple[str, Truth, str, str]
"""A condition: type, status, reason, message."""


def report(turn: Turn) -> Turn:
    """The turn with conditions, traffic and observedGeneration filled in."""
    conditions = turn.status.conditions
    told = {line[0]: line for line in _lines(turn)} | dict(gateway.lines(turn)) | dict(names.lines(turn))
    for kind, truth, reason, message in told.values():
        conditions = set_condition(conditions, kind, truth, reason, message, turn.observed.generation, turn.now)
    return turn.change(conditions=conditions, traffic=_shares(turn), observed_generation=turn.observed.generation)


def _lines(turn: Turn) -> Iterator[Line]:
    yield _available(turn)
    yield from _progress(turn)
    yield from _verified(turn)
    yield from _gates(turn)
    yield from _analysis(turn)
    yield from _rolled_back(turn)
    yield _pods(turn)
    yield from understood(turn)
    yield from following.lines(turn)
    yield from following.told(turn)
    yield from monitoring.lines(turn)


_MISCONFIGURED = "Clients do not get from the clients' Service to its pods:"


def _available(turn: Turn) -> Line:
    """Whether clients are answered now, by what the Service selects now: not by what was written or is wished."""
    selection = turn.observed.selected
    if turn.active is None:
        return "Available", "False", "NotYetActive", "No version has been rolled out yet."
    if selection is None:
        return "Available", "False", "NobodySelected", "The clients' Service selects no pod: it is being put back."
    if turn.observed.misconfigured:
        return "Available", "False", "ServiceMisconfigured", f"{_MISCONFIGURED} {turn.observed.misconfigured}"
    who = "Each colour" if selection == "both" else selection
    if answering(turn.observed, selection):
        return "Available", "True", "EndpointsReady", f"{who} has the clients."
    return "Available", "False", "NoReadyEndpoints", f"{who} has the clients, but none of its pods is ready."


def _progress(turn: Turn) -> Iterator[Line]:
    """Ready, Reconciling and Stalled, as kstatus reads them."""
    rollout, refused, spec, fault = turn.status.rollout, rejection(turn), turn.observed.spec, unread(turn)
    if rollout is not None:
        held = f" {_held(turn)[1]}" if turn.observed.held else ""
        message = clip(f"Version {rollout.version}: {rollout.message}{held}{_edited(turn, rollout)}")
        yield "Ready", "False", rollout.stage, message
        yield "Reconciling", "True", rollout.stage, message
        yield "Stalled", "False", "Progressing", ""
    elif fault:
        yield "Ready", "False", "InvalidSpec", fault
        yield "Reconciling", "False", "InvalidSpec", ""
        yield "Stalled", "True", "InvalidSpec", fault
    elif refused is not None:
        message = f"Version {refused.version} was rejected: {refused.message} Apply another version or, once "
        message += f"the cause is mended, create a RolloutDecision with verb retry and revision {refused.revision}."
        yield "Ready", "False", refused.reason, message
        yield "Reconciling", "False", "Rejected", ""
        yield "Stalled", "True", refused.reason, message
    elif turn.active is None or turn.active.revision != turn.target:
        reason, why = _held(turn)
        message = f"Version {spec.model.version} waits. {why}"
        yield "Ready", "False", reason, message
        yield "Reconciling", "True", reason, message
        yield "Stalled", "False", reason, ""
    else:
        yield from _serving(turn, turn.active)


def _held(turn: Turn) -> tuple[str, str]:
    """Why nothing goes forward: a reason, and a sentence."""
    observed = turn.observed
    if observed.leaving:
        why = "It is being deleted, and a finalizer keeps it: it serves until that is gone, and no version starts."
        return "Deleting", why
    if observed.routing.fault is not None:
        fault = observed.routing.fault
        return "Paused" if observed.spec.paused else fault.reason, fault.message
    if observed.unseen:
        return "NotSeen", f"Held, as no {' and no '.join(sorted(observed.unseen))} can be read."
    if observed.spec.paused:
        return "Paused", "Paused by spec.paused."
    if observed.skew.forbids_start:
        return "UnknownState", f"Held, as not all of it can be read: {observed.skew.faults()}."
    why = "Clients may still be on the pods whose places it takes: it starts once they have left."
    if turn.active is not None and other(turn.active.color) in reached(observed.selected):
        active, answers = turn.active, observed.endpoints.get(turn.active.color, 0) > 0
        why = (
            f"The clients' Service selects {other(active.color)}, whose places it takes: it starts once that selects "
            f"{active.color}{'' if answers else f', of which no pod is ready: mend {active.version} ({active.color})'}."
        )
    elif turn.active is not None and other(turn.active.color) in observed.still_behind:
        why = (
            "The EndpointSlices of the clients' Service still name pods whose places it takes: it starts once they "
            "have followed the Service. If that takes long: does kube-controller-manager run?"
        )
    return "Draining", why


def _serving(turn: Turn, active: ActiveStatus) -> Iterator[Line]:
    """Ready is who is seen to serve: a Service that was refused, or edited, has not got the clients there."""
    if turn.observed.endpoints.get(active.color, 0) <= 0:
        ready, reason, message = False, "NoReadyEndpoints", "None of the active pods is ready."
    elif turn.observed.selected not in (active.color, "both"):
        ready, reason, message = False, "NotSelected", f"The clients' Service does not select {active.color} yet."
    elif turn.observed.misconfigured:
        ready, reason, message = False, "ServiceMisconfigured", f"{_MISCONFIGURED} {turn.observed.misconfigured}"
    else:
        ready, reason, message = True, "Active", f"Version {active.version} is active."
    yield "Ready", "True" if ready else "False", reason, message
    yield "Reconciling", "False" if ready else "True", reason, ""
    yield "Stalled", "False", "Active", ""


def _edited(turn: Turn, rollout: RolloutStatus) -> str:
    """Which edits of the policy count for the next rollout only."""
    changed = changed_since(turn.observed.spec, rollout)
    if not changed:
        return ""
    several = "they count" if len(changed) > 1 else "it counts"
    return f" Edited since the rollout began: {', '.join(changed[:5])}; {several} for the next one."


def _verified(turn: Turn) -> Iterator[Line]:
    rollout = turn.status.rollout
    ref = rollout or turn.active
    if rollout is not None and rollout.failure is not None and not had_requests(rollout):
        yield "ModelVerified", "False", rollout.failure.reason, rollout.failure.message
    elif ref is not None and turn.ready(ref) > 0:
        if ref.sha256:
            yield "ModelVerified", "True", "ChecksumMatched", f"Version {ref.version} has SHA-256 {ref.sha256}."
        else:
            yield "ModelVerified", "False", "Unverified", f"Version {ref.version} runs without a checksum, as allowed."


def _gates(turn: Turn) -> Iterator[Line]:
    """What the gates of the rollout under way have answered; afterwards it stays what it was."""
    steps = turn.status.rollout.steps if turn.status.rollout is not None else ()
    gates = [step for step in steps if step.kind in CHECKS]
    told = [(step.answer, f"{step.kind}: {step.answer.message}") for step in gates if step.answer is not None]
    answers = [(answer.verdict, answer.reason, message) for answer, message in told if answer.verdict is not None]
    refused = next((answer for answer in answers if answer[0] != "Pass"), None)
    if refused is not None:
        verdict, reason, message = refused
        yield "GatesPassed", _TRUTH[verdict], reason, clip(message)
    elif gates and len(answers) == len(gates):
        yield "GatesPassed", "True", "Passed", clip(" ".join(message for _, _, message in answers))
    elif gates:
        yield "GatesPassed", "Unknown", "AtGate", f"{len(answers)} of {len(gates)} gates have passed."


def _analysis(turn: Turn) -> Iterator[Line]:
    """What is known of the version on trial; afterwards, how the last trial ended: never a question left open.

    While a version is watched on, that nothing is seen of it is told, too.
    """
    rollout, history, warm = turn.status.rollout, turn.status.history, turn.status.warm
    if rollout is None:
        newest = history[-1] if history else None
        if warm is not None and warm.evidence is not None and warm.evidence.verdict == "Inconclusive":
            message = f"It is watched on while {warm.version} is warm: {warm.evidence.message}"
            yield "AnalysisHealthy", "Unknown", warm.evidence.reason, message
        elif newest is not None and newest.outcome == "RolledBack":
            yield "AnalysisHealthy", "False", newest.reason, f"Version {newest.version} was taken back."
        elif newest is not None:
            yield "AnalysisHealthy", "True", "NoRollout", "No version is on trial."
    elif rollout.taken_back and rollout.failure is not None and rollout.outcome == "RolledBack":
        yield "AnalysisHealthy", "False", rollout.failure.reason, rollout.failure.message
    elif rollout.stage in ("Measuring", "Shadowing", "OnTrial", "Trading", "Baking"):
        evidence = rollout.evidence
        yield "AnalysisHealthy", _TRUTH[evidence.verdict], evidence.reason, evidence.message


_TRUTH: Mapping[Verdict, Truth] = {"Pass": "True", "Fail": "False", "Inconclusive": "Unknown"}


def _rolled_back(turn: Turn) -> Iterator[Line]:
    last = turn.status.last_rollback
    if last is None:
        return
    newest = turn.status.history[-1] if turn.status.history else None
    if newest is not None and newest.outcome == "Promoted" and newest.ended_at > last.decided_at:
        yield "RolledBack", "False", "Promoted", f"Version {newest.version} was promoted since."
        return
    yield "RolledBack", "True", last.reason, f"From {last.from_version} to {last.to_version}: {last.message}"


def _pods(turn: Turn) -> Line:
    if not turn.status.stuck:
        return "PodsHealthy", "True", "NoPodIsStuck", "No pod is stuck."
    first = turn.status.stuck[0]
    return "PodsHealthy", "False", first.kind, f"Pod {first.pod}: {first.message}"


def _shares(turn: Turn) -> tuple[TrafficStatus, ...]:
    """Wish and fact for each colour in use."""
    wanted, seen = wanted_split(turn.status) or Split(), seen_split(turn.observed) or Split()
    refs = [ref for ref in (turn.active, turn.status.rollout) if ref is not None]
    return tuple(
        TrafficStatus(
            color=ref.color,
            version=ref.version,
            weight=round(seen.of(ref.color)),
            wanted=round(wanted.of(ref.color)),
            shielded=_shielded(turn, ref.color),
            routed=_routed(turn, ref.color),
        )
        for ref in refs
    )


def _routed(turn: Turn, color: Color) -> float | None:
    route = turn.observed.routing.route
    return None if route is None else round(route.share(color), 2)


def _shielded(turn: Turn, color: Color) -> float | None:
    rollout, active = turn.status.rollout, turn.active
    if rollout is None or active is None or rollout.color != color or not rollout.passed_on:
        return None
    return round(seen_share(turn.observed, active.color), 2)
