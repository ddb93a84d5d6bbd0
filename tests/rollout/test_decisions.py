"""What people decide: each verb, accepted and refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rollout.parts import spec
from tests.rollout.small import stage, until
from tests.rollout.test_rollout import bake, condition, reasons
from tests.rollout.world import World, serving
from verdigris.core.engine.plan import question
from verdigris.core.facts.revision import revision_of
from verdigris.core.routing.split import DRAIN


def last(world: World) -> tuple[str, str]:
    record = world.status.decisions[-1]
    return record.outcome, record.message


def waiting_for_approval() -> World:
    world = serving("1.0.0").apply(spec("1.1.0", rollout={"approval": "Required"})).run(10)
    assert world.status.rollout
    assert world.status.rollout.stage == "AwaitingApproval"
    return world


def test_a_rollout_that_needs_approval_waits_for_it_and_says_how_to_give_it() -> None:
    world = waiting_for_approval().run(600)
    assert world.selected == "blue"
    _, reason, message = condition(world, "Ready")
    assert reason == "AwaitingApproval"
    assert "verb approve" in message
    assert revision_of(world.spec) in message


def test_an_approval_lets_it_go_on_and_is_kept_with_name_and_reason() -> None:
    world = waiting_for_approval()
    world.decide("approve", revision_of(world.spec), by="alice", reason="looks good").run(60)
    assert world.status.active
    assert world.status.active.version == "1.1.0"
    assert (world.status.decisions[-1].by, world.status.decisions[-1].reason) == ("alice", "looks good")
    assert "DecisionAccepted" in reasons(world)


def test_an_approval_for_another_revision_is_refused() -> None:
    world = waiting_for_approval().decide("approve", "v1-0123456789").run(5)
    assert last(world)[0] == "Refused"
    assert "not of v1-0123456789" in last(world)[1]
    assert world.selected == "blue"


def test_an_approval_that_comes_together_with_the_spec_is_not_lost() -> None:
    world = serving("1.0.0").apply(spec("1.1.0", rollout={"approval": "Required"}))
    world.decide("approve", revision_of(world.spec)).run(60)
    assert world.status.active
    assert world.status.active.version == "1.1.0"


def test_promote_in_a_pause_says_what_it_waits_for() -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0"))).apply(spec("1.1.0", paused=True)).run(1)
    world.decide("promote", revision_of(world.spec)).run(3)
    assert "spec.paused" in world.status.decisions[-1].message
    assert world.status.rollout
    world.apply(spec("1.1.0")).run(DRAIN.seconds)
    assert world.status.active
    assert world.status.active.version == "1.1.0"


def test_promote_ends_the_bake_early() -> None:
    world = serving("1.0.0").apply(spec("1.1.0", rollout={"bake": "1h"}))
    bake(world).decide("promote", revision_of(world.spec)).run(DRAIN.seconds + 1)
    assert world.status.active
    assert world.status.active.version == "1.1.0"


def test_abort_takes_traffic_back_and_keeps_the_revision_out() -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0"))).decide("abort", revision_of(world.spec), by="bob").run(1)
    assert world.selected == "blue"
    world.run(60)
    assert world.status.rejected[-1].reason == "Aborted"
    assert "bob" in condition(world, "Stalled")[2]


def test_retry_tries_a_rejected_revision_again() -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0"))).decide("abort", revision_of(world.spec)).run(20)
    assert world.status.rollout is None
    world.decide("retry", revision_of(world.spec)).run(60)
    assert world.status.active
    assert world.status.active.version == "1.1.0"
    assert not world.status.rejected


def test_retry_of_what_was_not_rejected_is_refused() -> None:
    world = serving("1.0.0")
    world.decide("retry", "v1-0000000000").run(1)
    assert last(world) == ("Refused", "Revision v1-0000000000 is not a rejected one: nothing to retry.")


def test_rollback_goes_to_the_warm_version_at_once() -> None:
    world = serving("1.0.0").apply(spec("1.1.0")).run(60)
    warm = {p.view.uid for p in world.pods if p.view.color == "blue"}
    world.decide("rollback", revision_of(world.spec), by="carol", reason="odd scores").run(1)
    assert world.selected == "blue"
    world.run(30)
    assert world.status.active
    assert world.status.active.version == "1.0.0"
    assert {p.view.uid for p in world.pods} == warm
    assert {p.view.traffic for p in world.pods} == {"on"}
    assert world.status.rejected[-1].reason == "RequestedRollback"
    assert world.status.last_rollback
    assert "carol" in world.status.last_rollback.message


def test_rollback_without_a_warm_version_is_refused_with_what_to_do() -> None:
    world = serving("1.0.0").decide("rollback", revision_of(spec("1.0.0"))).run(1)
    assert last(world)[0] == "Refused"
    assert "apply the version that you want" in last(world)[1]


def test_a_decision_without_a_rollout_is_refused() -> None:
    for verb in ("approve", "promote", "abort"):
        world = serving("1.0.0").decide(verb, "v1-0123456789").run(1)  # type: ignore[arg-type]
        assert last(world) == ("Refused", f"No rollout is under way, so there is nothing to {verb}.")


def test_a_decision_is_answered_once_even_after_its_record_fell_out_of_the_status() -> None:
    world = serving("1.0.0")
    for _ in range(25):
        world.decide("abort", "v1-0123456789").run(1)
    world.run(5)
    assert reasons(world).count("DecisionRefused") == 25


@pytest.mark.parametrize(
    ("verb", "about", "asked"),
    [("abort", "1.1.0", False), ("rollback", "1.1.0", False), ("abort", "1.0.0", True), ("promote", "1.1.0", True)],
)
def test_prometheus_is_not_waited_for_when_somebody_has_decided_to_go_back(verb: Any, about: str, asked: bool) -> None:
    world = bake(serving("1.0.0").apply(spec("1.1.0")))
    world.decide(verb, revision_of(spec(about)))
    assert (question(world.observe(), world.now) is not None) is asked


def test_prometheus_is_not_waited_for_when_the_spec_asks_for_another_version() -> None:
    world = bake(serving("1.0.0").apply(spec("1.1.0")))
    assert question(world.observe(), world.now) is not None
    world.apply(spec("1.2.0"))
    assert question(world.observe(), world.now) is None
    world.reconcile()
    assert world.selected == "blue"


def test_who_has_approved_a_version_is_not_asked_again_when_its_pods_were_away_for_a_moment() -> None:
    world = serving("1.0.0").apply(spec("1.1.0", rollout={"approval": "Required"}))
    until(world.run(1), stage("AwaitingApproval"))
    assert world.status.rollout
    world.decide("approve", world.status.rollout.revision)
    until(world, stage("Baking"))
    world.unready.add("green")
    until(world, stage("Starting"))
    world.unready.clear()
    until(world, lambda w: w.status.rollout is None)
    assert world.status.active
    assert world.status.active.version == "1.1.0"
    assert reasons(world).count("AwaitingApproval") == 1
