"""An event as one sentence, for people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from verdigris.audit.event import Entry, What

_WORDS: Mapping[What, str] = {
    "moved": "alias {alias} of {model} is version {version} now (number {number})",
    "began": "version {version} begins to be rolled out",
    "gate": "gate {gate} of version {version}: {verdict} ({reason})",
    "step": "step {kind} of version {version} ended: {verdict} ({reason})",
    "share": "version {version} is asked {share:g} % of the requests",
    "deployed": "version {version} is the first that serves",
    "serves": "version {version} serves now",
    "rolledback": "taken back from {from} to {to}: {reason}",
    "restored": "the clients are back at {to}, {seconds:g} s after that was decided",
    "ended": "version {version} did not come through: {outcome} ({reason})",
    "decision": "{verb} by {by}: {outcome}",
    "pod": "pod {pod} was removed: {kind}",
    "removed": "the model was deleted",
    "operator": "operator {version} leads",
    "gap": "{dropped} events could not be recorded",
}


def sentence(entry: Entry) -> str:
    """One line, in which nobody's words make a mention or a link; `message` turns mark-up off."""
    said = _WORDS[entry.what].format_map(_Known(entry.data))
    reason = entry.data.get("reason") if entry.what == "decision" else None
    return _plain(f"{entry.subject}: {said}{f' – {reason}' if reason else ''}")


class _Known(dict[str, Any]):
    """What an event says; a question mark for what it does not."""

    def __missing__(self, name: str) -> str:
        return "?"


def _plain(text: str) -> str:
    """As api.slack.com/reference/surfaces/formatting asks: three characters as entities."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"\s+", " ", escaped).strip()
