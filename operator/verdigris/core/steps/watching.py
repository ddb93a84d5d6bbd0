"""Watching a candidate that has clients: its baseline, the judge's verdict, and what evidence that fails means."""

from __future__ import annotations

from datetime import datetime, timedelta

from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import Baseline, Color, EvidenceStatus, Failure, Outcome, RolloutStatus, other
from verdigris.core.judges.availability import unavailable
from verdigris.core.judges.baseline import better_known
from verdigris.core.judges.candidate import fault_of_candidate
from verdigris.core.judges.errors import ruled, to_millis
from verdigris.core.judges.fold import fold
from verdigris.core.judges.visibility import VISIBLE_SCRAPES, baseline_while_shared, seen_baseline
from verdigris.core.steps.step import NEXT, STAY, Ruling, end, scrape_interval
from verdigris.core.turn import Turn, evolve
from verdigris.core.words import clip

FOUND_WITHIN = timedelta(seconds=30)
"""How long Prometheus may take to notice a new pod."""


def judge(turn: Turn) -> Turn:
    """The verdict on all that the candidate has answered since clients first reached it."""
    evidence = fold(
        turn.rollout.evidence,
        turn.evidence,
        candidate=turn.rollout.color,
        policy=turn.policy.analysis,
        scrape=scrape_interval(turn.observed),
        planned_looks=planned_looks(turn),
        now=turn.now,
        version=turn.rollout.version,
        pods=counted_pods(turn),
        visible=_visible(turn),
        behind=turn.rollout.passed_on > 0,
    )
    return turn.change_rollout(evidence=evidence)


def _visible(turn: Turn) -> tuple[str, ...]:
    """Candidate pods that Prometheus must have scraped before a pass.

    Behind the shield all that are ready: clients may be moved to them next (law 4). Else those that have been ready
    for long enough to have been found and scraped.
    """
    ready = [pod for pod in turn.pods(turn.rollout) if pod.ready]
    if turn.rollout.passed_on:
        return tuple(pod.name for pod in ready)
    before = turn.now - FOUND_WITHIN - VISIBLE_SCRAPES * scrape_interval(turn.observed)
    return tuple(pod.name for pod in ready if (pod.ready_changed or pod.created) <= before)


def planned_looks(turn: Turn) -> int:
    """How many looks the test plans with; it goes by what this was when clients came."""
    policy, rollout = turn.policy, turn.rollout
    bake = parse_duration(policy.rollout.bake)
    trials = [parse_duration(step.hold) if step.hold else bake for step in rollout.steps if step.kind == "Trial"]
    on_trial = sum(trials, timedelta())
    watched = on_trial + 2 * bake if rollout.has("Trade") else max(bake, on_trial)
    return max(1, int(watched / parse_duration(policy.analysis.interval)))


def hold_against_active(turn: Turn) -> Turn:
    """While both versions have clients the candidate is held against what the other does at the same time (law 5)."""
    evidence, active = turn.rollout.evidence, turn.active
    if turn.evidence.problem or active is None or not turn.ready(active):
        return turn
    analysis = turn.policy.analysis
    seen = _seen(turn, active.color)
    baseline = baseline_while_shared(evidence.baseline, seen, analysis)
    return turn.change_rollout(evidence=evolve(evidence, baseline=baseline))


def frozen_baseline(turn: Turn) -> Baseline:
    """The active colour's counts of the last minutes (law 5), or those from before that tell more of it."""
    rollout, last = turn.rollout, turn.rollout.evidence.baseline
    if (turn.evidence.problem or rollout.has("EndActive")) and last.at is not None:
        return last
    return better_known(last, _seen(turn, other(rollout.color)), turn.policy.analysis.error_rate)


def _seen(turn: Turn, color: Color) -> Baseline:
    pods, scrape, policy = pod_names(turn, color), scrape_interval(turn.observed), turn.policy.analysis
    return seen_baseline(turn.evidence, color, pods, policy=policy, scrape=scrape, now=turn.now)


def pod_names(turn: Turn, color: Color) -> tuple[str, ...]:
    """Names of all pods of this colour, those on their way out too."""
    return tuple(pod.name for pod in turn.observed.pods if pod.color == color)


def counted_pods(turn: Turn) -> tuple[str, ...]:
    """Names of all pods that count for the candidate: its own, and those that pass requests on to it."""
    fronts = pod_names(turn, other(turn.rollout.color)) if turn.rollout.shielded_at is not None else ()
    return (*pod_names(turn, turn.rollout.color), *fronts)


def must_leave(turn: Turn) -> Ruling | None:
    """Whether the candidate must lose its clients now: for good, as it is bad, or until its pods are ready again."""
    failure = fault_of_candidate(turn)
    if failure:
        return end("RolledBack", failure)
    lost = unavailable(turn)
    return Ruling("Again", lost.failure, excused=lost.excused) if lost else None


def without_evidence(turn: Turn, outcome: Outcome) -> tuple[Turn, Ruling]:
    """What the user declared for evidence that is not enough, once its deadline is past; until then wait (law 3)."""
    policy, evidence = turn.policy.rollout, turn.rollout.evidence
    deadline = (evidence.inconclusive_since or turn.now) + parse_duration(policy.inconclusive_deadline)
    late = turn.now >= deadline
    if late and policy.on_inconclusive == "Promote":
        return turn, NEXT
    if late and policy.on_inconclusive == "Rollback":
        message = f"{evidence.message} That lasted for {policy.inconclusive_deadline}, and onInconclusive is Rollback."
        return turn, end(outcome, Failure(reason=evidence.reason, message=clip(message)))
    # Before the switch it is normal to wait for the first scrapes: nobody need be told what to do about that.
    if turn.rollout.stage == "Measuring" and not late:
        return turn, STAY
    return turn.change_rollout(message=f"{evidence.message} {_way_out(turn, deadline)}"), STAY


def without_answer(turn: Turn, why: Failure) -> tuple[Turn, Ruling]:
    """The same for a step that something else than clients decides, which gives no answer: since when is the step's own
    to know. Where the version has a share, what is known of its answers stays: this says nothing about them."""
    step, answers = turn.rollout.steps[turn.rollout.step], turn.rollout.evidence
    since = step.unclear_since or to_millis(turn.now)
    evidence = evolve(answers, inconclusive_since=since)
    evidence = ruled(evidence, ("Inconclusive", why.reason, why.message), turn.now)
    has_share = _has_share(turn)
    turn = turn.change_step(unclear_since=since).change_rollout(evidence=evidence)
    turn, ruling = without_evidence(turn, "RolledBack" if has_share else "Failed")
    return (turn.change_rollout(evidence=answers) if has_share else turn), ruling


def with_answer(turn: Turn) -> Turn:
    """As `without_answer` has left it, once there is an answer again, or one is on its way."""
    if turn.rollout.steps[turn.rollout.step].unclear_since is None:
        return turn
    turn = turn.change_step(unclear_since=None)
    if _has_share(turn):
        return turn
    blank = EvidenceStatus()
    fields = {"verdict": blank.verdict, "reason": blank.reason, "message": blank.message, "inconclusive_since": None}
    return turn.change_rollout(evidence=evolve(turn.rollout.evidence, **fields))


def _has_share(turn: Turn) -> bool:
    return bool(turn.rollout.passed_on or turn.rollout.routed)


def _way_out(turn: Turn, deadline: datetime) -> str:
    policy, revision = turn.policy.rollout.on_inconclusive, turn.rollout.revision
    people = f"a RolloutDecision with verb promote or abort and revision {revision}"
    if policy != "Hold":
        return f"Unless that changes, onInconclusive: {policy} ends it at {deadline:%H:%M:%S} UTC, or {people} before."
    return f"It holds here until there is evidence, or until {people}."


def since_exposed(rollout: RolloutStatus, now: datetime) -> datetime:
    """Since when the candidate's counters count: from just before clients could reach it."""
    return rollout.evidence.sealed_at or rollout.exposed_at or now
