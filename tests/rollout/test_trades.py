"""What is done about lack of room, a table a question: who frees a place, and what is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.rollout.capacity_cases import node, quota
from tests.rollout.small import small
from tests.rollout.step_cases import BLUE, NOW, deployments, steps, turn, waiting
from tests.rollout.trial_cases import SECOND, pod
from verdigris.api.status import CapacityStatus, Sizes, StepStatus
from verdigris.core.facts.observed import PodView
from verdigris.core.facts.survey import Survey
from verdigris.core.steps import capacity, capacity_words
from verdigris.core.steps.gathering import gather_pods
from verdigris.core.turn import Turn

# what is done about it


LACKING = {"lacking_since": NOW - capacity.CONFIRM, "replicas": 3, "weight": 0, **steps("Start", "Bake")}


def lacking(policy: str = "InPlace", *pods: PodView, size: int = 3, **changes: Any) -> Turn:
    """Three active pods, and one of the candidate that has found no place for as long as it takes to be sure."""
    seen = {name: changes.pop(name) for name in ("scalers", "survey") if name in changes}
    wanted = small("1.1.0", policy, size=size)
    paused = wanted.model_copy(update={"paused": changes.pop("paused", False)})
    blue = tuple(pod(f"b{number}", "blue") for number in range(3))
    filled = {"deployments": deployments(3, 1), "spec": paused, "selected": "blue", "nodes": (), **seen}
    return turn(*blue, *(pods or (waiting(),)), rollout={**LACKING, **changes}, **filled)


def test_active_pods_are_traded_once_lack_of_room_is_sure() -> None:
    found, failure = capacity.make_room(lacking("InPlace", pod("g0"), waiting(), waiting("g2"), deadline=NOW))
    rollout = found.rollout
    assert failure is None
    assert (rollout.sizes, rollout.deadline) == (Sizes(active=3, candidate=1), None)
    assert [step.kind for step in rollout.steps] == ["Start", "Trade", "Bake"]
    assert found.notes[-1].reason == "InPlace"
    assert "at least 2 of both versions stay ready" in found.notes[-1].message


def test_a_rollout_that_gathers_its_pods_begins_to_trade() -> None:
    found, failure = gather_pods(lacking(deadline=NOW + SECOND, ready_high_water=0))
    assert (failure, found.rollout.sizes) == (None, Sizes(active=3, candidate=1))


def test_pods_of_the_candidate_that_have_found_a_place_keep_it_in_a_trade() -> None:
    found, _ = capacity.make_room(lacking("InPlace", pod("g0"), pod("g1"), waiting("g2")))
    assert found.rollout.sizes == Sizes(active=3, candidate=2)
    none, _ = capacity.make_room(lacking())
    assert none.rollout.sizes == Sizes(active=3, candidate=1)


@pytest.mark.parametrize(
    ("policy", "changes"),
    [
        ("Wait", {}),
        ("InPlace", {"lacking_since": NOW - capacity.CONFIRM + SECOND}),
        ("InPlace", {"lacking_since": None}),
        ("InPlace", {"paused": True}),
        ("InPlace", {"scalers": {"blue": "ScaledObject keda"}}),
        ("InPlace", {"replicas": 1, "size": 1}),
        ("InPlace", {"survey": Survey(NOW, (node("a", "100m"),))}),
        ("Abort", {"lacking_since": NOW - capacity.CONFIRM + SECOND}),
    ],
)
def test_no_pod_is_traded_where_that_is_not_sure_wanted_or_of_use(policy: str, changes: dict[str, Any]) -> None:
    seen = lacking(policy, **changes)
    assert capacity.make_room(seen) == (seen, None)


def test_abort_waits_for_nothing() -> None:
    _, failure = capacity.make_room(lacking("Abort"))
    assert failure is not None
    assert failure.reason == "InsufficientCapacity"
    assert "onInsufficientCapacity is Abort" in failure.message


@pytest.mark.parametrize(("lasted", "ends"), [(30, True), (29, False)])
def test_what_no_freed_place_heals_ends_the_rollout_in_the_time_of_what_is_hopeless(lasted: int, ends: bool) -> None:
    not_said = Survey(NOW, quotas=(quota(hard={"requests_memory": "1Gi"}),), problem="nodes may not be read")
    seen = lacking("Wait", pod("g0"), survey=not_said, lacking_since=NOW - timedelta(seconds=lasted))
    found, failure = capacity.make_room(seen)
    assert found == seen
    assert (failure.reason if failure is not None else None) == ("ResourcesNotSet" if ends else None)


@pytest.mark.parametrize(
    ("sizes", "changes", "left"),
    [
        (Sizes(active=3, candidate=1), {}, 2),
        (Sizes(active=2, candidate=1), {}, 2),
        (Sizes(active=3, candidate=1), {"paused": True}, 3),
        (Sizes(active=0, candidate=1), {}, 0),
    ],
)
def test_the_active_colour_frees_a_place_that_the_clients_can_spare(
    sizes: Sizes, changes: dict[str, Any], left: int
) -> None:
    found, failure = capacity.make_room(lacking(sizes=sizes, **changes))
    assert failure is None
    assert found.rollout.sizes == Sizes(active=left, candidate=1)
    freed = left < sizes.active
    assert (found.rollout.lacking_since is None) is freed


STUCK = timedelta(minutes=2)


@pytest.mark.parametrize(
    ("third", "spared"),
    [
        (pod("b2", "blue"), False),
        (pod("b2", "blue", ready=False, ready_changed=NOW - STUCK), True),
        (pod("b2", "blue", ready=False, ready_changed=NOW - STUCK + SECOND), False),
        (pod("b2", "blue", ready=False, created=NOW - STUCK), True),
        (pod("b2", "blue", ready=False, created=NOW - STUCK + SECOND), False),
    ],
)
def test_an_active_pod_that_is_stuck_is_the_first_to_go(third: PodView, spared: bool) -> None:
    """Of three pods two must stay ready; without the third there are two, and the one that is given may be any."""
    blue = (pod("b0", "blue"), third)
    sizes = Sizes(active=2, candidate=1)
    seen = turn(*blue, waiting(), rollout={**LACKING, "sizes": sizes}, selected="blue", spec=small("1.1.0"))
    assert capacity.can_spare(seen, sizes) is spared


@pytest.mark.parametrize(
    ("selected", "sizes", "count"),
    [
        ("both", Sizes(active=2, candidate=2), 4),
        ("both", Sizes(active=1, candidate=2), 3),
        ("both", Sizes(active=2, candidate=1), 3),
        ("both", Sizes(active=5, candidate=5), 4),
        ("blue", Sizes(active=2, candidate=2), 2),
        ("green", Sizes(active=2, candidate=1), 1),
        (None, Sizes(active=2, candidate=2), 0),
    ],
)
def test_how_many_pods_with_clients_stay(selected: Any, sizes: Sizes, count: int) -> None:
    assert capacity.with_clients(turn(selected=selected), sizes) == count


@pytest.mark.parametrize(
    ("kinds", "after"),
    [(("Start", "Measure", "Bake"), ["Start", "Measure", "Trade", "Bake"]), (("Start",), ["Start", "Trade"])],
)
def test_pods_are_traded_right_before_the_bake(kinds: tuple[Any, ...], after: list[str]) -> None:
    assert [step.kind for step in capacity.with_trade(steps(*kinds)["steps"])] == after


def test_without_an_active_version_there_is_nobody_to_trade_with() -> None:
    assert capacity.can_trade(lacking())
    assert not capacity.can_trade(lacking().change(active=None))
    external = small("1.1.0", size=3).model_copy(deep=True)
    scaling = external.autoscaling.model_copy(update={"external": True})
    alone = lacking()
    observed = replace(alone.observed, spec=external.model_copy(update={"autoscaling": scaling}))
    assert not capacity.can_trade(replace(alone, observed=observed))


# in words


EXPECTED = CapacityStatus(needed=2, fits=1, message="needs 2 x 500m CPU: 1 fits now.")


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (lacking("Wait"), "set onInsufficientCapacity: InPlace"),
        (lacking("Wait").change(active=None), "It waits for room until the progress deadline"),
        (lacking("InPlace").change(active=None), "It waits for room until the progress deadline"),
        (lacking("Abort"), "Unless room appears at once, the rollout ends."),
        (lacking("InPlace"), "One active pod makes room for it."),
        (lacking("InPlace", replicas=1, size=1), "InPlace cannot trade: it needs at least 2 replicas"),
        (lacking("Wait", sizes=Sizes(active=3, candidate=1)), "One active pod makes room for it."),
        (lacking("Wait", sizes=Sizes(active=2, candidate=1)), "at least 2 must stay ready."),
        (lacking("Wait", survey=Survey(NOW, (node("a", "100m"),))), "No node would have room for it if it were empty"),
        (lacking("Abort", steps=(StepStatus(kind="EndActive"),)), "The active pods are gone already"),
        (lacking("Wait", capacity=EXPECTED), "The capacity check: needs 2 x 500m CPU: 1 fits now. "),
        (
            lacking("Wait", capacity=EXPECTED.model_copy(update={"fits": 2})),
            "The capacity check had found room; the scheduler decides.",
        ),
    ],
)
def test_lack_of_room_is_told_with_what_is_or_can_be_done(seen: Turn, says: str) -> None:
    told = capacity_words.room_trouble(seen)
    assert told is not None
    assert told.message.startswith("A new pod has no room: ")
    assert says in told.message


@pytest.mark.parametrize(
    "expected", [None, CapacityStatus(needed=2, fits=1), CapacityStatus(needed=0, fits=0), EXPECTED]
)
def test_a_check_that_found_no_room_or_did_not_look_claims_none(expected: CapacityStatus | None) -> None:
    told = capacity_words.room_trouble(lacking("Wait", capacity=expected))
    assert told is not None
    assert "had found room" not in told.message


@pytest.mark.parametrize(
    ("expected", "pods", "says"),
    [
        (EXPECTED, (pod("g0"), pod("g1")), True),
        (EXPECTED, (pod("g0"), waiting("g1")), False),
        (EXPECTED.model_copy(update={"fits": 2}), (pod("g0"), pod("g1")), False),
        (None, (pod("g0"), pod("g1")), False),
    ],
)
def test_a_scheduler_that_proved_the_check_wrong_is_told_of(
    expected: CapacityStatus | None, pods: tuple[PodView, ...], says: bool
) -> None:
    assert bool(capacity_words.found_room(turn(*BLUE, *pods, rollout={"capacity": expected}))) is says
