"""Places for a candidate's pods, a table a question: how many it needs, and whether there is room."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.rollout.capacity_cases import node
from tests.rollout.step_cases import BLUE, NOW, REFUSAL, deployments, quotas, turn, waiting
from tests.rollout.trial_cases import EXPOSED, SECOND, pod
from verdigris.api.status import Failure, Sizes
from verdigris.core.facts.observed import PodView
from verdigris.core.facts.survey import Survey
from verdigris.core.steps import capacity

ONE_EACH = Sizes(active=1, candidate=1)


# how many pods it is to have


@pytest.mark.parametrize(
    ("rollout", "blue", "needed", "size"),
    [
        ({"replicas": 1, "weight": 0}, 0, 2, 2),
        ({"replicas": 1, "weight": 0}, 5, 5, 5),
        ({"replicas": 4, "weight": 0}, 2, 2, 2),
        ({"replicas": 4, "weight": 1}, 2, 4, 4),
        ({"replicas": 4, "sizes": ONE_EACH}, 5, 4, 1),
        ({"replicas": 0, "sizes": Sizes(active=1, candidate=0)}, 5, 1, 0),
    ],
)
def test_how_many_pods_a_candidate_needs_and_is_to_have_now(
    rollout: dict[str, Any], blue: int, needed: int, size: int
) -> None:
    seen = turn(rollout=rollout, deployments=deployments(blue))
    assert (capacity.needed_replicas(seen), capacity.candidate_size(seen)) == (needed, size)


# whether there is room


GOING = {"terminating": True, "color": "blue"}


@pytest.mark.parametrize(
    ("view", "leaves"),
    [
        (pod("x", **GOING), True),
        (pod("x", **GOING, gone_by=NOW - capacity.CONFIRM), True),
        (pod("x", **GOING, gone_by=NOW - capacity.CONFIRM - SECOND), False),
        (pod("x", **GOING, phase="Failed"), False),
        (pod("x", **GOING, phase="Succeeded"), False),
        (pod("x", revision="v1-older"), True),
        (pod("x", "blue", revision="v1-older"), False),
        (pod("x"), False),
        (pod("x", "blue"), False),
    ],
)
def test_whose_place_is_free_soon(view: PodView, leaves: bool) -> None:
    assert capacity.leaving(turn(), view) is leaves


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (("0/3 nodes are available: 3 Insufficient memory.",), 0),
        (("0/3 nodes are available: 3 Too many pods.",), 0),
        (("0/3 nodes are available: 3 node(s) had volume node affinity conflict.",), None),
        (("0/3 nodes didn't match Pod's node affinity.", "0/3 nodes are available: 3 Insufficient cpu."), 1),
    ],
)
def test_only_pods_that_are_in_the_way_are_lack_of_room(said: tuple[str, ...], found: int | None) -> None:
    pods = (
        replace(waiting(f"g{number}"), unscheduled=Failure(reason="Unschedulable", message=words))
        for number, words in enumerate(said)
    )
    seen = turn(*BLUE, *pods)
    lack = capacity.lacking_room(seen)
    assert capacity.no_place(seen, seen.rollout) == (None if found is None else said[found])
    assert (lack is None) is (found is None)
    if lack is not None and found is not None:
        assert (lack.reason, said[found] in lack.message) == ("InsufficientCapacity", True)


def test_while_a_place_is_being_vacated_there_is_no_lack_of_room() -> None:
    assert capacity.lacking_room(turn(*BLUE, waiting())) is not None
    assert capacity.lacking_room(turn(*BLUE, waiting(), pod("x", **GOING))) is None


@pytest.mark.parametrize(
    ("pods", "changes", "survey", "refused"),
    [
        (1, {"trouble": REFUSAL}, None, True),
        (2, {"trouble": REFUSAL}, None, False),
        (1, {"trouble": REFUSAL, "revision": "v1-older"}, None, False),
        (1, {"trouble": Failure(reason="Forbidden", message="no")}, None, False),
        (1, {}, None, False),
        (1, {}, quotas("4"), True),
        (1, {}, quotas("3"), False),
        (1, {"trouble": REFUSAL}, quotas("4"), True),
        (1, {"trouble": REFUSAL}, quotas("3"), False),
    ],
)
def test_a_quota_is_in_the_way_while_pods_are_missing_and_it_has_no_room(
    pods: int, changes: dict[str, Any], survey: Survey | None, refused: bool
) -> None:
    own = tuple(pod(f"g{number}") for number in range(pods))
    lack = capacity.lacking_room(turn(*BLUE, *own, deployments=deployments(**changes), survey=survey))
    assert (lack is not None and lack.reason == "QuotaExceeded") is refused


def test_a_quota_says_nothing_of_pods_that_nobody_can_render() -> None:
    seen = turn(*BLUE, pod(), deployments=deployments(trouble=REFUSAL), snapshots={})
    assert capacity.lacking_room(seen) is None


@pytest.mark.parametrize(
    ("pods", "before", "since"),
    [
        ((pod(), waiting()), None, NOW),
        ((pod(), waiting()), EXPOSED, EXPOSED),
        ((pod(), pod("g1")), EXPOSED, None),
    ],
)
def test_since_when_there_has_been_no_room(pods: tuple[PodView, ...], before: Any, since: Any) -> None:
    seen = turn(*BLUE, *pods, rollout={"lacking_since": before})
    assert capacity.look_for_room(seen).rollout.lacking_since == since


def test_what_the_check_expects_is_about_the_pods_that_have_no_place_and_stays_known_when_all_have() -> None:
    survey = Survey(NOW, (node("a", "1", "500m"),))
    looked = capacity.look_for_room(turn(*BLUE, waiting("g0"), waiting("g1"), survey=survey))
    expected = looked.rollout.capacity
    assert expected is not None
    assert (expected.needed, expected.fits) == (2, 1)
    one = capacity.look_for_room(turn(*BLUE, pod("g0"), waiting("g1"), survey=survey)).rollout.capacity
    assert one is not None
    assert one.needed == 1
    kept = capacity.look_for_room(turn(survey=survey, rollout={"capacity": expected})).rollout.capacity
    assert kept == expected
    assert capacity.look_for_room(turn(*BLUE, waiting(), survey=survey, snapshots={})).rollout.capacity is None


# a ReplicaSet that backs off


TRADE = {"sizes": ONE_EACH, "replicas": 2}


@pytest.mark.parametrize(
    ("survey", "rollout", "after", "told"),
    [
        (quotas("3"), {}, None, True),
        (quotas("3"), {}, capacity.RETRY, True),
        (quotas("3"), {}, capacity.RETRY - SECOND, False),
        (quotas("4"), {}, None, False),
        (None, {}, None, False),
        (None, TRADE, None, True),
        (None, TRADE, capacity.BLIND_RETRY, True),
        (None, TRADE, capacity.BLIND_RETRY - SECOND, False),
        (quotas("4"), TRADE, None, False),
    ],
)
def test_a_replicaset_is_told_to_try_again_now_and_then_where_there_may_be_room(
    survey: Survey | None, rollout: dict[str, Any], after: timedelta | None, told: bool
) -> None:
    before = {"retries": 3, "retried_at": None if after is None else NOW - after}
    seen = turn(*BLUE, pod(), deployments=deployments(trouble=REFUSAL), survey=survey, rollout={**rollout, **before})
    found = capacity.nudge(seen, "green").rollout
    assert (found.retries, found.retried_at) == ((4, NOW) if told else (3, before["retried_at"]))
