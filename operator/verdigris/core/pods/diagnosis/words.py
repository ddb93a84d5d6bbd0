"""Foreign words made fit for a status: without what changes from look to look, and no longer than people read."""

from __future__ import annotations

import re
from collections.abc import Iterable

from verdigris.core import words
from verdigris.core.facts.observed import PodEvent

LIMIT = 900
"""Characters of a diagnosis' message: what is built around it must still fit a condition."""
QUOTED = 400
"""Characters of foreign words in it."""

_UNSTEADY = (
    re.compile(r"\(combined from similar events\): "),
    re.compile(r"rpc error: code = \w+ desc = "),
    # The numbers of sandboxes and containers, the caller's port, the times in a log: new at each attempt.
    re.compile(r'(?: sandbox| container)? "?[0-9a-f]{64}"?'),
    re.compile(r"\S+:\d+->"),
    re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)? ?"),
)


_PREEMPTION = re.compile(r"[.,]? (?:preemption:|no new claims to deallocate)|\. not found\.?$")


def tidy(text: str) -> str:
    """On one line, without the numbers and times that differ from one attempt to the next."""
    for pattern in _UNSTEADY:
        text = pattern.sub("", text)
    return " ".join(text.split())


def clip(text: str, limit: int = LIMIT) -> str:
    """Its beginning."""
    return words.clip(text, limit)


def last(text: str, limit: int = QUOTED) -> str:
    """Its end, tidied: of a log, the last lines matter."""
    text = tidy(text)
    return text if len(text) <= limit else "…" + text[1 - limit :]


def said(events: Iterable[PodEvent], reason: str, *beginnings: str) -> str:
    """What the Events of this reason say, tidied: of those that begin so, what was said most often. "" for nothing.

    Not the newest: two that take turns must not change the text each time.
    """
    found = [event for event in events if event.reason == reason and _begins(event.message, beginnings)]
    if not found:
        return ""
    most = max(found, key=lambda event: (event.count, event.message))
    return clip(tidy(most.message), QUOTED)


def scheduler_words(text: str) -> str:
    """What the scheduler has against the nodes, without what it says of attempts to make room by preemption."""
    return words.sentence(clip(_PREEMPTION.split(tidy(text), maxsplit=1)[0], QUOTED))


def _begins(message: str, beginnings: tuple[str, ...]) -> bool:
    return not beginnings or tidy(message).startswith(beginnings)
