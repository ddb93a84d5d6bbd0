"""A move of clients that was sent, not seen, and is not wanted any more: it may take effect as late as it likes.

An API server that waits for a webhook carries a write out long after its answer was given up. So a move to a candidate
holds only for the clients' Service as it was seen, and who takes the wish for it back writes a mark on that Service:
what is still on its way fails then. Until the mark is seen, or no request can be under way any more, nothing of the
candidate is taken away.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from verdigris.api.status import RolloutStatus
from verdigris.core.facts.observed import Observed
from verdigris.core.routing.service import reached

LATEST = timedelta(seconds=75)
"""No write is carried out later than this: an API server gives a request up after 60 s, unless it is told otherwise."""


def was_withdrawn(observed: Observed, rollout: RolloutStatus) -> bool:
    """Whether the status as it was read wished for clients that nobody has seen, and this rollout does so no more."""
    kept = observed.status.rollout
    wished = kept is not None and kept.wanted > 0 and _same(kept, rollout)
    return wished and rollout.wanted == 0 and rollout.color not in reached(observed.selected)


def may_still_come(observed: Observed, rollout: RolloutStatus, now: datetime) -> bool:
    """Whether a move to this candidate may still take effect although it is not wanted any more."""
    return was_withdrawn(observed, rollout) or fence(observed, rollout, now) is not None


def fence(observed: Observed, rollout: RolloutStatus, now: datetime) -> str | None:
    """The mark that the clients' Service lacks; None where no move is feared (any more), or one is wanted.

    It has the time in it, so that a status which was lost meanwhile leads to another mark, and with it to a write.
    """
    at = rollout.withdrawn_at
    if at is None or rollout.wanted or now >= at + LATEST:
        return None
    mark = f"{rollout.revision} {at.isoformat(timespec='milliseconds')}"
    return None if observed.withdrawn == mark else mark


def _same(one: RolloutStatus, other: RolloutStatus) -> bool:
    return (one.revision, one.color, one.started_at) == (other.revision, other.color, other.started_at)
