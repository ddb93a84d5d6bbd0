"""Shadow: the active pods answer their clients themselves, send copies to the candidate, and compare what it says.

Nobody sees its answers. A version that answers 200 with wrong values, which no error rate shows, ends here.
"""

from __future__ import annotations

from datetime import datetime

from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import Failure
from verdigris.core.facts.observed import Observed
from verdigris.core.judges.errors import resumed
from verdigris.core.judges.shadow import compared
from verdigris.core.judges.visibility import long_enough
from verdigris.core.routing.shield import cannot_be_told
from verdigris.core.steps.gathering import complete, gather_pods, held
from verdigris.core.steps.passing_on import share_of, time_of_step
from verdigris.core.steps.step import NEXT, STAY, Ruling, Since, Step, end, scrape_interval
from verdigris.core.steps.watching import pod_names, without_evidence
from verdigris.core.turn import Turn, evolve


def _look(turn: Turn) -> tuple[Turn, Ruling]:
    turn, failure = gather_pods(turn)
    if failure:
        return turn, end("Failed", failure)
    turn = _compare(turn) if turn.ready(turn.rollout) else _nobody_asked(turn)
    seen = turn.rollout.evidence
    if seen.verdict == "Fail":
        return turn, end("Failed", Failure(reason=seen.reason, message=seen.message))
    if held(turn) or not complete(turn):
        return turn, STAY
    turn = turn.change_rollout(message=seen.message)
    if turn.rollout.promote_now:
        return turn, NEXT
    if turn.now < turn.rollout.since + time_of_step(turn):
        return turn, STAY
    return (turn, NEXT) if seen.verdict == "Pass" else without_evidence(turn, "Failed")


def _nobody_asked(turn: Turn) -> Turn:
    """While none of its pods is ready, copies that are not answered say nothing about the version (law 17).

    What the active pods have counted of them is seen with the next scrape.
    """
    seen = turn.rollout.shadow
    if seen is None:
        return turn
    scraped = turn.now + scrape_interval(turn.observed)
    return turn.change_rollout(shadow=resumed(seen, turn.evidence, scraped))


def _compare(turn: Turn) -> Turn:
    """The verdict on the copies so far; it is also the rollout's, which has none on answers to clients yet."""
    rollout, active, scrape = turn.rollout, turn.active, scrape_interval(turn.observed)
    step, lasts = rollout.steps[rollout.step], time_of_step(turn)
    found = compared(
        rollout.shadow,
        turn.evidence,
        candidate=rollout.color,
        limit=step.max_disagreement or 0.0,
        scrape=scrape,
        planned_looks=int(lasts / parse_duration(turn.policy.analysis.interval)),
        now=turn.now,
        version=rollout.version,
        pods=pod_names(turn, active.color) if active is not None else (),
    )
    if turn.now >= rollout.since + lasts:
        found = long_enough(found, lasts, rollout.since, scrape)
    why = cannot_be_told(turn.observed, rollout, active.color) if active is not None else None
    message = found.message if why is None or found.verdict != "Inconclusive" else f"{why} {found.message}"
    said = ("verdict", "reason", "inconclusive_since")
    evidence = evolve(rollout.evidence, **{name: getattr(found, name) for name in said}, message=message)
    return turn.change_rollout(shadow=found, evidence=evidence)


def _share(turn: Turn) -> int:
    return share_of(turn.rollout.steps[turn.rollout.step])


def _asks(observed: Observed, now: datetime) -> Since:
    rollout = observed.status.rollout
    if rollout is None:
        return {}
    since = rollout.shadow.sealed_at if rollout.shadow is not None else None
    return {rollout.color: since or now}


SHADOW = Step(
    "Shadow",
    "Shadowing",
    lambda turn: f"Copies of what clients ask are answered by {turn.rollout.version}, and compared.",
    _look,
    asks=_asks,
    shadowed=_share,
)
