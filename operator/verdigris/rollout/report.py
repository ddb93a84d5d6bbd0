"""What the status tells people: conditions in the words of the check that decided, and the shares of traffic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from verdigris.api.conditions import set_condition
from verdigris.api.status import Color, TrafficStatus, Verdict
from verdigris.rollout.endings import rejection
from verdigris.rollout.observed import Selection
from verdigris.rollout.traffic import answering, candidate_share, route
from verdigris.rollout.turn import Turn

Truth = Literal["True", "False", "Unknown"]
Line = tuple[str, Truth, str, str]


def report(turn: Turn) -> Turn:
    """The turn with conditions, traffic and observedGeneration filled in."""
    conditions = turn.status.conditions
    for kind, truth, reason, message in _lines(turn):
        conditions = set_condition(conditions, kind, truth, reason, message, turn.observed.generation, turn.now)
    return turn.change(conditions=conditions, traffic=_shares(turn), observed_generation=turn.observed.generation)


def _lines(turn: Turn) -> Iterator[Line]:
    yield _available(turn)
    yield from _progress(turn)
    yield from _verified(turn)
    yield from _analysis(turn)
    yield from _rolled_back(turn)
    yield _pods(turn)
    if turn.observed.spec.monitoring.service_monitor.enabled:
        yield _monitored(turn)


def _available(turn: Turn) -> Line:
    selection = route(turn.observed, turn.status)
    if selection is None:
        return "Available", "False", "NotYetActive", "No version has been rolled out yet."
    who = "Each colour" if selection == "both" else selection
    if answering(turn.observed, selection):
        return "Available", "True", "EndpointsReady", f"{who} has the clients."
    return "Available", "False", "NoReadyEndpoints", f"{who} has the clients, but none of its pods is ready."


def _progress(turn: Turn) -> Iterator[Line]:
    """Ready, Reconciling and Stalled, as kstatus reads them."""
    rollout, refused, spec = turn.status.rollout, rejection(turn), turn.observed.spec
    if rollout is not None:
        paused = " Paused by spec.paused." if spec.paused else ""
        message = f"Version {rollout.version}: {rollout.message}{paused}"
        yield "Ready", "False", rollout.stage, message
        yield "Reconciling", "True", rollout.stage, message
        yield "Stalled", "False", "Progressing", ""
    elif refused is not None:
        message = f"Version {refused.version} was rejected: {refused.message} Change the spec, or create a "
        message += f"RolloutDecision with verb retry and revision {refused.revision}."
        yield "Ready", "False", refused.reason, message
        yield "Reconciling", "False", "Rejected", ""
        yield "Stalled", "True", refused.reason, message
    elif turn.active is None or turn.active.revision != turn.target:
        message = f"Version {spec.model.version} waits: spec.paused is true."
        yield "Ready", "False", "Paused", message
        yield "Reconciling", "True", "Paused", message
        yield "Stalled", "False", "Paused", ""
    else:
        answers = turn.observed.endpoints.get(turn.active.color, 0) > 0
        message = f"Version {turn.active.version} is active." if answers else "None of the active pods is ready."
        yield "Ready", "True" if answers else "False", "Active" if answers else "NoReadyEndpoints", message
        yield "Reconciling", "False" if answers else "True", "Active" if answers else "NoReadyEndpoints", ""
        yield "Stalled", "False", "Active", ""


def _verified(turn: Turn) -> Iterator[Line]:
    rollout = turn.status.rollout
    ref = rollout or turn.active
    if rollout is not None and rollout.failure is not None and rollout.weight == 0:
        yield "ModelVerified", "False", rollout.failure.reason, rollout.failure.message
    elif ref is not None and turn.ready(ref) > 0:
        if ref.sha256:
            yield "ModelVerified", "True", "ChecksumMatched", f"Version {ref.version} has SHA-256 {ref.sha256}."
        else:
            yield "ModelVerified", "False", "Unverified", f"Version {ref.version} runs without a checksum, as allowed."


def _analysis(turn: Turn) -> Iterator[Line]:
    rollout = turn.status.rollout
    if rollout is not None and (
        rollout.stage in ("Measuring", "Trading", "Baking") or rollout.evidence.verdict == "Fail"
    ):
        truth = _TRUTH[rollout.evidence.verdict]
        yield "AnalysisHealthy", truth, rollout.evidence.reason, rollout.evidence.message


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


def _monitored(turn: Turn) -> Line:
    if turn.observed.service_monitors_known:
        return "Monitored", "True", "ServiceMonitorPresent", "Prometheus finds the pods by their ServiceMonitor."
    return (
        "Monitored",
        "False",
        "ServiceMonitorMissing",
        "This cluster does not know ServiceMonitors, so nothing tells Prometheus about the pods: install the "
        "Prometheus Operator, or set spec.monitoring.serviceMonitor.enabled to false and scrape them yourself.",
    )


def _shares(turn: Turn) -> tuple[TrafficStatus, ...]:
    selection = route(turn.observed, turn.status)
    refs = [ref for ref in (turn.active, turn.status.rollout) if ref is not None]
    return tuple(
        TrafficStatus(color=ref.color, version=ref.version, weight=_share(turn, ref.color, selection)) for ref in refs
    )


def _share(turn: Turn, color: Color, selection: Selection | None) -> int:
    """In percent. Of two colours that are selected each gets what its pods that answer are of all."""
    if selection != "both" or turn.status.rollout is None:
        return 100 if selection in (color, "both") else 0
    candidate = candidate_share(turn.observed, turn.rollout.color)
    return candidate if color == turn.rollout.color else 100 - candidate
