"""What a gateway's route is to say, a table a question: which share, by which means, and whether it was seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.rollout.parts import spec
from tests.rollout.routing_cases import ALONE, rollout, seen, status
from tests.rollout.trial_cases import pod
from verdigris.api.status import Color, Failure, ModelDeploymentStatus, Sizes
from verdigris.core.facts.observed import Observed
from verdigris.core.facts.route import RouteView, Routing, Weights
from verdigris.core.routing import gateway, means

TRAFFIC = {"router": "Gateway", "gateway": {"parentRefs": [{"name": "public"}]}}
MISSING = Failure(reason="RouteMissing", message="There is no such route.")
ROUTE = RouteView("diabetes", own=True, rules=({"blue": 100, "green": 0},), accepted=True)


def at(green: int, **changes: Any) -> Routing:
    """The route gives green so many percent."""
    return Routing(replace(ROUTE, rules=({"blue": 100 - green, "green": green},), **changes))


def looked(routing: Routing | None = None, kept: ModelDeploymentStatus | None = None, **fields: Any) -> Observed:
    """What was seen, of a model whose clients come by a gateway, too."""
    return replace(seen(kept=kept, **fields), spec=spec("1.1.0", traffic=TRAFFIC), routing=routing or at(0))


ON_TRIAL = status(routed=3000, stage="OnTrial")
BACK = status(stage="RollingBack", exposed_at=status().rollout and status().rollout.started_at)


@pytest.mark.parametrize(
    ("wished", "kept", "fields", "share"),
    [
        (ALONE, ALONE, {}, 0),
        (ON_TRIAL, ON_TRIAL, {}, 3000),
        (ON_TRIAL, status(), {}, 0),
        (ON_TRIAL, status(routed=1000), {}, 1000),
        (ON_TRIAL, status(routed=3000, revision="v1-another"), {}, 0),
        (ON_TRIAL, ON_TRIAL, {"green": 0}, 0),
        (ON_TRIAL, ON_TRIAL, {"blue": 0}, 0),
        (ON_TRIAL, ON_TRIAL, {"blue": 0, "routing": at(30)}, 10_000),
        (ON_TRIAL, ON_TRIAL, {"blue": 0, "green": 0, "routing": at(30)}, 0),
        (status(), status(), {"blue": 0, "routing": at(60)}, 6000),
        (ON_TRIAL, ON_TRIAL, {"pods": (pod("old", revision="v1-older"),)}, 0),
        (status(wanted=100), status(wanted=100), {}, 10_000),
        (status(wanted=100), status(), {}, 0),
        (status(wanted=100), status(wanted=100), {"green": 0}, 0),
        (status(wanted=40), status(wanted=40), {"blue": 2, "green": 1}, 3300),
        (BACK, BACK, {"routing": at(30)}, 0),
        (BACK, BACK, {"routing": at(30), "blue": 0}, 10_000),
        (BACK, BACK, {"blue": 0}, 0),
        (BACK, BACK, {"blue": 0, "routing": Routing()}, 10_000),
        (ALONE.model_copy(update={"active": None}), ALONE, {}, None),
    ],
    ids=[
        "nothing is rolled out",
        "a share that is kept in the status",
        "one that is not kept yet",
        "the one that is kept is smaller",
        "of another revision",
        "no candidate pod answers",
        "no active pod answers, and nobody is elsewhere",
        "no active pod answers those who share",
        "nobody answers",
        "no active pod answers those whom somebody has sent there",
        "a pod of an older revision answers in green",
        "all clients",
        "all clients, not kept yet",
        "all clients, and no pod for them",
        "pods are traded",
        "taken back",
        "taken back to nobody",
        "taken back, and nobody was there",
        "taken back to nobody, and the route is gone",
        "no version is active",
    ],
)
def test_the_share_that_the_other_colour_is_to_get(
    wished: ModelDeploymentStatus, kept: ModelDeploymentStatus, fields: dict[str, Any], share: int | None
) -> None:
    assert gateway.wanted_share(looked(kept=kept, **fields), wished) == share


@pytest.mark.parametrize(
    ("active", "share", "weights"),
    [
        ("blue", 0, {"blue": 100, "green": 0}),
        ("blue", 3000, {"blue": 70, "green": 30}),
        ("green", 3000, {"green": 70, "blue": 30}),
        ("blue", 10_000, {"blue": 0, "green": 100}),
        ("blue", 1, {"blue": 9999, "green": 1}),
        ("blue", 50, {"blue": 9950, "green": 50}),
    ],
)
def test_weights_are_percent_where_those_are_whole(active: Color, share: int, weights: Weights) -> None:
    assert gateway.weights(active, share) == weights


@pytest.mark.parametrize(
    ("routing", "share", "given", "moved"),
    [
        (at(30), 3000, True, True),
        (at(30), 5000, False, True),
        (at(30, lags=True), 3000, False, True),
        (at(0), 3000, False, False),
        (at(100), 10_000, True, True),
        (at(99), 10_000, False, False),
        (at(100, lags=True), 10_000, False, True),
        (Routing(), 3000, False, False),
        (Routing(fault=MISSING), 3000, False, False),
    ],
)
def test_what_was_seen_of_a_share_and_of_a_move(routing: Routing, share: int, given: bool, moved: bool) -> None:
    observed = looked(routing)
    assert gateway.gives(observed, "green", share) is given
    assert gateway.is_moved(observed, "green", share // 100) is moved


def test_of_a_model_without_a_gateway_no_route_is_waited_for() -> None:
    assert gateway.is_moved(seen(), "green", 100)


FORWARDS = (pod("b0", "blue", forwards=True),)
PLAIN = (pod("b0", "blue"),)
ADDRESS = {"addresses": {"green": "10.96.0.2"}}


@pytest.mark.parametrize(
    ("changes", "shielded", "fields", "by", "why"),
    [
        ({}, True, {"pods": FORWARDS, **ADDRESS}, "Shield", None),
        ({}, False, {"pods": FORWARDS, **ADDRESS}, "Gateway", None),
        ({}, True, {"pods": PLAIN, **ADDRESS}, "Gateway", None),
        ({"routed": 3000}, True, {"pods": FORWARDS, **ADDRESS}, "Gateway", None),
        ({"passed_on": 3000}, True, {"pods": PLAIN, **ADDRESS}, "Shield", "did not know the shield"),
        ({"routed": 3000}, False, {"routing": Routing(fault=MISSING)}, "Gateway", "no such route"),
        ({}, True, {"pods": PLAIN, **ADDRESS, "routing": at(0, accepted=False)}, None, "No gateway serves"),
        ({}, False, {"routing": at(0, accepted=False, refused="Gateway public says no.")}, None, "public says no"),
        ({}, False, {"routing": Routing()}, None, "not there yet"),
        ({}, False, {"green": 0}, None, "Only one of the two"),
        ({"sizes": Sizes(active=2, candidate=1)}, False, {}, None, "take the places"),
    ],
)
def test_by_which_means_a_share_is_given_and_why_it_is_not(
    changes: dict[str, Any], shielded: bool, fields: dict[str, Any], by: str | None, why: str | None
) -> None:
    observed, trial = looked(**fields), rollout(**changes)
    assert means.chosen(observed, trial, "blue", shielded=shielded) == by
    missing = means.missing(observed, trial, "blue", shielded=shielded)
    assert (missing is None) if why is None else (missing is not None and why in missing)


@pytest.mark.parametrize(
    ("routing", "given", "words"),
    [
        (at(30), True, "HTTPRoute sends 30 % to it."),
        (at(30, lags=True), False, "The gateway has not taken it up yet."),
        (at(10), False, "sends 10 % to it"),
        (Routing(fault=MISSING), False, "sends 0 % to it"),
    ],
)
def test_who_gives_a_share_is_told(routing: Routing, given: bool, words: str) -> None:
    found, who = means.is_given(looked(routing), rollout(routed=3000), "blue", 3000)
    assert (found, words in who) == (given, True)
