"""What active pods are told to pass on, a table a question."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.rollout.parts import spec
from tests.rollout.routing_cases import ALONE, rollout, seen, status
from tests.rollout.trial_cases import pod
from verdigris.api.status import ModelDeploymentStatus
from verdigris.core.facts.observed import PodView
from verdigris.core.routing import shield

SPEC = spec("1.1.0")


ADDRESSES = {"green": "10.96.0.2"}
ASKED = {"passed_on": 2_500}


def order(now: ModelDeploymentStatus, kept: ModelDeploymentStatus | None = None, **fields: Any) -> Any:
    told = shield.wanted_order(seen(kept=kept or now, **{"addresses": ADDRESSES, **fields}), now)
    return None if told is None else json.loads(told)


@pytest.mark.parametrize(
    ("now", "kept", "share", "shadow"),
    [
        ({"passed_on": 2_500}, {"passed_on": 2_500}, 2_500, None),
        ({"passed_on": 2_500}, {"passed_on": 100}, 100, None),
        ({"passed_on": 100}, {"passed_on": 2_500}, 100, None),
        ({"passed_on": 0, "shadowed": 500}, {"shadowed": 500}, 0, 500),
        ({"passed_on": 100, "shadowed": 500}, {"passed_on": 100, "shadowed": 200}, 100, 200),
        ({"passed_on": 100, "shadowed": 500}, {"passed_on": 100}, 100, None),
    ],
)
def test_no_more_is_passed_on_than_the_status_has_kept(
    now: dict[str, int], kept: dict[str, int], share: int, shadow: int | None
) -> None:
    told = order(status(**now), status(**kept))
    assert (told["share"], told.get("shadow")) == (share, shadow)


@pytest.mark.parametrize(
    ("now", "kept", "fields"),
    [
        (status(**ASKED), status(), {}),
        (status(), status(**ASKED), {}),
        (status(shadowed=1), status(), {}),
        (status(**ASKED), ALONE, {}),
        (ALONE, status(**ASKED), {}),
        (status(**ASKED).model_copy(update={"active": None}), status(**ASKED), {}),
        (status(**ASKED), status(**ASKED, revision="v1-other"), {}),
        (status(**ASKED), status(**ASKED), {"addresses": {"blue": "10.96.0.1"}}),
    ],
)
def test_nothing_is_passed_on_that_is_not_wished_kept_and_reachable(
    now: ModelDeploymentStatus, kept: ModelDeploymentStatus, fields: dict[str, Any]
) -> None:
    assert order(now, kept, **fields) is None


def test_testers_meet_a_version_that_is_asked_and_none_that_is_shadowed() -> None:
    wanted = spec("1.1.0", traffic={"testers": {"header": "x-tester", "value": "yes"}, "unit": {"header": "x-user"}})
    asked, copied = order(status(**ASKED), spec=wanted), order(status(shadowed=500), spec=wanted)
    assert (asked["testers"], asked["unit"]) == ({"header": "x-tester", "value": "yes"}, "x-user")
    assert ("testers" in copied, copied["unit"]) == (False, "x-user")
    assert ("testers" in order(status(**ASKED)), "unit" in order(status(**ASKED))) == (False, False)


@pytest.mark.parametrize(("declared", "told"), [(True, True), (False, None)])
def test_answers_of_another_shape_are_announced_to_the_pods_in_front(declared: bool, told: bool | None) -> None:
    wanted = spec("1.1.0", rollout={"schemaChange": declared})
    assert order(status(**ASKED), spec=wanted).get("schemaChange") is told


FRONT = pod("b0", "blue", forwards=True)


@pytest.mark.parametrize(
    ("view", "told"),
    [
        (FRONT, "ask"),
        (replace(FRONT, forwards=False), None),
        (pod("g0", forwards=True), None),
    ],
)
def test_only_active_pods_that_can_are_told(view: PodView, told: str | None) -> None:
    assert shield.order_for(view, "blue", "ask") == told
    assert shield.order_for(view, None, "ask") is None


@pytest.mark.parametrize(
    ("view", "counts"),
    [
        (FRONT, True),
        (replace(FRONT, ready=False), False),
        (replace(FRONT, terminating=True), False),
        (replace(FRONT, controlled=False), False),
        (pod("g0"), False),
    ],
)
def test_who_stands_in_front(view: PodView, counts: bool) -> None:
    assert (view in shield.fronts(seen(pods=(view,)), "blue")) is counts


@pytest.mark.parametrize(
    ("view", "passes_on"),
    [
        (replace(FRONT, order="{}"), True),
        (replace(FRONT, order="{}", ready=False), True),
        (replace(FRONT, order="{}", terminating=True), False),
        (FRONT, False),
        (replace(pod("g0"), order="{}"), False),
    ],
)
def test_a_candidate_is_asked_as_long_as_a_pod_is_told_so(view: PodView, passes_on: bool) -> None:
    assert shield.is_passed_on(seen(pods=(view, pod("b1", "blue"))), rollout()) is passes_on


@pytest.mark.parametrize(
    ("told", "passed_on", "shadowed"),
    [
        (None, 0, 0),
        ("", 0, 0),
        ("{", 0, 0),
        ("[1]", 0, 0),
        ('{"share":10000,"shadow":1}', 10_000, 1),
        ('{"share":10001,"shadow":-1}', 0, 0),
        ('{"share":0.5,"shadow":"1"}', 0, 0),
        ('{"shadow":250}', 0, 250),
    ],
)
def test_an_annotation_that_means_nothing_passes_nothing_on(told: str | None, passed_on: int, shadowed: int) -> None:
    assert shield.shares(told) == (passed_on, shadowed)


def test_the_share_that_is_asked_is_what_the_ready_pods_in_front_are_told_on_the_whole() -> None:
    half, none = replace(FRONT, order='{"share":5000}'), replace(FRONT, name="b1", order=None)
    away = replace(FRONT, name="b2", order='{"share":10000}', ready=False)
    assert shield.seen_share(seen(pods=(half, none, away)), "blue") == 25.0
    assert shield.seen_share(seen(pods=(half,)), "blue") == 50.0
    assert shield.seen_share(seen(pods=(away,)), "blue") == 0.0


def test_why_nothing_can_be_passed_on() -> None:
    def why(*pods: PodView, addresses: dict[str, str] = ADDRESSES) -> str | None:
        return shield.cannot_be_told(seen(pods=pods, addresses=addresses), rollout(), "blue")

    older = replace(FRONT, name="b1", forwards=False)
    assert why(FRONT) is None
    assert why() == "No active pod is ready to stand in front of it."
    assert "1 of 2 active pods were made by an operator that did not know the shield (b1)" in str(why(FRONT, older))
    assert "diabetes-green, by which it is asked, has no address" in str(why(FRONT, addresses={"blue": "10.96.0.1"}))
