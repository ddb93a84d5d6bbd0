"""Which decisions have been dealt with, whatever could not be written on them. None ever acts twice.

A decision's own status says what became of it, but that write may be refused for ever. So the model's status remembers
the last `REMEMBERED` answers, and, by the time of creation, how far those reach that it no longer remembers: whatever
is not younger than that counts as answered. Times are those of the API server alone, so no other clock matters; of
decisions of the same second the UID says which was answered first.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from verdigris.api.status import AnsweredUpTo, DecisionRecord, ModelDeploymentStatus
from verdigris.core.facts.observed import Decision

REMEMBERED = 20
"""Answers that the status remembers one by one."""

_CLOCKS = timedelta(minutes=1)
"""How far the clock of an operator of version 0.1.0 may have been behind the API server's when it gave an answer."""

_LAST = "~"
"""Comes after every UID."""

Place = tuple[datetime, str]
"""Where a decision stands in the order in which they are answered: when it was created, and its UID."""


def place(decision: Decision) -> Place:
    """Where it stands."""
    return decision.created, decision.uid


def is_open(decision: Decision, status: ModelDeploymentStatus) -> bool:
    """Whether it is still to be answered."""
    return not decision.answered and not _is_remembered(decision, status) and not is_passed(decision, status)


def is_passed(decision: Decision, status: ModelDeploymentStatus) -> bool:
    """Whether nobody knows any more if it was answered: it may have been, so it must not act."""
    reach = _reach(status)
    if decision.answered or reach is None or _is_remembered(decision, status):
        return False
    return place(decision) <= reach


def remember(
    status: ModelDeploymentStatus, record: DecisionRecord
) -> tuple[tuple[DecisionRecord, ...], AnsweredUpTo | None]:
    """The answers to remember, with this one, and how far those reach that are forgotten for it: the oldest are."""
    kept, reach = (*status.decisions, record), _reach(status)
    while len(kept) > REMEMBERED:
        oldest = min(kept, key=_place_of)
        kept = tuple(one for one in kept if one is not oldest)
        reach = max(filter(None, (reach, _place_of(oldest))))
    return kept, None if reach is None else AnsweredUpTo(created=reach[0], uid=reach[1])


def _is_remembered(decision: Decision, status: ModelDeploymentStatus) -> bool:
    return any(record.uid == decision.uid for record in status.decisions)


def _reach(status: ModelDeploymentStatus) -> Place | None:
    """The newest decision that may have been answered and forgotten."""
    known = status.answered_up_to
    places = ((known.created, known.uid) if known is not None else None, _forgotten_by_older(status.decisions))
    return max(filter(None, places), default=None)


def _forgotten_by_older(records: tuple[DecisionRecord, ...]) -> Place | None:
    """What an operator of version 0.1.0 has forgotten without a word: all of it was answered before the first record.

    It writes no time of creation, and forgets only when the list is full.
    """
    if len(records) < REMEMBERED or all(record.created is not None for record in records):
        return None
    return records[0].at + _CLOCKS, _LAST


def _place_of(record: DecisionRecord) -> Place:
    """Of a record of version 0.1.0 only the time of the answer is known, which came after the creation."""
    return (record.created, record.uid) if record.created is not None else (record.at + _CLOCKS, _LAST)


def open_of(decisions: Iterable[Decision], status: ModelDeploymentStatus) -> tuple[Decision, ...]:
    """Those still to be answered, in the order in which they are."""
    return tuple(sorted((one for one in decisions if is_open(one, status)), key=place))
