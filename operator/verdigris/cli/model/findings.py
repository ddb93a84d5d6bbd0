"""What is the matter with a model, the cause first: each reason with its message, its numbers and the next thing to do.

Messages are the operator's own, word for word. PURE.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from verdigris.cli.advice.hint import ANEW
from verdigris.cli.advice.table import filled, hint_of
from verdigris.cli.model.deployment import Condition, Evidence, Model, Rejected, Rollout, Stuck
from verdigris.cli.model.figures import About, figures_of
from verdigris.cli.model.pods import Pod

BAD, WAITING, FINE = "Bad", "Waiting", "Fine"

_RETRY = "kubectl verdigris retry"
_AGAIN = "The same once more: " + _RETRY + " {name}{n} --revision {revision} --reason '...'."

_GOOD_WHEN_FALSE = ("Stalled", "Reconciling", "RolledBack")
_TOLD_ELSEWHERE = ("Ready", "Reconciling", "Stalled", "RolledBack", "PodsHealthy", "AnalysisHealthy", "GatesPassed")
"""Conditions that repeat what the rollout, the rejection or the stuck pods say, or are history."""
_WATCHING = ("AtGate", "Measuring", "Shadowing", "OnTrial", "Trading", "Baking")


@dataclass(frozen=True)
class Finding:
    """One thing to know. `about` says of what it is: `rollout of 1.1.0`, `pod x`, `condition Available`."""

    severity: str
    about: str
    reason: str
    message: str
    value: str
    limit: str
    window: str
    n: str
    next: str


def findings(model: Model, now: datetime, pods: Iterable[Pod] | None = None) -> tuple[Finding, ...]:
    """All that is not as it should be; what is well in one finding where that is all. `pods`: None when not known."""
    known = None if pods is None else tuple(pods)
    found = [*_main(model, now, known), *_stuck(model, now), *_conditions(model, now)]
    distinct: list[Finding] = []
    for one in found:
        # A condition mostly says again what the rollout or the rejection has said, with or without a sentence around.
        if not any(one.reason == other.reason and one.message in other.message for other in distinct):
            distinct.append(one)
    return tuple(distinct)


def _main(model: Model, now: datetime, pods: tuple[Pod, ...] | None) -> Iterator[Finding]:
    """The rollout, the rejection, or what Ready says."""
    if not model.seen:
        told = f"Generation {model.generation} of the spec has not been looked at; the status is about"
        message = f"{told} generation {model.observed_generation}."
        about = About(model, now, "NotObserved", message, since=model.created, status="not looked at")
        yield _finding(WAITING, "spec", about, _words(model))
    rejected, ready = model.rejection, model.condition("Ready")
    if model.rollout is not None:
        yield _of_rollout(model, model.rollout, now, pods)
    elif rejected is not None:
        yield _of_rejection(model, rejected, ready, now)
    elif ready is not None:
        good = ready.status == "True"
        about = About(
            model, now, ready.reason, ready.message, ready.since, f"Ready={ready.status}", ready=_ready(model, pods)
        )
        severity = FINE if good else WAITING if ready.reason == "Draining" else BAD
        yield _finding(severity, "condition Ready", about, _words(model))


def _of_rollout(model: Model, rollout: Rollout, now: datetime, pods: tuple[Pod, ...] | None) -> Finding:
    reason = rollout.stage
    severity = WAITING
    if rollout.taken_back:
        reason, severity = rollout.failure_reason or reason, BAD
    elif rollout.stage == "AwaitingApproval" and not rollout.approved:
        reason = rollout.stage
    elif model.paused:
        reason = "Paused"
    elif rollout.trouble_reason:
        reason, severity = rollout.trouble_reason, BAD
    elif rollout.stage == "AwaitingSource" and rollout.current is not None:
        reason = rollout.current.reason or rollout.stage
    elif (rollout.stage in _WATCHING and rollout.evidence.looks + rollout.evidence.candidate.requests) or (
        rollout.stage in _WATCHING and rollout.evidence.reason not in ("NoEvidence", "CandidateVisible")
    ):
        reason = rollout.evidence.reason
    mine = None if pods is None else [pod for pod in pods if pod.color == rollout.color]
    about = About(
        model=model,
        now=now,
        reason=reason,
        message=rollout.failure_message if rollout.taken_back else rollout.message,
        since=rollout.since,
        status=rollout.stage,
        rollout=rollout,
        evidence=rollout.evidence,
        ready=None if mine is None else sum(pod.well for pod in mine),
    )
    return _finding(severity, f"rollout of {rollout.version}", about, _words(model))


def _of_rejection(model: Model, rejected: Rejected, ready: Condition | None, now: datetime) -> Finding:
    """The numbers of a version that is gone are those that were kept when its clients were taken back."""
    last = model.last_rollback
    evidence: Evidence | None = None
    if last is not None and (last.from_version, last.reason) == (rejected.version, rejected.reason):
        evidence = last.evidence
    message = ready.message if ready is not None and rejected.message in ready.message else rejected.message
    about = About(
        model, now, rejected.reason, message, rejected.at, "rejected", evidence=evidence, check=rejected.check
    )
    found, words = _finding(BAD, f"version {rejected.version}", about, _words(model)), _words(model)
    # There is nothing to abort any more.
    mended = found.next.replace(ANEW.format_map(words), "Apply the change.")
    return replace(found, next=mended if _RETRY in mended else f"{mended} {_AGAIN.format_map(words)}")


def _stuck(model: Model, now: datetime) -> Iterator[Finding]:
    """Pods that are stuck in the same are one finding."""
    alike: dict[tuple[str, str], list[Stuck]] = defaultdict(list)
    for one in model.stuck:
        alike[one.kind, one.reason].append(one)
    for (kind, reason), pods in alike.items():
        first = pods[0]
        held = f" Nothing is done: {first.held}" if first.held else ""
        about = About(model, now, reason, f"{first.message}{held}", first.since, kind, pods=len(pods))
        others = f" and {len(pods) - 1} more" if len(pods) > 1 else ""
        yield _finding(BAD, f"pod {first.pod}{others}", about, _words(model, first.pod), kind)


def _conditions(model: Model, now: datetime) -> Iterator[Finding]:
    for one in model.conditions:
        if one.type in _TOLD_ELSEWHERE or _is_good(one):
            continue
        about = About(model, now, one.reason, one.message, one.since, f"{one.type}={one.status}", model.rollout)
        yield _finding(WAITING if one.status == "Unknown" else BAD, f"condition {one.type}", about, _words(model))
    stalled = model.condition("Stalled")
    if stalled is not None and stalled.status == "True" and model.rejection is None:
        about = About(model, now, stalled.reason, stalled.message, stalled.since, "Stalled=True")
        yield _finding(BAD, "condition Stalled", about, _words(model))


def _is_good(condition: Condition) -> bool:
    return condition.status == ("False" if condition.type in _GOOD_WHEN_FALSE else "True")


def _ready(model: Model, pods: tuple[Pod, ...] | None) -> int | None:
    if pods is None or model.active is None:
        return None
    return sum(pod.well for pod in pods if pod.color == model.active.color)


def _finding(severity: str, of: str, about: About, words: dict[str, str], kind: str = "") -> Finding:
    hint = hint_of(about.reason, kind)
    numbers = figures_of(about, hint)
    return Finding(
        severity=severity,
        about=of,
        reason=about.reason,
        message=about.message,
        value=numbers.value,
        limit=numbers.limit,
        window=numbers.window,
        n=numbers.n,
        next=filled(hint, words),
    )


def _words(model: Model, pod: str = "POD") -> dict[str, str]:
    """What a hint may name. Where nothing is known a word in capitals stands for it."""
    rollout, rejected = model.rollout, model.rejection
    revision = (rollout.revision if rollout else "") or (rejected.revision if rejected else "") or model.target
    color = rollout.color if rollout else model.active.color if model.active else "blue"
    return {
        "name": model.name,
        "n": f" -n {model.namespace}" if model.namespace else "",
        "revision": revision or "REVISION",
        "pod": pod,
        "color": color,
        "active": model.active.color if model.active else color,
    }
