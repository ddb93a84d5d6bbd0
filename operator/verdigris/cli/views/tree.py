"""`get`: a model as a tree: where its rollout is and why, who has the clients, and every pod that is not well. PURE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from verdigris.cli import words
from verdigris.cli.model import headline
from verdigris.cli.model.deployment import Decided, Model, Step
from verdigris.cli.model.figures import names_step, share_reached, share_wanted
from verdigris.cli.model.findings import BAD as BAD_FINDING
from verdigris.cli.model.findings import FINE, Finding, findings
from verdigris.cli.model.outcome import Outcome, outcome_of
from verdigris.cli.model.pods import Colour, Pod, colours, unwell
from verdigris.cli.views.paint import BAD, BOLD, DIM, GOOD, PLAIN, WAIT, Line, Span, Terminal, line, wrapped
from verdigris.cli.words import count, of_hundred

_INDENT = 11
_ALIKE = 5
"""So many pods that are stuck in the same are shown one by one; the rest as a number."""
_DECISIONS = 3
_STATES = {
    "Healthy": ("✔", GOOD),
    "Progressing": ("●", WAIT),
    "Gated": ("●", WAIT),
    "Paused": ("●", WAIT),
    "RollingBack": ("✖", BAD),
    "RolledBack": ("✖", BAD),
    "Failed": ("✖", BAD),
    "Superseded": ("○", DIM),
    "Degraded": ("✖", BAD),
}
_STEP_SIGNS = {"Done": ("✔", GOOD), "Running": ("●", WAIT), "Waiting": ("○", DIM), "Skipped": ("—", DIM)}


@dataclass(frozen=True)
class Picture:
    """What is shown: the model, and its pods, or why those are not known."""

    model: Model
    pods: tuple[Pod, ...] = ()
    pods_unseen: str = ""
    away: str = ""
    """Why what is shown may be old."""


def tree(picture: Picture, now: datetime, terminal: Terminal) -> list[Line]:
    """The lines of the tree, not cropped yet."""
    model = picture.model
    pods = None if picture.pods_unseen else picture.pods
    found = findings(model, now, pods)
    old = f"Not up to date: {picture.away}"
    return [
        *(wrapped("  ⚠", old, _INDENT, terminal, most=2, style=WAIT) if picture.away else ()),
        *_head(model, outcome_of(model, now), now, terminal),
        *_why(found, terminal),
        *_waits(model, now, terminal),
        *_steps(model, terminal),
        *_colours(picture, now, terminal),
        *_decisions(model.decisions, terminal),
    ]


def _head(model: Model, outcome: Outcome, now: datetime, terminal: Terminal) -> Iterator[Line]:
    sign, style = _STATES[outcome.state]
    state = headline.state(model, outcome)
    yield line((model.name, BOLD), f"  {model.namespace}  ", (f"{sign} {state}", style))
    yield from wrapped("  strategy", headline.strategy(model, now), _INDENT, terminal, rank=2)
    if model.rollout is not None:
        yield from wrapped("  share", headline.share(model.rollout), _INDENT, terminal)
    yield from wrapped("  versions", headline.versions(model), _INDENT, terminal)


def _why(found: Sequence[Finding], terminal: Terminal) -> Iterator[Line]:
    """The cause, with its numbers; what else there is, in one line each."""
    for place, one in enumerate(found):
        style = BAD if one.severity == BAD_FINDING else PLAIN
        if place == 0:
            yield from wrapped(
                "  why", f"{one.reason}: {one.message}".rstrip(": "), _INDENT, terminal, most=3, style=style
            )
            if one.severity != FINE:
                of = f" · n {one.n}" if one.n else ""
                numbers = f"value {one.value}{of} · limit {one.limit} · window {one.window}"
                yield from wrapped("", numbers, _INDENT, terminal, most=3, rank=1)
                yield from wrapped("  next", one.next, _INDENT, terminal, most=4, rank=1)
        elif not one.about.startswith("pod "):
            yield from wrapped(
                "  also", f"{one.reason}: {one.message}".rstrip(": "), _INDENT, terminal, most=1, style=style, rank=1
            )


def _waits(model: Model, now: datetime, terminal: Terminal) -> Iterator[Line]:
    outcome = outcome_of(model, now)
    rollout = model.rollout
    if outcome.state == "Gated" and rollout is not None:
        verb = "approve" if rollout.stage == "AwaitingApproval" else "promote"
        told = f"for a person: kubectl verdigris {verb} {model.name} -n {model.namespace} --revision {rollout.revision}"
        yield from wrapped("  wait", told, _INDENT, terminal, style=WAIT)
    elif outcome.state == "Paused":
        yield from wrapped(
            "  wait", f"kubectl verdigris resume {model.name} -n {model.namespace}", _INDENT, terminal, style=WAIT
        )


def _steps(model: Model, terminal: Terminal) -> Iterator[Line]:
    """As many on a line as there is room for."""
    rollout = model.rollout
    if rollout is None or not rollout.steps:
        return
    room = (terminal.columns or 10_000) - _INDENT
    label, taken = "  steps", 0
    spans: list[Span] = []
    for step in rollout.steps:
        sign, style = _STEP_SIGNS[step.state]
        told = f"{sign} {names_step(step)}{_verdict(step)}"
        if spans and taken + len(told) > room:
            yield Line(((label.ljust(_INDENT), DIM), *spans), rank=2)
            label, taken, spans = "", 0, []
        spans.append((f"{told}  ", style))
        taken += len(told) + 2
    yield Line(((label.ljust(_INDENT), DIM), *spans), rank=2)


def _verdict(step: Step) -> str:
    return f" {step.verdict}" if step.verdict and step.verdict != "Pass" else ""


def _colours(picture: Picture, now: datetime, terminal: Terminal) -> Iterator[Line]:
    slots = colours(picture.model, picture.pods)
    for place, slot in enumerate(slots):
        last = place == len(slots) - 1
        yield _slot(slot, "└─" if last else "├─", picture)
        yield from _pods(slot.pods, "   " if last else "│  ", now)
    if picture.pods_unseen:
        yield from wrapped("  pods", f"not shown: {picture.pods_unseen}", _INDENT, terminal, style=WAIT)


def _slot(slot: Colour, branch: str, picture: Picture) -> Line:
    parts = [f"{slot.color:<5}", f"{slot.role:<9}", slot.version or "?", slot.revision]
    ready = "" if picture.pods_unseen else f"{slot.ready}/{slot.total} ready"
    share = of_hundred(slot.reached) if slot.role != "warm" else "warm"
    shares = (("passed on", slot.shielded), ("routed", slot.routed))
    beside = "  ".join(f"{how} {of_hundred(part)}" for how, part in shares if part is not None)
    style = GOOD if slot.total and slot.ready == slot.total else WAIT
    told = "  ".join(part for part in parts if part)
    return line(f"  {branch} ", (told, BOLD), "  ", (ready, style), f"  {share}", f"  {beside}" if beside else "")


def _pods(pods: Sequence[Pod], stem: str, now: datetime) -> Iterator[Line]:
    """Those that are well as a number; those that are not by name, those that are alike up to a number."""
    well = sum(pod.well for pod in pods)
    if well:
        yield line(f"  {stem}    ", (f"✔ {count(well, 'pod')} well", DIM), rank=3)
    for group in unwell(pods):
        for pod in group[:_ALIKE]:
            age = words.since(pod.created, now)
            again = f", {count(pod.restarts, 'restart')}" if pod.restarts else ""
            told = f"{pod.name}  {pod.reason}  {age}{again}"
            yield line(f"  {stem}    ", (f"✖ {told}", BAD), f"  {pod.message}" if pod.message else "")
        if len(group) > _ALIKE:
            yield line(f"  {stem}    ", (f"✖ … and {len(group) - _ALIKE} more: {group[0].reason}", BAD))


def _decisions(decided: Sequence[Decided], terminal: Terminal) -> Iterator[Line]:
    for place, one in enumerate(reversed(decided[-_DECISIONS:])):
        told = f"{words.clock(one.at)}  {one.by}  {one.verb}  {one.outcome}: {one.message}"
        yield from wrapped("  decided" if place == 0 else "", told, _INDENT, terminal, most=1, rank=2)


def summary(model: Model, now: datetime) -> str:
    """One line for a pipe or a log: everything that matters, and nothing that changes by itself."""
    outcome, rollout = outcome_of(model, now), model.rollout
    parts = [f"{model.namespace}/{model.name}", outcome.state, f"version={model.version}"]
    parts.append(f"active={model.active.version if model.active else '-'}")
    if rollout is not None:
        at = f"{rollout.step + 1}/{len(rollout.steps)}"
        parts += [f"stage={rollout.stage}", f"step={at}", f"wished={share_wanted(rollout):g}%"]
        parts += [
            f"reached={share_reached(rollout):g}%",
            f"verdict={rollout.evidence.verdict}/{rollout.evidence.reason}",
        ]
    return f"{' '.join(parts)}: {_first_sentence(outcome.message)}"


def _first_sentence(text: str | None) -> str:
    head, stop, _ = (text or "").partition(". ")
    return f"{head}." if stop else head
