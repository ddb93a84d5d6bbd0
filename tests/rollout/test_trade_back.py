"""The way back of a rollout that traded pods, a table a question: who gives which place back, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.rollout.parts import FULL
from tests.rollout.small import small
from tests.rollout.step_cases import NOW, REFUSAL, deployments, quotas, steps, turn
from tests.rollout.trial_cases import REVISIONS, SECOND, pod
from verdigris.api.status import Failure, Sizes, StepStatus
from verdigris.core.facts.observed import DeploymentView, PodView
from verdigris.core.steps import capacity, trade_back
from verdigris.core.turn import Turn

# the way back


NO_PLACE = pod("b9", "blue", ready=False, unscheduled=FULL, node="")
BACK = {"stage": "RollingBack", "replicas": 3, "failure": None, **steps("Start", "Trade", "Bake")}


def back(blue: int = 1, green: int = 2, **changes: Any) -> Turn:
    """Taken back while blue has this many ready pods and green that many, of three in all."""
    kept = {"sizes": Sizes(active=1, candidate=2), "weight": 66, "since": NOW, **changes}
    old = tuple(pod(f"b{n}", "blue") for n in range(blue)) or (NO_PLACE,)
    seen = {name: kept.pop(name) for name in ("selected", "deployments") if name in kept}
    filled = {"selected": "both", "deployments": deployments(3, 2), "spec": small("1.1.0"), **seen}
    return turn(*old, *(pod(f"g{n}") for n in range(green)), rollout={**BACK, **kept}, **filled)


@pytest.mark.parametrize(
    ("seen", "candidate"),
    [
        (back(), 1),
        (back(blue=0, green=3, sizes=Sizes(active=0, candidate=3)), 2),
        (back(blue=0, green=2, sizes=Sizes(active=0, candidate=3)), 2),
        (back(blue=0, green=1, sizes=Sizes(active=0, candidate=1)), 1),
        (back(blue=0, green=0), 0),
        (back(blue=2, green=1), 2),
        (back(steps=(StepStatus(kind="EndActive"),)), 0),
        (back(blue=0, green=2, sizes=Sizes(active=0, candidate=2), lacking_since=NOW - capacity.CONFIRM), 1),
        (back(blue=0, green=2, sizes=Sizes(active=0, candidate=2), lacking_since=NOW - SECOND), 2),
        (back(blue=0, green=3, sizes=Sizes(active=0, candidate=3), lacking_since=NOW - capacity.CONFIRM), 2),
        (back(blue=0, green=2, sizes=Sizes(active=0, candidate=2), since=NOW - timedelta(seconds=60)), 1),
        (back(blue=0, green=2, sizes=Sizes(active=0, candidate=2), since=NOW - timedelta(seconds=59)), 2),
        (back(blue=0, green=1, sizes=Sizes(active=0, candidate=1), since=NOW - timedelta(seconds=60)), 1),
    ],
)
def test_how_many_pods_the_candidate_keeps_on_the_way_back(seen: Turn, candidate: int) -> None:
    assert trade_back.sizes_back(seen) == Sizes(active=3, candidate=candidate)


def test_without_a_trade_or_an_active_version_no_size_is_given_back() -> None:
    assert trade_back.sizes_back(back(sizes=None)) is None
    assert trade_back.sizes_back(back().change(active=None)) == Sizes(active=1, candidate=2)


@pytest.mark.parametrize(
    ("blue", "others", "changes", "lacks"),
    [
        ((pod("b0", "blue"), NO_PLACE), (), {}, True),
        ((pod("b0", "blue"), NO_PLACE), (), {"sizes": None}, False),
        ((pod("b0", "blue"), NO_PLACE), (pod("x", "blue", terminating=True),), {}, False),
        ((pod("b0", "blue"), NO_PLACE, pod("b2", "blue", ready=False)), (), {}, False),
        ((pod("b0", "blue"),), (), {}, False),
        ((pod("b0", "blue"),), (), {"trouble": REFUSAL}, True),
        ((pod("b0", "blue"),), (), {"trouble": Failure(reason="Forbidden", message="no")}, False),
        ((pod("b0", "blue"), pod("b1", "blue"), pod("b2", "blue")), (), {"trouble": REFUSAL}, False),
    ],
)
def test_whether_active_pods_lack_room_on_the_way_back(
    blue: tuple[PodView, ...], others: tuple[PodView, ...], changes: dict[str, Any], lacks: bool
) -> None:
    of_blue = replace(DeploymentView("uid-blue", 3, REVISIONS["blue"]), trouble=changes.pop("trouble", None))
    rollout = {**BACK, "sizes": Sizes(active=3, candidate=1), "weight": 33, "since": NOW, **changes}
    seen = turn(
        *blue,
        *others,
        pod("g0"),
        rollout=rollout,
        deployments={**deployments(), "blue": of_blue},
        selected="both",
        spec=small("1.1.0"),
    )
    assert (trade_back.trade_back(seen).rollout.lacking_since == NOW) is lacks


def test_a_place_that_was_given_back_begins_the_wait_for_room_anew() -> None:
    of_blue = replace(DeploymentView("uid-blue", 3, REVISIONS["blue"]), trouble=REFUSAL)
    since = {"lacking_since": NOW - capacity.CONFIRM}
    given = back(blue=0, sizes=Sizes(active=3, candidate=2), deployments={"blue": of_blue}, **since)
    after = trade_back.trade_back(given).rollout
    assert (after.sizes, after.lacking_since) == (Sizes(active=3, candidate=1), None)
    kept = back(blue=0, green=1, sizes=Sizes(active=3, candidate=1), deployments={"blue": of_blue}, **since)
    after = trade_back.trade_back(kept).rollout
    assert (after.sizes, after.lacking_since) == (Sizes(active=3, candidate=1), NOW - capacity.CONFIRM)


def test_an_active_replicaset_that_backs_off_is_told_of_room_on_the_way_back() -> None:
    of_blue = replace(DeploymentView("uid-blue", 3, REVISIONS["blue"]), trouble=REFUSAL)
    seen = back(blue=0, sizes=Sizes(active=3, candidate=2), deployments={"blue": of_blue})
    told = trade_back.trade_back(replace(seen, observed=replace(seen.observed, survey=quotas("3"))))
    assert (told.rollout.retries, told.rollout.retried_at) == (1, NOW)
    alone = seen.change_rollout(sizes=None)
    untold = trade_back.trade_back(replace(alone, observed=replace(alone.observed, survey=quotas("3"))))
    assert untold.rollout.retries == 0, "where no pods were traded nothing waits for it"
