"""A look at a bake, a trade and a trial, a table a question: when it goes on, and with how much."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.rollout.baking_cases import AWAY, FRESH, PASS, PAUSED, baking
from tests.rollout.parts import spec
from tests.rollout.small import small
from tests.rollout.step_cases import NOW, deployments, scraped, steps, turn
from tests.rollout.trial_cases import EXPOSED, SECOND, pod
from verdigris.api.status import Counts, EvidenceStatus, Sizes, StepStatus
from verdigris.core.facts.evidence import Evidence, Series
from verdigris.core.facts.observed import PodView
from verdigris.core.steps import bake
from verdigris.core.steps.end_active import END_ACTIVE
from verdigris.core.steps.measure import MEASURE
from verdigris.core.steps.step import Step
from verdigris.core.steps.trade import TRADE
from verdigris.core.steps.trial import TRIAL
from verdigris.core.turn import Turn

# the bake


WHOLE_TRIAL = StepStatus(kind="Trial", weight=100.0, verdict="Pass", hold="90s")


@pytest.mark.parametrize(
    ("trials", "was"),
    [
        ((WHOLE_TRIAL,), True),
        ((StepStatus(kind="Trial", weight=1.0, verdict="Pass"), WHOLE_TRIAL), True),
        ((WHOLE_TRIAL.model_copy(update={"verdict": None}),), False),
        ((WHOLE_TRIAL.model_copy(update={"weight": 99.0}),), False),
        ((), False),
    ],
)
def test_whether_it_has_answered_everybody_behind_the_shield(trials: tuple[StepStatus, ...], was: bool) -> None:
    assert bake.was_on_trial(baking(steps=(*trials, StepStatus(kind="Bake"))).rollout) is was


BAKED = {"evidence": PASS, "steps": (StepStatus(kind="Bake"),), "step": 0}


@pytest.mark.parametrize(
    ("keep_warm", "since", "blue", "then"),
    [
        ("0s", NOW - 10 * SECOND, 2, "Next"),
        ("0s", NOW - 9 * SECOND, 2, "Stay"),
        ("0s", NOW - 9 * SECOND, 1, "Stay"),
        ("0s", NOW - 9 * SECOND, 0, "Next"),
        ("2m", NOW - 9 * SECOND, 2, "Next"),
    ],
)
def test_clients_have_time_to_leave_pods_that_nothing_keeps(
    keep_warm: str, since: datetime, blue: int, then: str
) -> None:
    wanted = spec("1.1.0", rollout={"bake": "0s", "keepWarm": keep_warm})
    found, ruling = bake.BAKE.look(baking(since=since, spec=wanted, deployments=deployments(blue=blue), **BAKED))
    assert ruling.then == then
    assert ("connections to 1.0.0 are told to leave until 10:02:01 UTC" in found.rollout.message) is (then == "Stay")


# a trade


BUSY = Evidence(
    counters={
        "green": scraped("g0", "g1", requests=tuple(100.0 * number for number in range(13)), at=FRESH),
        "blue": scraped("b0", requests=tuple(100.0 * number for number in range(13)), at=FRESH),
    }
)


def trading(evidence: Evidence = BUSY, **changes: Any) -> Turn:
    """Two of three pods are the candidate's, for ten seconds, which is a third of the bake."""
    seen = {"spec": changes.pop("spec", small("1.1.0", bake="30s")), "selected": "both"}
    state = {
        "stage": "Trading",
        "replicas": 3,
        "sizes": Sizes(active=1, candidate=2),
        "weight": 66,
        "since": NOW - 10 * SECOND,
        "evidence": PASS.model_copy(update={"seen": 10.0, "at": NOW - 10 * SECOND, "began": Counts()}),
        **steps("Trade", "Bake"),
        "step": 0,
        **changes,
    }
    return turn(pod("b0", "blue"), pod("g0"), pod("g1"), rollout=state, evidence=evidence, **seen)


@pytest.mark.parametrize(
    ("seen", "then", "candidate"),
    [
        (trading(), "Stay", 3),
        (trading(since=NOW - 9 * SECOND), "Stay", 2),
        (trading(since=NOW - 9 * SECOND, promote_now=True), "Stay", 3),
        (trading(sizes=Sizes(active=1, candidate=2), replicas=2, since=NOW - 15 * SECOND), "Next", 2),
        (trading(spec=small("1.1.0", bake="30s").model_copy(update={"paused": True})), "Stay", 2),
        (trading(evidence=AWAY), "Stay", 2),
        (trading(evidence=AWAY, promote_now=True), "Stay", 3),
        (trading(evidence=AWAY, spec=small("1.1.0", bake="0s")), "Stay", 3),
    ],
)
def test_the_candidate_gets_one_pod_more_after_its_share_of_the_bake(seen: Turn, then: str, candidate: int) -> None:
    found, ruling = TRADE.look(seen)
    assert found.rollout.sizes is not None
    assert (ruling.then, found.rollout.sizes.candidate) == (then, candidate)
    grown = then == "Stay" and candidate == 3
    assert (found.rollout.since == NOW, found.rollout.wanted) == (grown, 67)
    if grown:
        assert (found.rollout.evidence.seen, found.rollout.deadline) == (0.0, None)


def test_a_trade_that_makes_no_progress_is_taken_back() -> None:
    seen = trading(sizes=Sizes(active=1, candidate=3), deadline=NOW, ready_high_water=2)
    ruling = TRADE.look(seen)[1]
    assert (ruling.then, ruling.outcome) == ("End", "RolledBack")


def test_a_version_that_turns_out_bad_in_a_trade_is_taken_back() -> None:
    bad = EvidenceStatus(verdict="Fail", reason="ErrorRateDoubled", message="it fails")
    ruling = TRADE.look(trading(evidence=AWAY).change_rollout(evidence=bad))[1]
    assert (ruling.then, ruling.outcome) == ("End", "RolledBack")


def test_in_a_trade_the_candidate_is_never_said_to_have_all_clients() -> None:
    alone = trading()
    seen = replace(alone, observed=replace(alone.observed, endpoints={"green": 2}))
    assert TRADE.look(seen)[0].rollout.wanted == 99


@pytest.mark.parametrize("step", [TRADE, MEASURE, END_ACTIVE, bake.BAKE, TRIAL])
@pytest.mark.parametrize("nobody", ["active", "rollout"])
def test_of_nobody_nothing_is_asked(step: Step, nobody: str) -> None:
    """A status may have lost either."""
    seen = on_trial()
    asked = step.asks(replace(seen.observed, status=seen.status.model_copy(update={nobody: None})), NOW)
    missing = "blue" if nobody == "active" else "green"
    assert missing not in asked


def test_a_trade_asks_about_both_and_is_left_out_where_all_pods_fit() -> None:
    seen = trading()
    assert TRADE.asks(seen.observed, NOW) == {"green": EXPOSED, "blue": NOW - timedelta(minutes=5)}
    assert TRADE.skipped(seen) is None
    assert TRADE.skipped(trading(sizes=Sizes(active=1, candidate=3))) is not None


# behind the shield


def in_front(*, share: int = 100, answered: int = 100) -> tuple[tuple[PodView, ...], tuple[Series, ...]]:
    """Two active pods that are told to pass this share on, and what they counted."""
    order = f'{{"share":{share}}}' if share else None
    pods = tuple(pod(f"b{n}", "blue", forwards=True, order=order) for n in range(2))
    times = [one.timestamp() for one in FRESH]
    counted = tuple((at, float(answered * number)) for number, at in enumerate(times))
    return pods, tuple(Series(one.name, "answered", counted) for one in pods if answered)


def on_trial(weight: float = 1.0, share: int | None = None, answered: int = 100, **changes: Any) -> Turn:
    """The active pods have passed this weight on for half a minute, and are to do so for as long as that."""
    pods, counted = in_front(share=round(100 * weight) if share is None else share, answered=answered)
    own = scraped("g0", "g1", requests=(0.0,) * 13, at=FRESH)
    seen = {"spec": changes.pop("spec", spec("1.1.0")), "addresses": {"green": "10.96.0.2"}, "selected": "blue"}
    state = {
        "stage": "OnTrial",
        "replicas": 2,
        "weight": 0,
        "passed_on": round(100 * weight),
        "shielded_at": EXPOSED,
        "since": NOW - 30 * SECOND,
        "evidence": EvidenceStatus(sealed_at=EXPOSED, at=EXPOSED, began=Counts()),
        "steps": (StepStatus(kind="Trial", weight=weight, hold="30s"), StepStatus(kind="Bake")),
        "step": 0,
        **changes,
    }
    evidence = Evidence(counters={"green": (*own, *counted), "blue": scraped("b0", "b1", at=(EXPOSED, NOW))})
    return turn(*pods, pod("g0"), pod("g1"), rollout=state, evidence=evidence, **seen)


def unreachable(seen: Turn) -> Turn:
    """The candidate's Service has lost its address."""
    return replace(seen, observed=replace(seen.observed, addresses={}))


@pytest.mark.parametrize(
    ("seen", "then", "reason"),
    [
        (on_trial(), "Next", "WithinLimits"),
        (on_trial(since=NOW - 29 * SECOND), "Stay", "WithinLimits"),
        (on_trial(weight=100.0), "Next", "WithinLimits"),
        (on_trial(answered=1), "Next", "TooFewRequests"),
        (on_trial(weight=100.0, answered=1), "Stay", "TooFewRequests"),
        (on_trial(share=0), "Stay", "NotPassedOn"),
        (on_trial(share=99), "Stay", "NotPassedOn"),
        (on_trial(share=0, since=NOW - 29 * SECOND), "Stay", "WithinLimits"),
        (on_trial(spec=PAUSED), "Stay", "WithinLimits"),
        (unreachable(on_trial()), "Next", "WithinLimits"),
        (replace(on_trial(share=0), evidence=AWAY), "Stay", "PrometheusUnreachable"),
    ],
)
def test_a_version_is_asked_more_once_what_it_was_asked_is_seen_to_be_well(seen: Turn, then: str, reason: str) -> None:
    found, ruling = TRIAL.look(seen)
    assert (ruling.then, found.rollout.evidence.reason, ruling.skipped) == (then, reason, "")
    if reason == "NotPassedOn":
        assert found.rollout.evidence.inconclusive_since == NOW
        assert "0 of 2 active pods pass 1 % of their requests on." in found.rollout.message


def test_only_where_no_active_pod_is_left_to_answer_clients_move_in_the_middle_of_a_trial() -> None:
    away = unreachable(on_trial())
    nobody = replace(away, observed=replace(away.observed, endpoints={"green": 2}))
    assert TRIAL.look(nobody)[1].skipped
    assert not TRIAL.look(away)[1].skipped


def test_how_many_pods_in_front_do_as_they_are_told_is_said() -> None:
    early = {"since": NOW - 29 * SECOND}
    assert "2 of 2 active pods pass 1 % of their requests on." in TRIAL.look(on_trial(**early))[0].rollout.message
    whole = TRIAL.look(on_trial(weight=100.0, **early))[0].rollout.message
    assert "2 of 2 active pods pass its requests on." in whole


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (on_trial(), None),
        (on_trial(sizes=Sizes(active=1, candidate=1)), None),
        (on_trial().change(active=None), "No version is active."),
        (unreachable(on_trial()), "has no address"),
        (on_trial(spec=spec("1.1.0", rollout={"bake": "0s"})), None),
        (
            on_trial(
                spec=spec("1.1.0", rollout={"bake": "0s"}),
                steps=(StepStatus(kind="Trial", weight=100.0), StepStatus(kind="Bake")),
            ),
            "spec.rollout.bake is 0s",
        ),
    ],
)
def test_why_a_trial_is_left_out(seen: Turn, says: str | None) -> None:
    found = TRIAL.skipped(seen)
    assert (found is None) is (says is None)
    assert (says or "") in (found or "")


def uncounted(after: int, **changes: Any) -> Turn:
    """Active pods were told so many seconds ago, none of them counts anything, and Prometheus has watched all along."""
    began = {"evidence": EvidenceStatus(sealed_at=EXPOSED, at=EXPOSED), "since": NOW - timedelta(seconds=after)}
    return on_trial(answered=0, **{**began, **changes})


HALF_SEEN = (NOW - 25 * SECOND, NOW - 10 * SECOND)
"""Thirty seconds of the last forty were watched: those before each of two scrapes."""


@pytest.mark.parametrize(
    ("seen", "skipped"),
    [
        (uncounted(40), True),
        (uncounted(39), False),
        (uncounted(40, spec=PAUSED), False),
        (on_trial(evidence=EvidenceStatus(sealed_at=EXPOSED, at=EXPOSED), since=NOW - 40 * SECOND), False),
        (replace(uncounted(40), evidence=Evidence(counters={"green": scraped("g0", "g1")})), False),
        (replace(uncounted(40), evidence=Evidence(counters={"green": scraped("g0", "g1", at=HALF_SEEN)})), True),
        (replace(uncounted(40), evidence=Evidence(counters={"green": scraped("g0", at=HALF_SEEN)})), False),
    ],
)
def test_active_pods_that_count_nothing_do_not_stand_in_front(seen: Turn, skipped: bool) -> None:
    found, ruling = TRIAL.look(seen)
    assert bool(ruling.skipped) is skipped
    assert found.rollout.kind == "Trial"
