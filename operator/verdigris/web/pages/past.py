"""What has been: rollouts that have ended, the last rollback, decisions; and what the spec asks otherwise. PURE."""

from __future__ import annotations

from collections.abc import Sequence

from verdigris.cli import words
from verdigris.cli.model.deployment import Decided, Model, Rollback
from verdigris.cli.model.differences import Difference
from verdigris.cli.model.reading import time_of
from verdigris.web.markup import Child, Html, element
from verdigris.web.pages.layout import BAD, GOOD, QUIET, WAIT, badge, quietly, table

_OUTCOMES = {"Promoted": GOOD, "RolledBack": BAD, "Failed": BAD, "Aborted": WAIT, "Superseded": QUIET}


def history(model: Model, decided: Sequence[Decided], unseen: str) -> Child:
    """The newest first. `unseen`: why only those decisions are shown that the status remembers."""
    ended = [
        [
            words.day(one.ended),
            one.version,
            badge(one.outcome, _OUTCOMES.get(one.outcome, QUIET)),
            one.reason,
            words.took(one.started, one.ended),
            element("code", one.revision),
        ]
        for one in reversed(model.history)
    ]
    heads = ["ended (UTC)", "version", "outcome", "reason", "took", "revision"]
    return [
        table("Rollouts that have ended", heads, ended) if ended else quietly("No rollout has ended yet."),
        _rollback(model.last_rollback) if model.last_rollback else None,
        _decisions(decided),
        quietly(f"Only what the status remembers of decisions is shown: {unseen}") if unseen else None,
    ]


def _rollback(last: Rollback) -> Html:
    took = words.took(last.decided, last.restored)
    back = f", clients back after {took}" if time_of(last.restored) is not None else ""
    told = f"Last rollback, {words.day(last.decided)}{back}: {last.from_version} → {last.to_version}: {last.message}"
    return element("p", told, class_="said")


def _decisions(decided: Sequence[Decided]) -> Html:
    rows = [
        [
            words.day(one.at),
            one.by,
            one.verb,
            badge(one.outcome or "open", GOOD if one.outcome == "Accepted" else WAIT),
            f"{one.reason} — {one.message}" if one.message else one.reason,
        ]
        for one in decided
    ]
    if not rows:
        return quietly("Nobody has decided anything.")
    return table("Who decided what", ["decided (UTC)", "by", "verb", "outcome", "why"], rows)


def differing(found: Sequence[Difference], unseen: str) -> Child:
    """Field by field. `unseen`: why pods and Service are not compared."""
    rows = [[one.field, one.spec, one.running, one.note] for one in found]
    heads = ["field", "spec", "running", "note"]
    same = quietly("What runs is what the spec asks for.")
    return [
        table("Fields that differ", heads, rows) if rows else same,
        quietly(f"Pods and Service are not compared: {unseen}") if unseen else None,
    ]
