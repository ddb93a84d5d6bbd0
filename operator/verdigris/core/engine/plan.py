"""The whole decision, pure: what was seen and what Prometheus said in, effects and the new status out.

Read `CHAIN` from top to bottom: that is the order in which things are decided. Every link is a function from one turn
to the next; none knows a clock, a socket or Kubernetes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import RolloutStatus
from verdigris.core.actions import Plan
from verdigris.core.advice.sizing import advise
from verdigris.core.engine.children import realise
from verdigris.core.engine.decisions import answer_decisions
from verdigris.core.engine.following import follow
from verdigris.core.engine.gateway import mind_route, remember_route
from verdigris.core.engine.names import mind_names, remember_address
from verdigris.core.engine.progress import advance, withdraw
from verdigris.core.engine.report import report
from verdigris.core.engine.roles import adopt, mend, retire, start, supersede
from verdigris.core.engine.sizes import remember_bounds, remember_scale
from verdigris.core.engine.understanding import judgeable, keep_foreign, remember_target, tell
from verdigris.core.engine.watch_warm import EVERY, as_in_its_bake, is_replaced, is_watched_on, watch_warm
from verdigris.core.facts.answered import open_of
from verdigris.core.facts.evidence import Evidence, Question
from verdigris.core.facts.observed import Observed
from verdigris.core.facts.policy import in_force
from verdigris.core.judges.ask import ask
from verdigris.core.judges.crashes import remember_exits
from verdigris.core.pods.remedies.cleanup import clean_up
from verdigris.core.routing.shield import fronts, shares
from verdigris.core.steps.bake import was_on_trial
from verdigris.core.steps.lists import STEPS
from verdigris.core.steps.source import LOOK_EVERY
from verdigris.core.steps.step import scrape_interval
from verdigris.core.turn import Turn

CHAIN: tuple[Callable[[Turn], Turn], ...] = (
    mend,
    follow,
    remember_target,
    adopt,
    answer_decisions,
    supersede,
    remember_exits,
    advance,
    watch_warm,
    withdraw,
    retire,
    start,
    remember_bounds,
    remember_scale,
    clean_up,
    advise,
    remember_address,
    remember_route,
    mind_names,
    mind_route,
    keep_foreign,
    tell,
    report,
)

_PATIENT = timedelta(seconds=30)
"""The longest wait for a person, whose decision is an event that wakes the operator, and for stuck pods."""

MOVING = timedelta(milliseconds=100)
"""Until the clients are seen where a step wants them."""

MOVES_WITHIN = timedelta(seconds=5)
"""How long after a step has wished for clients looks come every `MOVING`; later they come at the rollout's interval."""

_NOBODY_TO_ASK = (
    "No Prometheus is configured: set prometheus.address in the chart's values, or spec.analysis.prometheus.address."
)


def plan(observed: Observed, evidence: Evidence, now: datetime) -> Plan:
    """Decide. Pure: the same arguments give the same plan."""
    if observed.prometheus_address is None:
        evidence = Evidence(problem=observed.prometheus_refused or _NOBODY_TO_ASK)
    evidence = judgeable(observed, evidence)
    turn = Turn(observed, evidence, now, observed.status)
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
    rollout = turn.status.rollout
    if rollout is not None:
        if rollout.stage == "AwaitingApproval" and not rollout.passed_on:
            return _PATIENT
        if rollout.stage == "AwaitingSource" and not (rollout.passed_on or rollout.routed):
            return LOOK_EVERY
        return MOVING if _is_moving(turn, rollout) else parse_duration(turn.policy.analysis.interval)
    if turn.status.warm is not None:
        left = max(timedelta(seconds=1), turn.status.warm.until - turn.now)
        return left if turn.status.warm.evidence is None else min(left, EVERY)
    return None


def _is_moving(turn: Turn, rollout: RolloutStatus) -> bool:
    """Whether clients, or their requests, should be seen on the candidate any moment, or it is about to be promoted.

    A move that is refused is tried at every look.
    """
    if rollout.wished_at is not None and turn.now < rollout.wished_at + MOVES_WITHIN:
        return rollout.wanted > 0 and rollout.weight == 0
    if rollout.kind not in ("Shadow", "Trial", "Bake") or turn.now >= rollout.since + MOVES_WITHIN:
        return False
    return was_on_trial(rollout) if rollout.kind == "Bake" else not _is_told(turn)


def _is_told(turn: Turn) -> bool:
    active, rollout = turn.active, turn.rollout
    told = (shares(pod.order) for pod in fronts(turn.observed, active.color)) if active is not None else ()
    return all(one == (rollout.passed_on, rollout.shadowed) for one in told)


def question(observed: Observed, now: datetime) -> Question | None:
    """What to ask Prometheus before planning; None when this step needs no evidence, or there is nobody to ask."""
    if is_watched_on(observed):
        asked = None if is_replaced(observed) else _asked(as_in_its_bake(observed, now), now)
        return None if asked is None else replace(asked, every=max(EVERY, asked.every))
    rollout = observed.status.rollout
    superseded = rollout is not None and rollout.revision != observed.target
    return None if superseded else _asked(observed, now)


def _asked(observed: Observed, now: datetime) -> Question | None:
    status, spec = observed.status, observed.spec
    rollout, active, address = status.rollout, status.active, observed.prometheus_address
    if rollout is None or active is None or address is None or _is_decided(observed, rollout):
        return None
    since = STEPS[rollout.kind].asks(observed, now) if rollout.kind is not None and not rollout.taken_back else {}
    if not since:
        return None
    return ask(
        address,
        observed.owner,
        in_force(spec, rollout).analysis,
        since,
        candidate=rollout,
        active=active,
        evidence=rollout.evidence,
        scrape=scrape_interval(observed),
        now=now,
        fronts=active.color if rollout.shielded_at is not None or rollout.shadowed else None,
        shadowed=rollout.shadowed > 0,
        matchers=observed.defaults.prometheus_matchers,
        isolated=observed.defaults.isolated_queries,
    )


def _is_decided(observed: Observed, rollout: RolloutStatus) -> bool:
    """Whether the rollout is taken back whatever the evidence says: nothing is waited for then (law 1)."""
    back = any(
        decision.verb in ("abort", "rollback") and decision.revision == rollout.revision
        for decision in open_of(observed.decisions, observed.status)
    )
    return back or observed.skew.foreign
