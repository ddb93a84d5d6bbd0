"""A look at a candidate that has no client yet, a table a question: what holds it, what lets it go on, what ends it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.rollout.parts import START, spec
from tests.rollout.small import recreate
from tests.rollout.step_cases import BLUE, NOW, scraped, steps, turn
from tests.rollout.trial_cases import EXPOSED, MINUTE, SECOND, pod
from verdigris.api.conditions import Condition
from verdigris.api.status import Approval, Baseline, EvidenceStatus, Failure, Sizes
from verdigris.core.facts.evidence import Evidence, Series
from verdigris.core.facts.observed import PodView
from verdigris.core.steps.approval import APPROVAL
from verdigris.core.steps.end_active import END_ACTIVE
from verdigris.core.steps.gathering import OTHER_REVISION, complete, gather_pods, held
from verdigris.core.steps.measure import MEASURE
from verdigris.core.steps.start import START as START_STEP
from verdigris.core.turn import Turn

READY = (pod("g0"), pod("g1"))
COMING = pod("g1", ready=False, created=NOW - 10 * SECOND)
PAUSED = spec("1.1.0", paused=True)


# how far its pods are


def starting(*green: PodView, **changes: Any) -> Turn:
    """These pods of the candidate, which is to have two, beside two active ones."""
    seen = {name: changes.pop(name) for name in ("spec", "deployments") if name in changes}
    rollout = {"stage": "Starting", "weight": 0, "since": EXPOSED, **steps("Start"), **changes}
    return turn(*BLUE, *green, rollout=rollout, **seen)


@pytest.mark.parametrize(
    ("green", "deadline", "most", "after", "most_after"),
    [
        ((pod("g0"), COMING), None, 0, NOW + MINUTE, 1),
        ((pod("g0"), COMING), NOW + SECOND, 1, NOW + SECOND, 1),
        ((pod("g0"), COMING), NOW + SECOND, 0, NOW + MINUTE, 1),
        ((pod("g0", restarts=1), COMING), NOW + SECOND, 0, NOW + SECOND, 0),
        ((pod("g0", restarts=1), COMING), None, 2, NOW + MINUTE, 2),
        (READY, NOW + SECOND, 1, None, 1),
        ((pod("g0", restarts=1), pod("g1", restarts=1)), NOW + SECOND, 0, NOW + SECOND, 0),
        ((pod("g0", restarts=1), pod("g1")), NOW, 0, NOW, 0),
    ],
)
def test_only_a_pod_more_that_has_not_restarted_gives_more_time(
    green: tuple[PodView, ...], deadline: datetime | None, most: int, after: datetime | None, most_after: int
) -> None:
    found, failure = gather_pods(starting(*green, deadline=deadline, ready_high_water=most))
    assert failure is None
    assert (found.rollout.deadline, found.rollout.ready_high_water) == (after, most_after)


def test_without_progress_it_ends_at_its_deadline_and_a_pause_stops_that_clock() -> None:
    late = {"deadline": NOW, "ready_high_water": 1}
    assert gather_pods(starting(pod("g0"), COMING, **late))[1] is not None
    found, failure = gather_pods(starting(pod("g0"), COMING, spec=PAUSED, **late))
    assert (failure, found.rollout.deadline) == (None, None)


TOLD = Failure(reason="CrashLoop", message="Container server ended 3 times.")


@pytest.mark.parametrize(
    ("green", "before", "most", "after"),
    [
        ((pod("g0"), COMING), TOLD, 1, TOLD),
        ((pod("g0"), COMING), TOLD.model_copy(update={"reason": "InsufficientCapacity"}), 1, None),
        ((pod("g0"), COMING), TOLD.model_copy(update={"reason": "QuotaExceeded"}), 1, None),
        ((pod("g0"), COMING), TOLD.model_copy(update={"reason": OTHER_REVISION}), 1, None),
        ((pod("g0"), COMING), TOLD, 0, None),
        (READY, TOLD, 1, None),
    ],
)
def test_what_was_said_of_a_crashing_pod_explains_it_between_two_crashes(
    green: tuple[PodView, ...], before: Failure, most: int, after: Failure | None
) -> None:
    found, _ = gather_pods(starting(*green, deadline=NOW + SECOND, ready_high_water=most, trouble=before))
    assert found.rollout.trouble == after
    if after is not None:
        assert found.rollout.message == f"1 of 2 candidate pods are ready. {after.message}"


@pytest.mark.parametrize(
    ("kinds", "weight", "nobody"),
    [(("Start",), 0, False), (("EndActive", "Start"), 0, True), (("EndActive",), 1, False)],
)
def test_that_nobody_answers_is_told_where_it_is_so(kinds: tuple[Any, ...], weight: int, nobody: bool) -> None:
    found, _ = gather_pods(starting(pod("g0"), COMING, weight=weight, **steps(*kinds)))
    assert ("Nobody answers until they are." in found.rollout.message) is nobody


def test_what_the_api_server_refuses_is_told_at_the_deadline_while_pods_are_missing() -> None:
    refused = Condition(
        type="Stalled", status="True", reason="ApplyRefused", message="admission said no", last_transition_time=NOW
    )

    def reason(*green: PodView, condition: Condition = refused) -> str:
        seen = starting(*green, deadline=NOW, ready_high_water=2)
        status = seen.observed.status.model_copy(update={"conditions": (condition,)})
        _, failure = gather_pods(replace(seen, observed=replace(seen.observed, status=status)))
        assert failure is not None
        return failure.reason

    assert reason(pod("g0")) == "ApplyRefused"
    assert reason(pod("g0"), COMING) != "ApplyRefused"
    assert reason(pod("g0"), condition=refused.model_copy(update={"status": "False"})) == "ProgressDeadlineExceeded"
    assert reason(pod("g0"), condition=refused.model_copy(update={"type": "Ready"})) == "ProgressDeadlineExceeded"


def test_what_is_refused_is_told_beside_the_lack_of_room_that_it_may_have_kept_from_being_made() -> None:
    refused = Condition(
        type="Stalled", status="True", reason="Forbidden", message="admission said no", last_transition_time=NOW
    )
    said = Failure(reason="ImagePullBackOff", message="No such image.")
    seen = starting(pod("g0"), deadline=NOW, ready_high_water=2, trouble=said)
    status = seen.observed.status.model_copy(update={"conditions": (refused,)})
    _, failure = gather_pods(replace(seen, observed=replace(seen.observed, status=status)))
    assert failure is not None
    assert failure.reason == "ImagePullBackOff"
    assert failure.message.startswith("No such image. Besides: admission said no No progress for ")


STALE = pod("g9", revision="v1-older")


@pytest.mark.parametrize(
    ("green", "done"),
    [
        (READY, True),
        ((pod("g0"), COMING), False),
        ((*READY, STALE), False),
        ((*READY, replace(STALE, ready=False)), True),
    ],
)
def test_clients_could_be_sent_to_pods_that_are_all_ready_and_all_of_its_version(
    green: tuple[PodView, ...], done: bool
) -> None:
    assert complete(starting(*green)) is done


@pytest.mark.parametrize(
    ("view", "says"),
    [
        (STALE, "it ends with the rollout of its Deployment."),
        (replace(STALE, controlled=False), "kubectl delete pod g9 -n clinic"),
    ],
)
def test_a_pod_of_another_version_that_clients_would_reach_is_named(view: PodView, says: str) -> None:
    found, _ = gather_pods(starting(*READY, view))
    assert found.rollout.trouble is not None
    assert (found.rollout.trouble.reason, says in found.rollout.trouble.message) == (OTHER_REVISION, True)


@pytest.mark.parametrize(
    ("wanted", "changes", "holds"),
    [
        (PAUSED, {}, True),
        (spec("1.1.0"), {}, False),
        (PAUSED, {"sizes": Sizes(active=0, candidate=2)}, True),
        (PAUSED, {**steps("EndActive"), "sizes": Sizes(active=0, candidate=2)}, False),
        (PAUSED, {**steps("EndActive"), "sizes": Sizes(active=1, candidate=2)}, True),
        (PAUSED, steps("EndActive"), True),
    ],
)
def test_a_pause_holds_nothing_where_nobody_answers_until_it_goes_on(
    wanted: Any, changes: dict[str, Any], holds: bool
) -> None:
    assert held(starting(*READY, spec=wanted, **changes)) is holds


def test_a_candidate_that_is_ready_goes_on_unless_a_pause_holds_it() -> None:
    found, ruling = START_STEP.look(starting(*READY))
    assert (ruling.then, found.notes[-1].reason) == ("Next", "CandidateReady")
    assert START_STEP.look(starting(*READY, spec=PAUSED))[1].then == "Stay"
    assert START_STEP.look(starting(pod("g0"), COMING))[1].then == "Stay"
    ended = START_STEP.look(starting(pod("g0"), COMING, deadline=NOW, ready_high_water=1))[1]
    assert (ended.then, ended.outcome) == ("End", "Failed")


# what can be seen of both versions


def measuring(
    evidence: Evidence, *green: PodView, blue: tuple[PodView, ...] = BLUE, wanted: Any = None, **changes: Any
) -> Turn:
    rollout = {"stage": "Measuring", "weight": 0, "since": NOW - 10 * SECOND, **steps("Start", "Measure"), **changes}
    rollout["evidence"] = EvidenceStatus(baseline=changes.get("baseline", Baseline()))
    rollout.pop("baseline", None)
    return turn(*blue, *(green or READY), rollout=rollout, evidence=evidence, spec=wanted or spec("1.1.0"))


def both(*blue: Series) -> Evidence:
    """The candidate's pods are scraped and have had no request; these are the active version's counters."""
    return Evidence(counters={"green": scraped("g0", "g1", requests=(0, 0)), "blue": blue})


AGO = NOW - 10 * SECOND
FEW = both(*scraped("b0", "b1", requests=(0, 10)))
LONG = timedelta(minutes=5)


@pytest.mark.parametrize(
    ("evidence", "changes", "then"),
    [
        (both(*scraped("b0", "b1", requests=(0, 25))), {}, "Next"),
        (both(*scraped("b0", "b1", requests=(0, 24))), {}, "Stay"),
        (FEW, {"since": NOW - MINUTE}, "Next"),
        (FEW, {"since": NOW - MINUTE + SECOND}, "Stay"),
        (FEW, steps("EndActive", "Start", "Measure"), "Next"),
        (both(*scraped("b0", "b1", requests=(0, 10), at=(NOW - LONG, NOW))), {}, "Next"),
        (both(*scraped("b0", "b1", requests=(0, 10), at=(NOW - LONG + SECOND, NOW))), {}, "Stay"),
        (both(*scraped("b0", requests=(0, 10), at=(NOW - LONG, NOW))), {}, "Stay"),
        (both(), {}, "Stay"),
        (both(*scraped("b0", "b1", requests=(7, 7))), {}, "Next"),
        (both(*scraped("b0", "b1", requests=(7,), at=(NOW,))), {}, "Stay"),
        (both(*scraped("b0", requests=(7, 7)), *scraped("b1", requests=(7,), at=(NOW,))), {}, "Next"),
        (both(*scraped("b0", "b1", requests=(0,), at=(NOW,))), {}, "Next"),
    ],
)
def test_a_baseline_that_is_only_just_coming_is_waited_for_and_no_other(
    evidence: Evidence, changes: dict[str, Any], then: str
) -> None:
    found, ruling = MEASURE.look(measuring(evidence, **changes))
    assert ruling.then == then
    if then == "Stay":
        assert "of 50 requests were seen" in found.rollout.message


def test_an_active_pod_that_is_not_ready_is_not_waited_for() -> None:
    evidence = both(*scraped("b0", requests=(0, 10), at=(NOW - LONG, NOW)))
    away = (pod("b0", "blue"), pod("b1", "blue", ready=False))
    assert MEASURE.look(measuring(evidence, blue=away))[1].then == "Next"


KNOWN = both(*scraped("b0", "b1", requests=(0, 100)))
UNSEEN = Evidence(counters={"green": scraped("g0"), "blue": scraped("b0", "b1", requests=(0, 100))})


@pytest.mark.parametrize(
    ("seen", "then"),
    [
        (measuring(KNOWN), "Next"),
        (measuring(KNOWN, wanted=PAUSED), "Stay"),
        (measuring(KNOWN, pod("g0"), COMING), "Stay"),
        (measuring(UNSEEN), "Stay"),
        (measuring(UNSEEN, promote_now=True), "Next"),
        (measuring(UNSEEN, since=NOW - 15 * SECOND), "Stay"),
        (measuring(UNSEEN, since=NOW - 15 * SECOND, **steps("EndActive", "Measure")), "Next"),
        (measuring(UNSEEN, since=NOW - 14 * SECOND, **steps("EndActive", "Measure")), "Stay"),
        (measuring(KNOWN, shielded_at=START, since=NOW - 4 * SECOND), "Stay"),
        (measuring(KNOWN, shielded_at=START, since=NOW - 5 * SECOND), "Next"),
        (measuring(KNOWN, shielded_at=START, since=NOW - 4 * SECOND, promote_now=True), "Next"),
    ],
)
def test_clients_are_sent_to_what_can_be_seen(seen: Turn, then: str) -> None:
    assert MEASURE.look(seen)[1].then == then


def test_a_candidate_that_loses_its_pods_while_it_is_measured_ends_as_one_that_never_had_a_client() -> None:
    ruling = MEASURE.look(measuring(KNOWN, pod("g0"), COMING, deadline=NOW, ready_high_water=1))[1]
    assert (ruling.then, ruling.outcome) == ("End", "Failed")


def test_both_versions_are_asked_about_before_clients_move() -> None:
    observed = measuring(KNOWN).observed
    assert MEASURE.asks(observed, NOW) == {"green": NOW - 15 * SECOND, "blue": NOW - LONG}
    nobody = observed.status.model_copy(update={"active": None})
    assert MEASURE.asks(replace(observed, status=nobody), NOW) == {}


# a person's yes, and the end of the active pods


YES = Approval(by="alice", reason="looks good", at=NOW)


@pytest.mark.parametrize(
    ("changes", "wanted", "then"),
    [
        ({}, None, "Stay"),
        ({"approval": YES}, None, "Next"),
        ({"promote_now": True}, None, "Next"),
        ({"approval": YES}, PAUSED, "Stay"),
        ({"promote_now": True}, PAUSED, "Stay"),
    ],
)
def test_an_approval_is_waited_for(changes: dict[str, Any], wanted: Any, then: str) -> None:
    seen = starting(*READY, spec=wanted or spec("1.1.0"), **{**steps("Start", "Approval"), **changes})
    assert APPROVAL.look(seen)[1].then == then


def test_a_version_that_turns_out_bad_while_a_person_is_waited_for_ends() -> None:
    bad = EvidenceStatus(verdict="Fail", reason="ErrorRateDoubled", message="it fails")
    asked = {**steps("Trial", "Approval"), "passed_on": 100, "approval": YES, "evidence": bad}
    found, ruling = APPROVAL.look(starting(*READY, **asked))
    assert (ruling.then, ruling.outcome, found.rollout.evidence) == ("End", "RolledBack", bad)


def test_the_active_pods_end_once_their_baseline_is_kept_and_only_where_that_is_still_asked_for() -> None:
    ending = {**steps("EndActive"), "replicas": 3}
    kept = turn(rollout={**ending, "weight": 0}, evidence=KNOWN, spec=recreate("1.1.0"))
    found, ruling = END_ACTIVE.look(kept)
    assert (ruling.then, found.rollout.sizes) == ("Next", Sizes(active=0, candidate=3))
    assert found.rollout.evidence.baseline.requests == 200
    held_back = recreate("1.1.0").model_copy(update={"paused": True})
    assert END_ACTIVE.look(turn(rollout=ending, spec=held_back))[1].then == "Stay"
    changed, ruling = END_ACTIVE.look(starting(*READY, **{**steps("EndActive"), "sizes": Sizes(active=2, candidate=2)}))
    assert (ruling.then, changed.rollout.steps, changed.rollout.sizes) == ("Stay", (), None)
    assert END_ACTIVE.asks(kept.observed, NOW) == {"blue": NOW - LONG}
