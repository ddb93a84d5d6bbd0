"""While the version before it is warm, the active one goes on being watched: a late fault is taken back by itself.

It is judged as in its bake, by the same counts, the same baseline and the same alpha; only what fails matters here.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from verdigris.core.engine.taking_back import back_to_warm, with_roles_swapped
from verdigris.core.facts.observed import Observed
from verdigris.core.judges.candidate import fault_of_candidate
from verdigris.core.judges.crashes import remember_exits
from verdigris.core.steps.watching import judge
from verdigris.core.turn import Turn

EVERY = timedelta(seconds=15)
"""How often: nobody waits for it, and each look writes the status."""


def is_watched_on(observed: Observed) -> bool:
    """Whether the active version is still watched after its rollout."""
    status = observed.status
    return status.rollout is None and status.warm is not None and status.warm.evidence is not None


def is_replaced(observed: Observed) -> bool:
    """Whether the next plan puts another version in its place: clients are not taken back for what is to go anyway.

    A version that is asked for and may not start, or was rejected, replaces nobody.
    """
    status, target = observed.status, observed.target
    if status.active is None or target == status.active.revision:
        return False
    if status.warm is not None and target == status.warm.revision:
        return True
    return not observed.starts_nothing and all(entry.revision != target for entry in status.rejected)


def as_in_its_bake(observed: Observed, now: datetime) -> Observed:
    """What was observed, as if the active version were still in its bake: for what is asked about it."""
    swapped = with_roles_swapped(observed.status, now)
    return observed if swapped is None else replace(observed, status=swapped)


def watch_warm(turn: Turn) -> Turn:
    """One look at an active version that could still be taken back."""
    warm, swapped = turn.status.warm, with_roles_swapped(turn.status, turn.now)
    if turn.status.rollout is not None or warm is None or warm.evidence is None or swapped is None:
        return turn
    if turn.now >= warm.until or turn.observed.skew.foreign:
        return turn
    baking = judge(remember_exits(replace(turn, status=swapped)))
    watched = baking.rollout
    turn = turn.change(warm=warm.model_copy(update={"evidence": watched.evidence, "exits": watched.exits}))
    failure = fault_of_candidate(baking)
    return turn if failure is None else back_to_warm(turn, "RolledBack", failure)
