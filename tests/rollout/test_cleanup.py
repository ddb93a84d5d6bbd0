"""What is done about stuck pods, and what is told of it: the status, the Events, when to look again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.rollout.parts import START
from tests.rollout.stuck_cases import SECOND, active, diagnosis, later, pod, removal, seen
from tests.rollout.world import serving
from verdigris.api.status import ModelDeploymentStatus
from verdigris.core.actions import RemovePod
from verdigris.core.engine.plan import plan
from verdigris.core.facts.observed import PodView
from verdigris.core.pods.remedies.cleanup import bounded, record, refuse, removed, settle
from verdigris.core.pods.remedies.limits import LEFTOVERS_AT_ONCE, LEFTOVERS_PER_WINDOW

STUCK = pod("p0")
GOOD = (pod("p1", ready=True), pod("p2", ready=True))
GOING = pod("p0", terminating=True)
LEFTOVER = diagnosis("Leftover", "Delete")
ENDED = pod("p0", phase="Failed", reason="Evicted")
MINUTE = 60 * SECOND


# Several in one plan


def test_pods_that_clients_may_reach_go_one_after_the_other() -> None:
    views = (pod("p0"), pod("p1"), pod("p2", ready=True))
    after = settle(seen(*views), [active(views[0], diagnosis()), active(views[1], diagnosis("Creating"))])
    assert [action.pod for action in after.removals] == ["p0"]
    assert after.status.stuck[1].held == "Another pod that clients may reach goes first."
    assert after.look_at == START + SECOND


def test_a_burst_of_leftovers_goes_in_a_few_plans_and_no_more_than_the_window_allows() -> None:
    views = tuple(pod(f"e{n:02}", phase="Failed") for n in range(60))
    turn, plans = seen(*views), 0
    while (after := settle(turn, [active(view, LEFTOVER) for view in turn.observed.pods])).removals:
        plans += 1
        assert len(after.removals) <= LEFTOVERS_AT_ONCE
        status = after.status
        for action in after.removals:
            status = record(status, removed(action, turn.now), 10 * MINUTE)
        gone = {action.uid for action in after.removals}
        left = tuple(view for view in turn.observed.pods if view.uid not in gone)
        turn = later(seen(*left, status=dict(status)), plans * SECOND)
    assert plans == LEFTOVERS_PER_WINDOW / LEFTOVERS_AT_ONCE
    assert len(turn.observed.pods) == 60 - LEFTOVERS_PER_WINDOW


# What is told


def test_a_pod_that_becomes_stuck_is_told_once_and_then_nothing_is_written() -> None:
    turn = seen(STUCK, *GOOD, cleanup={"enabled": False})
    first = settle(turn, [active(STUCK, diagnosis())])
    assert [(note.type, note.reason) for note in first.notes] == [("Warning", "StuckPod")]
    assert "Pod p0: It is stuck: CrashLoop." in first.notes[0].message
    again = settle(later(seen(STUCK, *GOOD, cleanup={"enabled": False}, status=dict(first.status)), MINUTE), [
        active(STUCK, diagnosis(since=START + SECOND)),
    ])  # fmt: skip
    assert again.notes == ()
    assert again.status == first.status


def test_another_reason_is_news_and_a_pod_that_is_well_again_is_forgotten() -> None:
    first = settle(seen(STUCK, *GOOD), [active(STUCK, diagnosis())])
    turn = seen(STUCK, *GOOD, status=dict(first.status))
    assert len(settle(turn, [active(STUCK, diagnosis(reason="OOMKilled"))]).notes) == 1
    assert settle(turn, []).status.stuck == ()


def test_what_is_not_ripe_is_neither_told_nor_touched_but_looked_at_in_time() -> None:
    after = settle(seen(STUCK, *GOOD), [active(STUCK, diagnosis(ripe_at=START + 7 * SECOND))])
    assert (after.removals, after.status.stuck, after.notes) == ((), (), ())
    assert after.look_at == START + 7 * SECOND


def test_no_more_are_told_than_the_status_holds() -> None:
    views = tuple(pod(f"p{n:02}") for n in range(30))
    after = settle(seen(*views), [active(view, diagnosis(remedy="None")) for view in views])
    assert [entry.pod for entry in after.status.stuck] == [view.name for view in views[:20]]
    assert len(after.notes) == 20


@pytest.mark.parametrize(
    ("view", "wait"),
    [
        (GOOD[0], None),
        (STUCK, 10 * SECOND),
        (GOING, 10 * SECOND),
        (ENDED, None),
    ],
)
def test_pods_that_are_not_ready_are_looked_at_again_because_nobody_watches_them(
    view: PodView, wait: timedelta | None
) -> None:
    assert settle(seen(view), []).look_at == (START + wait if wait else None)


def test_the_plan_comes_back_within_half_a_minute_and_removes_pods_last(monkeypatch: pytest.MonkeyPatch) -> None:
    world = serving("1.0.0").run(200)
    observed = world.observe()
    assert plan(observed, world.evidence(), world.now).requeue_after is None
    stuck = diagnosis(ripe_at=world.now + 10 * MINUTE)
    monkeypatch.setattr(
        "verdigris.core.pods.remedies.cleanup.diagnoses", lambda turn: [active(turn.observed.pods[0], stuck)]
    )
    made = plan(observed, world.evidence(), world.now)
    assert made.requeue_after == timedelta(seconds=30)
    assert not [action for action in made.actions if isinstance(action, RemovePod)]
    monkeypatch.setattr(
        "verdigris.core.pods.remedies.cleanup.diagnoses", lambda turn: [active(turn.observed.pods[0], diagnosis())]
    )
    seen_now = replace(observed, seen_at=world.now)
    assert isinstance(plan(seen_now, world.evidence(), world.now).actions[-1], RemovePod)


def test_the_condition_names_the_first_stuck_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    world = serving("1.0.0")
    monkeypatch.setattr(
        "verdigris.core.pods.remedies.cleanup.diagnoses", lambda turn: [active(turn.observed.pods[0], diagnosis())]
    )
    world.run(1)
    (healthy,) = [c for c in world.status.conditions if c.type == "PodsHealthy"]
    assert (healthy.status, healthy.reason) == ("False", "CrashLoop")
    monkeypatch.setattr("verdigris.core.pods.remedies.cleanup.diagnoses", lambda _: [])
    world.run(1)
    (healthy,) = [c for c in world.status.conditions if c.type == "PodsHealthy"]
    assert (healthy.status, healthy.reason) == ("True", "NoPodIsStuck")


# The memory


def test_a_removal_is_recorded_and_what_is_older_than_the_window_is_forgotten() -> None:
    status = ModelDeploymentStatus(removed=(removal("a", START - 11 * MINUTE), removal("b", START - 9 * MINUTE)))
    after = record(
        status, removed(RemovePod("c", "uid-c", "blue", "n1", "CrashLoop", "Evict", "It is stuck."), START), 10 * MINUTE
    )
    assert [(entry.pod, entry.uid) for entry in after.removed] == [("b", "uid-b"), ("c", "uid-c")]
    assert after.removed[-1].at == START


def test_leftovers_are_forgotten_before_what_a_budget_rests_on() -> None:
    running = [removal(f"r{n}") for n in range(60)]
    ended = [removal(f"e{n}", kind="Leftover", remedy="Delete") for n in range(50)]
    kept = bounded((*ended[:25], *running, *ended[25:]))
    assert len(kept) == 100
    assert [entry.pod for entry in kept if entry.kind != "Leftover"] == [entry.pod for entry in running]
    assert [entry.pod for entry in kept if entry.kind == "Leftover"] == [entry.pod for entry in ended[10:]]


def test_a_refusal_is_told_in_the_api_servers_words() -> None:
    told = settle(seen(STUCK, *GOOD), [active(STUCK, diagnosis())])
    after = refuse(told.status, told.removals[0], "It would violate the pod's disruption budget.")
    assert after.stuck[0].held == "It would violate the pod's disruption budget."
    assert after.removed == ()
