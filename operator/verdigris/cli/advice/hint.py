"""One line of the table: which numbers belong to a reason, and the next thing to do."""

from __future__ import annotations

from dataclasses import dataclass

ERRORS = "errors"
"""Requests that failed, against the baseline's limit."""
GATE = "gate"
"""What a gate has measured, against its threshold."""
ROWS = "rows"
"""Rows that a shadow answered otherwise, against what is allowed."""
CHECK = "check"
"""A latency limit, or a metric of the user's own."""
PODS = "pods"
"""Ready pods, against the size that is needed."""
ROOM = "room"
"""Pods that have a place, against those that need one."""
STUCK = "stuck"
"""A pod in a state that it should have left."""
CLIENTS = "clients"
"""The share of the clients, as wished and as reached."""
STATE = "state"
"""A state of an object: nothing is counted, `wanted` says what it should be."""


ANEW = (
    "A rollout keeps the rules that it began with: apply the change, end this one (kubectl verdigris abort {name}{n} "
    "--revision {revision} --reason '...'), and begin anew by retry in place of abort."
)
"""How an edit of spec.rollout or spec.analysis comes to count for a version that is under way (`core.facts.policy`)."""


@dataclass(frozen=True)
class Hint:
    """`next` is a sentence with commands; in braces what the model fills in (`advice.table.filled`).

    `wanted` is the limit of a STATE: what it should be. `fine`: there is nothing to do.
    """

    figures: str
    next: str
    wanted: str = ""
    fine: bool = False


def ok(next: str = "Nothing has to be done.", wanted: str = "") -> Hint:
    """Of a reason that is good news."""
    return Hint(STATE, next, wanted, fine=True)
