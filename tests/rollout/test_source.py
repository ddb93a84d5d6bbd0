"""A step `from`: a version goes on here when the same bytes have served elsewhere, healthy and for long enough."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.rollout.parts import OWNER, START, spec
from tests.rollout.small import over, recreate, stage, until
from tests.rollout.test_rollout import bake, condition, reasons
from tests.rollout.world import World, serving
from verdigris.api.spec import FromStep
from verdigris.api.status import ActiveStatus, Condition, StepStatus
from verdigris.core.facts.source import SourceView
from verdigris.core.steps.source import judged

BYTES = spec("1.1.0").model.sha256 or ""
HOUR = timedelta(hours=1)
ASKED = FromStep.parse({"namespace": "staging", "healthyFor": "1h"})
FROM = {"from": {"namespace": "staging", "name": "diabetes", "healthyFor": "1h"}}


def available(since: datetime, status: Any = "True", message: str = "green has the clients.") -> Condition:
    return Condition(type="Available", status=status, reason="R", message=message, last_transition_time=since)


def elsewhere(since: datetime = START, sha256: str = BYTES, well: Condition | None = None, **rest: Any) -> SourceView:
    """1.1.0 has been active and available there since then."""
    active = ActiveStatus(color="blue", version="1.1.0", revision="v1-a", sha256=sha256, since=since)
    return SourceView("Seen", active=active, available=well or available(since), **rest)


CASES = {
    "long enough": (elsewhere(), START + HOUR, "Pass", "Passed", "since 2026-11-23 10:00:00 UTC: at least 1h."),
    "a moment short": (elsewhere(), START + HOUR - timedelta(milliseconds=1), None, "SourceTooYoung", "11:00:00 UTC"),
    "in the future": (elsewhere(START + HOUR), START, None, "SourceTooYoung", "12:00:00 UTC"),
    "was away meanwhile": (
        elsewhere(well=available(START + HOUR / 2)),
        START + HOUR,
        None,
        "SourceTooYoung",
        "since 2026-11-23 10:30:00 UTC",
    ),
    "other bytes": (elsewhere(sha256="f" * 64), START + HOUR, "Inconclusive", "SourceServesOther", "f" * 64),
    "unverified there": (elsewhere(sha256=""), START + HOUR, "Inconclusive", "SourceServesOther", "no checksum"),
    "does not answer": (
        elsewhere(well=available(START, "False", "none of its pods is ready")),
        START + HOUR,
        "Inconclusive",
        "SourceNotHealthy",
        "none of its pods is ready.",
    ),
    "nobody looks at it": (elsewhere(current=False), START + HOUR, "Inconclusive", "SourceNotHealthy", "operator run?"),
    "being deleted": (elsewhere(leaving=True), START + HOUR, "Inconclusive", "SourceNotHealthy", "being deleted"),
    "nothing active": (SourceView("Seen"), START, "Inconclusive", "SourceNotActive", "no active version yet"),
    "no such model": (SourceView("Missing"), START, "Inconclusive", "SourceMissing", "staging/diabetes"),
    "not agreed": (
        SourceView("NotAllowed"),
        START,
        "Inconclusive",
        "SourceNotAllowed",
        f"-n staging --clusterrole=verdigris-promote-from --group=system:serviceaccounts:{OWNER.namespace}",
    ),
    "no right": (SourceView("NoRight", "forbidden"), START, "Inconclusive", "SourceNoRight", "watchNamespaces"),
    "no answer": (SourceView("Unread", "it hangs"), START, "Inconclusive", "SourceUnread", "read: it hangs."),
}


@pytest.mark.parametrize("case", CASES)
def test_the_verdict_on_what_is_seen_there(case: str) -> None:
    seen, now, verdict, reason, words = CASES[case]
    found = judged(ASKED, OWNER, BYTES, seen, now)
    assert (found.verdict, found.reason) == (verdict, reason)
    assert words in found.message


def test_a_version_without_a_checksum_is_the_same_as_nothing() -> None:
    found = judged(ASKED, OWNER, "", elsewhere(sha256=""), START + HOUR)
    assert (found.verdict, found.reason) == ("Inconclusive", "ModelUnverified")


def asking(*steps: dict[str, Any], source: SourceView, **rollout: Any) -> World:
    """1.0.0 serves, and the next version has to come from elsewhere."""
    world = serving("1.0.0")
    world.source = source
    return world.apply(spec("1.1.0", rollout={"steps": list(steps or (FROM,)), **rollout})).run(1)


def step(world: World) -> StepStatus:
    assert world.status.rollout
    return next(one for one in world.status.rollout.steps if one.kind == "From")


def test_no_client_meets_it_before_its_time_there_is_over_and_then_it_goes_on() -> None:
    world = asking(source=elsewhere())
    world.source = elsewhere(world.now - HOUR + timedelta(minutes=1))
    until(world, stage("AwaitingSource")).run(5)
    assert condition(world, "GatesPassed")[:2] == ("Unknown", "AtGate")
    assert "which is over at" in condition(world, "Ready")[2]
    assert world.asked == {}
    until(world, stage("Measuring"))
    assert (step(world).verdict, step(world).reason) == ("Pass", "Passed")
    assert "GatePassed" in reasons(world)
    until(bake(world), over)
    assert world.status.active
    assert world.status.active.version == "1.1.0"


def test_the_next_look_is_when_its_time_is_over() -> None:
    world = asking(source=elsewhere())
    until(world, stage("AwaitingSource"))
    world.source = elsewhere(world.now - HOUR + timedelta(seconds=7))
    world.run(1)
    planned = world.reconcile()
    assert planned.requeue_after == timedelta(seconds=6)


def test_the_very_first_version_has_to_come_from_there_as_well() -> None:
    world = World(spec("1.1.0", rollout={"steps": [FROM]}), source=SourceView("NotAllowed")).run(40)
    assert world.status.active is None
    assert condition(world, "Ready")[1] == "AwaitingSource"
    world.source = elsewhere(world.now - HOUR)
    until(world, over)
    assert world.status.active
    assert world.status.active.version == "1.1.0"


@pytest.mark.parametrize(("policy", "becomes"), [("Hold", None), ("Promote", "1.1.0"), ("Rollback", "1.0.0")])
def test_what_is_no_answer_ends_as_the_user_declared(policy: str, becomes: str | None) -> None:
    source = SourceView("NotAllowed")
    world = asking(source=source, onInconclusive=policy, inconclusiveDeadline="10s", bake="0s").run(45)
    if becomes is None:
        assert world.status.rollout
        assert world.status.rollout.stage == "AwaitingSource"
        assert "or until a RolloutDecision" in world.status.rollout.message
        return
    assert world.status.active
    assert world.status.active.version == becomes
    if policy == "Rollback":
        assert world.status.rejected[-1].reason == "SourceNotAllowed"
        assert "onInconclusive is Rollback" in world.status.rejected[-1].message


def test_bytes_that_are_young_there_are_waited_for_longer_than_what_is_no_answer() -> None:
    world = asking(source=SourceView("Missing"), onInconclusive="Rollback", inconclusiveDeadline="10s")
    until(world, stage("AwaitingSource")).run(5)
    world.source = elsewhere(world.now)
    world.run(20)
    assert world.status.rollout
    assert world.status.rollout.stage == "AwaitingSource"
    assert step(world).unclear_since is None
    assert world.status.rollout.evidence.inconclusive_since is None


def test_between_two_weights_it_keeps_its_share_and_is_judged_by_it() -> None:
    world = asking({"weight": 5, "hold": "20s"}, FROM, {"weight": 100}, source=elsewhere(START - HOUR), shield=True)
    world.source = elsewhere(world.now)
    until(world, stage("AwaitingSource")).run(5)
    assert world.status.rollout
    assert world.status.rollout.passed_on == 500
    assert world.status.rollout.evidence.reason == "TooFewRequests"
    world.source = replace(world.source, active=None)
    world.run(5)
    assert step(world).source.reason == "SourceNotActive"  # type: ignore[union-attr]
    assert world.status.rollout.evidence.reason == "TooFewRequests", "it says nothing about its answers"
    world.source = elsewhere(world.now - HOUR)
    until(world, over)
    assert world.status.active
    assert world.status.active.version == "1.1.0"


def test_an_answer_that_stays_away_ends_a_version_that_has_a_share_as_well() -> None:
    world = asking(
        {"weight": 5, "hold": "20s"}, FROM, source=SourceView("Missing"), inconclusiveDeadline="60s", shield=True
    )
    until(world, over)
    assert world.status.rejected[-1].reason == "SourceMissing"
    assert world.status.history[-1].outcome == "RolledBack"


def test_where_active_pods_are_ended_first_it_is_asked_before() -> None:
    world = World(recreate("1.0.0")).run(40)
    world.source = SourceView("Missing")
    world.apply(recreate("1.1.0", steps=[FROM])).run(20)
    assert stage("AwaitingSource")(world)
    assert world.answering() == 3


def test_a_person_may_promote_past_it_and_a_pause_holds_it() -> None:
    world = asking(source=SourceView("Missing"))
    until(world, stage("AwaitingSource")).run(1)
    assert world.status.rollout
    world.decide("promote", world.status.rollout.revision)
    until(world, lambda w: not stage("AwaitingSource")(w))
    assert (step(world).verdict, step(world).reason) == ("Inconclusive", "SourceMissing")
    held = asking(source=elsewhere(START - 2 * HOUR))
    held.apply(held.spec.model_copy(update={"paused": True})).run(30)
    assert stage("AwaitingSource")(held) or stage("Starting")(held)


def test_each_reason_is_told_once_and_what_stays_as_it_is_writes_nothing() -> None:
    world = asking(source=SourceView("Missing"), onInconclusive="Hold")
    until(world, stage("AwaitingSource")).run(10)
    before = world.status
    world.run(20)
    assert world.status == before
    assert reasons(world).count("SourceMissing") == 1
