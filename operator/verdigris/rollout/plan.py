"""The whole decision, pure: what was seen and what Prometheus said in, effects and the new status out.

Read `CHAIN` from top to bottom: that is the operator's mind. Every link is a small function from one turn to the
next; none knows a clock, a socket or Kubernetes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from verdigris.api.fields import parse_duration
from verdigris.api.status import Color, RolloutStatus
from verdigris.rollout.actions import Plan
from verdigris.rollout.answers import answer_decisions
from verdigris.rollout.checks import check_queries
from verdigris.rollout.cleanup import clean_up
from verdigris.rollout.evidence import Evidence, Question
from verdigris.rollout.observed import Observed
from verdigris.rollout.realise import realise
from verdigris.rollout.report import report
from verdigris.rollout.revision import revision_of
from verdigris.rollout.sizing import advise
from verdigris.rollout.slots import adopt, advance, mend, retire, start, supersede
from verdigris.rollout.stages import VISIBLE_SCRAPES
from verdigris.rollout.turn import Turn
from verdigris.rollout.watching import BASELINE_WINDOW

CHAIN: tuple[Callable[[Turn], Turn], ...] = (
    mend,
    adopt,
    answer_decisions,
    supersede,
    advance,
    retire,
    start,
    clean_up,
    advise,
    report,
)


_PATIENT = timedelta(seconds=30)
"""The longest wait for a person, whose decision is an event that wakes the operator, and for stuck pods."""

_NOBODY_TO_ASK = Evidence(
    problem="No Prometheus is configured: set prometheus.address in the chart's values, or "
    "spec.analysis.prometheus.address."
)


def plan(observed: Observed, evidence: Evidence, now: datetime) -> Plan:
    """Decide. Pure: the same arguments give the same plan."""
    turn = Turn(observed, evidence if observed.prometheus_address else _NOBODY_TO_ASK, now, observed.status)
    for step in CHAIN:
        turn = step(turn)
    return Plan(
        actions=realise(turn),
        status=turn.status,
        notes=turn.notes,
        answered=turn.answered,
        requeue_after=_look_again(turn),
    )


def _look_again(turn: Turn) -> timedelta | None:
    """When to look again without being woken: for the rollout, or for pods, whichever comes first."""
    waits = [_for_roles(turn)]
    if turn.look_at is not None:
        waits.append(min(_PATIENT, max(timedelta(seconds=1), turn.look_at - turn.now)))
    return min((wait for wait in waits if wait is not None), default=None)


def _for_roles(turn: Turn) -> timedelta | None:
    """At every tick of a rollout, else when the warm colour's time is over."""
    if turn.status.rollout is not None:
        waits_for_people = turn.status.rollout.stage == "AwaitingApproval"
        return _PATIENT if waits_for_people else parse_duration(turn.observed.spec.analysis.interval)
    if turn.status.warm is not None:
        return max(timedelta(seconds=1), turn.status.warm.until - turn.now)
    return None


def question(observed: Observed, now: datetime) -> Question | None:
    """What to ask Prometheus before planning; None when this stage needs no evidence, or there is nobody to ask."""
    status, spec = observed.status, observed.spec
    rollout, active = status.rollout, status.active
    if rollout is None or active is None or not _needs_evidence(rollout) or _is_decided(observed, rollout):
        return None
    address = observed.prometheus_address
    if address is None:
        return None
    scrape = parse_duration(spec.monitoring.service_monitor.interval)
    since: dict[Color, datetime] = {rollout.color: rollout.evidence.sealed_at or now - VISIBLE_SCRAPES * scrape}
    if rollout.stage != "Baking":
        since[active.color] = now - BASELINE_WINDOW
    owner = observed.owner
    return Question(
        address=address,
        namespace=owner.namespace,
        model=owner.name,
        since=since,
        revisions={rollout.color: rollout.revision, active.color: active.revision},
        checks=check_queries(
            spec.analysis,
            namespace=owner.namespace,
            model=owner.name,
            color=rollout.color,
            revision=rollout.revision,
            version=rollout.version,
            scrape=scrape,
        ),
    )


def _is_decided(observed: Observed, rollout: RolloutStatus) -> bool:
    """Whether the rollout is taken back whatever the evidence says: nothing is waited for then (law 1)."""
    done = {record.uid for record in observed.status.decisions}
    back = any(
        decision.verb in ("abort", "rollback") and decision.revision == rollout.revision
        for decision in observed.decisions
        if not decision.answered and decision.uid not in done
    )
    return back or rollout.revision != revision_of(observed.spec)


def _needs_evidence(rollout: RolloutStatus) -> bool:
    """Recreate freezes its baseline before it ends the active pods; else nothing is asked before pods are ready."""
    before_the_end = rollout.way == "Recreate" and rollout.stage == "Starting" and rollout.evidence.baseline.at is None
    return before_the_end or rollout.stage in ("Measuring", "Trading", "Baking")
