"""Value, limit, window and n of a reason: what was measured, what it must be, over which time, of how many. PURE."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Callable

from verdigris.cli import words
from verdigris.cli.advice import hint
from verdigris.cli.advice.hint import Hint
from verdigris.cli.model.deployment import Evidence, GateCheck, Model, Rollout, Step
from verdigris.cli.model.reading import time_of
from verdigris.cli.words import clock, count, of_hundred, percent


@dataclass(frozen=True)
class Figures:
    """In words. `n` is empty where nothing is counted."""

    value: str
    limit: str
    window: str
    n: str = ""


@dataclass(frozen=True)
class About:
    """What a reason is about: the model, the rollout or its evidence, since when, and how many pods share it."""

    model: Model
    now: datetime
    reason: str
    message: str
    since: str = ""
    status: str = ""
    rollout: Rollout | None = None
    evidence: Evidence | None = None
    ready: int | None = None
    pods: int = 0
    check: GateCheck | None = None
    """Of a gate that has ended the rollout."""


def figures_of(about: About, told: Hint) -> Figures:
    """By the kind of numbers that the reason's hint names."""
    return _KINDS[told.figures](about, told)


def _errors(about: About, told: Hint) -> Figures:
    evidence = about.evidence
    if evidence is None:
        return _state(about, told)
    seen, rate = evidence.candidate, evidence.candidate.rate
    value = f"{percent(rate)} failed ({count(seen.errors, 'error')})" if rate is not None else "no request seen yet"
    return Figures(value, _limit(evidence), _watched(about, evidence), count(seen.requests, "request"))


def _limit(evidence: Evidence) -> str:
    known = evidence.baseline
    if not evidence.limit:
        return "not known yet: no baseline"
    of = f"{count(known.errors, 'error')} of {count(known.requests, 'request')}" if known.requests else "no request"
    score = f"; score {evidence.score:.3g}, fails at {evidence.threshold:.3g}" if evidence.threshold else ""
    return f"{percent(evidence.limit)} (baseline: {of}, {evidence.baseline_source}){score}"


def _watched(about: About, evidence: Evidence) -> str:
    rollout = about.rollout
    step = rollout.current if rollout is not None else None
    seen = f"{words.seconds(evidence.watched_seconds)} watched"
    if rollout is None or step is None:
        return _since(about, seen)
    lasts = step.hold or rollout.bake
    of = f" of {lasts}" if lasts and step.kind in ("Trial", "Bake", "Shadow") else ""
    return _since(about, f"{seen}{of}")


def _since(about: About, before: str = "") -> str:
    at = clock(about.since)
    told = f"since {at}" if at else ""
    return ", ".join(part for part in (before, told) if part) or "now"


def _rows(about: About, told: Hint) -> Figures:
    rollout = about.rollout
    if rollout is None:
        return _of_an_ended(about, told)
    evidence = rollout.shadow
    if evidence is None:
        return Figures("no row compared yet", "see maxDisagreement of the step", _since(about), count(0, "row"))
    rows, rate = evidence.candidate, evidence.candidate.rate
    value = f"{percent(rate)} came out otherwise ({count(rows.errors, 'row')})" if rate is not None else "no row yet"
    limit = f"{percent(evidence.limit)} of the rows" if evidence.limit else "see maxDisagreement of the step"
    return Figures(value, limit, _watched(about, evidence), count(rows.requests, "row"))


def _of_an_ended(about: About, told: Hint) -> Figures:
    """Of a rollout that has ended: the message is what is left of what was counted."""
    found = _state(about, told)
    return Figures(found.value, "see the message", found.window, "see the message")


_BOUND = re.compile(r"(?P<what>[\w.]+) is (?P<value>.+?), must be (?P<limit>.+?)(?:; |\. |\.$|$)")


def _check(about: About, told: Hint) -> Figures:  # noqa: ARG001
    found = _BOUND.search(about.message)
    value = f"{found['what']} is {found['value']}" if found else "no value"
    limit = found["limit"] if found else "see spec.analysis"
    looks = about.evidence.breaches if about.evidence is not None else 0
    return Figures(value, limit, _since(about, "three looks in a row"), f"{looks} of 3 looks out of bounds")


def _gate(about: About, told: Hint) -> Figures:
    step = about.rollout.current if about.rollout is not None else None
    gate = step.gate if step is not None else None
    if gate is None and about.check is not None:
        what = "request" if about.reason in ("LoadGateFailed", "SmokeGateFailed") else "row"
        return _checked(about, about.check, about.check.count, what)
    if gate is None:
        return _of_an_ended(about, told)
    if not gate.checks:
        found = _state(about, told)
        return Figures(found.value, "see the gate's step", found.window, count(gate.rows, "row"))
    what = "request" if step is not None and step.kind in ("Load", "Smoke") else "row"
    failed = (one for one in gate.checks if one.verdict != "Pass")
    worst = min(failed, key=lambda one: one.verdict != gate.verdict, default=gate.checks[0])
    return _checked(about, worst, worst.count or gate.rows, what)


def _checked(about: About, check: GateCheck, counted: int, what: str) -> Figures:
    return Figures(_measured(check), _threshold(check), _since(about), count(counted, what))


def _measured(check: GateCheck) -> str:
    if check.value is None:
        return f"{check.name}: not measured"
    value = f"{check.value:.4g}"
    between = f" ({check.low:.4g} to {check.high:.4g})" if check.low is not None and check.high is not None else ""
    return f"{check.name} {value}{between}"


def _threshold(check: GateCheck) -> str:
    if check.threshold is None:
        return "see the gate's step"
    return f"{'at most' if check.bound == 'max' else 'at least'} {check.threshold:.4g}"


def _pods(about: About, told: Hint) -> Figures:
    rollout = about.rollout
    if rollout is None:
        if about.ready is None:
            return _state(about, told)
        return Figures(f"{about.ready} ready", "at least 1 ready", _since(about), count(about.pods, "pod"))
    ready = "?" if about.ready is None else str(about.ready)
    crashed = f", {count(rollout.ends, 'end')} of its server" if rollout.ends else ""
    return Figures(
        f"{ready} of {rollout.size} ready{crashed}", f"{rollout.size} ready", _left(about), count(rollout.size, "pod")
    )


def _left(about: About) -> str:
    rollout = about.rollout
    if rollout is None or time_of(rollout.deadline) is None:
        return _since(about)
    return _since(about, f"{words.until(rollout.deadline, about.now)} left until {clock(rollout.deadline)}")


def _room(about: About, told: Hint) -> Figures:
    rollout = about.rollout
    if rollout is None or rollout.needed is None:
        return _pods(about, told)
    value = f"{rollout.fits} of {count(rollout.needed, 'more pod')} would fit"
    lacking = f"no room for {words.since(rollout.lacking_since, about.now)}" if rollout.lacking_since else ""
    window = ", ".join(part for part in (lacking, _left(about)) if part)
    return Figures(value, f"room for {rollout.needed}", window, count(rollout.needed, "pod"))


def _stuck(about: About, told: Hint) -> Figures:  # noqa: ARG001
    model = about.model
    patience = f"stuckAfter {model.stuck_after}, giveUpAfter {model.give_up_after} (spec.cleanup)"
    limit = patience if model.stuck_after else "spec.cleanup's stuckAfter and giveUpAfter"
    lasted = words.since(about.since, about.now)
    return Figures(
        about.reason, limit, _since(about, f"for {lasted}" if lasted else ""), count(max(1, about.pods), "pod")
    )


def _clients(about: About, told: Hint) -> Figures:
    rollout, shares = about.rollout, about.model.shares
    if rollout is None:
        reached = ", ".join(f"{one.color} {of_hundred(one.reached)}" for one in shares) or "nobody has the clients"
        wanted = ", ".join(f"{one.color} {of_hundred(one.wanted)}" for one in shares) or (
            told.wanted or "the active colour"
        )
        return Figures(reached, wanted, _since(about), "all clients")
    value, limit = of_hundred(share_reached(rollout)), of_hundred(share_wanted(rollout))
    return Figures(f"{value} reached", f"{limit} wished", _left(about), "all clients")


def share_reached(rollout: Rollout) -> float:
    """Percent of the clients' requests that were seen to reach it: by the Service, a gateway, or behind the shield."""
    return rollout.reached or rollout.routed_seen or rollout.shielded or 0.0


def share_wanted(rollout: Rollout) -> float:
    """Percent of the clients' requests that are wished for it."""
    return rollout.wanted or rollout.routed or rollout.passed_on


def _state(about: About, told: Hint) -> Figures:
    kind, is_condition, _ = about.status.partition("=")
    otherwise = f"{kind}={'False' if kind == 'Stalled' else 'True'}" if is_condition else "otherwise"
    return Figures(about.status or about.reason, told.wanted or otherwise, _since(about))


def names_step(step: Step | None) -> str:
    """`Trial 10 %`."""
    if step is None:
        return ""
    return step.kind if step.weight is None else f"{step.kind} {of_hundred(step.weight)}"


_KINDS: Mapping[str, Callable[[About, Hint], Figures]] = {
    hint.ERRORS: _errors,
    hint.ROWS: _rows,
    hint.CHECK: _check,
    hint.GATE: _gate,
    hint.PODS: _pods,
    hint.ROOM: _room,
    hint.STUCK: _stuck,
    hint.CLIENTS: _clients,
    hint.STATE: _state,
}
