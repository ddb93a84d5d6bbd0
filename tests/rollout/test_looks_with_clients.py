"""A look at a candidate that is asked or has clients, a table a question: what holds it, lets it go on, and ends it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.rollout.baking_cases import AWAY, FRESH, OPEN, PASS, PAUSED, baking
from tests.rollout.parts import spec
from tests.rollout.step_cases import NOW, deployments, scraped, steps
from tests.rollout.trial_cases import EXPOSED, MINUTE, SECOND, pod
from verdigris.api.status import Baseline, EvidenceStatus, Sizes, StepStatus
from verdigris.core.facts.evidence import Evidence
from verdigris.core.facts.observed import PodView
from verdigris.core.steps import watching
from verdigris.core.steps.full_share import passes, wait
from verdigris.core.turn import Turn

# time and evidence


@pytest.mark.parametrize(
    ("seen", "span", "then"),
    [
        (baking(), 60, "Next"),
        (baking(), 61, "Stay"),
        (baking(spec=PAUSED), 60, "Stay"),
        (baking(promote_now=True), 3600, "Next"),
        (baking(promote_now=True, spec=PAUSED), 60, "Stay"),
        (baking(evidence=OPEN), 60, "Stay"),
        (baking(evidence=OPEN, promote_now=True), 60, "Next"),
        (baking(evidence=PASS.model_copy(update={"seen": 49.0})), 60, "Stay"),
        (baking(evidence=PASS.model_copy(update={"seen": 50.0})), 60, "Next"),
        (baking(pod("g0")), 60, "Stay"),
        (baking(pod("g0"), promote_now=True), 60, "Stay"),
    ],
)
def test_a_version_goes_on_once_it_was_watched_and_passes_with_all_its_pods(seen: Turn, span: int, then: str) -> None:
    assert wait(seen, timedelta(seconds=span), passes)[1].then == then


@pytest.mark.parametrize(
    ("deadline", "most", "after", "then"),
    [
        (None, 0, NOW + MINUTE, "Stay"),
        (NOW + SECOND, 1, NOW + SECOND, "Stay"),
        (NOW + SECOND, 0, NOW + MINUTE, "Stay"),
        (NOW, 0, NOW + MINUTE, "Stay"),
        (NOW, 1, NOW, "End"),
    ],
)
def test_a_version_that_stays_short_of_pods_ends_at_its_deadline(
    deadline: datetime | None, most: int, after: datetime, then: str
) -> None:
    short = baking(pod("g0"), deadline=deadline, ready_high_water=most)
    found, ruling = wait(short, timedelta(), passes)
    assert (ruling.then, found.rollout.deadline, found.rollout.ready_high_water) == (then, after, 1)
    if then == "End":
        assert ruling.failure is not None
        assert (ruling.outcome, ruling.failure.reason) == ("RolledBack", "CandidateShortOfPods")
        assert "Only 1 of 2 pods of version 1.1.0 are ready." in ruling.failure.message
    paused = replace(short, observed=replace(short.observed, spec=PAUSED))
    found, ruling = wait(paused, timedelta(), passes)
    assert (ruling.then, found.rollout.deadline) == ("Stay", None)


def test_with_all_its_pods_a_version_has_no_deadline_and_the_next_shortage_begins_there() -> None:
    found, _ = wait(baking(deadline=NOW, ready_high_water=5), timedelta(), passes)
    assert (found.rollout.deadline, found.rollout.ready_high_water) == (None, 2)


COMING = pod("g2", ready=False, created=NOW - 10 * SECOND)
THEIRS = {"scalers": {"green": "ScaledObject keda"}}


@pytest.mark.parametrize(
    ("replicas", "size", "green", "changes", "full"),
    [
        (2, 3, (pod("g0"), pod("g1"), COMING), {}, False),
        (2, 2, (pod("g0"), pod("g1"), COMING), {}, True),
        (3, 2, (pod("g0"), pod("g1")), {}, False),
        (2, 4, (pod("g0"), pod("g1")), {}, True),
        (3, 1, (pod("g0"),), THEIRS, True),
        (3, 2, (pod("g0"),), THEIRS, False),
        (3, 0, (pod("g0"),), THEIRS, True),
        (2, 5, (pod("g0"), pod("g1"), COMING), THEIRS, True),
        (2, 1, (pod("g0"),), {**THEIRS, "sizes": Sizes(active=1, candidate=1)}, True),
        (2, 1, (pod("g0"),), {"sizes": Sizes(active=1, candidate=2)}, False),
    ],
)
def test_how_many_pods_a_version_has_to_have(
    replicas: int, size: int, green: tuple[PodView, ...], changes: dict[str, Any], full: bool
) -> None:
    seen = baking(*green, replicas=replicas, deployments=deployments(green=size), **changes)
    assert (wait(seen, timedelta(), passes)[1].then == "Next") is full


# evidence that is not enough


def inconclusive(policy: str, lasts: int | None, **changes: Any) -> Turn:
    """Evidence has not been enough for so many seconds, and the policy ends that after a minute."""
    since = None if lasts is None else NOW - timedelta(seconds=lasts)
    evidence = OPEN.model_copy(update={"inconclusive_since": since})
    wanted = spec("1.1.0", rollout={"onInconclusive": policy, "inconclusiveDeadline": "60s"})
    return baking(evidence=evidence, spec=wanted, message="", **changes)


@pytest.mark.parametrize(
    ("seen", "then", "says"),
    [
        (inconclusive("Promote", 60), "Next", ""),
        (inconclusive("Promote", 59), "Stay", "onInconclusive: Promote ends it at 10:02:01 UTC"),
        (inconclusive("Rollback", 60), "End", ""),
        (inconclusive("Rollback", 59), "Stay", "onInconclusive: Rollback ends it at 10:02:01 UTC"),
        (inconclusive("Rollback", None), "Stay", "ends it at 10:03:00 UTC"),
        (inconclusive("Hold", 3600), "Stay", "It holds here until there is evidence"),
        (inconclusive("Hold", 3600, stage="Measuring"), "Stay", "It holds here until there is evidence"),
    ],
)
def test_evidence_that_is_not_enough_is_waited_for_as_declared(seen: Turn, then: str, says: str) -> None:
    found, ruling = watching.without_evidence(seen, "RolledBack")
    assert (ruling.then, says in found.rollout.message) == (then, True)
    if then == "End":
        assert ruling.failure is not None
        assert (ruling.outcome, ruling.failure.reason) == ("RolledBack", "TooFewRequests")
        assert "That lasted for 60s, and onInconclusive is Rollback." in ruling.failure.message


def test_before_the_switch_nobody_is_told_what_to_do_about_the_first_scrapes() -> None:
    found, ruling = watching.without_evidence(inconclusive("Rollback", 59, stage="Measuring"), "Failed")
    assert (ruling.then, found.rollout.message) == ("Stay", "")


@pytest.mark.parametrize(
    ("changes", "bake_for", "looks"),
    [
        (steps("Bake"), "30s", 6),
        (steps("Trade", "Bake"), "30s", 12),
        (steps("Bake"), "0s", 1),
        ({"steps": (StepStatus(kind="Trial", hold="60s"), StepStatus(kind="Trial"))}, "30s", 18),
        ({"steps": (StepStatus(kind="Trial", hold="10s"), StepStatus(kind="Bake"))}, "30s", 6),
    ],
)
def test_how_many_looks_the_test_plans_with(changes: dict[str, Any], bake_for: str, looks: int) -> None:
    seen = baking(spec=spec("1.1.0", rollout={"bake": bake_for}, analysis={"interval": "5s"}), **changes)
    assert watching.planned_looks(seen) == looks


LATEST = NOW - timedelta(seconds=45)


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (pod("g1", ready_changed=LATEST), True),
        (pod("g1", ready_changed=LATEST + SECOND), False),
        (pod("g1", created=LATEST), True),
        (pod("g1", created=LATEST + SECOND), False),
        (pod("g1", ready_changed=LATEST, ready=False), False),
    ],
)
def test_a_pod_that_is_not_scraped_in_time_is_missed(view: PodView, expected: bool) -> None:
    """Prometheus finds a pod within 30 s, and has seen it within three scrapes."""
    counted = scraped("g0", requests=tuple(100.0 * number for number in range(13)), at=FRESH)
    found = watching.judge(baking(pod("g0"), view, evidence=PASS.model_copy(update={"at": EXPOSED})))
    assert found.rollout.evidence.reason == "PrometheusUnreachable"
    seen = baking(pod("g0"), view, evidence=PASS.model_copy(update={"at": EXPOSED}))
    judged = watching.judge(replace(seen, evidence=Evidence(counters={"green": counted})))
    assert (judged.rollout.evidence.reason == "CandidateNotScraped") is expected


def test_what_must_leave_at_once() -> None:
    bad = EvidenceStatus(verdict="Fail", reason="ErrorRateDoubled", message="it fails")
    ruling = watching.must_leave(baking(evidence=bad))
    assert ruling is not None
    assert (ruling.then, ruling.outcome) == ("End", "RolledBack")
    away = watching.must_leave(baking(pod("g0", ready=False, ready_changed=NOW)))
    assert away is not None
    assert (away.then, away.excused) == ("Again", False)
    assert watching.must_leave(baking()) is None


OLD = Baseline(requests=5000, errors=5, rate=0.001, limit=0.005, source="Frozen", at=EXPOSED)
ANSWERED = Evidence(counters={"blue": scraped("b0", "b1", requests=(0, 100))})


@pytest.mark.parametrize(
    ("evidence", "kinds", "last", "requests"),
    [
        (ANSWERED, ("Bake",), Baseline(), 200),
        (ANSWERED, ("Bake",), OLD, 200),
        (AWAY, ("Bake",), OLD, 5000),
        (AWAY, ("Bake",), Baseline(), 0),
        (ANSWERED, ("EndActive", "Bake"), OLD, 5000),
        (ANSWERED, ("EndActive", "Bake"), Baseline(), 200),
    ],
)
def test_which_baseline_is_frozen(evidence: Evidence, kinds: tuple[Any, ...], last: Baseline, requests: int) -> None:
    seen = baking(evidence=PASS.model_copy(update={"baseline": last}), **steps(*kinds))
    assert watching.frozen_baseline(replace(seen, evidence=evidence)).requests == requests


@pytest.mark.parametrize(
    ("evidence", "blue", "source"),
    [
        (ANSWERED, True, "Concurrent"),
        (AWAY, True, "Frozen"),
        (ANSWERED, False, "Frozen"),
    ],
)
def test_while_both_have_clients_it_is_held_against_what_the_other_does(
    evidence: Evidence, blue: bool, source: str
) -> None:
    seen = baking(evidence=PASS.model_copy(update={"baseline": OLD}))
    if not blue:
        seen = replace(seen, observed=replace(seen.observed, endpoints={"green": 2}))
    held = watching.hold_against_active(replace(seen, evidence=evidence))
    assert held.rollout.evidence.baseline.source == source


@pytest.mark.parametrize(
    ("changes", "names"), [({}, ("g0", "g1")), ({"shielded_at": EXPOSED}, ("g0", "g1", "b0", "b1"))]
)
def test_pods_that_passed_requests_on_count_for_the_candidate(changes: dict[str, Any], names: tuple[str, ...]) -> None:
    assert watching.counted_pods(baking(**changes)) == names
