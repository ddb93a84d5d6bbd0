"""Since when a fault seems to be there: for the sentence to a person, as a late fault hides in the totals. PURE."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime

from verdigris.api.status import Counts
from verdigris.core.facts.evidence import Series
from verdigris.core.judges import words
from verdigris.core.judges.case import Case
from verdigris.core.judges.counts import increments, newest

_CUTS = 24


def since_it_began(case: Case, limit: float) -> str:
    """The counts since the fault seems to have begun, as far as the samples at hand reach back; then those in all."""
    state, latest = case.state, newest(case.series)
    total = words.failed_of(state.candidate)
    if latest is None or state.sealed_at is None:
        return total
    open_for = latest - state.sealed_at.timestamp()
    step = max(case.scrape.total_seconds(), open_for / _CUTS)
    # Between two scrapes, not on one: a scrape that comes a millisecond early must not change sides.
    cuts = [latest - (number - 0.5) * step for number in range(1, int(open_for / step) + 1)]
    if state.sealed_at != state.lost_at:
        cuts.append(state.sealed_at.timestamp())
    worst = worst_stretch(case.series, cuts, limit)
    if worst is None or worst[1].requests >= state.candidate.requests:
        return total
    since = words.clock(datetime.fromtimestamp(worst[0], UTC))
    in_all = f"{state.candidate.errors} of {state.candidate.requests}"
    return f"{words.failed_of(worst[1])} since {since} (in all {in_all})"


def worst_stretch(series: Iterable[Series], cuts: Iterable[float], limit: float) -> tuple[float, Counts] | None:
    """Since which of `cuts` (unix seconds) the errors are least like a rate of `limit`, and the counts since then.

    None when they never are above it.
    """
    kept = tuple(series)
    found = [(cut, increments(kept, cut)) for cut in cuts]
    bad = [(cut, counts) for cut, counts in found if counts.errors > limit * counts.requests]
    return max(bad, key=lambda one: _divergence(one[1], limit), default=None)


def _divergence(counts: Counts, limit: float) -> float:
    """Log-likelihood ratio of the rate that was seen to `limit`: requests x Kullback-Leibler divergence."""
    good = counts.requests - counts.errors
    bad_part = counts.errors * math.log(counts.errors / counts.requests / limit)
    return bad_part + (good * math.log(good / counts.requests / (1 - limit)) if good else 0.0)
