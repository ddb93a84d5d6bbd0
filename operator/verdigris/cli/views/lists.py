"""What is shown as a list or a table: `why`, `list`, `history`, `diff`, `check`, `lint`, `recommend`. PURE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from verdigris.cli import words
from verdigris.cli.model.deployment import Decided, Model
from verdigris.cli.model.figures import share_reached, share_wanted
from verdigris.cli.model.findings import BAD as BAD_FINDING
from verdigris.cli.model.findings import FINE, Finding
from verdigris.cli.model.outcome import outcome_of
from verdigris.cli.views.paint import BAD, BOLD, DIM, GOOD, PLAIN, WAIT, Line, Span, Terminal, line, table, wrapped
from verdigris.cli.words import of_hundred

if TYPE_CHECKING:
    # Each verb needs one of them: starts are quick.
    from verdigris.cli.model.checks import Check
    from verdigris.cli.model.differences import Difference
    from verdigris.cli.model.faults import Fault

_INDENT = 9
_OUTCOMES = {"Promoted": GOOD, "RolledBack": BAD, "Failed": BAD, "Aborted": WAIT, "Superseded": DIM}
_CHECKS = {"ok": ("✔", GOOD), "warning": ("⚠", WAIT), "failed": ("✖", BAD), "skipped": ("○", DIM)}


def why(model: Model, found: Sequence[Finding], terminal: Terminal) -> Iterator[Line]:
    """Each finding whole: nothing of a message is cropped."""
    yield line((model.name, BOLD), f"  {model.namespace}")
    for one in found:
        style = BAD if one.severity == BAD_FINDING else GOOD if one.severity == FINE else WAIT
        sign = {BAD: "✖", GOOD: "✔"}.get(style, "●")
        yield line("")
        yield line((f"{sign} {one.reason}", style), f"  ({one.about})")
        yield from wrapped("", one.message or "It says nothing more.", 2, terminal)
        for label, value in (("value", one.value), ("limit", one.limit), ("window", one.window), ("n", one.n)):
            if value and one.severity != FINE:
                yield from wrapped(f"  {label}", value, _INDENT, terminal)
        yield from wrapped("  next", one.next, _INDENT, terminal, style=BOLD)
    if not found:
        yield line("  The operator has not said anything of it yet: kubectl verdigris check says whether it is there.")


def models(found: Sequence[Model], now: datetime, terminal: Terminal, *, namespaces: bool) -> list[Line]:
    """One model a line, with where it stands and the cause of what is not well."""
    head = ["NAMESPACE"] * namespaces + [
        "NAME",
        "STATE",
        "VERSION",
        "ACTIVE",
        "CANDIDATE",
        "SHARE",
        "VERDICT",
        "AGE",
        "MESSAGE",
    ]
    return table(head, [_model_row(model, now, namespaces=namespaces) for model in found], terminal)


def _model_row(model: Model, now: datetime, *, namespaces: bool) -> list[Span]:
    outcome, rollout = outcome_of(model, now), model.rollout
    style = {"Healthy": GOOD, "Progressing": WAIT, "Gated": WAIT, "Paused": WAIT, "Superseded": DIM}.get(
        outcome.state, BAD
    )
    share = f"{of_hundred(share_reached(rollout))} of {of_hundred(share_wanted(rollout))}" if rollout else ""
    cells: list[Span] = [(model.namespace, PLAIN)] if namespaces else []
    return [
        *cells,
        (model.name, PLAIN),
        (outcome.state, style),
        (model.version, PLAIN),
        (model.active.version if model.active else "-", PLAIN),
        (rollout.version if rollout else "-", PLAIN),
        (share or "-", PLAIN),
        (rollout.evidence.verdict if rollout else "-", PLAIN),
        (words.since(model.created, now), PLAIN),
        ("" if outcome.state == "Healthy" else outcome.message, PLAIN),
    ]


def history(model: Model, decisions: Sequence[Decided], terminal: Terminal) -> list[Line]:
    """Rollouts that have ended, the newest first, and who decided what."""
    ended: list[list[Span]] = [
        [
            (words.day(one.ended), PLAIN),
            (one.version, PLAIN),
            (one.revision, DIM),
            (one.outcome, _OUTCOMES.get(one.outcome, PLAIN)),
            (one.reason, PLAIN),
            (words.took(one.started, one.ended), PLAIN),
        ]
        for one in reversed(model.history)
    ]
    lines = table(["ENDED (UTC)", "VERSION", "REVISION", "OUTCOME", "REASON", "TOOK"], ended, terminal)
    if not ended:
        lines = [line("No rollout has ended yet.")]
    last = model.last_rollback
    if last is not None:
        restored = f", back after {words.took(last.decided, last.restored)}" if last.restored else ""
        told = f"{words.day(last.decided)}{restored}: {last.from_version} → {last.to_version}: {last.message}"
        lines += [line(""), *wrapped("rollback", told, 10, terminal)]
    if not decisions:
        return lines
    rows: list[list[Span]] = [
        [
            (words.day(one.at), PLAIN),
            (one.by, PLAIN),
            (one.verb, BOLD),
            (one.revision, DIM),
            (one.outcome or "open", GOOD if one.outcome == "Accepted" else WAIT),
            (f"{one.reason} — {one.message}" if one.message else one.reason, PLAIN),
        ]
        for one in decisions
    ]
    return [*lines, line(""), *table(["DECIDED (UTC)", "BY", "VERB", "REVISION", "OUTCOME", "WHY"], rows, terminal)]


def differences(model: Model, found: Sequence[Difference], terminal: Terminal) -> list[Line]:
    """Field by field, what the spec asks for and what runs."""
    if not found:
        return [line(f"{model.namespace}/{model.name}: what runs is what the spec asks for.")]
    rows = [[(one.field, BOLD), (one.spec, GOOD), (one.running, BAD), (one.note, DIM)] for one in found]
    return table(["FIELD", "SPEC", "RUNNING", "NOTE"], rows, terminal)


def faults(found: Sequence[Fault], terminal: Terminal) -> Iterator[Line]:
    """One fault a line, as compilers write them."""
    for one in found:
        yield from wrapped("", f"{one.file}: {one.object}: {one.path}: {one.message}", 0, terminal, style=BAD)


def checks(found: Sequence[Check], terminal: Terminal) -> Iterator[Line]:
    """What was looked at, and what to do about what is not well."""
    for one in found:
        sign, style = _CHECKS[one.result]
        yield from wrapped("", f"{sign} {one.name}: {one.message}", 0, terminal, style=style)
        if one.next:
            yield from wrapped("    next", one.next, _INDENT, terminal)


def recommendation(model: Model, requests: Sequence[tuple[str, str]], terminal: Terminal) -> Iterator[Line]:
    """The requests that the use suggests, beside those of now. `requests`: of cpu and memory, as the spec has them."""
    told = model.recommendation
    if told is None:
        yield from wrapped(
            "",
            "There is no recommendation yet: it comes one to two hours after a version became active, when Prometheus "
            "has seen enough of its use.",
            0,
            terminal,
        )
        return
    asked = dict(requests)
    rows = [["cpu", asked.get("cpu", "-"), told.cpu], ["memory", asked.get("memory", "-"), told.memory]]
    yield from table(["RESOURCE", "SPEC", "SUGGESTED"], rows, terminal)
    yield line("")
    yield from wrapped("", told.message, 0, terminal)
    yield line("")
    yield from wrapped(
        "", "It is advice: nothing is applied by itself. Into your manifest (or the patch after it):", 0, terminal
    )
    yield line(f"  spec.serving.resources.requests: {{cpu: {told.cpu}, memory: {told.memory}}}")
