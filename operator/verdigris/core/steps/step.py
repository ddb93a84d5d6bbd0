"""What every step of a rollout has: a look that gives a ruling, a share for the candidate, and what it asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import Color, Failure, Outcome, Stage, StepKind
from verdigris.core.facts.observed import Observed
from verdigris.core.facts.policy import in_force
from verdigris.core.turn import Turn


@dataclass(frozen=True)
class Ruling:
    """What becomes of the rollout after one look at its step.

    `Stay` in the step; `Next` step; `Again` from the first step, with the clients back on the active colour meanwhile;
    `End` the rollout and take it back, to be recorded with this outcome. `excused`: its surroundings are why it has to
    begin again, so that this does not count. `skipped`: why the step is left without a verdict.
    """

    then: Literal["Stay", "Next", "Again", "End"]
    failure: Failure | None = None
    outcome: Outcome = "Failed"
    excused: bool = False
    skipped: str = ""


STAY = Ruling("Stay")
NEXT = Ruling("Next")


def end(outcome: Outcome, failure: Failure) -> Ruling:
    """Take the rollout back for this reason."""
    return Ruling("End", failure, outcome)


def skip(why: str) -> Ruling:
    """Go on without this step, for a reason that is told in a sentence."""
    return Ruling("Next", skipped=why)


Since = dict[Color, datetime]
"""From when on each colour's counters are wanted."""


def no_share(turn: Turn) -> int:  # noqa: ARG001
    """For steps in which no client reaches the candidate."""
    return 0


def never(turn: Turn) -> str | None:  # noqa: ARG001
    """For steps that no rollout can do without."""
    return None


def asks_nothing(observed: Observed, now: datetime) -> Since:  # noqa: ARG001
    """For steps that need no evidence."""
    return {}


@dataclass(frozen=True)
class Step:
    """One kind of step.

    Attributes:
        kind: its name in the status.
        stage: what the rollout's stage is called while it is under way.
        message: what is told when it is entered.
        look: one look: the turn after it, and the ruling. Pure.
        share: percent of new connections that the candidate is to have while it is under way. It is entered when a
            share of that kind (none, some, all) is seen.
        passed_on: hundredths of a percent of the clients' requests that the active pods are to pass on to the candidate
            while it is under way. They answer themselves what does not come back well, so it is entered at once.
        routed: hundredths of a percent of a gateway's requests that its HTTPRoute is to send to the candidate while it
            is under way, where that is not what the clients' Service does. It is entered at once, too.
        shadowed: hundredths of a percent of the requests of which the active pods are to send it copies.
        skipped: why the rollout goes on to the one after it, in a sentence; None: it does not.
        asks: the colours whose counters the look needs, and since when; empty for none.
    """

    kind: StepKind
    stage: Stage
    message: Callable[[Turn], str]
    look: Callable[[Turn], tuple[Turn, Ruling]]
    share: Callable[[Turn], int] = no_share
    asks: Callable[[Observed, datetime], Since] = asks_nothing
    passed_on: Callable[[Turn], int] = no_share
    routed: Callable[[Turn], int] = no_share
    shadowed: Callable[[Turn], int] = no_share
    skipped: Callable[[Turn], str | None] = never


def scrape_interval(observed: Observed) -> timedelta:
    """How often Prometheus takes the pods' samples, as declared; during a rollout it stays what it was."""
    return parse_duration(in_force(observed.spec, observed.status.rollout).scrape)
